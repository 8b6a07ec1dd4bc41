"""Statements that would change a governed asset: answered before DuckDB runs them.

Runs in the kernel. Not a wall (the gateway has no way to write through a query) but an answer:
DuckDB would speak of views that the user never made, or put a table in an asset's place.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from jupyter_govdata.errors import QueryError
from jupyter_govdata.query.text.positions import place
from jupyter_govdata.query.text.tokens import Token, tokenize

_SKIPPED = frozenset(
    {"OR", "REPLACE", "TEMP", "TEMPORARY", "IF", "NOT", "EXISTS", "INTO", "FROM", "TABLE", "VIEW",
     "ONLY", "MACRO", "IGNORE", "ABORT", "TYPE", "SEQUENCE", "UNIQUE", "RECURSIVE", "PERSISTENT"}
)  # fmt: skip
_CHANGES = frozenset(
    {"INSERT", "UPDATE", "DELETE", "TRUNCATE", "DROP", "ALTER", "CREATE", "MERGE", "COPY"}
)
_WORDS = re.compile(rf"\b(?:{'|'.join(_CHANGES)})\b", re.IGNORECASE)


def refuse_changes(sql: str, names: Collection[str]) -> None:
    """Refuse to change what is governed.

    Args:
        sql: The user's text.
        names: Of the visible assets.

    Raises:
        QueryError: A statement writes to an asset, or drops or replaces it.
    """
    if not _WORDS.search(sql):
        return
    for statement in _statements(tokenize(sql)):
        target = _target(statement)
        if target is None:
            continue
        namespace, name = target[0].value.lower(), target[2].value.lower()
        full = f"{namespace}.{name}"
        if full in names:
            error = QueryError(
                f"`{full}` is governed: a query reads it and cannot change it",
                hint=f"work on a copy, `CREATE TABLE my_{name} AS FROM {full}`; "
                "new data is loaded with `jupyter govdata load`",
            )
            raise place(error, sql, target[0].start)


def _statements(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    start = 0
    for i, token in enumerate(tokens):
        if token.is_symbol(";"):
            yield tokens[start:i]
            start = i + 1
    yield tokens[start:]


def _target(statement: Sequence[Token]) -> Sequence[Token] | None:
    """Return ``namespace . name`` of what a statement changes, or None."""
    if not statement or statement[0].value.upper() not in _CHANGES:
        return None
    words = [t.value.upper() for t in statement]
    i = 1
    if words[0] in ("CREATE", "DROP") and "INDEX" in words[:4]:
        i = words.index("ON") + 1 if words[0] == "CREATE" and "ON" in words else len(words)
    while i < len(words) and statement[i].kind == "word" and words[i] in _SKIPPED:
        i += 1
    target = statement[i : i + 3]
    is_name = len(target) == 3 and target[1].is_symbol(".") and target[0].name and target[2].name
    if not is_name or (i + 3 < len(words) and statement[i + 3].is_symbol(".")):
        return None
    if words[0] == "COPY" and "FROM" not in words[i + 3 : i + 5]:
        return None  # COPY asset TO 'file': the user's own rows
    return target
