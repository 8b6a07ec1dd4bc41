"""The ledger: one store, and everything the gateway remembers in it. Runs in the gateway."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from sqlalchemy import insert, select

from jupyter_govdata.ledger import consent
from jupyter_govdata.ledger.audit import Audit, Pending
from jupyter_govdata.ledger.consent import Alias, ConsentRegister, ConsentRow
from jupyter_govdata.ledger.governance import Governance
from jupyter_govdata.ledger.lineage import LineageEdges
from jupyter_govdata.ledger.records import (
    MAX_INTEGER,
    Anchor,
    AuditEntry,
    AuditRecord,
    ChainReport,
    GovernanceChange,
    GovernanceState,
    LoadRecord,
    timestamp,
    utc_now,
    visible,
)
from jupyter_govdata.ledger.requests import Requests
from jupyter_govdata.ledger.schema import loads
from jupyter_govdata.ledger.store import Store
from jupyter_govdata.model.asset import Asset


class Ledger:
    """The governance store; safe to use from many threads.

    Every change of files, cards, aliases or consents is one transaction that raises the epoch
    by one and leaves an audit record with the reason ``changed``.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._audit = Audit(store)
        self._consent = ConsentRegister(store)
        self._governance = Governance(store)
        self.requests = Requests(store, self._governance)
        self.lineage = LineageEdges(store)

    @classmethod
    def open(cls, url: str, *, create: bool = False) -> Ledger:
        """Open a governance store and bring its schema up to date.

        Args:
            url: ``sqlite:///FILE`` or ``postgresql://USER@HOST/DATABASE``.
            create: Make the store if there is none.

        Raises:
            ConfigError: Not such a URL, or there is no store.
            MissingExtraError: PostgreSQL without the extra ``postgres``.
            LakeVersionError: A newer version of this package made it.
            StorageError: The database does not answer.
        """
        return cls(Store.open(url, create=create))

    def close(self) -> None:
        """Close all connections."""
        self._audit.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- policy state --------------------------------------------------------------------------

    def epoch(self) -> int:
        """Return the current epoch; cheap enough for every batch of every stream.

        Raises:
            StorageError: The store does not answer, was replaced, or went back in time.
        """
        return self._store.epochs()[0]

    def state(self) -> GovernanceState:
        """Return files and cards of the current epoch, as one consistent state."""
        return self._governance.state()

    def apply(self, files: Mapping[str, str], cards: Mapping[str, Asset], by: str) -> int:
        """Replace all governance files and overlay cards; return the new epoch.

        A stored card that `cards` does not name stays.
        """
        return self._governance.apply(files, cards, by)

    def put_card(self, asset: Asset, by: str) -> int:
        """Store an asset's card; return the new epoch."""
        return self._governance.put_card(asset, by)

    def drop_card(self, name: str, by: str) -> int:
        """Forget an asset's card; return the new epoch. Forgetting an unknown one is harmless."""
        return self._governance.drop_card(name, by)

    def history(self, limit: int = 1_000) -> tuple[GovernanceChange, ...]:
        """Return what made the latest epochs, newest first."""
        return self._governance.history(limit)

    # -- consent -------------------------------------------------------------------------------

    def replace_aliases(
        self,
        rows: Iterable[Alias],
        *,
        by: str = "gateway",
        source: tuple[str, int] | None = None,
    ) -> int:
        """Replace all aliases; return the new epoch.

        Args:
            rows: (domain, id value, person key). An id that two persons claim has no consent.
            by: Principal id.
            source: Asset and snapshot that the rows come from (`register_source` `crosswalk`).
        """
        return self._governance.change(
            "replace_aliases",
            by,
            lambda conn: consent.replace_aliases_in(conn, rows, source),
            consents=True,
        )

    def replace_consents(
        self,
        rows: Iterable[ConsentRow],
        *,
        by: str = "gateway",
        source: tuple[str, int] | None = None,
    ) -> int:
        """Replace the consents mirrored from a register; return the new epoch.

        Consents that `set_consent` recorded stay: of both kinds the latest record counts.

        Args:
            rows: (person key, purpose, status, recorded at, source). Any status but ``given``
                counts as withdrawn, and so does a tie; ``given`` in the future is left out.
            by: Principal id.
            source: Asset and snapshot that the rows come from (`register_source` `consent`).
        """
        return self._governance.change(
            "replace_consents",
            by,
            lambda conn: consent.replace_consents_in(conn, rows, source),
            consents=True,
        )

    def add_consents(
        self,
        rows: Iterable[ConsentRow],
        *,
        by: str,
        source: tuple[str, int],
        after: tuple[str, int],
    ) -> int:
        """Add the rows that one snapshot of a register has more than the one before it.

        Args:
            rows: As for `replace_consents`.
            by: Principal id.
            source: Asset and snapshot that holds them.
            after: Asset and snapshot that the ledger mirrors now.

        Raises:
            StaleDecisionError: It mirrors another one, or holds what is as late; nothing was
                changed.
        """
        return self._governance.change(
            "add_consents",
            by,
            lambda conn: consent.add_consents_in(conn, rows, source, after),
            consents=True,
        )

    def set_consent(
        self, domain: str, id_value: str, purpose: str, status: str, by: str, source: str
    ) -> int:
        """Record one consent as the latest of its person; return the new epoch.

        Raises:
            ProtocolError: `status` is neither ``given`` nor ``withdrawn``.
            CatalogError: Two persons claim the id.
        """
        return self._governance.change(
            "set_consent",
            by,
            lambda conn: consent.set_consent_in(conn, domain, id_value, purpose, status, source),
            consents=True,
        )

    def register_source(self, kind: str) -> tuple[str, int] | None:
        """Return asset and snapshot id that the ``consent`` or ``crosswalk`` register mirrors."""
        return self._consent.source(kind)

    def person_of(self, domain: str, id_value: str) -> str:
        """Return the person key of an id: its alias, or ``domain|id`` itself.

        Raises:
            CatalogError: Two persons claim the id.
        """
        return self._consent.person(domain, id_value)

    def consenting(self, domain: str, purpose: str) -> frozenset[str]:
        """Return the ids of a domain whose person consents to the purpose at this moment."""
        return self._consent.consenting(domain, purpose)

    def consenting_pairs(self, purpose: str) -> frozenset[tuple[str, str]]:
        """Return (domain, id) of everybody who consents to the purpose at this moment."""
        return self._consent.consenting_pairs(purpose)

    # -- audit ---------------------------------------------------------------------------------

    def append(self, record: AuditRecord) -> AuditEntry:
        """Append a record to the audit chain; it is durable when this returns.

        Text is made printable and bounded; detail above 8 KB is replaced by its digest.

        Raises:
            ProtocolError: Detail that is not plain JSON, a moment without time zone.
            StorageError: The record could not be made durable: do not answer then.
        """
        return self._audit.append(record)

    def begin(self, record: AuditRecord) -> Pending:
        """Append a record, once someone waits for it or while its caller goes on (`start`).

        SECURITY: nothing that the record stands for may leave the gateway before that.

        Raises:
            ProtocolError: Detail that is not plain JSON, a moment without time zone.
        """
        return self._audit.begin(record)

    def records(
        self,
        *,
        since: dt.datetime | None = None,
        principal: str | None = None,
        asset: str | None = None,
        limit: int = 100,
    ) -> tuple[AuditEntry, ...]:
        """Return audit records, newest first.

        Args:
            since: Aware; from this moment on, inclusive.
            principal: Only of this principal.
            asset: Only on this asset.
            limit: At most so many.
        """
        return self._audit.records(since=since, principal=principal, asset=asset, limit=limit)

    def anchor(self) -> Anchor:
        """Return the head of the chain, to be kept where the database's writer cannot reach."""
        return self._audit.anchor()

    def require_continues(self, anchor: Anchor) -> None:
        """Check in one read that the store is not older than `anchor`; for a gateway's start.

        Raises:
            StorageError: The anchored record or epoch is not there: a backup was restored, or
                the chain was rewritten.
        """
        self._audit.require_continues(anchor)

    def verify(self, anchor: Anchor | None = None) -> ChainReport:
        """Check every record of the chain, and that it goes on from `anchor`.

        Without an anchor, a chain that was rewritten as a whole, or a store restored from a
        backup, looks whole; with one that was kept elsewhere it does not.
        """
        return self._audit.verify(anchor)

    # -- loads ---------------------------------------------------------------------------------

    def record_load(
        self,
        asset: str,
        snapshot_id: int,
        source: str,
        sha256: str,
        rows: int,
        rejected: int,
        by: str,
    ) -> None:
        """Record what a snapshot was loaded from."""
        with self._store.write() as conn:
            conn.execute(
                insert(loads).values(
                    asset=asset,
                    snapshot_id=snapshot_id,
                    source=visible(source, 2_000),
                    sha256=visible(sha256),
                    rows=min(max(rows, 0), MAX_INTEGER),
                    rejected=min(max(rejected, 0), MAX_INTEGER),
                    by=visible(by),
                    when=timestamp(utc_now()),
                )
            )

    def loads(self, asset: str) -> tuple[LoadRecord, ...]:
        """Return the loads of an asset, newest first."""
        query = select(loads).where(loads.c.asset == asset).order_by(loads.c.id.desc())
        with self._store.read() as conn:
            return tuple(
                LoadRecord(
                    row["asset"],
                    row["snapshot_id"],
                    row["source"],
                    row["sha256"],
                    row["rows"],
                    row["rejected"],
                    row["by"],
                    dt.datetime.fromisoformat(row["when"]),
                )
                for row in conn.execute(query).mappings()
            )
