"""Slips of the pen: what a syntax error or an unknown name probably means. Runs in the kernel.

Looks at the user's own text around the place that DuckDB names.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from jupyter_govdata.query.text.placeholders import find_placeholders
from jupyter_govdata.query.text.tokens import Token, tokenize_typed

_KEYWORDS = (
    "SELECT", "FROM", "WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "OFFSET", "JOIN", "LEFT",
    "INNER", "OUTER", "UNION", "DISTINCT", "BETWEEN", "WITH", "CREATE", "INSERT", "UPDATE",
    "DELETE", "DESCRIBE", "SUMMARIZE", "USING", "VALUES", "QUALIFY", "PARTITION", "EXCLUDE",
)  # fmt: skip
_NEEDS_BY = ("GROUP", "ORDER", "PARTITION")
_PYTHON = frozenset({"import", "def", "print", "class", "return", "for", "if", "while"})
_COMPARISONS = ("=", "<", ">", "!", "~")
_VERSION = (
    "a version is `AT (VERSION => 123)`, `AT (TIMESTAMP => '2026-01-31')` or `AT (TAG => 'name')`"
)
_CURLY = "‘’‚“”„`´"


def syntax_hint(sql: str, offset: int) -> str | None:
    """Return what is probably meant where DuckDB finds a syntax error, or None.

    Args:
        sql: The user's text.
        offset: Of the character that DuckDB stumbles over.
    """
    tokens, _ = tokenize_typed(sql)
    place = next((i for i, t in enumerate(tokens) if t.start >= offset), len(tokens))
    before = tokens[:place]
    at = tokens[place] if place < len(tokens) else None
    return (
        _marks(before, at)
        or _python(before, at, tokens[place + 1 : place + 2])
        or _placeholder(sql, tokens, offset)
        or _clause(before, at)
        or _misspelt(before, at)
        or _end(before, at)
    )


def _marks(before: Sequence[Token], at: Token | None) -> str | None:
    if at is None:
        return None
    if at.value[:1] in _CURLY:
        return "text takes straight quotes, 'like this'; names take \"these\" where they need any"
    if at.is_symbol("[") or at.is_symbol("]"):
        return 'names take double quotes where they need any: "my column"'
    if at.is_symbol("%"):
        if not _since_semicolon(before):
            return "a magic stands in the first line of a cell, once"
        return "a pattern is text: `LIKE '%x%'`"
    return None


def _python(before: Sequence[Token], at: Token | None, after: Sequence[Token]) -> str | None:
    statement = [*_since_semicolon(before), *([at] if at is not None else []), *after][:2]
    if not statement or statement[0].kind != "word":
        return None
    if statement[0].value in _PYTHON:
        return "this is SQL; Python goes into a cell of its own"
    if len(statement) > 1 and statement[1].value == "=":
        return "to keep a result, write `name <<` at the head of the cell"
    return None


def _placeholder(sql: str, tokens: list[Token], offset: int) -> str | None:
    for parameter in find_placeholders(sql, tokens):
        if parameter.start <= offset < parameter.end:
            return "a parameter stands for a value, not for the name of a table or a column"
    return None


def _clause(before: Sequence[Token], at: Token | None) -> str | None:
    words = [t.value.upper() for t in before[-3:]]
    last = words[-1] if words else ""
    if last in _NEEDS_BY and at is not None:
        return f"write `{last} BY`"
    if last == "TOP":
        return "DuckDB has no `TOP`: end the query with `LIMIT 10`"
    if "AT" in words[-2:] or (at is not None and at.value.upper() == "AT"):
        return _VERSION
    if last == "IS":
        return "`IS` goes with NULL, TRUE and FALSE; compare values with `=`"
    if last == "AS" and len(words) == 3:
        return "the query of a `WITH` stands in brackets: `WITH a AS (SELECT ...)`"
    return None


def _misspelt(before: Sequence[Token], at: Token | None) -> str | None:
    """Find a word near the place that is almost a keyword."""
    for token in ([at] if at is not None else []) + list(reversed(before[-2:])):
        if token.kind != "word" or token.value.upper() in _KEYWORDS:
            continue
        close = get_close_matches(token.value.upper(), _KEYWORDS, n=1, cutoff=0.74)
        if close and abs(len(close[0]) - len(token.value)) < 2:
            return f"did you mean `{close[0]}`?"
    return None


def _end(before: Sequence[Token], at: Token | None) -> str | None:
    depth = 0
    for token in _since_semicolon(before):
        depth += token.is_symbol("(")
        depth -= token.is_symbol(")")
    if depth > 0:
        return "a bracket `(` is not closed" if depth == 1 else f"{depth} brackets are not closed"
    if depth < 0 or (at is not None and at.is_symbol(")") and depth == 0):
        return "a bracket `)` closes nothing"
    if at is None and before:
        return f"something is missing behind `{before[-1].value[:40]}`"
    return None


def _since_semicolon(tokens: Sequence[Token]) -> Sequence[Token]:
    last = max((i for i, t in enumerate(tokens) if t.is_symbol(";")), default=-1)
    return tokens[last + 1 :]


def name_hint(sql: str, offset: int) -> str | None:
    """Return what an unknown column at a place probably is: text without its quotes."""
    tokens, _ = tokenize_typed(sql)
    place = next((i for i, t in enumerate(tokens) if t.start >= offset), None)
    if place is None or not place:
        return None
    at, before = tokens[place], tokens[place - 1]
    name = at.value.strip(_CURLY)
    if at.value != name:
        return f"text takes straight quotes: `'{name}'`"
    compared = before.kind == "symbol" and before.value.endswith(_COMPARISONS)
    if compared or before.value.upper() in ("LIKE", "ILIKE") or at.kind == "identifier":
        return f"is it text? Then write `'{name}'`"
    return None


def name_offset(sql: str, names: Sequence[str]) -> int | None:
    """Return where one of the names stands, if it stands in the text once only."""
    tokens, _ = tokenize_typed(sql)
    for name in names:
        found = [t.start for t in tokens if t.value.lower() == name.lower() and t.kind != "symbol"]
        if len(found) == 1:
            return found[0]
    return None
