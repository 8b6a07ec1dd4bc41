"""Predicates over the columns of one asset: the only conditions that cross the wire.

Runs in the kernel and in the gateway; trusts nothing. One tree serves two masters:

* the row filter that a policy compiles to (gateway only: may use `Consent`, `Like`,
  `CompareColumns`);
* the user's pushed-down condition (`PUSHABLE` node types only, see `require_pushable`).

Semantics: a comparison with NULL is not true, and the tree is in negation normal form (there
is no NOT node, negated leaves exist instead), so NULL always means *out* (invariant 7).
Floating point follows DuckDB: NaN equals NaN and is greater than every other number.
Text is ordered by UTF-8 bytes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Value = bool | int | float | str | bytes | Decimal | dt.date | dt.datetime | dt.time
"""A constant. `datetime` with a time zone compares with timestamptz columns, without one with
timestamp columns. NULL is not a value: use `IsNull`."""

Op = Literal["=", "!=", "<", "<=", ">", ">="]
OPS: tuple[Op, ...] = ("=", "!=", "<", "<=", ">", ">=")
MIRRORED: dict[Op, Op] = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
NEGATED: dict[Op, Op] = {"=": "!=", "!=": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


@dataclass(frozen=True, slots=True)
class Constant:
    """True keeps every row, false keeps none."""

    value: bool


@dataclass(frozen=True, slots=True)
class Compare:
    """`column op value`; false where the column is NULL."""

    column: str
    op: Op
    value: Value


@dataclass(frozen=True, slots=True)
class In:
    """`column IN (values)`, or NOT IN when `negated`; false where the column is NULL."""

    column: str
    values: tuple[Value, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IsNull:
    """`column IS NULL`, or IS NOT NULL when `negated`."""

    column: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Like:
    """Text match: a `str` part matches itself, None matches any run of characters.

    Never built from user input; it is how Cedar's `like` arrives here.
    """

    column: str
    parts: tuple[str | None, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class CompareColumns:
    """`left op right` on two columns of the row; false where either is NULL."""

    left: str
    op: Op
    right: str


@dataclass(frozen=True, slots=True)
class Consent:
    """The row's subject has a live consent for `purpose` (or has none, when `negated`).

    Args:
        column: Column that holds the subject's id.
        domain: Identifier domain of that id, e.g. ``TCGA-LAML:tcga_patient``.
        purpose: Purpose that the consent must cover.
        negated: Keep rows whose subject is known and has not consented. A NULL id is out
            either way.
    """

    column: str
    domain: str
    purpose: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class And:
    """All of `args`; no argument means true."""

    args: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of `args`; no argument means false."""

    args: tuple[Predicate, ...]


Predicate = Constant | Compare | In | IsNull | Like | CompareColumns | Consent | And | Or

TRUE = Constant(True)
FALSE = Constant(False)
PUSHABLE = (Constant, Compare, In, IsNull, And, Or)
"""Node types that a user's predicate may hold (invariant 1)."""


def all_of(*args: Predicate) -> Predicate:
    """Return the conjunction, folded: constants vanish and nested ANDs are flattened.

    >>> all_of(TRUE, Compare("a", "=", 1))
    Compare(column='a', op='=', value=1)
    """
    flat: dict[Predicate, None] = {}
    for arg in args:
        if arg == FALSE:
            return FALSE
        parts = arg.args if isinstance(arg, And) else (arg,)
        flat.update((part, None) for part in parts if part != TRUE)
    if not flat:
        return TRUE
    return next(iter(flat)) if len(flat) == 1 else And(tuple(flat))


def any_of(*args: Predicate) -> Predicate:
    """Return the disjunction, folded like `all_of`.

    >>> any_of(FALSE)
    Constant(value=False)
    """
    flat: dict[Predicate, None] = {}
    for arg in args:
        if arg == TRUE:
            return TRUE
        parts = arg.args if isinstance(arg, Or) else (arg,)
        flat.update((part, None) for part in parts if part != FALSE)
    if not flat:
        return FALSE
    return next(iter(flat)) if len(flat) == 1 else Or(tuple(flat))


def walk(predicate: Predicate) -> Iterator[Predicate]:
    """Yield the node and all nodes below it."""
    yield predicate
    if isinstance(predicate, And | Or):
        for arg in predicate.args:
            yield from walk(arg)


def columns_of(predicate: Predicate) -> frozenset[str]:
    """Return the names of all columns that the predicate reads."""
    found: set[str] = set()
    for node in walk(predicate):
        match node:
            case Compare() | In() | IsNull() | Like() | Consent():
                found.add(node.column)
            case CompareColumns():
                found.update((node.left, node.right))
            case _:
                pass
    return frozenset(found)
