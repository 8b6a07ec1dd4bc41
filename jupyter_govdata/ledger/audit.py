"""The audit chain: append-only, hash-chained, durable before an answer leaves. Runs in the gateway.

INVARIANT: `append` and `Pending.wait` return only after the record is committed to disk
(invariant 4). Several threads that wait at once share one commit.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from jupyter_govdata.errors import GovDataError, StorageError
from jupyter_govdata.ledger.records import (
    GENESIS,
    Anchor,
    AuditEntry,
    AuditRecord,
    ChainReport,
    entry_from_row,
    entry_row,
    row_hash,
    storable,
    timestamp,
    visible,
)
from jupyter_govdata.ledger.schema import audit, epochs, heads
from jupyter_govdata.ledger.store import Statement, Store, store_error

GROUP = 256
"""Records that one commit holds at most."""
CHUNK = 2_000
_HEAD = Statement(select(heads.c.seq, heads.c.hash).where(heads.c.id == 1).with_for_update())
_ADD = Statement(insert(audit))
_MOVE = Statement(
    update(heads).where(heads.c.id == 1).values(seq=bindparam("to_seq"), hash=bindparam("to_hash"))
)


@dataclass(slots=True, eq=False)
class _Waiting:
    record: AuditRecord
    entry: AuditEntry | None = None
    failure: BaseException | None = None


class Pending:
    """A record on its way to disk; nothing that it stands for may leave before `wait` returns."""

    def __init__(
        self, finish: Callable[[_Waiting], None], hurry: Callable[[], None], waiting: _Waiting
    ) -> None:
        self._finish = finish
        self._hurry = hurry
        self._waiting = waiting

    def start(self) -> None:
        """Have another thread commit it, for a caller with something to do until `wait`.

        Without it, the first who waits for any record commits all: one thread less to wake.
        """
        self._hurry()

    def wait(self) -> AuditEntry:
        """Return the entry once it is durable.

        Raises:
            StorageError: The record could not be made durable: do not answer then.
        """
        waiting = self._waiting
        self._finish(waiting)
        if waiting.entry is not None:
            return waiting.entry
        if isinstance(waiting.failure, GovDataError):
            raise waiting.failure.__class__(
                waiting.failure.message, hint=waiting.failure.hint
            ) from waiting.failure
        raise store_error("written") from waiting.failure


def append_in(conn: Connection, records: Sequence[AuditRecord]) -> list[AuditEntry]:
    """Append storable records inside the caller's write transaction."""
    head = _HEAD.run(conn).one_or_none()
    if head is None:
        raise store_error("written")
    seq, previous = tuple[Any, ...](head)
    rows: list[dict[str, Any]] = []
    entries: list[AuditEntry] = []
    for record in records:
        seq += 1
        row = entry_row(seq, previous, record)
        entries.append(AuditEntry(seq, row["hash"], previous, record))
        previous = row["hash"]
        rows.append(row)
    # A head that was moved by hand meets the primary key here: nothing is answered any more.
    _ADD.run(conn, *rows)
    _MOVE.run(conn, {"to_seq": seq, "to_hash": previous})
    return entries


