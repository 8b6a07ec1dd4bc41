"""The policy state: governance files and cards, by epoch. Runs in the gateway."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from jupyter_govdata.errors import StorageError
from jupyter_govdata.ledger.audit import append_in
from jupyter_govdata.ledger.records import (
    MAX_TEXT,
    AuditRecord,
    GovernanceChange,
    GovernanceState,
    storable,
    timestamp,
    utc_now,
    visible,
)
from jupyter_govdata.ledger.request_rows import approved_in
from jupyter_govdata.ledger.schema import cards, changes, epochs, files
from jupyter_govdata.ledger.store import Store, store_error
from jupyter_govdata.model.asset import Asset
from jupyter_govdata.model.wire import asset_from_wire, canonical_json, to_wire


class Governance:
    """Files and cards of one store, and the only way to raise its epoch."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._state: GovernanceState | None = None
        self._parsed: dict[str, tuple[str, Asset]] = {}

    def state(self) -> GovernanceState:
        """Return the state of the current epoch; see `Ledger.state`."""
        epoch = self._store.epochs()[0]
        state = self._state
        if state is not None and state.epoch == epoch:
            return state
        with self._lock:
            if self._state is None or self._state.epoch != epoch:
                self._state = self._read_state()
            return self._state

    def _read_state(self) -> GovernanceState:
        with self._store.read() as conn:
            epoch = conn.execute(select(epochs.c.epoch).where(epochs.c.id == 1)).scalar_one()
            texts = {row[0]: row[1] for row in conn.execute(select(files.c.path, files.c.text))}
            stored = {row[0]: row[1] for row in conn.execute(select(cards.c.name, cards.c.card))}
            approved = approved_in(conn, utc_now())
        parsed: dict[str, tuple[str, Asset]] = {}
        for name in sorted(stored):
            known = self._parsed.get(name)
            text = stored[name]
            parsed[name] = known if known and known[0] == text else (text, _card(text))
        self._parsed = parsed
        return GovernanceState(
            epoch,
            MappingProxyType({path: texts[path] for path in sorted(texts)}),
            MappingProxyType({name: card for name, (_, card) in parsed.items()}),
            approved,
        )

    def apply(self, files: Mapping[str, str], cards: Mapping[str, Asset], by: str) -> int:
        """See `Ledger.apply`."""

        def change(conn: Connection) -> str:
            _replace_files(conn, files)
            _put_cards(conn, cards.values())
            return f"governance folder: {len(files)} files, {len(cards)} cards"

        content = {"files": dict(files), "cards": to_wire(cards)}
        return self.change("apply", by, change, content=content)

    def put_card(self, asset: Asset, by: str) -> int:
        """See `Ledger.put_card`."""

        def change(conn: Connection) -> str:
            _put_cards(conn, [asset])
            return f"card of `{asset.name}`"

        return self.change("put_card", by, change, asset=asset.name, content=to_wire(asset))

    def drop_card(self, name: str, by: str) -> int:
        """See `Ledger.drop_card`."""

        def change(conn: Connection) -> str:
            conn.execute(delete(cards).where(cards.c.name == name))
            return f"card of `{name}` dropped"

        return self.change("drop_card", by, change, asset=name, content=name)

    def history(self, limit: int = 1_000) -> tuple[GovernanceChange, ...]:
        """See `Ledger.history`."""
        query = select(changes).order_by(changes.c.epoch.desc()).limit(max(limit, 0))
        with self._store.read() as conn:
            return tuple(
                GovernanceChange(
                    row["epoch"],
                    dt.datetime.fromisoformat(row["when"]),
                    row["by"],
                    row["what"],
                    row["digest"],
                )
                for row in conn.execute(query).mappings()
            )

    def change(
        self,
        kind: str,
        by: str,
        apply: Callable[[Connection], str],
        *,
        asset: str = "*",
        content: Any = None,
        consents: bool = False,
    ) -> int:
        """Change the store and raise the epoch in one transaction; return the new epoch.

        Args:
            kind: Action of the audit record.
            by: Principal id.
            apply: Makes the change; returns one line on it.
            asset: What was changed, ``*`` for the lake.
            content: Plain data that the digest covers.
            consents: Aliases or consents change.
        """
        with self._store.write() as conn:
            # The row lock orders writers of several gateways; it comes first in every change.
            epoch = conn.execute(
                select(epochs.c.epoch).where(epochs.c.id == 1).with_for_update()
            ).scalar_one_or_none()
            if epoch is None:
                raise store_error("written")
            epoch += 1
            what = visible(apply(conn), 2 * MAX_TEXT)
            values = {"epoch": epoch, "consent": epoch} if consents else {"epoch": epoch}
            conn.execute(update(epochs).where(epochs.c.id == 1).values(**values))
            # SECURITY: `what` and `digest` never depend on a subject's id, not even hashed: ids
            # are few enough to be guessed from a digest (T75).
            digest = hashlib.sha256(
                canonical_json({"kind": kind, "epoch": epoch, "what": what, "content": content})
            ).hexdigest()
            now = utc_now()
            conn.execute(
                insert(changes).values(
                    epoch=epoch, when=timestamp(now), by=visible(by), what=what, digest=digest
                )
            )
            record = AuditRecord(
                when=now,
                principal=by,
                action=kind,
                asset=asset,
                purpose="",
                decision_id="",
                permitted=True,
                reason="changed",
                epoch=epoch,
                detail={"what": what, "digest": digest},
            )
            append_in(conn, [storable(record)])
        self._store.saw(epoch)
        return int(epoch)


def _card(text: str) -> Asset:
    try:
        return asset_from_wire(json.loads(text))
    except (TypeError, ValueError, KeyError, AttributeError) as exc:
        raise StorageError(
            "a card in the governance store cannot be read",
            hint="run `jupyter govdata apply` to write the cards anew",
        ) from exc


def _replace_files(conn: Connection, texts: Mapping[str, str]) -> None:
    conn.execute(delete(files))
    if texts:
        conn.execute(insert(files), [{"path": p, "text": t} for p, t in texts.items()])


def _put_cards(conn: Connection, assets: Iterable[Asset]) -> None:
    rows = [{"name": a.name, "card": canonical_json(to_wire(a)).decode()} for a in assets]
    if rows:
        conn.execute(delete(cards).where(cards.c.name.in_([r["name"] for r in rows])))
        conn.execute(insert(cards), rows)
