"""What a SQL text names: assets, versions, parameters. Runs in the kernel; trusts nothing.

Only tokens are looked at, which tell words from strings and comments. Nothing is derived from the
grammar, so every statement that DuckDB understands passes; a mistake here makes a query fail and
never shows a row (the gateway decides that).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from jupyter_govdata.errors import QueryError
from jupyter_govdata.query.text.placeholders import Placeholder, find_placeholders
from jupyter_govdata.query.text.positions import Rewrite, place
from jupyter_govdata.query.text.tokens import Token, tokenize

AtKind = Literal["version", "timestamp", "tag"]
_SCHEMATA = ("information_schema", "duckdb_tables", "duckdb_views", "duckdb_columns")
_NOT_LISTED = "these are DuckDB's own tables; `%govdata ls` lists the governed assets"
_QUOTED_TEMPLATE = re.compile(r"\{\{\s*[^\W\d]\w*\s*\}\}")


@dataclass(frozen=True, slots=True)
class AtClause:
    """``AT (VERSION => ... | TIMESTAMP => ... | TAG => ...)`` behind a name.

    `value` is the literal's text or the parameter's placeholder; `start` and `end` (exclusive)
    enclose the clause.
    """

    kind: AtKind
    value: str | Placeholder
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reference:
    """Two words with a dot between them: an asset, or a column of a table.

    Args:
        name: ``first.second`` in lower case, as DuckDB compares names.
        start: Where the first word starts.
        end: Where the second word ends (exclusive).
        deeper: Another name stands before it (``database.schema.table``).
        at: The version asked for, or None.
    """

    name: str
    start: int
    end: int
    deeper: bool = False
    at: AtClause | None = None


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a SQL text names.

    Args:
        text: As the user wrote it.
        references: Candidates for assets, in order.
        placeholders: Parameters, in order; one name may come several times.
        words: All names that stand alone, as written: candidates for tables and variables.
        ordered: The last statement ends in an ORDER BY of its own.
        notes: Remarks for the user.
    """

    text: str
    references: tuple[Reference, ...] = ()
    placeholders: tuple[Placeholder, ...] = ()
    words: frozenset[str] = frozenset()
    ordered: bool = False
    notes: tuple[str, ...] = ()

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters, each once, in order of appearance."""
        return tuple(dict.fromkeys(p.name for p in self.placeholders))


def placeholders(sql: str) -> tuple[str, ...]:
    """Return the names of the parameters of a SQL text, each once.

    >>> placeholders("SELECT :a, {{ b }}, $a, x::int, 'no :c'")
    ('a', 'b')
    """
    return analyse(sql).parameters


def analyse(sql: str) -> Analysis:
    """Find what a SQL text names.

    A text that does not tokenize names nothing: DuckDB then says what is wrong with it.

    Raises:
        QueryError: A parameter without a name, or ``{{ }}`` around anything but a plain name.
    """
    return _analyse(sql) if len(sql) > _REMEMBERED_LENGTH else _remembered(sql)


def _analyse(sql: str) -> Analysis:
    tokens = tokenize(sql)
    found = find_placeholders(sql, tokens)
    return Analysis(
        text=sql,
        references=tuple(_references(sql, tokens, {p.start: p for p in found})),
        placeholders=found,
        words=frozenset(_words(tokens)),
        ordered=_is_ordered(tokens),
        notes=_notes(tokens),
    )


_REMEMBERED_LENGTH = 10_000
_remembered = lru_cache(maxsize=128)(_analyse)


def rewrite(analysis: Analysis, tables: dict[Reference, str], before: str = "") -> Rewrite:
    """Return the text that DuckDB gets: parameters as ``$name``, `tables` in place of names.

    A replaced reference loses its AT clause; `before` is put before every statement.
    """
    starts = _statement_starts(analysis.text) if before else []
    edits = [(start, start, before) for start in starts]
    edits += [(p.start, p.end, f"${p.name}") for p in analysis.placeholders]
    dropped: list[tuple[int, int]] = []
    for reference, table in tables.items():
        edits.append((reference.start, reference.end, table))
        if reference.at is not None:
            edits.append((reference.at.start, reference.at.end, ""))
            dropped.append((reference.at.start, reference.at.end))
    kept = [e for e in edits if not any(a <= e[0] and e[1] <= b and e[2] for a, b in dropped)]
    return Rewrite.of(analysis.text, kept)


def _statement_starts(sql: str) -> list[int]:
    starts, is_first = [], True
    for token in tokenize(sql):
        if is_first and not token.is_symbol(";"):
            starts.append(token.start)
        is_first = token.is_symbol(";")
    return starts


# -- assets ------------------------------------------------------------------------------------


def _words(tokens: list[Token]) -> Iterator[str]:
    for i, token in enumerate(tokens):
        around = tokens[max(i - 1, 0) : i] + tokens[i + 1 : i + 2]
        if token.name is not None and not any(t.is_symbol(".") for t in around):
            yield token.name


def _references(
    sql: str, tokens: list[Token], parameters: dict[int, Placeholder]
) -> Iterator[Reference]:
    for i in range(len(tokens) - 2):
        first, dot, second = tokens[i : i + 3]
        if not dot.is_symbol(".") or first.name is None or second.name is None:
            continue
        yield Reference(
            name=f"{first.name}.{second.name}".lower(),
            start=first.start,
            end=second.end,
            deeper=i > 0 and tokens[i - 1].is_symbol("."),
            at=_at_clause(sql, tokens, i + 3, parameters),
        )


def _at_clause(
    sql: str, tokens: list[Token], i: int, parameters: dict[int, Placeholder]
) -> AtClause | None:
    head = tokens[i : i + 4]
    if len(head) < 4 or head[0].value.upper() != "AT" or not head[1].is_symbol("("):
        return None
    kind = head[2].value.lower()
    if kind not in ("version", "timestamp", "tag") or not head[3].is_symbol("=>"):
        return None
    close = next((k for k in range(i + 4, len(tokens)) if tokens[k].is_symbol(")")), None)
    value = _at_value(tokens[i + 4 : close], parameters) if close is not None else None
    if close is None or value is None:
        error = QueryError(
            f"`AT ({kind.upper()} => ...)` takes one literal or one parameter",
            hint="write `AT (VERSION => 123)`, `AT (TIMESTAMP => '2026-01-31')`, "
            "`AT (TAG => 'name')`, or `$name` for the value",
        )
        raise place(error, sql, head[0].start)
    return AtClause(kind, value, head[0].start, tokens[close].end)  # type: ignore[arg-type]


def _at_value(body: list[Token], parameters: dict[int, Placeholder]) -> str | Placeholder | None:
    if not body:
        return None
    parameter = parameters.get(body[0].start)
    if parameter is not None:
        return parameter if body[-1].end <= parameter.end else None
    if len(body) > 1 and body[0].value.upper() in ("DATE", "TIMESTAMP", "TIMESTAMPTZ"):
        body = body[1:]  # TIMESTAMP '2026-01-31'
    return body[0].value if len(body) == 1 and body[0].kind in ("string", "number") else None


# -- the rest ----------------------------------------------------------------------------------


def _is_ordered(tokens: list[Token]) -> bool:
    depth, ordered = 0, False
    for i, token in enumerate(tokens):
        if token.is_symbol("(", "[", "{"):
            depth += 1
        elif token.is_symbol(")", "]", "}"):
            depth -= 1
        elif token.is_symbol(";") and i + 1 < len(tokens):
            ordered = False
        elif depth == 0 and [t.value.upper() for t in tokens[i : i + 2]] == ["ORDER", "BY"]:
            ordered = token.kind == "word" or ordered
    return ordered


def _notes(tokens: list[Token]) -> tuple[str, ...]:
    listing = [t.value.upper() for t in tokens[:2]] == ["SHOW", "TABLES"]
    quoted = (_QUOTED_TEMPLATE.search(t.value) for t in tokens if t.kind == "string")
    return tuple(
        f"`{found.group()}` inside quotes is plain text; write it without the quotes to bind it"
        for found in quoted
        if found
    ) + (_NOT_LISTED,) * (listing or any(t.value.lower() in _SCHEMATA for t in tokens))
