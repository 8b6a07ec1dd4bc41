"""The queries of this kernel, newest last. Runs in the kernel; no value of a result is kept."""

from __future__ import annotations

import datetime as dt
from collections import deque
from dataclasses import dataclass

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.notebook.listing import Listing
from jupyter_govdata.query.answers import Answer

_KEPT = 1000
_HEAD = 80


@dataclass(frozen=True, slots=True)
class Entry:
    """A query that was run.

    Args:
        number: From 1, in the order of the kernel's queries.
        at: When it ended (aware).
        session: Name of its session, or empty for one opened in Python.
        query: Text as written.
        purpose: That it was decided on, or that was declared.
        declared: `purpose` was declared for this query alone.
        status: See `Stamp.status`.
        rows: Of the result, or None.
        seconds: Wall-clock time.
    """

    number: int
    at: dt.datetime
    session: str
    query: str
    purpose: str
    status: str
    rows: int | None
    seconds: float

    def cell(self, current_session: str) -> str:
        """Return a cell that runs the query again."""
        session = self.session if self.session != current_session else ""
        options = [
            f" --{name} {value!r}" if " " in value else f" --{name} {value}"
            for name, value in (("session", session), ("purpose", self.purpose))
            if value
        ]
        return f"%%govsql{''.join(options)}\n{self.query}"


class History:
    """The last queries of this kernel."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self._last = 0

    def add(self, answer: Answer, session: str) -> None:
        """Remember an answer."""
        self._last += 1
        result = answer.result
        self._entries.append(
            Entry(
                number=self._last,
                at=dt.datetime.now(dt.UTC),
                session=session,
                query=answer.query,
                purpose=answer.purpose or (result.purpose if result is not None else ""),
                status=answer.status if not answer.error else f"failed: {answer.error}",
                rows=None if result is None else result.row_count,
                seconds=answer.seconds,
            )
        )

    def entry(self, number: int) -> Entry:
        """Return an entry.

        Raises:
            ConfigError: There is none of that number.
        """
        for entry in self._entries:
            if entry.number == number:
                return entry
        raise ConfigError(f"the history has no entry {number}", hint="`%govdata history`")

    def listing(self, count: int) -> Listing:
        """Return the last `count` entries as a table."""
        shown = list(self._entries)[-count:] if count > 0 else []
        rows = tuple(
            (
                entry.number,
                entry.at.astimezone().strftime("%H:%M:%S"),
                entry.session,
                entry.purpose,
                entry.status,
                entry.rows,
                f"{entry.seconds:.2f} s",
                _head(entry.query),
            )
            for entry in shown
        )
        header = ("query", "time", "session", "purpose", "status", "rows", "took", "SQL")
        note = "`%govdata history --insert N` puts query N into the next cell"
        return Listing(header, rows, (note if rows else "no query was run in this kernel",))


def _head(query: str) -> str:
    text = " ".join(query.split())
    return text if len(text) <= _HEAD else f"{text[: _HEAD - 1]}…"
