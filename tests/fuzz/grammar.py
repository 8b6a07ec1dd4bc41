"""Random SELECTs over the tables of a world, in DuckDB's dialect.

Answers never depend on the order of rows or on rounding: numbers are multiples of a quarter, and a
LIMIT follows an ORDER BY that ends in the unique `rid`. Whole-query aggregates and top-N over one
asset are frequent, since these are what a gateway may compute itself.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fuzz.choices import Choices

NUMBERS = ("long", "decimal", "double")
COMPARED = ("=", "!=", "<", "<=", ">", ">=")
MINE = "mine"
"""A local table of the user's own: identifiers that they know."""


@dataclass(frozen=True)
class Source:
    """A table as somebody sees it: visible columns and their kinds, values that occur, versions."""

    name: str
    kinds: Mapping[str, str]
    values: Mapping[str, Sequence[Any]]
    versions: int


@dataclass
class Query:
    """SQL with places for tables, ``{t0}`` or ``{t0@1}`` for a version, and its parameters."""

    sql: str
    parameters: dict[str, Any] = field(default_factory=dict)
    ordered: bool = False
    shape: str = ""


class Grammar:
    """Writes one query."""

    def __init__(self, draw: Choices, sources: Sequence[Source]) -> None:
        self._draw = draw
        self._sources = sources
        self._parameters: dict[str, Any] = {}

    def query(self) -> Query:
        """Return a query of a random shape."""
        shapes = (
            *(self.rows, self.rows, self.grouped, self.grouped, self.grouped, self.top, self.top),
            *(self.total, self.total, self.joined, self.joined, self.windowed, self.common),
            *(self.correlated, self.correlated, self.sets, self.nested, self.failing, self.failing),
            *(self.against_mine, self.lateral, self.sampled),
        )
        shape = self._draw.of(shapes)
        sql = shape()
        # Parts that were drawn but not chosen have left parameters behind.
        used = set(re.findall(r"\$(p\d+)\b", sql))
        parameters = {name: value for name, value in self._parameters.items() if name in used}
        return Query(sql, parameters, shape == self.top, shape.__name__)

    # -- shapes ------------------------------------------------------------------------------

    def rows(self) -> str:
        source, table = self.table()
        distinct = "DISTINCT " if self._draw.chance(20) else ""
        return f"SELECT {distinct}{self.columns(source)} FROM {table} a{self.where(source)}"

    def grouped(self) -> str:
        """A whole query that groups one asset."""
        draw = self._draw
        source, table = self.table()
        keys = [self.key(source) for _ in range(draw.between(1, 2))]
        made = ", ".join(f"{key} AS k{i}" for i, key in enumerate(keys))
        found = ", ".join(self.aggregate(source) for _ in range(draw.between(1, 3)))
        having = f" HAVING {self.aggregate(source)} IS NOT NULL" if draw.chance(15) else ""
        having = having or (f" HAVING count(*) > {draw.below(4)}" if draw.chance(15) else "")
        groups = draw.of(("ALL", ", ".join(f"k{i}" for i in range(len(keys)))))
        if draw.chance(10):
            groups = f"{draw.of(('ROLLUP', 'CUBE'))} ({', '.join(keys)})"
        return (
            f"SELECT {made}, {found} FROM {table} a{self.where(source)} GROUP BY {groups}{having}"
        )

    def total(self) -> str:
        source, table = self.table()
        found = ", ".join(self.aggregate(source) for _ in range(self._draw.between(1, 4)))
        return f"SELECT {found} FROM {table} a{self.where(source)}"

    def top(self) -> str:
        """A whole query that orders one asset, and perhaps takes the first rows."""
        draw = self._draw
        source, table = self.table()
        by = [f"a.{c} {self.direction()}" for c in draw.some(tuple(source.kinds), 0, 2)]
        limit = f" LIMIT {draw.between(0, 12)}" if draw.chance(80) else ""
        limit += f" OFFSET {draw.below(5)}" if limit and draw.chance(25) else ""
        order = ", ".join([*by, f"a.rid {self.direction()}"])
        return (
            f"SELECT {self.columns(source)} FROM {table} a{self.where(source)} "
            f"ORDER BY {order}{limit}"
        )

    def joined(self) -> str:
        draw = self._draw
        (left, a), (right, b) = self.table(), self.table()
        kind = draw.of(("JOIN", "LEFT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN", "RIGHT JOIN"))
        on = draw.of(("a.pid = b.pid", "a.site = b.site", "a.rid < b.rid AND a.site = b.site"))
        if "pid" not in left.kinds or "pid" not in right.kinds:
            on = "a.rid = b.rid"
        elif "site" not in left.kinds or "site" not in right.kinds:
            on = "a.pid = b.pid"
        inner = f"(SELECT * FROM {b} a{self.where(right)})"
        only_left = kind in ("SEMI JOIN", "ANTI JOIN")
        if draw.chance(40):
            found = f"count(*), sum(a.rid){'' if only_left else ', max(b.rid)'}"
        else:
            found = self.columns(left, star="a.*") + ("" if only_left else ", b.rid AS r")
        return f"SELECT {found} FROM {a} a {kind} {inner} b ON {on}{self.where(left)}"

    def windowed(self) -> str:
        draw = self._draw
        source, table = self.table()
        by = draw.of(tuple(source.kinds))
        call = draw.of(
            (
                "row_number()",
                "rank()",
                f"lag(a.{draw.of(tuple(source.kinds))})",
                "count(*)",
                "sum(a.rid)",
                f"first_value(a.{draw.of(tuple(source.kinds))})",
                "ntile(3)",
            )
        )
        over = f"OVER (PARTITION BY a.{by} ORDER BY a.rid)"
        qualify = f" QUALIFY {call} {over} IS NOT NULL" if draw.chance(20) else ""
        return f"SELECT a.rid, {call} {over} AS w FROM {table} a{self.where(source)}{qualify}"

    def common(self) -> str:
        draw = self._draw
        source, table = self.table()
        body = f"SELECT * FROM {table} a{self.where(source)}"
        if draw.chance(30):
            return (
                f"WITH RECURSIVE r AS (SELECT min(a.rid) AS n FROM {table} a UNION "
                f"SELECT (SELECT min(a.rid) FROM {table} a WHERE a.rid > r.n) FROM r "
                f"WHERE r.n IS NOT NULL) SELECT * FROM r"
            )
        again = "(SELECT count(*) FROM x b WHERE b.rid <= a.rid)"
        return f"WITH x AS {draw.of(('', 'MATERIALIZED '))}({body}) SELECT a.rid, {again} FROM x a"

    def correlated(self) -> str:
        draw = self._draw
        (left, a), (right, b) = self.table(), self.table()
        shared = [c for c in ("pid", "site", "rid") if c in left.kinds and c in right.kinds]
        on = f"b.{draw.of(shared)}"
        same = f"{on} = a.{on[2:]}"
        form = draw.of(
            (
                f"EXISTS (FROM {b} b WHERE {same})",
                f"NOT EXISTS (FROM {b} b WHERE {same})",
                f"a.{on[2:]} IN (SELECT {on} FROM {b} b)",
                f"a.{on[2:]} NOT IN (SELECT {on} FROM {b} b WHERE {on} IS NOT NULL)",
                f"a.rid >= ALL (SELECT b.rid FROM {b} b WHERE {same})",
                f"(SELECT count(*) FROM {b} b WHERE {same}) > {draw.below(4)}",
            )
        )
        scalar = f"(SELECT max(b.rid) FROM {b} b WHERE {same})"
        return f"SELECT a.rid, {scalar} FROM {a} a WHERE {form}"

    def lateral(self) -> str:
        (_, a), (_, b) = self.table(), self.table()
        inner = f"(SELECT b.rid AS r FROM {b} b WHERE b.rid < a.rid ORDER BY b.rid DESC LIMIT 2)"
        return f"SELECT a.rid, x.r FROM {a} a, LATERAL {inner} x"

    def sets(self) -> str:
        draw = self._draw
        (left, a), (right, b) = self.table(), self.table()
        both = [c for c, kind in left.kinds.items() if right.kinds.get(c) == kind]
        chosen = ", ".join(f"a.{c}" for c in draw.some(both, 1, 3))
        op = draw.of(("UNION ALL", "UNION", "EXCEPT", "EXCEPT ALL", "INTERSECT", "INTERSECT ALL"))
        return (
            f"SELECT {chosen} FROM {a} a{self.where(left)} {op} "
            f"SELECT {chosen} FROM {b} a{self.where(right)}"
        )

    def nested(self) -> str:
        draw = self._draw
        source, table = self.table()
        lists = [c for c, kind in source.kinds.items() if kind == "list"]
        structs = [c for c, kind in source.kinds.items() if kind == "struct"]
        forms = [f"SELECT struct_pack(r := a.rid, s := a) FROM {table} a"]
        forms += [f"SELECT a.rid, unnest(a.{c}) AS u FROM {table} a" for c in lists]
        forms += [
            f"SELECT a.rid, len(a.{c}), a.{c}[1], list_sort(a.{c}) FROM {table} a" for c in lists
        ]
        forms += [f"SELECT a.{c}.x, count(a.{c}.y) FROM {table} a GROUP BY 1" for c in structs]
        forms += [f"SELECT a.rid, a.{c} FROM {table} a WHERE a.{c}.x > 4" for c in structs]
        forms += [f"SELECT unnest(a.{c}), a.rid FROM {table} a" for c in structs]
        return draw.of(forms)

    def failing(self) -> str:
        """A query that fails on some rows: whether it does must not depend on a denied one."""
        draw = self._draw
        source, table = self.table()
        texts = [c for c, kind in source.kinds.items() if kind == "text"]
        numbers = [c for c, kind in source.kinds.items() if kind == "long"]
        number = f"a.{draw.of(numbers)}"
        forms = [
            f"1 // ({number} - {draw.between(0, 9)})",
            f"if({number} > {draw.between(0, 80)}, error('x' || {number}), 1)",
            f"{number} * 9223372036854775807",
            f"({number} - {draw.between(0, 80)})::UTINYINT",
            f"factorial({number}::INT)",
            f"chr({number}::INT)",
            "(SELECT error(count(*)::VARCHAR))",
        ]
        forms += [f"a.{c}::INT" for c in texts] + [
            f"if(a.{c} <> 'S1', error(a.{c}), 1)" for c in texts
        ]
        forms += [f"strptime(a.{c}, '%Y')" for c in texts] + [f"a.{c}::DATE" for c in texts]
        form = draw.of(forms)
        where = self.where(source)
        return draw.of(
            (
                f"SELECT {form} FROM {table} a{where}",
                f"SELECT a.rid FROM {table} a WHERE {form} IS NOT NULL",
                f"SELECT a.rid FROM {table} a WHERE {self.condition(source, 1)} AND {form} IS NULL",
                f"SELECT count({form}) FROM {table} a{where}",
                f"SELECT sum({form.replace('::DATE', '::INT')}::INT) FROM {table} a{where}",
                f"SELECT a.rid FROM {table} a ORDER BY {form}, a.rid LIMIT 3",
                f"SELECT sum({number} * {number} * 1000), sum({number}) FROM {table} a{where}",
                f"SELECT {number} + 1 AS k, sum({number} - 2) FROM {table} a{where} GROUP BY k",
                f"SELECT max({number} * 2), min(-{number}), sum(abs({number})) FROM {table} a",
            )
        )

    def against_mine(self) -> str:
        """T37: anti-joins and differences against a list of one's own."""
        source, table = self.table()
        if "pid" not in source.kinds:
            return f"SELECT count(*) FROM {table} a WHERE a.rid IN (SELECT n FROM {MINE})"
        return self._draw.of(
            (
                f"SELECT m.pid FROM {MINE} m ANTI JOIN {table} a ON a.pid = m.pid",
                f"SELECT pid FROM {MINE} EXCEPT SELECT a.pid FROM {table} a",
                f"SELECT n, count(a.rid) FROM {MINE} m LEFT JOIN {table} a USING (pid) GROUP BY 1",
                f"SELECT a.rid FROM {table} a WHERE a.pid NOT IN (SELECT pid FROM {MINE})",
            )
        )

    def sampled(self) -> str:
        """Statistics and summaries that DuckDB could take from elsewhere than the rows."""
        source, table = self.table()
        columns = ", ".join(f"min(a.{c}), max(a.{c})" for c in self.plain(source)[:3])
        return self._draw.of(
            (
                f"SELECT {columns}, count(*) FROM {table} a",
                f"SELECT approx_count_distinct(a.rid) > 0, bool_and(a.rid >= 0) FROM {table} a",
                f"SELECT mode(a.rid // 1000), arg_min(a.rid, a.rid) FROM {table} a",
                f"SELECT count(*) FROM (SELECT * FROM {table} a LIMIT 5)",
            )
        )

    # -- parts -------------------------------------------------------------------------------

    def table(self) -> tuple[Source, str]:
        """Return a source and its place in the text, sometimes at an old version."""
        source = self._draw.of(self._sources)
        if self._draw.chance(20):
            return source, f"{{{source.name}@{self._draw.below(source.versions)}}}"
        return source, f"{{{source.name}}}"

    def plain(self, source: Source) -> list[str]:
        return [c for c, kind in source.kinds.items() if kind not in ("list", "struct")]

    def columns(self, source: Source, star: str = "*") -> str:
        if self._draw.chance(20):
            return star
        return ", ".join(f"a.{c}" for c in self._draw.some(tuple(source.kinds), 1, 4))

    def direction(self) -> str:
        return self._draw.of(("", "DESC", "ASC NULLS FIRST", "DESC NULLS LAST"))

    def key(self, source: Source) -> str:
        """Return something to group by."""
        forms = [f"a.{c}" for c in source.kinds]
        for c, kind in source.kinds.items():
            if kind == "day":
                forms += [f"year(a.{c})", f"date_trunc('month', a.{c})"]
            elif kind == "long":
                forms += [f"a.{c} // 10", f"a.{c} % 3"]
            elif kind == "text":
                forms += [f"lower(a.{c})", f"a.{c} = 'S1'"]
            forms.append(f"a.{c} IS NULL")
        return self._draw.of(forms)

    def aggregate(self, source: Source) -> str:
        """Return an aggregate whose value does not depend on the order of rows."""
        draw = self._draw
        forms = ["count(*)"]
        some = draw.of(self.plain(source))
        forms += [
            f"count(a.{some})",
            f"min(a.{some})",
            f"max(a.{some})",
            f"count(DISTINCT a.{some})",
        ]
        numbers = [c for c, kind in source.kinds.items() if kind in NUMBERS]
        number = draw.of(numbers)
        forms += [
            f"sum(a.{number})",
            f"avg(a.{number})",
            f"sum(a.{number} * 2)",
            f"median(a.{number})",
        ]
        forms += [f"sum(DISTINCT a.{number})", f"sum(a.{number} - 1)", f"min(-a.{number})"]
        forms += [f"count(*) FILTER (WHERE {self.leaf(source)})"]
        forms += [f"sum(CASE WHEN {self.leaf(source)} THEN 1 ELSE 0 END)"]
        forms += [f"list_sort(list(a.{some}))", f"arg_max(a.{some}, a.rid)"]
        return draw.of(forms)

    def where(self, source: Source) -> str:
        if self._draw.chance(30):
            return ""
        return f" WHERE {self.condition(source, 2)}"

    def condition(self, source: Source, depth: int) -> str:
        """Return a condition, nested at most `depth` deep."""
        if depth and self._draw.chance(45):
            left, right = self.condition(source, depth - 1), self.condition(source, depth - 1)
            forms = ("({} AND {})", "({} OR {})", "NOT ({} AND {})", "NOT ({} OR {})")
            return self._draw.of(forms).format(left, right)
        return self.leaf(source)

    def leaf(self, source: Source) -> str:
        draw = self._draw
        column = draw.of(tuple(source.kinds))
        kind, name = source.kinds[column], f"a.{column}"
        op = draw.of(COMPARED)
        if draw.chance(15) or kind == "struct":
            return f"{name} IS {draw.of(('', 'NOT '))}NULL"
        if kind == "list":
            return f"len({name}) {op} {draw.below(4)}"
        known = self.constant(source, column)
        forms = [f"{name} {op} {known}", f"{name} IN ({known}, {self.constant(source, column)})"]
        forms += [f"{name} NOT IN ({known})", f"{name} IS DISTINCT FROM {known}"]
        forms += [f"coalesce({name} {op} {known}, {draw.of(('true', 'false'))})"]
        if kind in NUMBERS:
            forms += [f"{name} BETWEEN {known} AND {self.constant(source, column)}"]
            forms += [f"{name} + 1 {op} {known}", f"abs({name}) {op} 5", f"-{name} {op} {known}"]
        elif kind == "text":
            forms += [f"{name} LIKE '{draw.of(('S%', '%1', '%', '_1', '***%'))}'"]
            forms += [f"length({name}) {op} {draw.below(6)}", f"{name} {op} upper({name})"]
        elif kind == "day":
            forms += [f"year({name}) {op} {draw.between(1940, 1990)}"]
        return draw.of(forms)

    def constant(self, source: Source, column: str) -> str:
        """Return a constant of a column's kind, often one that occurs, sometimes a parameter."""
        value = self._draw.of(source.values[column])
        if self._draw.chance(25):
            name = f"p{len(self._parameters)}"
            self._parameters[name] = value
            return f"${name}"
        return literal(value)


def literal(value: Any) -> str:
    """Return a value as SQL."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, float):
        return f"'{value!r}'::DOUBLE"
    if isinstance(value, dt.datetime):
        return f"TIMESTAMPTZ '{value:%Y-%m-%d %H:%M:%S}+00'"
    if isinstance(value, dt.date):
        return f"DATE '{value}'"
    return str(value)
