"""The gateway: composes policy, catalog, storage and ledger, and serves them by Arrow Flight."""
