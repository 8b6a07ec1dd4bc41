"""The rows of a result: those that are here, and those that are still to come. Runs in the kernel.

A large result is not read to its end before somebody asks for its end. What was read is kept, so
nothing is fetched twice and nothing is ever missing without an error.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Protocol

import pyarrow as pa

from jupyter_govdata.query.account import Account


class OpenEnd(Protocol):
    """The end of a result that is still to be read."""

    total: int | None
    """How many rows the whole result has, where that is known."""
    on_complete: list[Callable[[], None]]

    @property
    def ended(self) -> bool:
        """True when everything has been read."""

    @property
    def account(self) -> Account:
        """What was read so far."""

    def table(self) -> pa.Table:
        """Return what is here."""

    def finish(self) -> None:
        """Read to the end.

        Raises:
            GovDataError: What hinders it.
        """

    def stop(self) -> None:
        """Stop reading for good; nobody holds the result any more."""


class Rows:
    """The rows of a result, and what was read for them.

    Args:
        table: The rows that are here: all of them, unless there is an `end`.
        account: What was read.
        end: Reads the others.
    """

    def __init__(
        self, table: pa.Table, account: Account | None = None, end: OpenEnd | None = None
    ) -> None:
        self._table = table
        self._account = account or Account()
        self._end = end
        self._total = table.num_rows if end is None else None
        self._on_complete: list[Callable[[], None]] = [] if end is None else end.on_complete
        if end is not None:
            weakref.finalize(self, _stop_elsewhere, end).atexit = False

    @property
    def complete(self) -> bool:
        """True when all rows are here."""
        end = self._end
        if end is not None and end.ended:
            self._table, self._account, self._end = end.table(), end.account, None
        return self._end is None

    @property
    def head(self) -> pa.Table:
        """The rows that are here; nothing is read for it."""
        _ = self.complete
        return self._table

    @property
    def count(self) -> int | None:
        """How many rows there are, or None while that is not known."""
        if self.complete:
            return int(self._table.num_rows)
        return None if self._end is None else self._end.total

    @property
    def account(self) -> Account:
        """What was read so far."""
        if self.complete or self._end is None:
            return self._account
        return self._end.account

    @property
    def on_complete(self) -> list[Callable[[], None]]:
        """Called, each once and without arguments, when the last row has come."""
        return self._on_complete

    def table(self) -> pa.Table:
        """Return all rows, reading what is still to come.

        Raises:
            GovDataError: What hinders it.
        """
        if not self.complete and self._end is not None:
            self._end.finish()
        return self.head


def _stop_elsewhere(end: OpenEnd) -> None:
    # The collector may run in a thread that holds what stopping needs.
    threading.Thread(target=end.stop, name="govdata-stop", daemon=True).start()
