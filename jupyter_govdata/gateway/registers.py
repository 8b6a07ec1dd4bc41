"""Keeps the ledger's consent register equal to the two assets that hold it.

Runs in the gateway. A card with the tag ``register: consent`` (columns `person_key`, `purpose`,
`status`, `recorded_at`, `source`) or ``register: crosswalk`` (columns `domain`, `id_value`,
`person_key`) marks an asset whose current snapshot is mirrored into the ledger, where consent
is looked up live for every read (invariant 3). The ledger remembers which snapshot it holds, so
a start after a crash catches up.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from jupyter_govdata.catalog import Catalog
from jupyter_govdata.errors import CatalogError, StaleDecisionError
from jupyter_govdata.ledger import Ledger
from jupyter_govdata.model.asset import Asset
from jupyter_govdata.model.predicate import TRUE
from jupyter_govdata.storage import open_scan

CONSENT_COLUMNS = ("person_key", "purpose", "status", "recorded_at", "source")
CROSSWALK_COLUMNS = ("domain", "id_value", "person_key")


class Registers:
    """Mirrors register assets into the ledger."""

    def __init__(self, catalog: Catalog, ledger: Ledger, memory_limit: str) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._memory_limit = memory_limit
        self._lock = threading.Lock()

    def catch_up(self) -> None:
        """Mirror every register asset whose snapshot the ledger does not hold yet."""
        for name, card in self._ledger.state().cards.items():
            if "register" in card.tags:
                self.sync(name)

    def sync(self, asset: str) -> None:
        """Mirror one asset if its card marks it as a register; otherwise do nothing.

        Raises:
            CatalogError: A register column is missing.
        """
        card = self._ledger.state().cards.get(asset)
        kind = card.tags.get("register") if card else None
        if card is None or kind not in ("consent", "crosswalk") or not self._catalog.exists(asset):
            return
        with self._lock:
            version = self._catalog.resolve(asset, None)
            source = (asset, version.snapshot_id)
            if self._ledger.register_source(kind) == source:
                return
            if kind == "crosswalk":
                aliases = [
                    (str(r["domain"]), str(r["id_value"]), str(r["person_key"]))
                    for r in self._rows(card, CROSSWALK_COLUMNS)
                    if None not in r.values()
                ]
                self._ledger.replace_aliases(aliases, source=source)
            else:
                self._ledger.replace_consents(
                    [
                        _consent_row(r)
                        for r in self._rows(card, CONSENT_COLUMNS)
                        if None not in (r["person_key"], r["purpose"])
                    ],
                    source=source,
                )

    def record_consent(
        self, by: str, domain: str, subject: str, purpose: str, status: str, source: str
    ) -> int:
        """Append a consent to the register asset and to the ledger; return the new epoch."""
        cards = self._ledger.state().cards
        name = next((n for n, c in cards.items() if c.tags.get("register") == "consent"), None)
        if name is None:
            return self._ledger.set_consent(domain, subject, purpose, status, by, source)
        now = dt.datetime.now(dt.UTC)
        with self._lock:
            person = self._ledger.person_of(domain, subject)
            schema = self._catalog.resolve(name, None).schema
            row = {
                "person_key": person,
                "purpose": purpose,
                "status": status,
                "recorded_at": now,
                "source": source,
            }
            table = pa.table({f.name: pa.array([row.get(f.name)]).cast(f.type) for f in schema})
            made = self._catalog.write(
                name, table, mode="append", provenance={"loaded_by": by}, evolve=False
            )
            # The whole register is read again only if more has happened than this one row.
            before = self._catalog.parent(name, made.snapshot_id)
            if before is not None and set(CONSENT_COLUMNS) <= set(schema.names):
                with contextlib.suppress(StaleDecisionError):
                    return self._ledger.add_consents(
                        [_consent_row(told) for told in table.to_pylist()],
                        by=by,
                        source=(name, made.snapshot_id),
                        after=(name, before),
                    )
        self.sync(name)
        return self._ledger.epoch()

    def _rows(self, card: Asset, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
        version = self._catalog.resolve(card.name, None)
        missing = [c for c in columns if c not in version.schema.names]
        if missing:
            raise CatalogError(
                f"the register `{card.name}` needs the columns "
                + ", ".join(f"`{c}`" for c in columns),
                hint=f"missing: {', '.join(missing)}",
            )
        reader = open_scan(
            self._catalog.plan(version, TRUE),
            columns=columns,
            row_filter=TRUE,
            masks={},
            predicate=TRUE,
            limit=None,
            consents=_no_consents,
            pseudonym_key=b"",
            purpose="",
            domains={},
            memory_limit=self._memory_limit,
            filesystem=self._catalog.filesystem(),
        )
        try:
            for batch in reader:
                yield from batch.to_pylist()
        finally:
            reader.close()


def _no_consents(domain: str, purpose: str) -> frozenset[str]:  # noqa: ARG001  (a `Consents`)
    return frozenset()


def _consent_row(row: dict[str, Any]) -> tuple[str, str, str, dt.datetime, str]:
    """Return a register row; what is unclear in it never gives a consent (invariant 7)."""
    moment = row["recorded_at"]
    status = row["status"] if moment is not None else "undated"
    if moment is None:
        # Latest of all, so that it cannot be hidden by an older consent.
        moment = dt.datetime.now(dt.UTC)
    if isinstance(moment, str):
        moment = dt.datetime.fromisoformat(moment)
    elif not isinstance(moment, dt.datetime):
        moment = dt.datetime.combine(moment, dt.time())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return (
        str(row["person_key"]),
        str(row["purpose"]),
        str(status),
        moment,
        str(row["source"] or ""),
    )
