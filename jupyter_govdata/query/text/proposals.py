"""What may stand at one place of a SQL text. Runs in the kernel.

Pure: everything that exists comes from `Facts`, which holds only what was shown to this
principal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from jupyter_govdata.query.text.name_index import NameIndex
from jupyter_govdata.query.text.outline import (
    CLAUSES,
    CURSOR,
    JOIN_WORDS,
    Group,
    Item,
    Table,
    is_query,
    is_symbol,
    segments,
    word,
)
from jupyter_govdata.query.text.scope import Known, KnownColumn, Scope, output_name, scope_at_cursor
from jupyter_govdata.query.text.tokens import Token, is_plain_name

LIMIT = 500
"""Proposals at most; IPython shows no more."""

_BEFORE_OPERANDS = frozenset(
    {"ALL", "AND", "ANY", "ASC", "BETWEEN", "BY", "CASE", "DISTINCT", "ELSE", "ESCAPE", "FILTER",
     "GLOB", "HAVING", "ILIKE", "IN", "INTERVAL", "IS", "LIKE", "LIMIT", "NOT", "OFFSET", "ON",
     "OR", "OVER", "QUALIFY", "RETURNING", "SELECT", "SET", "SOME", "THEN", "VALUES", "WHEN",
     "WHERE"}
)  # fmt: skip
_STARTS = ("SELECT", "FROM", "WITH", "DESCRIBE", "SUMMARIZE", "EXPLAIN", "CREATE", "COPY", "PIVOT")
_NEXT = {
    "select": ("FROM", "AS", "OVER (", "FILTER (WHERE"),
    "from": ("WHERE", "JOIN", "LEFT JOIN", "USING (", "ON", "AT (", "AS", "GROUP BY", "ORDER BY",
             "LIMIT", "ASOF JOIN", "SEMI JOIN", "ANTI JOIN", "UNION ALL"),
    "where": ("AND", "OR", "IN (", "IS NULL", "IS NOT NULL", "BETWEEN", "LIKE", "GROUP BY",
              "HAVING", "QUALIFY", "ORDER BY", "LIMIT", "DESC", "ASC"),
    "limit": ("OFFSET",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Proposal:
    """A text that may stand at the cursor, and what it is."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words of SQL, each list sorted.

    Args:
        functions: Name and kind: ``function`` or ``aggregate``.
        table_functions: Functions that stand in FROM.
        keywords: In upper case.
        types: Names of types, in upper case.
    """

    functions: tuple[tuple[str, str], ...] = ()
    table_functions: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


class Facts(Known, Protocol):
    """All that completion may propose."""

    def names(self) -> NameIndex:
        """Return the visible assets."""
        ...

    def access(self, assets: Sequence[str]) -> Mapping[str, str]:
        """Return what is done to the rows of assets, of those where it is known."""
        ...

    def versions(self, asset: str) -> Sequence[tuple[int, str, tuple[str, ...]]]:
        """Return snapshot id, description and tags of a visible asset's versions."""
        ...

    def tables(self) -> Mapping[str, str]:
        """Return local frames and tables, each with what it is."""
        ...

    def variables(self) -> Mapping[str, str]:
        """Return variables that can be bound, each with its type."""
        ...

    def words(self) -> Vocabulary:
        """Return the words of DuckDB."""
        ...


