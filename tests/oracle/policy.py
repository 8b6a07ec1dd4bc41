"""Which rows and columns somebody sees, by policies written as data. Read it against
docs/reference/policy.md; `tests/policy/written.py` writes the same rules as Cedar.
"""

from __future__ import annotations

import datetime as dt
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Any

Row = Mapping[str, Any]
OPS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Unknown(Exception):
    """A condition asked for a value that the row does not have."""


@dataclass(frozen=True)
class Rule:
    """One policy: who may, or must not, do what with which asset where a condition holds."""

    id: str
    effect: str
    action: str
    who: tuple[str, str] | None = None
    """``("User", id)``, ``("Group", id)``, or None for everybody."""
    what: tuple[str, str] | None = None
    """``("Namespace", name)``, ``("Asset", name)``, or None for everything."""
    when: tuple[Any, ...] = ("value", True)
    mask: str = ""


def value(e: tuple[Any, ...], row: Row) -> Any:
    """Return what an expression is on a row; a value that is not there is Unknown."""
    match e:
        case ("value", known):
            return known
        case ("column", name):
            if row.get(name) is None:
                raise Unknown
            return moment(row[name])
        case ("has", name):
            return row.get(name) is not None
        case ("not", a):
            return not value(a, row)
        case ("and", a, b):
            return value(a, row) and value(b, row)
        case ("or", a, b):
            return value(a, row) or value(b, row)
        case ("if", c, a, b):
            return value(a if value(c, row) else b, row)
        case ("in", a, items):
            return value(a, row) in items
        case ("like", a, pattern):
            regex = ".*".join(map(re.escape, pattern.split("*")))
            return re.fullmatch(regex, value(a, row), re.DOTALL) is not None
        case (op, a, b):
            return OPS[op](value(a, row), value(b, row))
    raise AssertionError(e)


def holds(rule: Rule, row: Row) -> bool:
    """Return whether a rule counts on a row: in doubt a permit does not, a forbid does."""
    try:
        return bool(value(rule.when, row))
    except Unknown:
        return rule.effect == "forbid"


def concerns(rule: Rule, who: str, groups: Sequence[str], action: str, asset: str) -> bool:
    """Return whether the head of a rule names this person, action and asset."""
    people = {None, ("User", who), *(("Group", g) for g in groups)}
    places = {None, ("Asset", asset), ("Namespace", asset.partition(".")[0])}
    return rule.action == action and rule.who in people and rule.what in places


def visible(rules: Sequence[Rule], row: Row) -> bool:
    """Return whether a row is seen, by the rules that concern the question."""
    met = {rule.effect for rule in rules if holds(rule, row)}
    return met == {"permit"}


def shown_as(rules: Sequence[Rule], tags: Row) -> str:
    """Return how a column is seen: ``clear``, ``hidden``, or its masks joined by a space."""
    met = [rule for rule in rules if holds(rule, tags)]
    masks = [rule.mask for rule in met if rule.effect == "forbid"]
    if "permit" not in {rule.effect for rule in met} or "" in masks:
        return "hidden"
    return " ".join(sorted(masks)) or "clear"


def moment(cell: Any) -> Any:
    """Return dates and times as instants, as Cedar has them."""
    if isinstance(cell, dt.datetime):
        return cell if cell.tzinfo else cell.replace(tzinfo=dt.UTC)
    return (
        dt.datetime(cell.year, cell.month, cell.day, tzinfo=dt.UTC)
        if type(cell) is dt.date
        else cell
    )


def masked(mask: str, cell: Any) -> Any:
    """Return a cell as a mask shows it; pseudonyms need the key and are not for here."""
    kind, _, argument = mask.partition(":")
    if kind == "constant":
        return argument
    if kind == "null" or cell is None:
        return None
    if kind == "last":
        text, count = str(cell), int(argument)
        return "***" + text[-count:] if len(text) > count else "***"
    if kind == "year" and isinstance(cell, str):
        return cell[:4] if re.match(r"[0-9]{4}(-|$)", cell) else None
    if kind == "year":
        first = {"month": 1, "day": 1}
        if isinstance(cell, dt.datetime):
            first |= {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}
        return cell.replace(**first)
    if kind == "round":
        if isinstance(cell, float) and math.isnan(cell):
            return cell
        step = Decimal(argument)
        if isinstance(cell, int) and step % 1:
            return None  # what does not fit the column's type shows nothing
        steps = (Decimal(cell) / step + Decimal("0.5")).to_integral_value(ROUND_FLOOR)
        return type(cell)(steps * step)
    raise AssertionError(mask)
