"""Truth tables over "true without an error" and "false without an error".

Runs in the gateway; pure.
"""

from __future__ import annotations

from jupyter_govdata.model.predicate import (
    FALSE,
    TRUE,
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
    all_of,
    any_of,
)
from jupyter_govdata.policy.compare import unsupported
from jupyter_govdata.policy.terms import Truth, not_null

MAX_ALTERNATIVES = 64


def negate(truth: Truth) -> Truth:
    """Return ``!truth``."""
    return Truth(truth.no, truth.yes, truth.needs)


def both(left: Truth, right: Truth) -> Truth:
    """Return ``left && right``: the right side counts only where the left is true."""
    if left.yes == TRUE:
        return right
    if left.yes == FALSE:
        return Truth(FALSE, left.no, left.needs)
    reached = left.yes
    if left.needs is not None:
        # Where `left` does not err it is true or false, and false rows are in already.
        reached = not_null(left.needs - _not_null_in(right.no))
    needs = None
    if left.needs is not None and right.needs is not None and right.needs <= left.needs:
        needs = left.needs
    return Truth(meet(left.yes, right.yes), any_of(left.no, meet(reached, right.no)), needs)


def either(left: Truth, right: Truth) -> Truth:
    """Return ``left || right``."""
    return negate(both(negate(left), negate(right)))


def choose(test: Truth, then: Truth, other: Truth) -> Truth:
    """Return ``if test then … else …``."""
    if test.yes == TRUE:
        return then
    if test.no == TRUE:
        return other
    parts = (test.needs, then.needs, other.needs)
    exact = test.needs is not None and all(p is not None and p <= test.needs for p in parts)
    return Truth(
        any_of(meet(test.yes, then.yes), meet(test.no, other.yes)),
        any_of(meet(test.yes, then.no), meet(test.no, other.no)),
        test.needs if exact else None,
    )


def meet(*parts: Predicate) -> Predicate:
    """Return the conjunction without the `IS NOT NULL` that other parts imply."""
    whole = all_of(*parts)
    if not isinstance(whole, And):
        return whole
    kept: list[Predicate] = []
    for i, part in enumerate(whole.args):
        if isinstance(part, IsNull) and part.negated:
            others = (*kept, *whole.args[i + 1 :])
            if any(part.column in _not_null_in(other) for other in others):
                continue
        kept.append(part)
    return all_of(*kept)


def merge(parts: list[tuple[Predicate, Truth]]) -> Truth:
    """Return the truth of a condition by cases; the guards exclude each other."""
    if len(parts) == 1 and parts[0][0] == TRUE:
        return parts[0][1]
    if len(parts) > MAX_ALTERNATIVES:
        unsupported("a condition with so many cases")
    return Truth(
        any_of(*(meet(guard, truth.yes) for guard, truth in parts)),
        any_of(*(meet(guard, truth.no) for guard, truth in parts)),
    )


def _not_null_in(predicate: Predicate) -> frozenset[str]:
    """Return columns that cannot be NULL in a row for which the predicate is true."""
    match predicate:
        case Compare() | In() | Like() | Consent():
            return frozenset((predicate.column,))
        case IsNull(column, negated):
            return frozenset((column,)) if negated else frozenset()
        case CompareColumns(left, _, right):
            return frozenset((left, right))
        case And(args):
            return frozenset().union(*(_not_null_in(a) for a in args))
        case Or(args):
            sets = [_not_null_in(a) for a in args]
            return frozenset.intersection(*sets) if sets else frozenset()
        case Constant():
            return frozenset()
