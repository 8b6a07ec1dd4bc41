"""Comparisons between terms, as predicates of the row.

Runs in the gateway; pure. Every function returns a `Truth`: when Cedar would say true, and when
false, without an error. NULL is a missing attribute, hence an error, hence neither.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Any, NoReturn

from jupyter_govdata.errors import PolicyFileError
from jupyter_govdata.model.asset import Subject
from jupyter_govdata.model.predicate import (
    FALSE,
    MIRRORED,
    NEGATED,
    Compare,
    CompareColumns,
    Consent,
    In,
    IsNull,
    Like,
    Op,
    Predicate,
    Value,
    all_of,
    any_of,
)
from jupyter_govdata.policy.terms import (
    ALWAYS,
    ERROR,
    NEVER,
    Col,
    ConsentsOf,
    Const,
    Elapsed,
    SetOf,
    SubjectOf,
    Term,
    Truth,
    column_type,
    decimal_scale,
    moment,
    not_null,
)

_OPERATORS: Mapping[Op, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_DAY = 86_400_000
_TEMPLATE = re.compile(r"\{([^{}]*)\}")
_INTEGERS = ("int", "long")


def template_columns(domain: str) -> frozenset[str]:
    """Return the columns that an identifier domain names in braces."""
    return frozenset(_TEMPLATE.findall(domain))


@dataclass(frozen=True, slots=True)
class RowShape:
    """The row as the translator sees it: column types (Iceberg) and whom rows are about."""

    types: Mapping[str, str]
    subject: Subject | None = None

    @property
    def subject_columns(self) -> frozenset[str]:
        """Columns that must not be NULL for the row to have a subject."""
        if self.subject is None:
            return frozenset()
        return template_columns(self.subject.domain) | {self.subject.column}


def unsupported(what: str, hint: str | None = None) -> NoReturn:
    """Raise the error for a condition that no predicate expresses.

    Raises:
        PolicyFileError: Always.
    """
    raise PolicyFileError(f"{what} cannot be turned into a row filter", hint=hint)


class Comparer:
    """Compare terms over one row shape. The checker overrides the hooks at the end."""

    def __init__(self, row: RowShape) -> None:
        self.row = row

    # -- == and order --------------------------------------------------------------------

    def equal(self, left: Term, right: Term) -> Truth:
        """Return when ``left == right``; terms of different types differ without an error."""
        columns = self.columns(left) | self.columns(right)
        if left.type != right.type:
            self.mismatch(left, right)
            return Truth(FALSE, not_null(columns), columns)
        if isinstance(left, SetOf) and isinstance(right, SetOf):
            return self._equal_sets(left, right)
        return self._compare(left, "=", right)

    def order(self, left: Term, op: Op, right: Term) -> Truth:
        """Return when ``left op right`` for numbers, dates and durations."""
        if left.type != right.type or left.type not in ("long", "datetime", "duration"):
            self.mismatch(left, right)
            return ERROR
        return self._compare(left, op, right)

    def order_decimals(self, left: Term, op: Op, right: Term) -> Truth:
        """Return when ``left op right`` for decimals (`lessThan` and the like)."""
        if left.type != "decimal" or right.type != "decimal":
            self.mismatch(left, right)
            return ERROR
        return self._compare(left, op, right)

    def _compare(self, left: Term, op: Op, right: Term) -> Truth:
        match left, right:
            case Const(), Const():
                return self.decide(left, op, right)
            case ((Col() | Elapsed()), Const()):
                return self._column(left, op, right)
            case Const(), (Col() | Elapsed()):
                return self._column(right, MIRRORED[op], left)
            case Col(), Col():
                return self._columns(left, op, right)
            case _:
                unsupported(
                    "a comparison of two elapsed times, or of a whole subject or consent set,"
                )

    def _column(self, term: Col | Elapsed, op: Op, const: Const) -> Truth:
        value = self.literal(const)
        if isinstance(term, Elapsed):
            # origin - column < k  <=>  column > origin - k
            bound = term.origin + value if term.forward else term.origin - value
            op = op if term.forward else MIRRORED[op]
            term, value = Col(term.column, "datetime"), bound
        return Truth(
            self._leaf(term, op, value),
            self._leaf(term, NEGATED[op], value),
            frozenset((term.column,)),
        )

    def _leaf(self, col: Col, op: Op, value: Any) -> Predicate:
        iceberg = self.row.types[col.column]
        if col.type == "decimal":
            step = Decimal(1).scaleb(-decimal_scale(iceberg))
            floor = value.quantize(step, rounding=ROUND_FLOOR)
            return _snapped(col.column, op, floor, exact=floor == value)
        if col.type == "datetime":
            millis = value - col.shift
            exact = iceberg != "date" or millis % _DAY == 0
            bound = moment(millis, iceberg)
            if bound is None:
                holds = _OPERATORS[op](0, 1 if millis > 0 else -1)
                return IsNull(col.column, negated=True) if holds else FALSE
            return _snapped(col.column, op, bound, exact=exact)
        return Compare(col.column, op, value)

    def _columns(self, left: Col, op: Op, right: Col) -> Truth:
        types = (self.row.types[left.column], self.row.types[right.column])
        same = (
            types[0] == types[1]
            or all(t in _INTEGERS for t in types)
            or all(column_type(t) == "decimal" for t in types)
        )
        if left.shift or right.shift or not same:
            unsupported(
                f"the comparison of columns `{left.column}` ({types[0]}) and `{right.column}`"
                f" ({types[1]})",
                "compare two columns of one type, without `offset`",
            )
        return Truth(
            CompareColumns(left.column, op, right.column),
            CompareColumns(left.column, NEGATED[op], right.column),
            frozenset((left.column, right.column)),
        )

    # -- sets ------------------------------------------------------------------------------

    def contains(self, group: Term, element: Term) -> Truth:
        """Return when ``group.contains(element)``."""
        if group.type != "set":
            self.mismatch(group, SetOf(()))
            return ERROR
        if isinstance(group, ConsentsOf):
            return self._consent(element)
        assert isinstance(group, SetOf)
        columns = self.columns(group) | self.columns(element)
        if isinstance(element, Col | Elapsed) and not self.columns(group):
            return self._member(element, group)
        pairs = [self.equal(item, element) for item in group.elements]
        return Truth(
            all_of(not_null(columns), any_of(*(p.yes for p in pairs))),
            all_of(not_null(columns), *(p.no for p in pairs)),
            columns if all(p.needs is not None for p in pairs) else None,
        )

    def _member(self, element: Col | Elapsed, group: SetOf) -> Truth:
        found: list[Value] = []
        extra: list[Predicate] = []
        for item in group.elements:
            if item.type != element.type:
                self.mismatch(element, item)
                continue
            match self._compare(element, "=", item).yes:
                case Compare(_, "=", value):
                    found.append(value)
                case other:
                    extra.append(other)
        columns = frozenset((element.column,))
        if any(other != FALSE for other in extra):
            unsupported(f"this use of column `{element.column}` in a set")
        values: tuple[Value, ...] = tuple(sorted(set(found)))
        if not values:
            return Truth(FALSE, not_null(columns), columns)
        if len(values) == 1:
            return Truth(
                Compare(element.column, "=", values[0]),
                Compare(element.column, "!=", values[0]),
                columns,
            )
        return Truth(In(element.column, values), In(element.column, values, negated=True), columns)

    def contains_all(self, group: Term, others: Term) -> Truth:
        """Return when ``group.containsAll(others)``."""
        return self._each(group, others, every=True)

    def contains_any(self, group: Term, others: Term) -> Truth:
        """Return when ``group.containsAny(others)``."""
        if isinstance(others, ConsentsOf) and isinstance(group, SetOf):
            group, others = others, group
        return self._each(group, others, every=False)

    def _each(self, group: Term, others: Term, *, every: bool) -> Truth:
        if group.type != "set" or others.type != "set":
            self.mismatch(group, others)
            return ERROR
        if not isinstance(others, SetOf):
            unsupported("a test of all consents of a subject")
        columns = self.columns(group) | self.columns(others)
        parts = [self.contains(group, item) for item in others.elements]
        exact = columns if all(p.needs is not None for p in parts) else None
        yes = [p.yes for p in parts]
        no = [p.no for p in parts]
        if every:
            return Truth(
                all_of(not_null(columns), *yes), all_of(not_null(columns), any_of(*no)), exact
            )
        return Truth(all_of(not_null(columns), any_of(*yes)), all_of(not_null(columns), *no), exact)

    def _equal_sets(self, left: SetOf, right: SetOf) -> Truth:
        one, other = self.contains_all(left, right), self.contains_all(right, left)
        return Truth(
            all_of(one.yes, other.yes),
            any_of(one.no, other.no),
            one.needs if one.needs == other.needs else None,
        )

    def is_empty(self, group: Term) -> Truth:
        """Return when ``group.isEmpty()``."""
        if group.type != "set":
            self.mismatch(group, SetOf(()))
            return ERROR
        if not isinstance(group, SetOf):
            unsupported("a test for no consent at all")
        columns = self.columns(group)
        found = not_null(columns)
        return Truth(FALSE, found, columns) if group.elements else Truth(found, FALSE, columns)

    def _consent(self, purpose: Term) -> Truth:
        columns = self.row.subject_columns
        if purpose.type != "string":
            self.mismatch(purpose, Const("string", ""))
            return Truth(FALSE, not_null(columns | self.columns(purpose)), None)
        if not isinstance(purpose, Const):
            unsupported("a consent for a purpose that stands in a column")
        subject = self.row.subject
        assert subject is not None
        value = self.purpose(purpose)
        # SECURITY: a NULL in the domain's own columns must not read as "has not consented".
        known = not_null(columns - {subject.column})
        return Truth(
            Consent(subject.column, subject.domain, value),
            all_of(known, Consent(subject.column, subject.domain, value, negated=True)),
            columns,
        )

    # -- text ------------------------------------------------------------------------------

    def like(self, term: Term, pattern: tuple[str | None, ...]) -> Truth:
        """Return when ``term like pattern``; None in the pattern stands for any text."""
        if term.type != "string":
            self.mismatch(term, Const("string", ""))
            return ERROR
        if isinstance(term, Col):
            return Truth(
                Like(term.column, pattern),
                Like(term.column, pattern, negated=True),
                frozenset((term.column,)),
            )
        assert isinstance(term, Const)
        regex = "".join(".*" if part is None else re.escape(part) for part in pattern)
        return ALWAYS if re.fullmatch(regex, str(self.literal(term)), re.DOTALL) else NEVER

    def columns(self, term: Term) -> frozenset[str]:
        """Return the columns that must not be NULL for the term to have a value."""
        match term:
            case Col() | Elapsed():
                return frozenset((term.column,))
            case SetOf():
                return frozenset().union(*(self.columns(e) for e in term.elements))
            case SubjectOf() | ConsentsOf():
                return self.row.subject_columns
            case Const():
                return frozenset()

    # -- hooks of the checker --------------------------------------------------------------

    def decide(self, left: Const, op: Op, right: Const) -> Truth:
        """Return the truth of a comparison of two known values of one type."""
        if left.value is None or right.value is None:
            unsupported("a comparison of records or addresses")
        return ALWAYS if _OPERATORS[op](left.value, right.value) else NEVER

    def literal(self, const: Const) -> Any:
        """Return the value that stands in the predicate."""
        return const.value

    def purpose(self, const: Const) -> str:
        """Return the purpose that a consent is asked for."""
        return str(self.literal(const))

    def mismatch(self, left: Term, right: Term) -> None:
        """Take note that two terms can never be equal or ordered."""


def _snapped(column: str, op: Op, floor: Value, *, exact: bool) -> Predicate:
    """Compare with a bound of which only the next lower value exists in the column's type."""
    if exact:
        return Compare(column, op, floor)
    if op == "=":
        return FALSE
    if op == "!=":
        return IsNull(column, negated=True)
    return Compare(column, "<=" if op in ("<", "<=") else ">", floor)


__all__ = ["Comparer", "RowShape", "template_columns", "unsupported"]
