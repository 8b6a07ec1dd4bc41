"""From bytes to text columns: blocks that end where a record ends, parsed by Arrow.

Runs in the client process; trusts nothing. Arrow's CSV parser is fast but says neither where a
row stands nor whether the last one is complete. So each block is parsed by Arrow, and only its
last record is looked at with `Grammar`, the same grammar as a regular expression; where a row
has to be refused, the whole block is, to know the physical line and the raw text of every row.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.csv as pacsv

from jupyter_govdata.errors import LoadError
from jupyter_govdata.formats.encoding import is_utf8
from jupyter_govdata.formats.grammar import Grammar
from jupyter_govdata.formats.rejects import Reject

MAX_RECORD = 16 << 20
BAD_BYTE = "a byte does not fit the encoding"
_LOOK_BACK = 200


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands: byte offsets in its block, physical 1-based line in the source."""

    start: int
    end: int
    line: int


@dataclass(slots=True)
class Block:
    """Some whole records.

    Args:
        data: Their bytes, UTF-8 (but for refused rows).
        line: Physical line of the first byte.
        table: Text columns `0`, `1`, ... of the rows that have the right number of fields.
        refused: The others.
        places: Of the rows of `table`, if they had to be found out; see `place_all`.
    """

    data: bytes
    line: int
    table: pa.Table
    refused: list[Reject] = field(default_factory=list)
    places: list[Place] | None = None

    def place_all(self, grammar: Grammar) -> list[Place]:
        """Return where each row of `table` stands."""
        if self.places is None:
            self.places = list(_places(self.data, self.line, grammar))
        if len(self.places) != self.table.num_rows:
            raise LoadError(
                f"the quotes are broken near line {self.line}",
                hint='repair them, or double each `"` that belongs to a quoted text',
            )
        return self.places

    def raw(self, place: Place) -> str:
        """Return a row as it stands in the source."""
        return self.data[place.start : place.end].decode("utf-8", "surrogateescape")


def blocks(pieces: Iterator[bytes], grammar: Grammar, line: int) -> Iterator[Block]:
    """Yield blocks of whole records.

    Args:
        pieces: UTF-8 text without the header.
        grammar: How it is written.
        line: Physical line that the text begins on.
    """
    carry = b""
    for piece in pieces:
        data = carry + piece
        cut = _last_line_end(data)
        if cut == 0:
            carry = data
            continue
        block, left = _parse(data[:cut], line, grammar, last=False)
        carry = left + data[cut:]
        line += _lines(data[: cut - len(left)])
        if block is not None:
            yield block
    while carry:
        block, left = _parse(carry, line, grammar, last=True)
        line += _lines(carry[: len(carry) - len(left)])
        carry = left
        if block is not None:
            yield block


def _last_line_end(data: bytes) -> int:
    """Return the offset behind the last line end; a final CR may be half of a CRLF."""
    stop = len(data) - 1 if data.endswith(b"\r") else len(data)
    newline = data.rfind(b"\n", 0, stop)
    return max(newline, data.rfind(b"\r", max(newline, 0), stop)) + 1


def _lines(data: bytes) -> int:
    count = data.count(b"\n")
    if b"\r" in data:
        count += data.count(b"\r") - data.count(b"\r\n")
    return count


def _parse(data: bytes, line: int, grammar: Grammar, *, last: bool) -> tuple[Block | None, bytes]:
    """Parse a block; return it and the incomplete record at its end, which is not in it."""
    table, ragged = _arrow(data, grammar)
    left = b""
    if grammar.quoted and b'"' in data:
        start = _open_record(data, grammar, table, ragged)
        if start is not None:
            if not last and len(data) - start < MAX_RECORD:
                left = data[start:]
                data = data[:start]
                if not data:
                    return None, left
            else:
                return _cut_open(data, start, line, grammar)
            table, ragged = _arrow(data, grammar)
    if table is not None and not ragged and not _has_comment(data, grammar):
        return Block(data, line, table), left
    return _sorted_out(data, line, grammar), left


def _cut_open(data: bytes, start: int, line: int, grammar: Grammar) -> tuple[Block, bytes]:
    """Refuse the line whose quote is never closed and go on behind it."""
    match = re.compile(rb"[^\r\n]*+(?:\r\n|\n|\r|\Z)").match(data, start)
    assert match is not None
    block = _sorted_out(data[:start], line, grammar)
    raw = match[0].rstrip(b"\r\n").decode("utf-8", "surrogateescape")
    at = line + _lines(data[:start])
    block.refused.append(Reject(at, "", "a quote is opened and never closed", raw))
    return block, data[match.end() :]


def _has_comment(data: bytes, grammar: Grammar) -> bool:
    mark = grammar.comment.encode()
    return bool(mark) and (
        data.startswith(mark) or b"\n" + mark in data or (b"\r" in data and b"\r" + mark in data)
    )


