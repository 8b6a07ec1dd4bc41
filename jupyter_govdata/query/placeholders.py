"""Parameters in a SQL text: ``$name``, ``:name`` and ``{{ name }}``. Runs in the kernel.

All three are bound by DuckDB. Casts (``x::int``), slices (``x[a:b]``), structs (``{'a': 1}``),
maps, prefix aliases (``a: 1``) and lambdas (``lambda x: x``) have colons, too: a colon makes a
parameter only where no operand ends before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_govdata.errors import QueryError
from jupyter_govdata.query.positions import place
from jupyter_govdata.query.tokens import CLOSING, OPENING, WORD, Token, TokenType, word_of

_OPERANDS = frozenset(
    {
        TokenType.STRING,
        TokenType.NUMBER,
        TokenType.HEREDOC_STRING,
        TokenType.BYTE_STRING,
        TokenType.IDENTIFIER,
        TokenType.VAR,
        TokenType.PLACEHOLDER,
    }
)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A named parameter; `start` and `end` (exclusive) are its place in the text."""

    name: str
    start: int
    end: int


def find_placeholders(sql: str, tokens: list[Token]) -> tuple[Placeholder, ...]:
    """Return the parameters in order.

    Raises:
        QueryError: One without a name, or ``{{ }}`` around anything but a plain name.
    """
    found: list[Placeholder] = []
    slices: list[bool] = []  # open brackets; True for the subscript `x[...]`
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if token.token_type in OPENING:
            template = _template(sql, tokens, i)
            if template is not None:
                found.append(template[0])
                i = template[1]
                continue
            slices.append(
                token.token_type is TokenType.L_BRACKET and _is_operand(sql, tokens, i, True)
            )
        elif token.token_type in CLOSING and slices:
            slices.pop()
        else:
            parameter = _parameter(sql, tokens, i, in_slice=bool(slices and slices[-1]))
            if parameter is not None:
                found.append(parameter)
        i += 1
    return tuple(found)


def _parameter(sql: str, tokens: list[Token], i: int, *, in_slice: bool) -> Placeholder | None:
    token = tokens[i]
    is_dollar = token.token_type is TokenType.PARAMETER and token.text == "$"
    if token.token_type is TokenType.PLACEHOLDER and token.text == "?":
        raise _unnamed(sql, token.start)
    if not is_dollar and token.token_type is not TokenType.COLON:
        return None
    after = tokens[i + 1] if i + 1 < len(tokens) else None
    if after is None or after.start != token.end + 1:
        return None
    if is_dollar and after.token_type is TokenType.NUMBER:
        raise _unnamed(sql, token.start)
    text = sql[after.start : after.end + 1]
    if not WORD.fullmatch(text):
        return None
    if not is_dollar and (in_slice or _is_operand(sql, tokens, i, False)):
        return None  # `[a:b]`, `{'k':v}`, `alias:expr`, `lambda x:x`
    return Placeholder(text, token.start, after.end + 1)


def _is_operand(sql: str, tokens: list[Token], i: int, bracket: bool) -> bool:
    """Return whether the token before `i` ends an operand, so that `:` or `[` continues it."""
    if i == 0:
        return False
    before = tokens[i - 1]
    if before.token_type in _OPERANDS or before.token_type in CLOSING:
        return True
    text = sql[before.start : before.end + 1]
    adjacent = before.end + 1 == tokens[i].start
    return adjacent and bool(WORD.fullmatch(text)) and not (bracket and text.upper() == "ARRAY")


def _template(sql: str, tokens: list[Token], i: int) -> tuple[Placeholder, int] | None:
    """Return the parameter of ``{{ name }}`` at `i` and the index behind it, or None."""
    if not sql.startswith("{{", tokens[i].start) or (
        i and tokens[i - 1].token_type is TokenType.MAP
    ):
        return None
    inner = tokens[i + 2 : i + 5]
    name = word_of(sql, inner[0]) if inner else None
    if (
        name is None
        or inner[0].token_type is TokenType.IDENTIFIER
        or len(inner) < 3
        or not sql.startswith("}}", inner[1].start)
    ):
        raise place(
            QueryError(
                "`{{ }}` takes the plain name of a variable",
                hint="compute the value in Python first, then write `{{ name }}` or `$name`",
            ),
            sql,
            tokens[i].start,
        )
    return Placeholder(name, tokens[i].start, inner[2].end + 1), i + 5


def _unnamed(sql: str, offset: int) -> QueryError:
    return place(
        QueryError("a parameter needs a name", hint="write `$name`, `:name` or `{{ name }}`"),
        sql,
        offset,
    )
