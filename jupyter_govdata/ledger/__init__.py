"""The governance store: policy state, consent register, audit chain and load records.

Runs in the gateway. Trusts its database's durability, not its contents: the audit chain shows
when somebody else has written there.
"""

from jupyter_govdata.ledger.audit import Pending
from jupyter_govdata.ledger.ledger import Ledger
from jupyter_govdata.ledger.lineage import Edge, Origin
from jupyter_govdata.ledger.records import (
    Anchor,
    AuditEntry,
    AuditRecord,
    ChainReport,
    GovernanceChange,
    GovernanceState,
    LoadRecord,
)

__all__ = [
    "Anchor",
    "AuditEntry",
    "AuditRecord",
    "ChainReport",
    "Edge",
    "GovernanceChange",
    "GovernanceState",
    "Ledger",
    "LoadRecord",
    "Origin",
    "Pending",
]