@dataclass(slots=True)
class Place:
    """The place of the cursor and what may stand there."""

    statement: Group
    facts: Facts
    path: tuple[str, ...]
    fragment: str

    def proposals(self) -> Iterator[Proposal]:
        """Yield what may stand here, best first; more than continues the fragment."""
        scope = scope_at_cursor(self.statement, self.facts)
        items = scope.path[-1].items
        place = next((i for i, item in enumerate(items) if is_symbol(item, CURSOR)), len(items))
        before = items[:place]
        previous = before[-1] if before else None
        at = self._at_clause(scope)
        if at is not None:
            return self._versions(at, before)
        clause, body = segments(before)[-1]
        if len(scope.path) > 1 and not is_query(before):
            # The brackets of a call or an expression, or of joined tables.
            clause = "from" if self._before_bracket(scope) in ("FROM", "JOIN") else "where"
        in_tables = clause == "from" and _expects_table(body)
        if self.path:
            return self._members(scope, in_tables)
        if in_tables:
            return self._tables(scope, is_written=word(previous) in ("INTO", "UPDATE"))
        if is_symbol(previous, "::") or (word(previous) == "AS" and self._is_cast(scope)):
            return (Proposal(self._cased(t), "type") for t in self.facts.words().types)
        if word(previous) == "AS":
            return iter(())
        if not before and len(scope.path) == 1:
            return self._keywords(_STARTS)
        if self._is_using(scope):
            return self._common(scope)
        if clause == "from" and word(previous) == "ON":
            return self._conditions(scope)
        if clause in ("", "limit", "values", "with") and len(scope.path) == 1:
            return self._keywords(_NEXT.get(clause, ()))
        if self._is_behind_operand(before):
            return self._keywords(_NEXT.get(clause, ()))
        return self._expression(scope, clause)

    # -- where the cursor is ---------------------------------------------------------------------

    def _at_clause(self, scope: Scope) -> str | None:
        """Return the asset whose version is asked for, or None outside ``AT (``."""
        if len(scope.path) < 2:
            return None
        around, inner = scope.path[-2].items, scope.path[-1]
        place = next(i for i, item in enumerate(around) if item is inner)
        if place < 2 or word(around[place - 1]) != "AT":
            return None
        tokens = [t for t in around[: place - 1] if isinstance(t, Token)]
        return asset_before(tokens)

    def _before_bracket(self, scope: Scope) -> str:
        if len(scope.path) < 2:
            return ""
        around, inner = scope.path[-2].items, scope.path[-1]
        place = next(i for i, item in enumerate(around) if item is inner)
        return word(around[place - 1]) if place else ""

    def _is_cast(self, scope: Scope) -> bool:
        return self._before_bracket(scope) in ("CAST", "TRY_CAST")

    def _is_using(self, scope: Scope) -> bool:
        return self._before_bracket(scope) == "USING"

    def _is_behind_operand(self, before: Sequence[Item]) -> bool:
        previous = before[-1] if before else None
        if previous is None or isinstance(previous, Group):
            return previous is not None
        if previous.kind == "symbol":
            # A star that multiplies has an operand before it.
            return previous.value == "*" and not self._is_behind_operand(before[:-1])
        return word(previous) not in _BEFORE_OPERANDS and word(previous) not in CLAUSES

    # -- what may stand there --------------------------------------------------------------------

    def _versions(self, asset: str, before: Sequence[Item]) -> Iterator[Proposal]:
        if not before:
            for text in ("VERSION => ", "TAG => '", "TIMESTAMP => '"):
                yield Proposal(self._cased(text), "keyword")
            return
        kind = word(before[0])
        for snapshot_id, text, tags in self.facts.versions(asset):
            if kind == "VERSION" and is_symbol(before[-1], "=>"):
                yield Proposal(str(snapshot_id), text)
            if kind == "TAG" and is_symbol(before[-1], "=>"):
                for tag in tags:
                    yield Proposal("'" + tag.replace("'", "''") + "'", f"tag · {text}")

    def _members(self, scope: Scope, in_tables: bool) -> Iterator[Proposal]:
        """What may stand behind a dot: columns of a table, assets of a namespace."""
        table = scope.table(self.path[-1]) if not in_tables else None
        if table is not None and len(self.path) in (1, len(table.parts)):
            yield from self._columns(scope.columns_of(table))
        if len(self.path) != 1:
            return
        namespace = self.path[0].lower()
        named = [t.parts[1] for t in scope.tables() if t.parts[:1] == (namespace,) and t.parts[1:]]
        if named and not in_tables:
            yield from (Proposal(name, "asset") for name in named)
        elif table is None:
            names = self.facts.names().starting(f"{namespace}.{self.fragment.lower()}", LIMIT)
            yield from self._assets(names, short=True)

    def _assets(self, names: Sequence[str], *, short: bool = False) -> Iterator[Proposal]:
        access = self.facts.access(names)
        for name in names:
            done = access.get(name)
            text = name.partition(".")[2] if short else name
            yield Proposal(text, f"asset · {done}" if done else "asset")

    def _tables(self, scope: Scope, *, is_written: bool) -> Iterator[Proposal]:
        wanted = self.fragment.strip('"').lower()
        for cte in scope.ctes:
            yield Proposal(self._name(cte.alias), "with")
        for name, kind in self.facts.tables().items():
            yield Proposal(self._name(name), kind)
        if is_written:
            return  # governed assets are read only
        index = self.facts.names()
        for namespace in index.namespaces:
            yield Proposal(f"{namespace}.", "namespace")
        names = index.starting(wanted, LIMIT) if wanted or len(index) <= LIMIT else ()
        yield from self._assets(names)
        if wanted:
            yield from self._assets(index.called(wanted, LIMIT))
            for function in self.facts.words().table_functions:
                yield Proposal(function, "table function")
        if len(scope.path) > 1:
            yield from (Proposal(self._cased(w), "keyword") for w in ("SELECT", "VALUES"))

    def _expression(self, scope: Scope, clause: str) -> Iterator[Proposal]:
        aliases = []
        for level in scope.levels:
            for table in level:
                yield from self._columns(scope.columns_of(table))
                aliases.append(table.alias)
        if clause != "select" and scope.block.select:
            for item in scope.block.select:
                name = output_name([i for i in item if not is_symbol(i, CURSOR)])
                if name is not None:
                    yield Proposal(self._name(name), "named above")
        for alias in aliases:
            if alias:
                yield Proposal(f"{self._name(alias)}.", "table")
        if not self.fragment or self.fragment.startswith('"'):
            return
        words = self.facts.words()
        for name, kind in words.functions:
            yield Proposal(name, kind)
        yield from self._keywords(())

    def _columns(self, columns: Iterable[KnownColumn]) -> Iterator[Proposal]:
        for column in columns:
            yield Proposal(self._name(column.name), column.kind)

    def _common(self, scope: Scope) -> Iterator[Proposal]:
        """Columns that the last joined table shares with those before it: USING (...)."""
        tables = self._joined(scope)
        known = {c.name.lower() for t in tables[:-1] for c in scope.columns_of(t)}
        for column in scope.columns_of(tables[-1]) if tables else ():
            if column.name.lower() in known:
                yield Proposal(self._name(column.name), column.kind)

    def _conditions(self, scope: Scope) -> Iterator[Proposal]:
        """Whole join conditions: columns of one name or of one identifier domain."""
        tables = self._joined(scope)
        last = tables[-1] if tables else Table("")
        right = scope.columns_of(last)
        for table in reversed(tables[:-1]):
            for a in scope.columns_of(table):
                for b in right:
                    if a.name.lower() == b.name.lower() or (a.domain and a.domain == b.domain):
                        pair = (f"{self._name(t.alias)}.{self._name(c.name)}"
                                for t, c in ((table, a), (last, b)))  # fmt: skip
                        yield Proposal(" = ".join(pair), "join")
        yield from self._expression(scope, "from")

    def _joined(self, scope: Scope) -> list[Table]:
        """Return the tables up to the cursor: the ON or USING belongs to the last of them."""
        tables = scope.levels[0] if scope.levels else []
        items = scope.path[-1].items
        if self._is_using(scope):
            items, inner = scope.path[-2].items, scope.path[-1]
            place = next(i for i, item in enumerate(items) if item is inner)
        else:
            place = next(i for i, item in enumerate(items) if is_symbol(item, CURSOR))
        later = sum(word(item) == "JOIN" for item in items[place:])
        return tables[: len(tables) - later]

    def _keywords(self, first: Sequence[str]) -> Iterator[Proposal]:
        for text in first:
            yield Proposal(self._cased(text), "keyword")
        if self.fragment:
            for text in self.facts.words().keywords:
                yield Proposal(self._cased(text), "keyword")

    def _cased(self, text: str) -> str:
        return text.lower() if self.fragment and self.fragment.islower() else text

    def _name(self, name: str) -> str:
        if self.fragment.startswith('"'):
            return '"' + name.replace('"', '""') + '"'
        return written(name, _RESERVED)


_RESERVED = frozenset(CLAUSES) | JOIN_WORDS | _BEFORE_OPERANDS | {"END", "CASE", "USER", "TABLE"}


def _expects_table(body: Sequence[Item]) -> bool:
    """Return whether a FROM clause that ends here wants a table."""
    last = body[-1] if body else None
    return last is None or is_symbol(last, ",") or word(last) in ("JOIN", "LATERAL", "INTO")


def asset_before(tokens: Sequence[Token]) -> str:
    """Return the asset that the last three tokens name, or empty."""
    names = [t.value.lower() for t in tokens[-3:]]
    return "".join(names) if len(names) == 3 and names[1] == "." else ""


def written(name: str, reserved: Iterable[str] = ()) -> str:
    """Return a name as SQL wants it: in quotes if it needs them."""
    if is_plain_name(name) and name.upper() not in reserved:
        return name
    return '"' + name.replace('"', '""') + '"'
