"""How a file set shows itself. Runs in the kernel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Protocol

from jupyter_govdata.files.words import files_text, size_text
from jupyter_govdata.query.show.html_table import framed, listing_html, notes_html
from jupyter_govdata.query.show.text_table import listing_lines, note, terminal_width

SHOWN = 10
_HEADER = ("file", "size", "format")
_WAYS = {
    "proxied": "bytes come through the gateway, which decides at every read",
    "signed": "bytes come from the storage, by addresses that last a minute",
    "session": "bytes come from the storage, by credentials for exactly these files",
}


class Shown(Protocol):
    """What of a `FileSet` is shown."""

    dropped: tuple[str, ...]

    @property
    def asset(self) -> str:
        """See `FileSet.asset`."""

    @property
    def purpose(self) -> str:
        """See `FileSet.purpose`."""

    @property
    def way(self) -> str:
        """See `FileSet.way`."""

    @property
    def bytes(self) -> int | None:
        """See `FileSet.bytes`."""

    @property
    def formats(self) -> Mapping[str, int]:
        """See `FileSet.formats`."""

    def __len__(self) -> int: ...

    def listing(self) -> Iterator[tuple[str, int | None, str, str]]:
        """See `FileSet.listing`."""


def set_text(files: Shown) -> str:
    """Return a file set as text: what it holds, and the first files."""
    width = terminal_width()
    rows = _rows(files)
    cells = [[row[i] for row in rows] for i in range(len(_HEADER))]
    table = listing_lines(_HEADER, cells, (False, True, False), width) if rows else []
    return "\n".join([*table, *(line for n in _notes(files) for line in note(n, width))])


def set_html(files: Shown) -> str:
    """Return a file set as HTML."""
    rows, notes = _rows(files), _notes(files)
    return listing_html(_HEADER, rows, notes) if rows else framed(notes_html(notes))


def sum_text(files: Shown) -> str:
    """Return how many files there are, of what and for what, in one line."""
    formats = ", ".join(f"{n:,} {name or 'of unknown format'}" for name, n in files.formats.items())
    kinds = f" ({formats})" if formats else ""
    total = files_text(len(files), files.bytes)
    return f"{total}{kinds} of {files.asset}, for {files.purpose or 'no purpose'}"


def _rows(files: Shown) -> list[tuple[str, str, str]]:
    # To look at a set opens no file: a size that the inventory does not know stays open.
    first = islice(files.listing(), SHOWN)
    return [(path, size_text(size), kind) for path, size, _, kind in first]


def _notes(files: Shown) -> list[str]:
    more = len(files) - SHOWN
    notes = [f"... and {more:,} more"] if more > 0 else []
    notes.append(sum_text(files))
    if files.dropped:
        names = ", ".join(files.dropped[:3]) + (" ..." if len(files.dropped) > 3 else "")
        notes.append(f"{len(files.dropped):,} of the manifest permitted no more: {names}")
    if len(files):
        notes.append(_WAYS.get(files.way, files.way))
    return notes
