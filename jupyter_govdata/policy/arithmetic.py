"""Arithmetic and date methods on terms. Runs in the gateway; pure.

Cedar folds what is known; what arrives here has a column in it, or stands in a branch that
depends on one.
"""

from __future__ import annotations

from typing import Any

from jupyter_govdata.policy.compare import unsupported
from jupyter_govdata.policy.terms import (
    LONG_MAX,
    LONG_MIN,
    CedarType,
    Col,
    Const,
    Elapsed,
    Term,
)

_DAY = 86_400_000
_TO_NUMBER = {
    "toMilliseconds": 1,
    "toSeconds": 1_000,
    "toMinutes": 60_000,
    "toHours": 3_600_000,
    "toDays": _DAY,
}
METHODS = frozenset(("offset", "durationSince", "toDate", "toTime", *_TO_NUMBER))
"""Methods of Cedar's datetime and duration."""


def arithmetic(name: str, terms: tuple[Term, ...]) -> Term | None:
    """Return the result of ``+ - * neg``, or None where Cedar errs.

    Raises:
        PolicyFileError: A column takes part: the predicates know no arithmetic.
    """
    if any(term.type != "long" for term in terms):
        return None
    column = next((term.column for term in terms if isinstance(term, Col)), None)
    if column is not None:
        unsupported(
            f"arithmetic on column `{column}`",
            "move it to the other side, e.g. `resource.age < 17 + 1`",
        )
    values = [term.value for term in terms if isinstance(term, Const)]
    match name, values:
        case "neg", [a]:
            result = -a
        case "+", [a, b]:
            result = a + b
        case "-", [a, b]:
            result = a - b
        case _, [a, b]:
            result = a * b
        case _:
            return None
    return _long("long", result)


def call(name: str, terms: tuple[Term, ...]) -> Term | None:
    """Return the result of a date method, or None where Cedar errs.

    Raises:
        PolicyFileError: No predicate expresses it.
    """
    match name, terms:
        case "offset", (Const("datetime", a), Const("duration", b)):
            return _long("datetime", a + b)
        case "offset", (Col(column, "datetime", shift), Const("duration", b)):
            return Col(column, "datetime", shift + b)
        case "durationSince", (Const("datetime", a), Const("datetime", b)):
            return _long("duration", a - b)
        case "durationSince", (Const("datetime", a), Col(column, "datetime", shift)):
            return Elapsed(column, a - shift, forward=False)
        case "durationSince", (Col(column, "datetime", shift), Const("datetime", b)):
            return Elapsed(column, b - shift, forward=True)
        case "toDate", (Const("datetime", a),):
            return Const("datetime", a - a % _DAY)
        case "toTime", (Const("datetime", a),):
            return Const("duration", a % _DAY)
        case _, (Const("duration", a),) if name in _TO_NUMBER:
            unit = _TO_NUMBER[name]
            return Const("long", abs(a) // unit * (1 if a >= 0 else -1))
        case _ if any(isinstance(term, Col | Elapsed) for term in terms):
            unsupported(
                f"`{name}` on column `{column_of(terms)}`",
                "use `offset` or `durationSince`, or compare with a fixed date",
            )
        case _:
            pass
    return None


def column_of(terms: tuple[Term, ...]) -> str:
    """Return the first column among terms."""
    return next(term.column for term in terms if isinstance(term, Col | Elapsed))


def _long(kind: CedarType, value: Any) -> Const | None:
    return Const(kind, value) if LONG_MIN <= value <= LONG_MAX else None
