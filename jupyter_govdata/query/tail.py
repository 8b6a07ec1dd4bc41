"""The open end of a large result: DuckDB's stream, read on when somebody asks. Runs in the kernel.

DuckDB ends a stream without a word when its connection runs something else. So before the next
statement of the session begins, an open end is closed and its result run again when somebody asks,
at the same snapshots; if that could give other rows (local tables, `random()`), it is read first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

import pyarrow as pa

from jupyter_govdata.errors import GovDataError, QueryError
from jupyter_govdata.query.account import Account, account_of, check_one_snapshot
from jupyter_govdata.query.reads import Reads, StoppedError

BATCH_ROWS = 16_384
HEAD_ROWS = 50_000
"""A result of at most so many rows is read to its end at once."""
HEAD_BYTES = 4_000_000

Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True, slots=True)
class Opened:
    """A result whose first rows were read; `rest` is None if these are all."""

    table: pa.Table
    rest: Batches | None


def opened_from(schema: pa.Schema, batches: Batches, *, whole: bool) -> Opened:
    """Read the first rows of a result, or all."""
    head: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        head.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if not whole and (rows > HEAD_ROWS or size > HEAD_BYTES):
            return Opened(pa.Table.from_batches(head, schema), batches)
    return Opened(pa.Table.from_batches(head, schema), None)


class Origin(Protocol):
    """The run that a result is of."""

    broken: bool

    def fail(self, error: BaseException, reads: Reads) -> NoReturn:
        """Raise what the user gets for an error in the stream."""

    def again(self, done: Sequence[Reads]) -> tuple[pa.Table, Sequence[Reads]]:
        """Run the last statement once more, at the snapshots that `done` read."""

    def is_repeatable(self) -> bool:
        """Return whether `again` would give the same rows."""

    def close(self) -> None:
        """Let go of what the stream needed."""


class Tail:
    """The rest of one result.

    Args:
        opened: What was read of it, and the stream of the rest.
        done: What the statements before read, and last what this one reads.
        origin: The run that it belongs to.
        finish: Calls `read` in the engine's thread.
    """

    def __init__(
        self,
        opened: Opened,
        *,
        done: Sequence[Reads],
        origin: Origin,
        finish: Callable[[Tail], None],
    ) -> None:
        self.total: int | None = None
        self.on_complete: list[Callable[[], None]] = []
        self.wanted = True
        self._table = opened.table
        self._rest = opened.rest
        self._done = tuple(done)
        self.origin = origin
        self._finish = finish
        self._lost: GovDataError | None = None
        self._ended = False

    # -- what `Rows` sees ----------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """True when everything has been read."""
        return self._ended

    @property
    def account(self) -> Account:
        """What was read so far."""
        return account_of(self._done)

    def table(self) -> pa.Table:
        """Return what is here."""
        return self._table

    def finish(self) -> None:
        """Read to the end.

        Raises:
            GovDataError: What hinders it.
        """
        self._finish(self)

    def stop(self) -> None:
        """Stop reading for good: the gateway now, DuckDB when the next statement begins."""
        self.wanted = False
        self.reads.stop()

    # -- what the engine calls, in its thread ----------------------------------------------------

    @property
    def is_open(self) -> bool:
        """True while DuckDB's stream can be read on."""
        return self._rest is not None

    @property
    def reads(self) -> Reads:
        """What the statement reads."""
        return self._done[-1]

    def read(self) -> None:
        """Read what is left, or all of it again if the stream was closed.

        Raises:
            GovDataError: What hinders it; another try runs the statement again.
        """
        if self._ended:
            return
        if self._lost is not None:
            raise self._lost
        if self._rest is None:
            self._table, done = self.origin.again(self._done)
            self._done = tuple(done)
        else:
            self._table = self._read_on(self._rest)
        self._ended = True

    def _read_on(self, rest: Batches) -> pa.Table:
        try:
            batches = [*self._table.to_batches(), *rest]
            if self.reads.stopped:
                raise StoppedError
            self.reads.close()
            check_one_snapshot(self.reads)
        except BaseException as error:  # noqa: BLE001  # raised again, in the user's words
            self.close()
            self.origin.fail(error, self.reads)
        finally:
            self.close()
        return pa.Table.from_batches(batches, self._table.schema)

    def close(self) -> None:
        """Close the stream; the rows that were read stay."""
        if self._rest is not None:
            self._rest = None
            self.reads.close()
            self.origin.close()

    def lose(self, error: GovDataError) -> None:
        """Close the stream; whoever asks for its rest gets `error`."""
        self.close()
        self._lost = error


def lost(reason: str) -> QueryError:
    """Return the error for a rest that cannot be read any more."""
    return QueryError(
        f"the rest of this result was not read, and cannot be read now: {reason}",
        hint="run the query again",
    )
