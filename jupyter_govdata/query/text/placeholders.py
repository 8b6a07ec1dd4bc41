"""Parameters in a SQL text: ``$name``, ``:name`` and ``{{ name }}``. Runs in the kernel.

All three are bound by DuckDB. Casts (``x::int``), slices (``x[a:b]``), structs (``{'a': 1}``),
maps, prefix aliases (``a: 1``) and lambdas (``lambda x: x``) have colons, too: a colon makes a
parameter only where no operand ends before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jupyter_govdata.errors import QueryError
from jupyter_govdata.query.text.positions import place
from jupyter_govdata.query.text.tokens import Token, is_plain_name


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A named parameter; `start` and `end` (exclusive) are its place in the text."""

    name: str
    start: int
    end: int


def find_placeholders(sql: str, tokens: list[Token]) -> tuple[Placeholder, ...]:
    """Return the parameters in order.

    Raises:
        QueryError: One without a name, ``{{ }}`` around anything but a plain name, or two names
            that differ in case only (DuckDB would take them for one).
    """
    found: list[Placeholder] = []
    subscripts: list[bool] = []  # open brackets; True for the one of `x[...]`
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if token.is_symbol("(", "[", "{"):
            template = _template(sql, tokens, i)
            if template is not None:
                found.append(template[0])
                i = template[1]
                continue
            subscripts.append(token.value == "[" and _ends_operand(tokens, i))
        elif token.is_symbol(")", "]", "}") and subscripts:
            subscripts.pop()
        else:
            parameter = _parameter(sql, tokens, i, in_slice=bool(subscripts and subscripts[-1]))
            if parameter is not None:
                found.append(parameter)
                i += 1  # its name
        i += 1
    _check_case(sql, found)
    return tuple(found)


def _parameter(sql: str, tokens: list[Token], i: int, *, in_slice: bool) -> Placeholder | None:
    token = tokens[i]
    if token.is_symbol("?"):
        raise _unnamed(sql, token.start)
    if not token.is_symbol("$", ":"):
        return None
    after = tokens[i + 1] if i + 1 < len(tokens) else None
    if after is None or after.start != token.end:
        return None
    if token.value == "$" and after.kind == "number":
        raise _unnamed(sql, token.start)
    if after.kind != "word" or not is_plain_name(after.value):
        return None
    if token.value == ":" and (in_slice or _ends_operand(tokens, i)):
        return None  # `[a:b]`, `{'k':v}`, `alias:expr`, `lambda x:x`
    return Placeholder(after.value, token.start, after.end)


def _ends_operand(tokens: list[Token], i: int) -> bool:
    """Return whether the token before `i` ends an operand, which `:` or `[` then continues.

    A word does if nothing stands between; behind a blank it is taken for a keyword
    (``WHERE :x``) unless it could not be one.
    """
    if i == 0:
        return False
    before, token = tokens[i - 1], tokens[i]
    if before.kind == "word":
        if before.value.upper() == "ARRAY":
            return False
        return before.end == token.start or not _BEFORE_OPERANDS.fullmatch(before.value)
    return before.kind != "symbol" or before.value in (")", "]", "}")


# Words that may stand before an operand; behind any other word, ` :x` continues an alias.
_BEFORE_OPERANDS = re.compile(
    """ALL|AND|ANY|AS|ASC|ATTACH|BETWEEN|BY|CASE|DEFAULT|DESC|DISTINCT|ELSE|END|ESCAPE|EXCEPT
    |EXECUTE|FILTER|FIRST|FROM|GLOB|GROUP|HAVING|ILIKE|IN|INTERSECT|INTERVAL|INTO|IS|LIKE|LIMIT
    |NEXT|NOT|OFFSET|ON|OR|ORDER|OVER|PERCENT|QUALIFY|RETURNING|ROWS|SAMPLE|SELECT|SET|SIMILAR
    |SOME|THEN|TO|UNION|UNNEST|USING|VALUES|WHEN|WHERE|WITH""",
    re.VERBOSE | re.IGNORECASE,
)


def _template(sql: str, tokens: list[Token], i: int) -> tuple[Placeholder, int] | None:
    """Return the parameter of ``{{ name }}`` at `i` and the index behind it, or None."""
    if not sql.startswith("{{", tokens[i].start):
        return None
    if i and tokens[i - 1].kind == "word" and tokens[i - 1].value.upper() == "MAP":
        return None  # MAP {{'a': 1}: 2}
    inner = tokens[i + 2 : i + 5]
    if (
        len(inner) < 3
        or inner[0].kind != "word"
        or not is_plain_name(inner[0].value)
        or not sql.startswith("}}", inner[1].start)
    ):
        error = QueryError(
            "`{{ }}` takes the plain name of a variable",
            hint="compute the value in Python first, then write `{{ name }}` or `$name`",
        )
        raise place(error, sql, tokens[i].start)
    return Placeholder(inner[0].value, tokens[i].start, inner[2].end), i + 5


def _unnamed(sql: str, offset: int) -> QueryError:
    error = QueryError("a parameter needs a name", hint="write `$name`, `:name` or `{{ name }}`")
    return place(error, sql, offset)


def _check_case(sql: str, found: list[Placeholder]) -> None:
    written: dict[str, str] = {}
    for parameter in found:
        other = written.setdefault(parameter.name.lower(), parameter.name)
        if other != parameter.name:
            error = QueryError(
                f"the parameters `{other}` and `{parameter.name}` differ in case only",
                hint="SQL holds the two for one; rename one of them",
            )
            raise place(error, sql, parameter.start)
