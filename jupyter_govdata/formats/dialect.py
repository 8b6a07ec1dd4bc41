"""How a text table is written: comment lines, delimiter, quotes, header.

Runs in the client process; trusts nothing. Judged by the first `HEAD` bytes; everything that
was decided can be seen in `Dialect.notes` and overruled by the user.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from jupyter_govdata.errors import LoadError
from jupyter_govdata.formats.grammar import Grammar

HEAD = 1 << 20
_DELIMITERS = (",", "\t", ";", "|", " ")
_ROWS = 200
_CELLS = 20_000
_LOOK = 64 << 10
_POOR = 0.0
_WELL_QUOTED = re.compile(rb'"(?:[^"]|"")*+"')
_SEPARATOR_LINE = re.compile(rb'"?sep=([^"\r\n])"?(?:\r\n|\n|\r)', re.IGNORECASE)
_ONE_COLUMN = "\x1f"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(slots=True)
class Dialect:
    """What was found out.

    Args:
        grammar: How records are written.
        names: Header, as it stands in the file, one per column.
        descriptions: One per column; from comment lines that label the columns, else empty.
        start: Offset of the first data byte.
        line: Physical line it is on.
        notes: For the user.
    """

    grammar: Grammar
    names: list[str]
    descriptions: list[str]
    start: int
    line: int
    notes: list[str] = field(default_factory=list)


def sniff(head: bytes, delimiter: str | None, comment: str | None) -> Dialect:
    """Judge the beginning of a text.

    Args:
        head: UTF-8; ends with the text or in the middle of a record.
        delimiter: Given by the user, or None.
        comment: Given by the user ("" for none), or None.

    Raises:
        LoadError: Nothing in it, or a delimiter that the header does not have.
    """
    delimiter = _one_character(delimiter)
    notes: list[str] = []
    skipped = _SEPARATOR_LINE.match(head)
    if skipped:  # a spreadsheet's own line; said by the user counts more
        delimiter = delimiter or skipped[1].decode()
        head = head[skipped.end() :]
    comments, start, line = _comments(head, "#" if comment is None else comment)
    if skipped:
        line += 1
    body = head[start:]
    if not body.strip():
        if comments and comment is None:
            raise LoadError("the file has comment lines and no data", hint="check the file")
        raise LoadError("the file is empty", hint="check that it was written to its end")
    kept = comment or ""
    grammar = _grammar(body, delimiter, kept)
    rows = _rows(body, grammar)
    header, data_at, lines = _header(body, grammar)
    names = _text(header)
    marked = _marked_header(comments, names, rows[1:], grammar) if comments else None
    if marked is not None:
        names, data_at, lines = marked, 0, 0
        comments = comments[:-1]
        rows = [[], *rows]
        notes.append("the last comment line holds the column names")
    names = _fit(names, rows[1:], notes)
    if comments:
        notes.append(f"{len(comments)} comment lines above the header are no data")
    grammar = Grammar(grammar.delimiter, grammar.quoted, kept, len(names))
    if delimiter is not None and len(names) == 1 and delimiter not in header_text(body):
        _wrong_delimiter(body, delimiter, kept)
    if names and all(_NUMBER.fullmatch(n.strip()) for n in names):
        notes.append("the first line is taken for the column names, though it looks like data")
    return Dialect(
        grammar,
        names,
        _labels(comments, grammar, len(names)),
        start + data_at + (skipped.end() if skipped else 0),
        line + lines,
        notes,
    )


def _one_character(delimiter: str | None) -> str | None:
    delimiter = {"\\t": "\t", "tab": "\t"}.get(delimiter or "", delimiter)
    if delimiter is not None and (
        len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n'
    ):
        raise LoadError("a `delimiter` is one ASCII character", hint="e.g. ',' or ';' or '\\t'")
    return delimiter


def header_text(body: bytes) -> str:
    """Return the first line that is not blank."""
    return body.lstrip(b"\r\n").split(b"\n", 1)[0].decode("utf-8", "replace")


def _wrong_delimiter(body: bytes, delimiter: str, comment: str) -> None:
    better = _grammar(body, None, comment)
    if len(_rows(body, better)[0]) > 1:
        raise LoadError(
            f"the header has no delimiter {delimiter!r}",
            hint=f"{better.delimiter!r} splits it; leave `delimiter` out to have it found",
        )


def _comments(head: bytes, mark: str) -> tuple[list[str], int, int]:
    """Return the comment lines at the top, the offset behind them and its line."""
    found: list[str] = []
    at, line = 0, 1
    for match in re.finditer(rb"([^\r\n]*)(\r\n|\n|\r|\Z)", head):
        text = match[1].decode("utf-8", "replace")
        if not match[2] or (text.strip() and not (mark and text.startswith(mark))):
            break
        if text.strip():
            found.append(text)
        at, line = match.end(), line + 1
    return found, at, line


def _grammar(body: bytes, delimiter: str | None, comment: str) -> Grammar:
    """Return the delimiter and quoting under which the rows agree best on their width."""
    best: tuple[float, Grammar] | None = None
    for candidate in _DELIMITERS if delimiter is None else (delimiter,):
        quoted = Grammar(candidate, True, comment, 2)
        plain = Grammar(candidate, False, comment, 2)
        with_quotes, without = _rows(body, quoted), _rows(body, plain)
        chosen = (
            (plain, without)
            if _are_literal(body, quoted, with_quotes, without)
            else (quoted, with_quotes)
        )
        score = _score(chosen[1])
        if candidate == " ":
            score -= 0.5  # words have blanks between them too
        if best is None or score > best[0]:
            best = (score, chosen[0])
    assert best is not None
    if delimiter is None and best[0] <= _POOR:
        return Grammar(_ONE_COLUMN, True, comment, 2)
    return best[1]


def _are_literal(
    body: bytes, quoted: Grammar, with_quotes: list[list[bytes]], without: list[list[bytes]]
) -> bool:
    """Return True if quotes are mere characters: rows only agree if they open nothing."""
    if _score(without) > _score(with_quotes) + 0.2:
        return True
    across = any(b"\n" in cell or b"\r" in cell for row in with_quotes for cell in row)
    agree = len(without[0]) > 1 and len({len(row) for row in without[1:]}) == 1
    return across and agree and not _closed(body[:_LOOK], quoted)


def _closed(body: bytes, grammar: Grammar) -> bool:
    """Return True if each quoted field ends with its quote, as none does that is left open."""
    at = 0
    while at < len(body):
        match = grammar.cell.match(body, at) or grammar.record.match(body, at)
        assert match is not None
        cell = match[1] if match.re is grammar.cell else b""
        if cell.startswith(b'"') and not _WELL_QUOTED.fullmatch(cell):
            return len(body) == _LOOK and match.end() == len(body)
        at = max(match.end(), at + 1)
    return True


def _score(rows: list[list[bytes]]) -> float:
    widths = Counter(len(row) for row in rows)
    width, votes = max(widths.items(), key=lambda item: (item[1], item[0]))
    header = len(rows[0])
    if width == 1 or (header == 1 and votes < len(rows) - 1):
        return 0.0  # blanks and commas of a single column of text
    beside = 0.0 if header in (width, width - 1) else 0.5
    return 1.0 + votes / len(rows) - beside + min(width, 50) / 1000


def _rows(body: bytes, grammar: Grammar) -> list[list[bytes]]:
    """Return the first rows; the last one of a cut text is left out."""
    found: list[list[bytes]] = []
    at = cells = 0
    while at < len(body) and len(found) < _ROWS and cells < _CELLS:
        match = grammar.record.match(body, at)
        assert match is not None
        text = body[at : match.start("end")]
        whole = bool(match["end"]) or not found or len(body) < HEAD
        at = match.end()
        if whole and text and not (grammar.comment and match["comment"] is not None):
            found.append(grammar.cells(text))
            cells += len(found[-1])
    return found or [[b""]]


def _header(body: bytes, grammar: Grammar) -> tuple[list[bytes], int, int]:
    """Return the header's fields, the offset behind it, and how many lines it takes."""
    at = 0
    while True:
        match = grammar.record.match(body, at)
        assert match is not None
        text = body[at : match.start("end")]
        at = match.end()
        is_comment = grammar.comment and match["comment"] is not None
        if (text.strip() and not is_comment) or at >= len(body):
            break
    taken = body[:at]
    lines = taken.count(b"\n") + taken.count(b"\r") - taken.count(b"\r\n")
    return grammar.cells(text), at, lines


