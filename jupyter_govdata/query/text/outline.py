"""The outline of a SQL text that is being typed: blocks, tables, select lists. Runs in the kernel.

For completion only: nothing that is read or refused depends on it. The grammar is DuckDB's, the
text is half written, so whatever is not understood is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from jupyter_govdata.query.text.tokens import Token

CURSOR = "\0"
"""Value of the symbol that stands for the cursor and the word under it."""

_OPENING = {"(": ")", "[": "]", "{": "}"}
_QUERY_HEADS = frozenset({"SELECT", "FROM", "WITH", "VALUES", "PIVOT", "UNPIVOT", "SUMMARIZE"})
_SET_OPERATORS = frozenset({"UNION", "INTERSECT", "EXCEPT"})
# Behind these, the text that a forgotten `)` swallowed goes on: count( FROM t
_CLOSING_WORDS = frozenset({"FROM", "WHERE", "GROUP", "HAVING", "QUALIFY", "LIMIT", "JOIN"})
_FROM_CALLS = frozenset({"EXTRACT", "TRIM", "SUBSTRING", "OVERLAY", "POSITION"})

CLAUSES = {
    **dict.fromkeys(("SELECT", "RETURNING"), "select"),
    **dict.fromkeys(
        ("FROM", "INTO", "UPDATE", "DESCRIBE", "SUMMARIZE", "PIVOT", "UNPIVOT"), "from"
    ),
    **dict.fromkeys(("DESC", "TABLE", "COPY"), "from"),
    **dict.fromkeys(("WHERE", "HAVING", "QUALIFY", "GROUP", "ORDER", "SET", "WINDOW"), "where"),
    **dict.fromkeys(("LIMIT", "OFFSET"), "limit"),
    "VALUES": "values",
    "WITH": "with",
}
"""Word -> the clause that it opens."""

JOIN_WORDS = frozenset(
    {"JOIN", "LEFT", "RIGHT", "FULL", "INNER", "OUTER", "CROSS", "NATURAL", "SEMI", "ANTI", "ASOF",
     "POSITIONAL", "LATERAL"}
)  # fmt: skip
NOT_AN_ALIAS = (
    frozenset(CLAUSES)
    | JOIN_WORDS
    | _SET_OPERATORS
    | {"ON", "USING", "AT", "AS", "TABLESAMPLE", "SAMPLE", "WHEN", "TO", "NOT", "AND", "OR"}
)


@dataclass(slots=True)
class Group:
    """A pair of brackets; `closed` is False for one that is still open at the end."""

    opening: str
    items: list[Token | Group] = field(default_factory=list)
    closed: bool = False


Item = Token | Group


@dataclass(slots=True)
class Table:
    """A table in a FROM clause.

    Args:
        alias: Name that its columns are called by, or empty.
        parts: Its name, or empty for a subquery or a function.
        query: The subquery, or None.
        columns: Names given to its columns: ``t(a, b)``.
    """

    alias: str
    parts: tuple[str, ...] = ()
    query: Query | None = None
    columns: tuple[str, ...] = ()


@dataclass(slots=True)
class Block:
    """One SELECT: its tables and the items of its select list (None for all columns)."""

    tables: list[Table] = field(default_factory=list)
    select: list[list[Item]] | None = None
    inner: Query | None = None
    values: int = 0


@dataclass(slots=True)
class Query:
    """A WITH list and the SELECTs that set operators join."""

    ctes: list[Table] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)


def word(item: Item | None) -> str:
    """Return the upper-case word of an item, or empty."""
    return item.value.upper() if isinstance(item, Token) and item.kind == "word" else ""


def is_symbol(item: Item | None, *symbols: str) -> bool:
    """Return whether the item is one of these symbols."""
    return isinstance(item, Token) and item.is_symbol(*symbols)


def is_query(items: Sequence[Item]) -> bool:
    """Return whether what stands between brackets is a query."""
    if not items:
        return False
    if isinstance(items[0], Group):
        return len(items) > 1 and word(items[1]) in _SET_OPERATORS and is_query(items[0].items)
    return word(items[0]) in _QUERY_HEADS


def grouped(tokens: Sequence[Token]) -> Group:
    """Return the tokens as a tree of brackets; those that nobody closes end where they must."""
    root = Group("")
    stack = [root]
    for token in tokens:
        if token.is_symbol("(", "[", "{"):
            opened = Group(token.value)
            stack[-1].items.append(opened)
            stack.append(opened)
        elif token.is_symbol(")", "]", "}"):
            depth = next(
                (d for d in range(len(stack) - 1, 0, -1) if _closes(stack[d], token)), None
            )
            if depth is not None:
                stack[depth].closed = True
                del stack[depth:]
        else:
            while len(stack) > 1 and _swallows(stack, token):
                stack.pop()
            stack[-1].items.append(token)
    return root


def _closes(group: Group, token: Token) -> bool:
    return _OPENING.get(group.opening) == token.value


def _swallows(stack: list[Group], token: Token) -> bool:
    """Return whether the innermost bracket cannot hold this word, so its end was forgotten."""
    inner, items = stack[-1].items, stack[-2].items
    if word(token) not in _CLOSING_WORDS or not inner or is_query(inner):
        return False
    if is_symbol(inner[-1], ".") or (word(inner[-1]) == "WITHIN"):
        return False
    before = word(items[-2]) if len(items) > 1 else ""
    if word(token) == "FROM" and (before in _FROM_CALLS or word(inner[-1]) == "DISTINCT"):
        return False
    # A bracket in FROM holds tables: FROM (a JOIN b)
    return not (word(token) == "JOIN" and before in ("FROM", "JOIN", ""))


def query_of(items: Sequence[Item]) -> Query:
    """Return the outline of one statement or subquery."""
    query = Query()
    i = 0
    while i < len(items) and word(items[i]) != "WITH" and word(items[i]) not in _QUERY_HEADS:
        i += 1  # EXPLAIN, CREATE TABLE x AS, INSERT INTO x
    start = 0
    if i < len(items) and word(items[i]) == "WITH":
        start = _read_ctes(items, i + 1, query)
    for part in _split(items[start:], _SET_OPERATORS):
        query.blocks.append(_block(part))
    return query


def _read_ctes(items: Sequence[Item], i: int, query: Query) -> int:
    while i < len(items):
        if word(items[i]) == "RECURSIVE" or is_symbol(items[i], ","):
            i += 1
            continue
        name = items[i]
        if not isinstance(name, Token) or name.name is None or word(name) in _QUERY_HEADS:
            return i
        i += 1
        columns: tuple[str, ...] = ()
        if i < len(items) and isinstance(items[i], Group) and word(name) != "USING":
            columns = _plain_names(items[i])
            i += 1
        while word(_at(items, i)) in ("AS", "NOT", "MATERIALIZED", "USING", "KEY"):
            i += 1
        body = _at(items, i)
        if not isinstance(body, Group):
            return i
        query.ctes.append(Table(name.name, (), query_of(body.items), columns))
        i += 1
    return i


def _block(items: Sequence[Item]) -> Block:
    block = Block()
    shown = [item for item in items if not is_symbol(item, CURSOR)]
    if len(shown) == 1 and isinstance(shown[0], Group) and is_query(shown[0].items):
        block.inner = query_of(shown[0].items)
        return block
    for clause, body in segments(items):
        if clause == "select" and block.select is None:
            block.select = select_items(body)
        elif clause == "from":
            block.tables.extend(tables_of(body))
        elif clause == "values":
            first = next((g for g in body if isinstance(g, Group)), None)
            block.values = len(list(_split(first.items, ","))) if first else 0
    return block


def segments(items: Sequence[Item]) -> list[tuple[str, Sequence[Item]]]:
    """Return the clauses of one SELECT with what stands in them."""
    found: list[tuple[str, Sequence[Item]]] = []
    clause, start = "", 0
    for i, item in enumerate(items):
        opened = CLAUSES.get(word(item), "")
        if not opened or _is_no_clause(items, i):
            continue
        found.append((clause, items[start:i]))
        clause, start = opened, i + 1
    found.append((clause, items[start:]))
    return found


def _is_no_clause(items: Sequence[Item], i: int) -> bool:
    before = _at(items, i - 1)
    if is_symbol(before, ".") or is_symbol(_at(items, i + 1), "."):
        return True
    if word(items[i]) == "FROM" and word(before) == "DISTINCT":
        return word(_at(items, i - 2)) in ("IS", "NOT")
    if word(items[i]) == "DESC":
        return i > 0
    if word(items[i]) == "TABLE":
        return word(before) not in ("", "INTO")
    return word(items[i]) == "GROUP" and word(before) == "WITHIN"


def select_items(items: Sequence[Item]) -> list[list[Item]]:
    """Return the items of a select list."""
    i = 0
    if word(_at(items, 0)) in ("DISTINCT", "ALL"):
        i = 1
        if word(_at(items, 1)) == "ON" and isinstance(_at(items, 2), Group):
            i = 3
    return [part for part in _split(items[i:], ",") if part]


def tables_of(items: Sequence[Item]) -> list[Table]:
    """Return the tables of a FROM clause."""
    found: list[Table] = []
    expecting, i = True, 0
    while i < len(items):
        item = items[i]
        if not expecting or is_symbol(item, CURSOR) or word(item) in ("LATERAL", "ONLY"):
            expecting = expecting or is_symbol(item, ",") or word(item) == "JOIN"
            i += 1
            continue
        tables, i = _table(items, i)
        found.extend(tables)
        expecting = False
    return found


def _table(items: Sequence[Item], i: int) -> tuple[list[Table], int]:
    """Read one table at `i`; return it (several for ``(a JOIN b)``) and the place behind it."""
    alias = ""
    item = items[i]
    if isinstance(item, Token) and item.name is not None and is_symbol(_at(items, i + 1), ":"):
        alias, i = item.name, i + 2
        item = items[i] if i < len(items) else Group("(")
    if isinstance(item, Group):
        if not is_query(item.items):
            return tables_of(item.items), i + 1
        table = Table(alias, (), query_of(item.items))
        i += 1
    elif item.name is not None:
        parts, i = name_at(items, i)
        table = Table(alias or parts[-1], parts)
        if isinstance(_at(items, i), Group) and word(item) != "AT":
            table, i = Table(alias or parts[-1]), i + 1  # a table function
        if word(_at(items, i)) == "AT" and isinstance(_at(items, i + 1), Group):
            i += 2
    else:
        return [], i + 1
    return [table], _read_alias(items, i, table)


def name_at(items: Sequence[Item], i: int) -> tuple[tuple[str, ...], int]:
    """Return the dotted name that starts at `i` and the place behind it."""
    parts: list[str] = []
    while isinstance(part := _at(items, i), Token) and part.name is not None:
        parts.append(part.name)
        i += 1
        if not is_symbol(_at(items, i), "."):
            break
        i += 1
    return tuple(parts), i


def _read_alias(items: Sequence[Item], i: int, table: Table) -> int:
    is_explicit = word(_at(items, i)) == "AS"
    name = _at(items, i + is_explicit)
    if not isinstance(name, Token) or name.name is None:
        return i + is_explicit
    if word(name) in NOT_AN_ALIAS:
        return i
    table.alias = name.name
    i += 1 + is_explicit
    columns = _at(items, i)
    if isinstance(columns, Group) and columns.opening == "(":
        table.columns = _plain_names(columns)
        i += 1
    return i


def _plain_names(group: Item) -> tuple[str, ...]:
    items = group.items if isinstance(group, Group) else []
    return tuple(t.name for t in items if isinstance(t, Token) and t.name is not None)


def _split(items: Sequence[Item], at: frozenset[str] | str) -> Iterator[list[Item]]:
    part: list[Item] = []
    for i, item in enumerate(items):
        is_end = is_symbol(item, at) if isinstance(at, str) else word(item) in at
        if is_end and not isinstance(at, str) and _is_exclude(items, i):
            is_end = False
        if is_end:
            yield part
            part = []
        else:
            part.append(item)
    yield part


def _is_exclude(items: Sequence[Item], i: int) -> bool:
    return is_symbol(_at(items, i - 1), "*")  # SELECT * EXCEPT (a)


def _at(items: Sequence[Item], i: int) -> Item | None:
    return items[i] if 0 <= i < len(items) else None
