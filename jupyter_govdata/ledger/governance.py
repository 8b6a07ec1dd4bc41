"""The policy state: governance files and cards, by epoch. Runs in the gateway."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

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
from jupyter_govdata.model.asset import Asset, Column
from jupyter_govdata.model.wire import (
    asset_from_wire,
    canonical_json,
    column_from_wire,
    to_wire,
)

_NO_CARDS: Mapping[str, Asset] = MappingProxyType({})


class Governance:
    """Files and cards of one store, and the only way to raise its epoch."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._state: GovernanceState | None = None
        self._columns: dict[tuple[Any, ...], Column] = {}

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
        """Read what changed since the last state, and of the rest only how much there is."""
        last = self._state
        since, known = (last.epoch, last.cards) if last is not None else (-1, _NO_CARDS)
        with self._store.read() as conn:
            epoch = conn.execute(select(epochs.c.epoch).where(epochs.c.id == 1)).scalar_one()
            texts = _texts(conn, since, last.files if last is not None else {})
            changed = _changed(conn, since)
            count = conn.execute(select(func.count()).select_from(cards)).scalar()
            if count != len(known.keys() | changed.keys()):
                # A card was dropped, and nothing says which.
                known, changed = _NO_CARDS, _changed(conn, -1)
            approved = approved_in(conn, utc_now())
        read = known
        if changed:
            new = {name: _card(text, self._columns) for name, text in changed.items()}
            found = {**known, **new}
            read = MappingProxyType({name: found[name] for name in sorted(found)})
        return GovernanceState(epoch, texts, read, approved)

    def apply(self, files: Mapping[str, str], cards: Mapping[str, Asset], by: str) -> int:
        """See `Ledger.apply`."""

        def change(conn: Connection) -> str:
            _replace_files(conn, files)
            _put_cards(conn, wire)
            return f"governance folder: {len(files)} files, {len(cards)} cards"

        wire = to_wire(cards)
        content = {"files": dict(files), "cards": wire}
        return self.change("apply", by, change, content=content)

    def put_card(self, asset: Asset, by: str) -> int:
        """See `Ledger.put_card`."""

        def change(conn: Connection) -> str:
            _put_cards(conn, {asset.name: wire})
            return f"card of `{asset.name}`"

        wire = to_wire(asset)
        return self.change("put_card", by, change, asset=asset.name, content=wire)

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


def _texts(conn: Connection, since: int, known: Mapping[str, str]) -> Mapping[str, str]:
    """Return the governance files; `known` itself if they did not change since an epoch.

    All files are written anew at once, so one row tells of all.
    """
    count, newest = conn.execute(select(func.count(), func.max(files.c.epoch))).one()
    if since >= 0 and count == len(known) and (newest or 0) <= since:
        return known
    texts = {row[0]: row[1] for row in conn.execute(select(files.c.path, files.c.text))}
    return MappingProxyType({path: texts[path] for path in sorted(texts)})


def _changed(conn: Connection, since: int) -> dict[str, str]:
    query = select(cards.c.name, cards.c.card).where(cards.c.epoch > since)
    return {row[0]: row[1] for row in conn.execute(query)}


_COLUMN = ("name", "type", "field_id", "description", "unit", "domain")
MAX_COLUMNS = 1_000_000
"""Columns that are kept to be shared by cards; beyond that, they are forgotten and met again."""


def _card(text: str, columns: dict[tuple[Any, ...], Column]) -> Asset:
    """Return a stored card; equal columns of all cards are one object."""
    if len(columns) > MAX_COLUMNS:
        columns.clear()

    def column(data: Mapping[str, Any]) -> Column:
        key = (*map(data.get, _COLUMN), tuple(data.get("tags", {}).items()))
        found = columns.get(key)
        if found is None:
            found = columns[key] = column_from_wire(data)
        return found

    try:
        return asset_from_wire(json.loads(text), column)
    except (TypeError, ValueError, KeyError, AttributeError) as exc:
        raise StorageError(
            "a card in the governance store cannot be read",
            hint="run `jupyter govdata apply` to write the cards anew",
        ) from exc


def _replace_files(conn: Connection, texts: Mapping[str, str]) -> None:
    epoch = _coming(conn)
    conn.execute(delete(files))
    if texts:
        conn.execute(
            insert(files), [{"path": p, "text": t, "epoch": epoch} for p, t in texts.items()]
        )


def _put_cards(conn: Connection, wire: Mapping[str, Any]) -> None:
    epoch = _coming(conn)
    names = sorted(wire)
    for start in range(0, len(names), 1_000):
        part = names[start : start + 1_000]
        conn.execute(delete(cards).where(cards.c.name.in_(part)))
        conn.execute(
            insert(cards),
            [
                {"name": name, "card": canonical_json(wire[name]).decode(), "epoch": epoch}
                for name in part
            ],
        )


def _coming(conn: Connection) -> int:
    """Return the epoch that the running change will make."""
    return int(conn.execute(select(epochs.c.epoch).where(epochs.c.id == 1)).scalar_one()) + 1