def _text(cells: list[bytes]) -> list[str]:
    return [cell.decode("utf-8", "replace") for cell in cells]


def _marked_header(
    comments: list[str], names: list[str], rows: list[list[bytes]], grammar: Grammar
) -> list[str] | None:
    """Return the last comment line as header where the first line is clearly data (VCF, BED)."""
    last = comments[-1].lstrip("#").lstrip(" ")
    cells = _text(grammar.cells(last.encode()))
    if len(cells) != len(names) or len(cells) < 2 or not all(c.strip() for c in cells):
        return None
    numbers = [bool(_NUMBER.fullmatch(n.strip())) for n in names]
    if not any(numbers) or any(_NUMBER.fullmatch(c.strip()) for c in cells):
        return None
    same = all(
        all(_NUMBER.fullmatch(c.decode("utf-8", "replace").strip()) or not c.strip() for c in col)
        for col, number in zip(zip(*rows, strict=False), numbers, strict=False)
        if number
    )
    return cells if same else None


def _fit(names: list[str], rows: list[list[bytes]], notes: list[str]) -> list[str]:
    """Return the header as wide as the rows where all of these are wider by one field."""
    widths = {len(row) for row in rows}
    if widths != {len(names) + 1}:
        return names
    if not any(row[-1].strip() for row in rows):
        return [*names, ""]
    notes.append("the header has one name less than the rows: the first column has none")
    return ["", *names]


def _labels(comments: list[str], grammar: Grammar, width: int) -> list[str]:
    """Return column descriptions where at least two comment lines have one cell per column.

    cBioPortal writes display names, descriptions, types and priorities above the header.
    """
    lines = [grammar.cells(c.lstrip("#").encode()) for c in comments]
    full = [cells for cells in lines if len(cells) == width and width > 1]
    if len(full) < 2:
        return [""] * width
    return [cell.decode("utf-8", "replace").strip() for cell in full[1]]
