"""Puts the gateway together: one lake, its policy state, its readers, its ledger and its keys.

Runs in the gateway; the only place that knows every room behind the wall.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any

from jupyter_govdata.config import GatewayConfig
from jupyter_govdata.errors import GovDataError, PolicyFileError
from jupyter_govdata.gateway.access import Access
from jupyter_govdata.gateway.anchor import AnchorFile
from jupyter_govdata.gateway.browsing import Browsing
from jupyter_govdata.gateway.cards import Cards
from jupyter_govdata.gateway.deciding import Deciding
from jupyter_govdata.gateway.filing import Filing
from jupyter_govdata.gateway.filing_check import Checks
from jupyter_govdata.gateway.filing_grants import Grants
from jupyter_govdata.gateway.filing_rows import Inventories
from jupyter_govdata.gateway.filing_tables import TableGrants
from jupyter_govdata.gateway.health import HealthServer, Metrics
from jupyter_govdata.gateway.holding import Holding
from jupyter_govdata.gateway.identity import Identity
from jupyter_govdata.gateway.inventory import Inventorying
from jupyter_govdata.gateway.lake import (
    LakeLock,
    close_to_others,
    init_lake,
    open_catalog,
    open_ledger,
    read_governance_files,
    read_lake_file,
)
from jupyter_govdata.gateway.lineage import LineageGraph
from jupyter_govdata.gateway.loading import Loading
from jupyter_govdata.gateway.origins import Origins
from jupyter_govdata.gateway.registers import Registers
from jupyter_govdata.gateway.requesting import Requesting
from jupyter_govdata.gateway.scans import Scans
from jupyter_govdata.gateway.signing import Keys, Signer, Tickets, public_keys
from jupyter_govdata.gateway.state import PolicyStates
from jupyter_govdata.gateway.versions import Versions
from jupyter_govdata.ledger import ChainReport
from jupyter_govdata.storage.stores import Stores

log = logging.getLogger("jupyter_govdata.gateway")


class Gateway:
    """A running gateway without its wire: open it, ask it, close it."""

    def __init__(self, config: GatewayConfig) -> None:
        """Open a lake.

        Raises:
            ConfigError: Not a lake.
            LakeLockedError: Another gateway serves it.
            LakeVersionError: A newer version made it.
        """
        self.config = config
        self.lake = read_lake_file(config.lake)
        self._lock = LakeLock(config.lake)
        self._lock.acquire()
        try:
            close_to_others(config.lake)
            self._open()
        except BaseException:
            self._lock.release()
            raise

    def _open(self) -> None:
        config = self.config
        keys = Keys.open(config.lake / "keys")
        threads = config.limits.threads or os.cpu_count() or 1
        self.metrics = Metrics()
        self.catalog = open_catalog(config, self.lake)
        self.ledger = open_ledger(config, self.lake)
        self.signer = Signer(keys.signing)
        self.public_keys = public_keys(config.lake / "keys" / "public", self.signer)
        self._anchor = AnchorFile(
            config.lake / "keys" / "audit.anchor",
            self.lake.lake_id,
            self.signer,
            self.public_keys,
        )
        if (anchor := self._anchor.read()) is not None:
            self.ledger.require_continues(anchor)
        self.tickets = Tickets(keys.ticket)
        self.identity = Identity(config, self.lake.lake_id, keys.embedded)
        self.access = Access(PolicyStates(self.ledger), self.ledger, self.metrics)
        self.cards = Cards(self.access, self.catalog)
        self.browsing = Browsing(self.cards, self.ledger)
        self.versions = Versions(self.access, self.catalog)
        self.lineage = LineageGraph(self.cards, self.ledger)
        self.holding = Holding(self.access, self.catalog)
        self.deciding = Deciding(self.access, self.ledger)
        self.requesting = Requesting(self.access, self.ledger, self.deciding)
        self.registers = Registers(self.catalog, self.ledger, config.limits.memory)
        origins = Origins(self.access, self.public_keys)
        self.loading = Loading(self.access, self.catalog, self.ledger, self.registers, origins)
        self.scans = Scans(
            access=self.access,
            catalog=self.catalog,
            ledger=self.ledger,
            signer=self.signer,
            pseudonym_key=keys.pseudonym,
            limits=config.limits,
            metrics=self.metrics,
            threads=threads,
        )
        stores = Stores(self.lake.storage, config.lake)
        self.inventorying = Inventorying(
            access=self.access,
            catalog=self.catalog,
            ledger=self.ledger,
            loading=self.loading,
            stores=stores,
            run=config.lake / "run",
            limits=config.limits,
        )
        self.filing = self._filing(stores, Inventories(self.catalog, keys.pseudonym, config.limits))
        self.tables = TableGrants(self.filing, stores)
        self.health = (
            HealthServer(config.health, self.metrics, self.check) if config.health else None
        )
        self.registers.catch_up()
        threading.Thread(target=self._prepare, name="govdata-prepare", daemon=True).start()

    def _prepare(self) -> None:
        """Get the catalog ready while nobody asks; whoever asks earlier waits for the same work."""
        try:
            self.browsing.prepare(self.access.state())
        except GovDataError as error:
            log.info("the catalog is not prepared: %s", error.code)

    def _filing(self, stores: Stores, inventories: Inventories) -> Filing:
        grants = Grants(self.config.lake / "run")
        checks = Checks(
            access=self.access,
            catalog=self.catalog,
            ledger=self.ledger,
            signer=self.signer,
            inventories=inventories,
            grants=grants,
        )
        streams = self.config.limits.streams_per_principal
        return Filing(self.access, checks, inventories, grants, stores, streams)

    def check(self) -> dict[str, Any]:
        """Return what `/healthz` says.

        Raises:
            GovDataError: Something that every answer needs does not work.
        """
        self.catalog.names()
        return {"epoch": self.access.state().epoch}

    def verify_audit(self) -> ChainReport:
        """Check the whole audit chain from its anchor, and move the anchor if it is whole."""
        report = self.ledger.verify(self._anchor.read())
        if report.ok:
            self._anchor.write(self.ledger.anchor())
        return report

    def close(self) -> None:
        """Stop serving health, anchor the audit chain, close the store and free the lake."""
        if self.health is not None:
            self.health.close()
        self._anchor.write(self.ledger.anchor())
        self.ledger.close()
        self._lock.release()


def initialise(folder: Path, steward: str, governance: Path | None = None) -> None:
    """Make an empty lake and apply its governance folder as the first epoch.

    Args:
        folder: Where.
        steward: Id of the first principal.
        governance: Folder to copy instead of the commented template.

    Raises:
        ConfigError: A lake already, or an unusable principal id.
        PolicyFileError: The given governance folder has a problem; no lake is left behind.
        StorageError: The folder cannot be written.
    """
    if governance is not None:
        for name, text in read_governance_files(governance).items():
            target = folder / "governance" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    init_lake(folder, steward, template=governance is None)
    gateway = Gateway(GatewayConfig(lake=folder))
    try:
        files = read_governance_files(folder / "governance")
        applied = gateway.loading.apply_files(files, steward, dry_run=False)
        if applied.problems:
            raise applied.problems[0]
    except PolicyFileError:
        (folder / "govdata.toml").unlink()
        raise
    finally:
        gateway.close()