def _arrow(
    data: bytes, grammar: Grammar, *, ordered: bool = False
) -> tuple[pa.Table | None, list[tuple[int | None, str]]]:
    """Parse with Arrow; None if a text is not UTF-8. Also return rows of another width."""
    if not is_utf8(data):
        return None, []
    names = [str(i) for i in range(grammar.width)]
    ragged: list[tuple[int | None, str]] = []

    def refuse(row: pacsv.InvalidRow) -> str:
        ragged.append((row.number, row.text))
        return "skip"

    if data.startswith(BOM_UTF8):
        # UPSTREAM: Arrow takes one off, wherever in the source this block begins.
        data = BOM_UTF8 + data
    try:
        table = pacsv.read_csv(
            pa.BufferReader(data),
            read_options=pacsv.ReadOptions(
                column_names=names, block_size=len(data) + 1, use_threads=not ordered
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=grammar.delimiter,
                quote_char='"' if grammar.quoted else False,
                newlines_in_values=grammar.quoted,
                ignore_empty_lines=grammar.width > 1,
                invalid_row_handler=refuse,
            ),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
            ),
        )
    except pa.ArrowInvalid as exc:
        if "Empty CSV" in str(exc):
            schema = pa.schema([(name, pa.string()) for name in names])
            return schema.empty_table(), ragged
        raise LoadError("the text does not parse as a table", hint="check `delimiter`") from exc
    return table, ragged


def _open_record(
    data: bytes, grammar: Grammar, table: pa.Table | None, ragged: list[tuple[int | None, str]]
) -> int | None:
    """Return where the last record begins if it ends inside of quotes, else None."""
    stop = len(data) - len(data[-4096:]) + len(data[-4096:].rstrip(b"\r\n"))
    if ragged:
        # Only the last row can be open. If that one is ragged, Arrow has named it.
        text = ragged[-1][1].rstrip("\r\n").encode()
        match = grammar.record.match(text)
        if match is not None and match.end() == len(text) and grammar.is_open(match):
            return stop - len(text) if data.endswith(text, 0, stop) else _walk(data, grammar)
    if table is None or not table.num_rows:
        return _walk(data, grammar) if table is None else None
    row = table.slice(table.num_rows - 1)
    last = [(c[0].as_py() or "").encode() for c in row.columns]
    last[-1] = last[-1].rstrip(b"\r\n")
    start = stop
    for _ in range(_LOOK_BACK):
        if start <= 0:
            break
        start -= 1
        start = max(data.rfind(b"\n", 0, start), data.rfind(b"\r", max(0, start - 4096), start)) + 1
        tail = data[start:stop]
        match = grammar.record.match(tail)
        if match is not None and match.end() == len(tail) and grammar.cells(tail) == last:
            return start if grammar.is_open(match) else None
    return _walk(data, grammar)


def _walk(data: bytes, grammar: Grammar) -> int | None:
    """Find an open record from the front: for very long records, and bytes that are not UTF-8."""
    for match in grammar.record.finditer(data):
        if grammar.is_open(match):
            return match.start()
    return None


def _places(data: bytes, line: int, grammar: Grammar) -> Iterator[Place]:
    """Yield where each record stands; blank lines and comments are none."""
    at = 0
    while at < len(data):
        match = grammar.record.match(data, at)
        assert match is not None
        end = match.start("end")
        blank = end == at and grammar.width > 1
        if not blank and not (grammar.comment and match["comment"] is not None):
            yield Place(at, end, line)
        line += _lines(match[0])
        at = match.end()


def _sorted_out(data: bytes, line: int, grammar: Grammar) -> Block:
    """Parse a block that holds rows to refuse or comments: slower, and knows all lines."""
    refused: list[Reject] = []
    kept: list[Place] = []
    parts: list[bytes] = []
    at = 0
    for place in _places(data, line, grammar):
        raw = data[place.start : place.end]
        if is_utf8(raw):
            kept.append(Place(at, at + len(raw), place.line))
            parts.append(raw + b"\n")
            at += len(raw) + 1
        else:
            text = raw.decode("utf-8", "surrogateescape")
            refused.append(Reject(place.line, "", BAD_BYTE, text))
    clean = b"".join(parts)
    table, ragged = _arrow(clean, grammar, ordered=True)
    assert table is not None
    numbers = {number for number, _ in ragged}
    for number, place in enumerate(kept, start=1):
        if number in numbers:
            raw = clean[place.start : place.end]
            count = len(grammar.cells(raw))
            reason = f"{count} field{'' if count == 1 else 's'} instead of {grammar.width}"
            refused.append(Reject(place.line, "", reason, raw.decode()))
    refused.sort(key=lambda reject: reject.line)
    good = [p for number, p in enumerate(kept, start=1) if number not in numbers]
    return Block(clean, line, table, refused, good)
