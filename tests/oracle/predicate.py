"""A plain reading of model/predicate.py: the meaning that every reader must reproduce."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from typing import Any

from jupyter_govdata.model.predicate import (
    And,
    Compare,
    CompareColumns,
    Consent,
    Constant,
    In,
    IsNull,
    Like,
    Or,
    Predicate,
)

OPS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
Consents = Mapping[tuple[str, str], frozenset[str]]
"""(domain, id) -> purposes that the person agreed to."""


def domain_of(template: str, row: Mapping[str, Any]) -> str | None:
    """Return a domain with the row's values in place of its braces, None if one is NULL."""
    names = re.findall(r"\{([^{}]*)\}", template)
    if any(row.get(name) is None for name in names):
        return None
    return re.sub(r"\{([^{}]*)\}", lambda m: str(row[m.group(1)]), template)


def keep(predicate: Predicate, row: Mapping[str, Any], consents: Consents) -> bool:
    """Return whether the predicate holds for a row; NULL is None or a missing key."""
    match predicate:
        case Constant(value):
            return value
        case And(args):
            return all(keep(a, row, consents) for a in args)
        case Or(args):
            return any(keep(a, row, consents) for a in args)
        case IsNull(column, negated):
            return (row.get(column) is None) != negated
        case Compare(column, op, value):
            cell = row.get(column)
            return cell is not None and same_kind(cell, value) and OPS[op](cell, value)
        case In(column, values, negated):
            cell = row.get(column)
            if cell is None:
                return False
            assert all(same_kind(cell, v) for v in values)
            return (cell in values) != negated
        case Like(column, parts, negated):
            cell = row.get(column)
            if cell is None:
                return False
            regex = "".join(".*" if p is None else re.escape(p) for p in parts)
            return (re.fullmatch(regex, cell, re.DOTALL) is not None) != negated
        case CompareColumns(left, op, right):
            a, b = row.get(left), row.get(right)
            return a is not None and b is not None and same_kind(a, b) and OPS[op](a, b)
        case Consent(column, domain, purpose, negated):
            person, place = row.get(column), domain_of(domain, row)
            if person is None or place is None:
                return False
            return (purpose in consents.get((place, str(person)), frozenset())) != negated
    raise AssertionError(predicate)


def same_kind(cell: Any, value: Any) -> bool:
    """Check that a constant has the type of the column: readers do not convert."""
    assert type(cell) is type(value), (cell, value)
    if hasattr(cell, "tzinfo"):
        assert (cell.tzinfo is None) == (value.tzinfo is None), (cell, value)
    return True
