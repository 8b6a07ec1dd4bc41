"""Places in the user's SQL text. Runs in the kernel.

DuckDB sees a rewritten text and reports byte offsets into it; people see their own text with
lines and columns. `Rewrite` maps one to the other, whatever the length of the edits.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from jupyter_govdata.errors import QueryError

E = TypeVar("E", bound=QueryError)


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    r"""Return the 1-based line and column (in characters) of a character offset.

    >>> line_and_column("a\nbc", 3)
    (2, 2)
    """
    before = text[: max(0, min(offset, len(text)))]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def place(error: E, text: str, offset: int) -> E:
    """Return the error with the line and column of a character offset in its detail."""
    line, column = line_and_column(text, offset)
    error.detail.update({"line": line, "column": column})
    return error


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A text with edits and the way back to the original.

    Args:
        original: The user's text.
        text: The text with the edits applied.
        spans: ``(start in text, end in text, start in original, edited)``, in order and without
            gaps.
    """

    original: str
    text: str
    spans: tuple[tuple[int, int, int, bool], ...]

    @classmethod
    def of(cls, original: str, edits: Iterable[tuple[int, int, str]]) -> Rewrite:
        """Apply edits ``(start, end, replacement)`` that do not overlap."""
        pieces: list[str] = []
        spans: list[tuple[int, int, int, bool]] = []
        length = done = 0

        def add(piece: str, start: int, edited: bool) -> None:
            nonlocal length
            pieces.append(piece)
            spans.append((length, length + len(piece), start, edited))
            length += len(piece)

        for start, end, replacement in sorted(edits):
            add(original[done:start], done, False)
            add(replacement, start, True)
            done = end
        add(original[done:], done, False)
        return cls(original, "".join(pieces), tuple(spans))

    def source_offset(self, offset: int) -> int:
        """Return the character offset in the original of a character offset in `text`."""
        index = bisect_right(self.spans, offset, key=lambda span: span[0]) - 1
        start, end, source, edited = self.spans[max(index, 0)]
        return source if edited else source + min(offset, end) - start

    def source_offset_of_byte(self, offset: int) -> int:
        """Return the character offset in the original of a UTF-8 byte offset in `text`."""
        return self.source_offset(len(self.text.encode()[:offset].decode(errors="ignore")))
