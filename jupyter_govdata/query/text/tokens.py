"""The lexical rules of DuckDB's SQL: words, strings, comments. Runs in the kernel.

Words are told from what only looks like words (strings, comments, dollar quotes); the grammar is
DuckDB's own business. A general SQL tokenizer was tried first: it took ``$a,$b`` for the start
of a dollar quote and swallowed what stands behind EXPLAIN.

UPSTREAM: third_party/libpg_query/scan.l of DuckDB.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["word", "identifier", "string", "number", "symbol"]

_START = r"[A-Za-z_\u0080-\U0010ffff]"
_REST = r"[A-Za-z0-9_\u0080-\U0010ffff]"
_PLAIN_NAME = re.compile(rf"{_START}{_REST}*")
_TOKEN = re.compile(
    rf"""
      (?P<space>[\s\ufeff]+|--[^\n\r]*)
    | (?P<comment>/\*)
    | (?P<escaped>[eE]'(?:[^'\\]|\\.|'')*')
    | (?P<string>'(?:[^']|'')*')
    | (?P<identifier>"(?:[^"]|"")*")
    | (?P<dollar>\$(?:{_START}{_REST}*)?\$)
    | (?P<word>{_START}(?:{_REST}|\$)*)
    | (?P<number>[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9]+)?)
    | (?P<symbol>::|=>|->>|->|:=|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of SQL.

    Args:
        kind: ``word`` also for keywords; ``identifier`` is a quoted one; comments are left out.
        value: The name, the content of the string, or the text.
        start: Place in the text.
        end: Behind it (exclusive).
    """

    kind: Kind
    value: str
    start: int
    end: int

    @property
    def name(self) -> str | None:
        """The name that the token may stand for, or None; keywords count as names."""
        return self.value if self.kind in ("word", "identifier") else None

    def is_symbol(self, *symbols: str) -> bool:
        """Return whether this is one of these symbols."""
        return self.kind == "symbol" and self.value in symbols


def is_plain_name(text: str) -> bool:
    """Return whether the text is a name that needs no quotes."""
    return _PLAIN_NAME.fullmatch(text) is not None


def tokenize(sql: str) -> list[Token]:
    """Return the tokens; none for a text that does not end what it begins.

    DuckDB then says what is wrong with it.
    """
    found, open_at = tokenize_typed(sql)
    return found if open_at is None else []


def tokenize_typed(sql: str) -> tuple[list[Token], int | None]:
    """Return the tokens of a text that is being typed, and where what it does not end starts.

    That is a string, a quoted name or a comment, or None.
    """
    found: list[Token] = []
    at = 0
    while at < len(sql):
        match = _TOKEN.match(sql, at)
        assert match is not None  # the last alternative takes any character
        start = at
        token, at = _next(sql, match)
        if at < 0:
            return found, start
        if token is not None:
            found.append(token)
    return found, None


def _next(sql: str, match: re.Match[str]) -> tuple[Token | None, int]:
    """Return the token of a match, None for blanks, and where to go on; -1 if it has no end."""
    start, end = match.span()
    text = match.group()
    match match.lastgroup:
        case "space":
            return None, end
        case "comment":
            return None, _comment_end(sql, end)
        case "escaped":
            return Token("string", text[2:-1].replace("''", "'"), start, end), end
        case "string":
            return Token("string", text[1:-1].replace("''", "'"), start, end), end
        case "identifier":
            return Token("identifier", text[1:-1].replace('""', '"'), start, end), end
        case "dollar":
            close = sql.find(text, end)
            stop = close + len(text)
            return Token("string", sql[end:close], start, stop), -1 if close < 0 else stop
        case "word":
            return Token("word", text, start, end), end
        case "number":
            return Token("number", text, start, end), end
        case _:
            return Token("symbol", text, start, end), -1 if text in ("'", '"') else end


def _comment_end(sql: str, at: int) -> int:
    depth = 1
    for edge in _COMMENT_EDGE.finditer(sql, at):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return -1
