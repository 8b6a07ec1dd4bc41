"""Cedar text as tokens with places, because Cedar's own errors carry none.

Runs in the gateway and in `jupyter govdata check`; trusts nothing. This is not a parser: Cedar
itself parses every policy. It only says where a policy starts and where a name stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
      (?P<blank>\s+ | //[^\n]*)
    | (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>[0-9]+)
    | (?P<sign>::|==|!=|<=|>=|&&|\|\||.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A token of Cedar text. `line` and `column` are 1-based, `start` is an offset."""

    text: str
    start: int
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Statement:
    """One policy as it stands in a file: from its first annotation to its semicolon."""

    text: str
    tokens: tuple[Token, ...]

    @property
    def line(self) -> int:
        """The 1-based line of the first token."""
        return self.tokens[0].line

    @property
    def column(self) -> int:
        """The 1-based column of the first token."""
        return self.tokens[0].column

    def find(self, *sequence: str) -> Token | None:
        """Return the last token of the first occurrence of `sequence`, or None."""
        width = len(sequence)
        for i in range(len(self.tokens) - width + 1):
            if all(self.tokens[i + k].text == sequence[k] for k in range(width)):
                return self.tokens[i + width - 1]
        return None


def tokenize(text: str) -> Iterator[Token]:
    """Yield the tokens of `text`; comments and blanks are left out."""
    line, begin = 1, 0
    for match in _TOKEN.finditer(text):
        piece = match.group()
        if match.lastgroup != "blank":
            yield Token(piece, match.start(), line, match.start() - begin + 1)
        breaks = piece.count("\n")
        if breaks:
            line += breaks
            begin = match.start() + piece.rindex("\n") + 1


def statements(text: str) -> list[Statement]:
    """Split a file into policies; what follows the last semicolon is a statement too."""
    found: list[Statement] = []
    current: list[Token] = []
    for token in tokenize(text):
        current.append(token)
        if token.text == ";":
            found.append(_statement(text, current))
            current = []
    if current:
        found.append(_statement(text, current))
    return found


def _statement(text: str, tokens: list[Token]) -> Statement:
    last = tokens[-1]
    return Statement(text[tokens[0].start : last.start + len(last.text)], tuple(tokens))


def quoted(value: str) -> str:
    """Return `value` as a Cedar string literal in its usual spelling."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    safe = (c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in escaped)
    return '"' + "".join(safe) + '"'
