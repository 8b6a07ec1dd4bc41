"""The grammar of delimited text, as a regular expression. Runs in the client process.

INVARIANT: it agrees with Arrow's CSV parser on where records and fields end; a property test
holds the two together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Grammar:
    """How records are written.

    Args:
        delimiter: One ASCII character.
        quoted: Whether ``"`` at the start of a field opens a quoted one.
        comment: Prefix of lines that are no data, or empty.
        width: Number of columns.
    """

    delimiter: str
    quoted: bool
    comment: str
    width: int
    record: re.Pattern[bytes] = field(init=False, repr=False)
    cell: re.Pattern[bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        d = re.escape(self.delimiter.encode())
        plain = rb"[^%b\r\n]*+" % d
        if self.quoted:
            inside = rb'"[^"]*+(?:""[^"]*+)*+(?:"%b|(?P<open>\Z))' % plain
            cell = rb"(?:%b|%b)" % (inside, plain)
        else:
            cell = plain
        later = cell.replace(b"?P<open>", b"?P<open2>")
        comment = rb"(?P<comment>%b[^\r\n]*+)" % re.escape(self.comment.encode())
        record = rb"%b(?:%b%b)*+" % (cell, d, later)
        body = rb"(?:%b|%b)" % (comment, record) if self.comment else record
        object.__setattr__(self, "record", re.compile(body + rb"(?P<end>\r\n|\n|\r|\Z)"))
        object.__setattr__(self, "cell", re.compile(b"(%b)(?:%b|\\Z)" % (cell, d)))

    def is_open(self, match: re.Match[bytes]) -> bool:
        """Return True if a matched record ends inside of quotes."""
        groups = match.groupdict()
        return groups.get("open") is not None or groups.get("open2") is not None

    def cells(self, record: bytes) -> list[bytes]:
        """Return the fields of one record, unquoted."""
        found: list[bytes] = []
        at = 0
        while match := self.cell.match(record, at):
            found.append(self._bare(match[1]))
            at = match.end()
            if at == len(record) and not record.endswith(self.delimiter.encode(), match.end(1)):
                break
        return found

    def _bare(self, cell: bytes) -> bytes:
        if not self.quoted or not cell.startswith(b'"'):
            return cell
        match = re.match(rb'"((?:[^"]|"")*+)("?)', cell)
        assert match is not None
        return match[1].replace(b'""', b'"') + cell[match.end() :]
