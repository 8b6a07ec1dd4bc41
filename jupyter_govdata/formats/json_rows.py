"""Rows out of JSON, one at a time: of lines, or of the array ``rows`` of one large object.

Runs in the client process; the file is not trusted. Each reader yields the metadata object
first, then a `Row` per record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_govdata.errors import LoadError
from jupyter_govdata.formats import encoding as enc
from jupyter_govdata.formats.lines import numbered_lines
from jupyter_govdata.formats.opening import Meter, pieces

PIECE = 1 << 20
_BLANK = " \t\r\n"
_BROKEN = object()


@dataclass(frozen=True, slots=True)
class Row:
    """A record: its line (1-based), its value (or a mark that fits nothing), its text."""

    line: int
    value: Any
    raw: str


def line_rows(
    path: Path, encoding: str, meter: Meter | None = None
) -> Iterator[dict[str, Any] | Row]:
    """Yield metadata and rows of a file with one JSON value a line; nothing if it is not one."""
    first = True
    for portion in numbered_lines(path, encoding, meter):
        for number, line in portion:
            value = _loads(line)
            if first:
                if not isinstance(value, dict) or "rows" in value:
                    return
                first = False
                yield value
                continue
            yield Row(number, value, line.decode("utf-8", "surrogateescape"))


def array_rows(
    path: Path, encoding: str, meter: Meter | None = None
) -> Iterator[dict[str, Any] | Row]:
    """Yield metadata and rows of one object that holds the rows in its array ``rows``.

    Memory is bounded by the longest row; the metadata are collected first, wherever they stand.

    Raises:
        LoadError: The JSON is broken.
    """
    yield {key: value for key, value in _members(_Text(path, encoding, None)) if key != "rows"}
    for key, value in _members(_Text(path, encoding, meter)):
        if key == "rows":
            yield value


def is_array(path: Path, encoding: str) -> bool:
    """Return True if the file is one array that begins with an object, or an empty one."""
    text = _Text(path, encoding, None)
    if text.peek() != "[":
        return False
    text.take("[")
    return text.peek() in ("{", "]")


def array_elements(
    path: Path, encoding: str, meter: Meter | None = None
) -> Iterator[tuple[int, bytes]]:
    """Yield line and text of each element of a file that is one array.

    Raises:
        LoadError: The JSON is broken.
    """
    text = _Text(path, encoding, meter)
    for row in text.elements():
        yield row.line, row.raw.encode("utf-8", "surrogateescape")


class _Text:
    """A text read on demand, with the current place in it."""

    def __init__(self, path: Path, encoding: str, meter: Meter | None) -> None:
        self.name = path.name
        self._pieces = enc.to_utf8(pieces(path, meter, PIECE), encoding)
        self._rest = b""
        self.text = ""
        self.at = 0
        self.line = 1
        self._decoder = json.JSONDecoder()

    def more(self) -> bool:
        """Read on; False at the end."""
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self.line += self.text.count("\n", 0, self.at)
        data = self._rest + piece
        # A character may be cut by the piece.
        cut = len(data)
        while cut > len(data) - 4 and cut > 0 and data[cut - 1] & 0xC0 == 0x80:
            cut -= 1
        if cut > 0 and data[cut - 1] >= 0xC0:
            cut -= 1
        else:
            cut = len(data)
        self._rest = data[cut:]
        self.text = self.text[self.at :] + data[:cut].decode("utf-8", "surrogateescape")
        self.at = 0
        return True

    def peek(self) -> str:
        """Return the next character that is not blank, "" at the end."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in _BLANK:
                self.at += 1
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def take(self, expected: str) -> str:
        """Step over one of `expected`."""
        found = self.peek()
        if not found or found not in expected:
            raise self.broken()
        self.at += 1
        return found

    def value(self) -> tuple[Any, int, str]:
        """Read one value: it, its line and its text."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self.text, self.at)
            except RecursionError as exc:
                raise self.broken() from exc
            except ValueError as exc:
                if self.more():
                    continue
                raise self.broken() from exc
            # A number at the end of what was read may go on.
            if end == len(self.text) and self.more():
                continue
            line = self.line + self.text.count("\n", 0, self.at)
            raw = self.text[self.at : end]
            self.at = end
            return value, line, raw

    def elements(self) -> Iterator[Row]:
        """Yield the elements of the array that comes next."""
        self.take("[")
        while self.peek() != "]":
            value, line, raw = self.value()
            yield Row(line, value, raw)
            if self.take(",]") == "]":
                return
        self.take("]")

    def broken(self) -> LoadError:
        line = self.line + self.text.count("\n", 0, self.at)
        return LoadError(
            f"`{self.name}` is broken JSON at line {line}",
            hint="the copy may be incomplete: fetch the file again",
        )


def _members(text: _Text) -> Iterator[tuple[str, Any]]:
    """Yield the members of the top object; the elements of ``rows`` one by one, as `Row`."""
    text.take("{")
    if text.peek() == "}":
        return
    while True:
        key, _, _ = text.value()
        text.take(":")
        if key == "rows" and text.peek() == "[":
            for row in text.elements():
                yield "rows", row
        else:
            value, _, _ = text.value()
            yield str(key), value
        if text.take(",}") == "}":
            return


def _loads(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return _BROKEN
