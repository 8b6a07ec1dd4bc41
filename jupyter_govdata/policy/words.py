"""Predicates and masks in words that a biologist reads. Runs in the gateway; pure."""

from __future__ import annotations

import datetime as dt

from jupyter_govdata.model.decision import Mask
from jupyter_govdata.model.predicate import (
    And,
    Compare,
    CompareColumns,
    Consent,
    Constant,
    In,
    IsNull,
    Like,
    Op,
    Or,
    Predicate,
    Value,
)

MAX_VALUES = 6
_OPS: dict[Op, str] = {
    "=": "is",
    "!=": "is not",
    "<": "is below",
    "<=": "is at most",
    ">": "is above",
    ">=": "is at least",
}
_TIME_OPS: dict[Op, str] = {
    **_OPS,
    "<": "is before",
    "<=": "is not after",
    ">": "is after",
    ">=": "is not before",
}


def predicate_in_words(predicate: Predicate) -> str:
    """Return a row filter in words, e.g. ``rows where `age` is at least `18```.

    Empty for a filter that keeps every row.
    """
    match predicate:
        case Constant(True):
            return ""
        case Constant(False):
            return "no rows"
        case _:
            return f"rows where {_words(predicate)}"


def _words(node: Predicate, inner: bool = False) -> str:
    match node:
        case Constant(value):
            return "always" if value else "never"
        case Compare(column, "=", True) | Compare(column, "!=", False):
            return f"`{column}` is true"
        case Compare(column, "=", False) | Compare(column, "!=", True):
            return f"`{column}` is false"
        case Compare(column, op, value):
            ops = _TIME_OPS if isinstance(value, dt.date) else _OPS
            return f"`{column}` {ops[op]} {_value(value)}"
        case In(column, values, negated):
            return f"`{column}` is {'none' if negated else 'one'} of {_values(values)}"
        case IsNull(column, negated):
            return f"`{column}` is {'known' if negated else 'missing'}"
        case Like(column, parts, negated):
            pattern = "".join("*" if part is None else part for part in parts)
            return f"`{column}` {'does not match' if negated else 'matches'} `{pattern}`"
        case CompareColumns(left, op, right):
            return f"`{left}` {_OPS[op]} `{right}`"
        case Consent(_, _, purpose, negated):
            return f"the subject has {'no' if negated else 'a'} consent for `{purpose}`"
        case And(args):
            return _joined([_words(a, True) for a in args], "and", inner)
        case Or(args):
            return _joined([_words(a, True) for a in args], "or", inner)


def _joined(parts: list[str], word: str, inner: bool) -> str:
    if inner:
        return "(" + f" {word} ".join(parts) + ")"
    if len(parts) == 2:
        return f"{parts[0]}, {word} {parts[1]}"
    return f"{', '.join(parts[:-1])}, {word} {parts[-1]}"


def _values(values: tuple[Value, ...]) -> str:
    shown = ", ".join(_value(value) for value in values[:MAX_VALUES])
    more = len(values) - MAX_VALUES
    return shown if more <= 0 else f"{shown} and {more} more"


def _value(value: Value) -> str:
    if isinstance(value, dt.datetime):
        text = value.isoformat(sep=" ").removesuffix("+00:00")
        return f"{text.removesuffix(' 00:00:00')} UTC" if value.tzinfo else text
    if isinstance(value, dt.date | int):
        return str(value)
    return "a binary value" if isinstance(value, bytes) else f"`{value}`"


def mask_in_words(column: str, mask: Mask) -> str:
    """Return how a masked column is shown."""
    how = {
        "null": "is blank",
        "constant": f"is shown as `{mask.argument}`",
        "pseudonym": "is shown as a pseudonym: the same person, the same code everywhere"
        " under this purpose",
        "last": f"shows its last {mask.argument} characters only",
        "year": "shows the year only",
        "round": f"is rounded to steps of {mask.argument}",
    }
    return f"`{column}` {how[mask.kind]}"


def listed(names: list[str], word: str = "and") -> str:
    """Return names as prose.

    >>> listed(["a", "b", "c"])
    '`a`, `b` and `c`'
    """
    quoted = [f"`{name}`" for name in names]
    if len(quoted) <= 1:
        return "".join(quoted)
    return f"{', '.join(quoted[:-1])} {word} {quoted[-1]}"
