"""What a predicate means, row by row in plain Python. Numbers compare exactly, NaN is greatest."""

from __future__ import annotations

import math
import re
import uuid
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

Row = Mapping[str, Any]


class Agreed:
    """Consents as the ledger gives them: (domain, id) pairs per purpose."""

    def __init__(self, *pairs: tuple[str, str], purpose: str = "research") -> None:
        self._pairs = frozenset(pairs)
        self._purpose = purpose

    def __call__(self, domain: str, purpose: str) -> frozenset[str]:
        return frozenset(i for d, i in self.pairs(purpose) if d == domain)

    def pairs(self, purpose: str) -> frozenset[tuple[str, str]]:
        return self._pairs if purpose == self._purpose else frozenset()


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def compare(left: Any, op: str, right: Any) -> bool:
    """Compare two values that are not NULL."""
    if isinstance(left, uuid.UUID):
        left = str(left)
    if isinstance(right, uuid.UUID):
        right = str(right)
    if isinstance(left, str):
        left, right = left.encode(), right.encode()
    if _is_nan(left) or _is_nan(right):
        left, right = _is_nan(left), _is_nan(right)
    answers = {
        "=": left == right,
        "!=": left != right,
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }
    return answers[op]


def domain_of(template: str, row: Row) -> str | None:
    names = re.findall(r"\{([^{}]*)\}", template)
    if any(row[n] is None for n in names):
        return None
    return re.sub(r"\{([^{}]*)\}", lambda m: str(row[m[1]]), template)


def keep(predicate: Predicate, row: Row, consents: Agreed) -> bool:
    match predicate:
        case Constant(value):
            return value
        case And(args):
            return all(keep(a, row, consents) for a in args)
        case Or(args):
            return any(keep(a, row, consents) for a in args)
        case IsNull(column, negated):
            return (row[column] is None) != negated
        case Compare(column, op, value):
            return row[column] is not None and compare(row[column], op, value)
        case In(column, values, negated):
            cell = row[column]
            return cell is not None and any(compare(cell, "=", v) for v in values) != negated
        case Like(column, parts, negated):
            regex = "".join(".*" if p is None else re.escape(p) for p in parts)
            cell = row[column]
            return cell is not None and bool(re.fullmatch(regex, cell, re.DOTALL)) != negated
        case CompareColumns(left, op, right):
            a, b = row[left], row[right]
            return a is not None and b is not None and compare(a, op, b)
        case Consent(column, domain, purpose, negated):
            cell, place = row[column], domain_of(domain, row)
            if cell is None or place is None:
                return False
            return ((place, str(cell)) in consents.pairs(purpose)) != negated
