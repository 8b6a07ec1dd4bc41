"""Which tables and columns a half-written SQL text may name at the cursor. Runs in the kernel.

For completion only. What a table holds is asked of `Known`; a name that it does not know has no
columns here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Protocol

from jupyter_govdata.query.text.outline import (
    CURSOR,
    NOT_AN_ALIAS,
    Block,
    Group,
    Item,
    Query,
    Table,
    is_query,
    is_symbol,
    name_at,
    query_of,
    word,
)
from jupyter_govdata.query.text.tokens import Token

_DEPTH = 20  # of names that lead to other names; a recursive CTE leads to itself


@dataclass(frozen=True, slots=True)
class KnownColumn:
    """A column as completion shows it; `kind` is its type and what is done to it."""

    name: str
    kind: str = "column"
    domain: str = ""


class Known(Protocol):
    """What completion may propose: nothing that was not shown to this principal."""

    def columns(self, parts: tuple[str, ...]) -> Sequence[KnownColumn]:
        """Return the columns of a visible asset, a local frame or a local table."""
        ...


@dataclass(slots=True)
class Scope:
    """What the cursor can see.

    Args:
        levels: Tables of the SELECT around the cursor, then of those around that.
        ctes: Named subqueries, the nearest first.
        block: The SELECT around the cursor.
        path: The brackets around the cursor, outermost first; the first one is the statement.
    """

    known: Known
    levels: list[list[Table]] = field(default_factory=list)
    ctes: list[Table] = field(default_factory=list)
    block: Block = field(default_factory=Block)
    path: list[Group] = field(default_factory=list)

    def tables(self) -> Iterator[Table]:
        """Yield the visible tables, the nearest first."""
        for level in self.levels:
            yield from level

    def table(self, alias: str) -> Table | None:
        """Return the visible table of that alias, or None."""
        return next((t for t in self.tables() if t.alias.lower() == alias.lower()), None)

    def columns_of(self, table: Table, depth: int = 0) -> list[KnownColumn]:
        """Return the columns of a table, as far as the text and `known` tell."""
        found: list[KnownColumn] = []
        if depth < _DEPTH:
            if table.query is not None:
                found = self._output(table.query, depth + 1)
            elif table.parts:
                found = self._named(table.parts, depth + 1)
        if table.columns:
            kinds = [c.kind for c in found] + ["column"] * len(table.columns)
            named = [KnownColumn(n, k) for n, k in zip(table.columns, kinds, strict=False)]
            found = named + found[len(named) :]
        return found

    def _named(self, parts: tuple[str, ...], depth: int) -> list[KnownColumn]:
        if len(parts) == 1:
            for cte in self.ctes:
                if cte.alias.lower() == parts[0].lower():
                    return self.columns_of(cte, depth)
        return list(self.known.columns(parts))

    def _output(self, query: Query, depth: int) -> list[KnownColumn]:
        if not query.blocks or depth >= _DEPTH:
            return []
        inside = replace(self, ctes=[*reversed(query.ctes), *self.ctes])
        return inside._columns_of_block(query.blocks[0], depth)

    def _columns_of_block(self, block: Block, depth: int) -> list[KnownColumn]:
        if block.inner is not None:
            return self._output(block.inner, depth + 1)
        if block.select is None:
            if block.values:
                return [KnownColumn(f"col{i}") for i in range(block.values)]
            return self._star(block.tables, depth)
        found: list[KnownColumn] = []
        for item in block.select:
            found.extend(self._item(item, block.tables, depth))
        return found

    def _star(self, tables: Sequence[Table], depth: int) -> list[KnownColumn]:
        seen: dict[str, KnownColumn] = {}
        for table in tables:
            for column in self.columns_of(table, depth):
                seen.setdefault(column.name.lower(), column)
        return list(seen.values())

    def _item(self, item: list[Item], tables: Sequence[Table], depth: int) -> list[KnownColumn]:
        """Return the columns that one item of a select list gives."""
        named = [part for part in item if not is_symbol(part, CURSOR)]
        parts, end = name_at(named, 0)
        is_star = end < len(named) and is_symbol(named[end], "*")
        if is_star and (end == 0 or is_symbol(named[end - 1], ".")):
            chosen = tables
            if parts:
                chosen = [t for t in tables if t.alias.lower() == parts[-1].lower()]
            return _starred(self._star(chosen, depth), named[end + 1 :])
        alias = output_name(named)
        if alias is None:
            return []
        if end in (len(named), len(named) - 1, len(named) - 2) and parts:
            sources = [t for t in tables if len(parts) < 2 or t.alias.lower() == parts[-2].lower()]
            for column in self._star(sources, depth):
                if column.name.lower() == parts[-1].lower():
                    return [replace(column, name=alias)]
        return [KnownColumn(alias)]


def output_name(item: Sequence[Item]) -> str | None:
    """Return the name of an item of a select list, or None for an expression without one."""
    if not item:
        return None
    first, last = item[0], item[-1]
    if len(item) > 2 and isinstance(first, Token) and first.name and is_symbol(item[1], ":"):
        return first.name
    if not isinstance(last, Token) or last.name is None:
        return None
    before = item[-2] if len(item) > 1 else None
    if word(last) in NOT_AN_ALIAS or word(last) in ("END", "NULL", "TRUE", "FALSE"):
        return None
    if before is None or is_symbol(before, ".") or word(before) == "AS":
        return last.name
    if isinstance(before, Group) or before.kind != "symbol":
        return None if word(before) in ("AND", "OR", "NOT", "IS", "LIKE") else last.name
    return None


def _starred(columns: list[KnownColumn], rest: Sequence[Item]) -> list[KnownColumn]:
    """Apply EXCLUDE and RENAME to the columns of ``*``."""
    for i, item in enumerate(rest[:-1]):
        behind = rest[i + 1]
        if word(item) in ("EXCLUDE", "EXCEPT"):
            gone = {n.lower() for n in _names(behind)}
            columns = [c for c in columns if c.name.lower() not in gone]
        elif word(item) == "RENAME" and isinstance(behind, Group):
            names = _names(behind)
            words = [n for n in names if n.upper() != "AS"]
            renamed = {a.lower(): b for a, b in zip(words[::2], words[1::2], strict=False)}
            columns = [replace(c, name=renamed.get(c.name.lower(), c.name)) for c in columns]
    return columns


def _names(item: Item) -> list[str]:
    items = item.items if isinstance(item, Group) else [item]
    return [t.name for t in items if isinstance(t, Token) and t.name is not None]


def scope_at_cursor(statement: Group, known: Known) -> Scope:
    """Return what the cursor in a statement can see."""
    path = _path(statement)
    scope = Scope(known, path=path or [statement])
    for i, group in enumerate(scope.path):
        if i and not is_query(_without_cursor(group.items)):
            continue
        query = query_of(group.items)
        inner = scope.path[i + 1] if i + 1 < len(scope.path) else None
        number = _number_of_body(group, inner)
        visible = query.ctes if number is None else query.ctes[: number + 1]
        scope.ctes = [*reversed(visible), *scope.ctes]
        block = _block_at_cursor(group, query, inner)
        if number is None and block is not None:
            scope.block = block
            scope.levels.insert(0, block.tables)
    return scope


def _number_of_body(group: Group, inner: Group | None) -> int | None:
    """Return which body of a WITH list the bracket is, or None: it is none of them."""
    bodies = [
        item
        for before, item in pairwise(group.items)
        if isinstance(item, Group) and word(before) in ("AS", "MATERIALIZED")
    ]
    return next((i for i, body in enumerate(bodies) if body is inner), None)


def _block_at_cursor(group: Group, query: Query, inner: Group | None) -> Block | None:
    """Return the SELECT of a query that holds the cursor."""
    place = next(
        (i for i, item in enumerate(group.items) if item is inner or is_symbol(item, CURSOR)), 0
    )
    before = group.items[:place]
    number = sum(
        word(item) in ("UNION", "INTERSECT")
        or (word(item) == "EXCEPT" and not is_symbol(before[i - 1] if i else None, "*"))
        for i, item in enumerate(before)
    )
    return query.blocks[number] if number < len(query.blocks) else None


def _path(group: Group) -> list[Group]:
    for item in group.items:
        if is_symbol(item, CURSOR):
            return [group]
        if isinstance(item, Group) and (found := _path(item)):
            return [group, *found]
    return []


def _without_cursor(items: Sequence[Item]) -> list[Item]:
    return [item for item in items if not is_symbol(item, CURSOR)]