class Audit:
    """The chain of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: deque[_Waiting] = deque()
        self._queue_lock = threading.Lock()
        self._commit_lock = threading.Lock()
        self._floor = 0
        self._wake = threading.Event()
        self._committer: threading.Thread | None = None
        self._closed = False

    def begin(self, record: AuditRecord) -> Pending:
        """Queue a record; see `Ledger.begin`."""
        return self._queued(record)

    def append(self, record: AuditRecord) -> AuditEntry:
        """Append a record; durable on return. See `Ledger.append`."""
        return self._queued(record).wait()

    def close(self) -> None:
        """End the committing thread; what nobody waited for is committed."""
        self._closed = True
        self._wake.set()
        if self._committer is not None:
            self._committer.join()
        with self._commit_lock:
            while self._queue:
                self._commit_group()

    def _queued(self, record: AuditRecord) -> Pending:
        waiting = _Waiting(storable(record))
        with self._queue_lock:
            self._queue.append(waiting)
        return Pending(self._finish, self._hurry, waiting)

    def _finish(self, waiting: _Waiting) -> None:
        # Whoever gets the lock commits for all that wait; they find their entry when it is freed.
        with self._commit_lock:
            while waiting.entry is None and waiting.failure is None:
                self._commit_group()

    def _hurry(self) -> None:
        with self._queue_lock:
            if self._committer is None and not self._closed:
                self._committer = threading.Thread(
                    target=self._commit_all, name="govdata-audit", daemon=True
                )
                self._committer.start()
        self._wake.set()

    def _commit_all(self) -> None:
        while not self._closed:
            self._wake.wait()
            self._wake.clear()
            with self._commit_lock:
                while self._queue:
                    self._commit_group()

    def _commit_group(self) -> None:
        with self._queue_lock:
            group = [self._queue.popleft() for _ in range(min(GROUP, len(self._queue)))]
        try:
            with self._store.write() as conn:
                entries = append_in(conn, [w.record for w in group])
                if entries[0].seq <= self._floor:
                    raise StorageError(
                        "the audit chain is shorter than it was",
                        hint="the store was restored from a backup: verify it, then restart",
                    )
        except BaseException as exc:
            for waiting in group:
                waiting.failure = exc
            if not isinstance(exc, Exception):
                raise
            return
        self._floor = entries[-1].seq
        for waiting, entry in zip(group, entries, strict=True):
            waiting.entry = entry

    def records(
        self, *, since: dt.datetime | None, principal: str | None, asset: str | None, limit: int
    ) -> tuple[AuditEntry, ...]:
        """Return the newest records first; see `Ledger.records`."""
        query = select(audit).order_by(audit.c.seq.desc()).limit(max(limit, 0))
        if since is not None:
            query = query.where(audit.c.when >= timestamp(since))
        if principal is not None:
            query = query.where(audit.c.principal == visible(principal))
        if asset is not None:
            query = query.where(audit.c.asset == visible(asset))
        with self._store.read() as conn:
            return tuple(entry_from_row(row) for row in conn.execute(query).mappings())

    def anchor(self) -> Anchor:
        """Return the head of the chain and the epoch, of one moment."""
        with self._store.read() as conn:
            return _anchor_in(conn)

    def require_continues(self, anchor: Anchor) -> None:
        """Check that the store is not older than an anchor; see `Ledger.require_continues`."""
        with self._store.read() as conn:
            head = _anchor_in(conn)
            found = (
                GENESIS
                if anchor.seq == 0
                else conn.execute(select(audit.c.hash).where(audit.c.seq == anchor.seq)).scalar()
            )
        if found != anchor.hash or head.seq < anchor.seq or head.epoch < anchor.epoch:
            # SECURITY: an older store would bring back permissions that were taken away and
            # would forget who saw what (T65, T74).
            raise StorageError(
                "the governance store does not continue its anchored audit chain",
                hint="restore its newest backup; if it was restored on purpose, an operator"
                " removes the anchor",
            )

    def verify(self, anchor: Anchor | None) -> ChainReport:
        """Check the whole chain; see `Ledger.verify`."""
        with self._store.read() as conn:
            walk = _Walk(anchor)
            result = conn.execution_options(yield_per=CHUNK).execute(
                select(audit).order_by(audit.c.seq)
            )
            for row in result.mappings():
                problem = walk.step(row)
                if problem is not None:
                    result.close()
                    return problem
            return walk.end(_anchor_in(conn))


def _anchor_in(conn: Connection) -> Anchor:
    head = conn.execute(
        select(heads.c.seq, heads.c.hash, epochs.c.epoch)
        .join(epochs, epochs.c.id == heads.c.id)
        .where(heads.c.id == 1)
    ).one_or_none()
    return Anchor(*head) if head is not None else Anchor(0, GENESIS)


class _Walk:
    """Walks the chain from its first record."""

    def __init__(self, anchor: Anchor | None) -> None:
        self._anchor = anchor
        self._seq = 0
        self._hash = GENESIS
        self._epoch = 0

    def step(self, row: Mapping[Any, Any]) -> ChainReport | None:
        """Check one record against the one before; return the problem, if any."""
        seq = row["seq"]
        if seq != self._seq + 1:
            return self._report("missing", self._seq + 1, "is missing")
        if row_hash({str(k): v for k, v in row.items()}) != row["hash"]:
            return self._report("altered", seq, "was altered")
        if row["previous"] != self._hash:
            return self._report("forked", seq, "does not follow the record before it")
        if (
            self._anchor is not None
            and self._anchor.seq == seq
            and self._anchor.hash != row["hash"]
        ):
            return self._report("forked", seq, "differs from the one that was anchored")
        self._seq, self._hash, self._epoch = seq, row["hash"], row["epoch"]
        return None

    def end(self, head: Anchor) -> ChainReport:
        """Check that the chain ends where it should."""
        if self._anchor is not None and self._anchor.seq > self._seq:
            return self._report("truncated", self._seq + 1, "was anchored and is missing")
        if head.seq > self._seq:
            return self._report("truncated", self._seq + 1, "is missing at the end")
        if (head.seq, head.hash) != (self._seq, self._hash):
            return self._report("forked", self._seq, "is not the head of the chain")
        if self._anchor is not None and self._anchor.epoch > head.epoch:
            return self._report("truncated", None, "the epoch is older than the anchored one")
        return ChainReport(True, self._seq, head, message=f"{self._seq} records, unbroken")

    def _report(self, problem: str, seq: int | None, what: str) -> ChainReport:
        message = what if seq is None else f"audit record {seq} {what}"
        good = Anchor(self._seq, self._hash, self._epoch)
        return ChainReport(False, self._seq, good, problem, seq, message)
