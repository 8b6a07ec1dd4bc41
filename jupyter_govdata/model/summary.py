"""What the gateway may compute from governed rows: aggregates, and the first rows by an order.

Runs in the kernel and in the gateway; trusts nothing. SECURITY: everything here is computed from
rows that were filtered and columns that were masked before, and nothing here can fail on a value:
arithmetic is that of floating point, which knows infinities and no error, or that of decimals wide
enough for every value. There is no division and no function of text. What a term may hold is a
closed set of node types.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from jupyter_govdata.errors import ProtocolError

Function = Literal["count", "sum", "min", "max", "avg"]
FUNCTIONS: tuple[Function, ...] = ("count", "sum", "min", "max", "avg")
Operator = Literal["+", "-", "*"]
OPERATORS: tuple[Operator, ...] = ("+", "-", "*")

MAX_KEYS = 64
MAX_MEASURES = 200
MAX_TERM_NODES = 100
MAX_DIGITS = 18
MAX_TOP_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class ColumnTerm:
    """The shown value of a column."""

    column: str


@dataclass(frozen=True, slots=True)
class NumberTerm:
    """A constant of at most `MAX_DIGITS` digits."""

    value: Decimal

    def __post_init__(self) -> None:
        _, digits, exponent = self.value.as_tuple()
        if not isinstance(exponent, int) or not -MAX_DIGITS <= exponent <= 0:
            raise ProtocolError("a number is finite and written without an exponent")
        if len(digits) > MAX_DIGITS:
            raise ProtocolError(f"a number has at most {MAX_DIGITS} digits")


@dataclass(frozen=True, slots=True)
class ArithmeticTerm:
    """`left operator right`: of `double` columns in double precision; exact if the columns are
    decimals and whole numbers, one decimal at least, and the result has at most 38 digits.
    """

    operator: Operator
    left: Term
    right: Term


Term = ColumnTerm | NumberTerm | ArithmeticTerm


@dataclass(frozen=True, slots=True)
class Measure:
    """One aggregate over the rows of a group; NULL values do not count.

    Args:
        function: ``count`` gives int64; ``sum`` decimal(38, 0) of whole numbers, decimal(38, s) of
            decimals with s places, double of the rest; ``avg`` double; ``min`` and ``max`` the
            type of their argument.
        term: None counts rows.
        distinct: Count distinct values.
    """

    function: Function
    term: Term | None = None
    distinct: bool = False

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS:
            raise ProtocolError("an aggregate has an unknown function")
        if self.function != "count" and (self.term is None or self.distinct):
            raise ProtocolError("only `count` counts rows or distinct values")
        if self.term is not None and not columns_of_term(self.term):
            raise ProtocolError("a term reads a column")
        if self.term is None and self.distinct:
            raise ProtocolError("distinct values are those of a column")


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One row for each distinct combination of `keys`; one row in all if there are no keys.

    NULL is a key like any other. The answer has the keys, then the measures.
    """

    keys: tuple[str, ...]
    measures: tuple[Measure, ...]

    def __post_init__(self) -> None:
        if not self.keys and not self.measures:
            raise ProtocolError("an aggregation has keys or measures")
        if len(self.keys) > MAX_KEYS or len(self.measures) > MAX_MEASURES:
            raise ProtocolError(f"at most {MAX_KEYS} keys and {MAX_MEASURES} measures")
        if len(set(self.keys)) != len(self.keys):
            raise ProtocolError("an aggregation names a key twice")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads: keys first, in order, each once."""
        found = dict.fromkeys(self.keys)
        for measure in self.measures:
            if measure.term is not None:
                found.update(dict.fromkeys(columns_of_term(measure.term)))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Order:
    """One column to sort by: NaN is the greatest number, text goes by its UTF-8 bytes."""

    column: str
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class Top:
    """The first `rows` rows by `order`; which ones of equal rank is open."""

    order: tuple[Order, ...]
    rows: int

    def __post_init__(self) -> None:
        if not self.order or len(self.order) > MAX_KEYS:
            raise ProtocolError(f"rows are ranked by 1 to {MAX_KEYS} columns")
        if not 0 <= self.rows <= MAX_TOP_ROWS:
            raise ProtocolError(f"at most {MAX_TOP_ROWS} first rows")


Summary = Aggregation | Top


def walk_term(term: Term) -> Iterator[Term]:
    """Yield the term and all terms below it."""
    yield term
    if isinstance(term, ArithmeticTerm):
        yield from walk_term(term.left)
        yield from walk_term(term.right)


def columns_of_term(term: Term) -> tuple[str, ...]:
    """Return the columns that a term reads, in order, each once."""
    return tuple(dict.fromkeys(t.column for t in walk_term(term) if isinstance(t, ColumnTerm)))
