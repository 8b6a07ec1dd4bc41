"""Random rules over typed columns, for the oracle and, as Cedar, for the product."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tests.fuzz.choices import Choices

Expression = tuple[Any, ...]
TEXTS = ("S1", "S2", "S3", "", "it's", "Ünï", "a*b", 'q"\\')
NUMBERS = (0, -5, 1, 17, 18, 40, 80)
DECIMALS = tuple(Decimal(n) for n in ("0.00", "-0.01", "1.50", "7.25", "99.99"))
DAYS = tuple(
    dt.date(y, m, d) for y, m, d in ((1940, 1, 1), (1969, 12, 31), (1970, 6, 15), (2000, 2, 29))
)
MOMENTS = tuple(
    dt.datetime(2024, 1, d, h, tzinfo=dt.UTC) for d, h in ((1, 0), (2, 5), (15, 12), (28, 23))
)
VALUES: Mapping[str, tuple[Any, ...]] = {
    "text": TEXTS,
    "long": NUMBERS,
    "decimal": DECIMALS,
    "bool": (True, False),
    "day": tuple(dt.datetime(d.year, d.month, d.day, tzinfo=dt.UTC) for d in DAYS),
    "at": MOMENTS,
}
"""Kinds that a policy may ask for, with constants to compare with."""
ORDERED = ("long", "decimal", "day", "at")


def condition(
    draw: Choices, columns: Mapping[str, str], depth: int, *, constant: bool = True
) -> Expression:
    """Return a condition on columns (name -> kind), nested at most so deep.

    Without `constant`, every part asks for a column: `apply` refuses what never holds.
    """
    if depth and draw.chance(50):
        a, b, c = (condition(draw, columns, depth - 1, constant=constant) for _ in range(3))
        form = draw.of(("and", "or", "not", "if"))
        if form == "not":
            return ("not", a)
        return ("if", a, b, c) if form == "if" else (form, a, b)
    return atom(draw, columns, constant=constant)


def atom(draw: Choices, columns: Mapping[str, str], *, constant: bool) -> Expression:
    """Return a condition on one column, or a constant one."""
    nothing = [""] if constant else []
    name = draw.of([*nothing, *(n for n, kind in columns.items() if kind in VALUES)])
    if not name:
        return ("value", draw.of((True, False)))
    kind, column = columns[name], ("column", name)
    if name == "consents":
        return ("has", name) if draw.chance(15) else column
    values = VALUES[kind]
    forms = ["==", "!=", "in", "has", "same"]
    forms += ["<", "<=", ">", ">="] if kind in ORDERED else []
    forms += ["like"] if kind == "text" else ["self"] if kind == "bool" else []
    form = draw.of(forms)
    match form:
        case "has":
            return ("has", name)
        case "self":
            return column
        case "in":
            return ("in", column, tuple(draw.some(values, 0 if constant else 1, 3)))
        case "like":
            return ("like", column, draw.of(("*", "S*", "*1", "*'*", "a")))
        case "same":
            others = [n for n, k in columns.items() if k == kind and n != "consents"]
            return ("==", column, ("column", draw.of(others)))
    return (form, column, ("value", draw.of(values)))
