"""Random scans as a client of one's own would ask for them, past what our client asks.

Conditions stand on masked columns, too, and compare them with values that are stored behind the
mask; constants may have another type than their column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jupyter_govdata.model.predicate import (
    OPS,
    And,
    Compare,
    In,
    IsNull,
    Or,
    Predicate,
    Value,
)
from jupyter_govdata.model.scan import Aggregate, Filter, First, Fragment, Project, Scan
from jupyter_govdata.model.summary import (
    Aggregation,
    ArithmeticTerm,
    ColumnTerm,
    Measure,
    NumberTerm,
    Order,
    Term,
    Top,
)
from tests.fuzz.choices import Choices
from tests.fuzz.grammar import NUMBERS, Source


@dataclass(frozen=True)
class Wanted:
    """A scan of one table: its condition, and what is wanted of the rows."""

    table: str
    predicate: Predicate
    columns: tuple[str, ...] | None = None
    summary: Aggregation | Top | None = None

    def of(self, namespace: str) -> Fragment:
        """Return the fragment for the table of one side."""
        fragment: Fragment = Filter(Scan(f"{namespace}.{self.table}"), self.predicate)
        if isinstance(self.summary, Aggregation):
            return Aggregate(fragment, self.summary)
        if self.columns is not None:
            fragment = Project(fragment, self.columns)
        return fragment if self.summary is None else First(fragment, self.summary)


def draw_scan(draw: Choices, sources: Sequence[Source]) -> Wanted:
    """Return a scan."""
    source = draw.of(sources)
    predicate = condition(draw, source, draw.between(0, 2))
    form = draw.of(("rows", "rows", "aggregate", "first"))
    columns = tuple(draw.some(tuple(source.kinds), 1, 4)) if draw.chance(70) else None
    if form == "aggregate":
        keys = tuple(draw.some(tuple(source.kinds), 0, 2))
        measures = tuple(measure(draw, source) for _ in range(draw.between(1, 3)))
        return Wanted(source.name, predicate, None, Aggregation(keys, measures))
    if form == "first":
        by = [*draw.some([c for c in source.kinds if c != "rid"], 0, 2), "rid"]
        order = tuple(Order(c, draw.chance(50), draw.chance(50)) for c in by)
        return Wanted(source.name, predicate, columns, Top(order, draw.between(0, 12)))
    return Wanted(source.name, predicate, columns)


def condition(draw: Choices, source: Source, depth: int) -> Predicate:
    """Return a condition, nested at most so deep."""
    if depth and draw.chance(50):
        parts = tuple(condition(draw, source, depth - 1) for _ in range(draw.between(1, 3)))
        return draw.of((And, Or))(parts)
    column = draw.of(tuple(source.kinds))
    if not source.values[column] or draw.chance(15):
        return IsNull(column, draw.chance(50))
    if draw.chance(25):
        values = tuple(constant(draw, source, column) for _ in range(draw.between(1, 3)))
        return In(column, values, draw.chance(50))
    return Compare(column, draw.of(OPS), constant(draw, source, column))


def constant(draw: Choices, source: Source, column: str) -> Value:
    """Return a constant, of another column's type now and then."""
    known: Any = draw.of(source.values[column])
    if draw.chance(4):
        known = draw.of((1, "x", 0.5, True))
    return Decimal(known) if source.kinds[column] == "decimal" and known is not True else known


def measure(draw: Choices, source: Source) -> Measure:
    """Return an aggregate."""
    function = draw.of(("count", "count", "sum", "min", "max", "avg"))
    numbers = [c for c, kind in source.kinds.items() if kind in NUMBERS]
    if function == "count":
        whole = draw.chance(50)
        term = None if whole else ColumnTerm(draw.of(tuple(source.kinds)))
        return Measure("count", term, distinct=not whole and draw.chance(50))
    if function in ("min", "max"):
        plain = [c for c, kind in source.kinds.items() if kind not in ("list", "struct")]
        return Measure(function, ColumnTerm(draw.of(plain)))
    return Measure(function, term_of(draw, numbers, draw.between(0, 2)))


def term_of(draw: Choices, numbers: Sequence[str], depth: int) -> Term:
    """Return arithmetic that reads a column."""
    if not depth:
        return ColumnTerm(draw.of(numbers))
    right: Term = NumberTerm(Decimal(draw.of(("1", "2", "0.5", "999999999999999999"))))
    if draw.chance(50):
        right = term_of(draw, numbers, depth - 1)
    return ArithmeticTerm(draw.of(("+", "-", "*")), term_of(draw, numbers, depth - 1), right)
