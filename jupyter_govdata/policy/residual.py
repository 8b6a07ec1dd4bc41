"""Translate what Cedar's partial evaluation left over into predicates of the row.

Runs in the gateway; pure. Trusts nothing in the residual: what it does not know it refuses, and
whatever Cedar would call an error is neither true nor false here.

INVARIANT: `yes` and `no` are each at most what Cedar would say. They are built from the `yes`
and `no` of the parts without any negation, so a part that comes out too small can only grant
less (a permit counts where `yes`) and forbid more (a forbid steps back only where `no`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jupyter_govdata.errors import PolicyFileError
from jupyter_govdata.model.predicate import (
    FALSE,
    TRUE,
    IsNull,
    Op,
    Predicate,
    all_of,
    any_of,
    walk,
)
from jupyter_govdata.policy.arithmetic import METHODS, arithmetic, call
from jupyter_govdata.policy.compare import Comparer, RowShape, unsupported
from jupyter_govdata.policy.terms import (
    ERROR,
    Alternatives,
    Col,
    ConsentsOf,
    Const,
    SetOf,
    SubjectOf,
    Term,
    Truth,
    column_type,
    not_null,
    parse_datetime,
    parse_decimal,
    parse_duration,
)
from jupyter_govdata.policy.truth import MAX_ALTERNATIVES, both, choose, either, merge, negate

Json = Any
MAX_NODES = 5_000
HAS = "?has "
"""Prefix of the stand-in attribute that asks whether a column is present, i.e. not NULL."""

_ORDER: Mapping[str, Op] = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
_DECIMALS: Mapping[str, Op] = {
    "lessThan": "<",
    "lessThanOrEqual": "<=",
    "greaterThan": ">",
    "greaterThanOrEqual": ">=",
}
_BOOLEAN = frozenset(
    (*_ORDER, *_DECIMALS, "&&", "||", "!", "==", "!=", "like", "has", "is", "in", "hasTag")
) | frozenset(("contains", "containsAll", "containsAny", "isEmpty"))
_LITERALS: Mapping[str, Callable[[str], Const]] = {
    "datetime": lambda text: Const("datetime", parse_datetime(text)),
    "duration": lambda text: Const("duration", parse_duration(text)),
    "decimal": lambda text: Const("decimal", parse_decimal(text)),
    "ip": lambda _: Const("ip", None),
}


def compile_residual(body: Json, row: RowShape) -> Truth:
    """Translate the condition of one residual policy.

    Args:
        body: Cedar's JSON expression, columns as ``unknown``.
        row: Types of the columns.

    Raises:
        PolicyFileError: No predicate expresses it, or the result would be too large.
    """
    return bounded(lambda: Translator(row).truth(body))


def bounded(translate: Callable[[], Truth]) -> Truth:
    """Run a translation and refuse a result that is too large.

    Raises:
        PolicyFileError: Too large or too deep, or what the translation itself raises.
    """
    try:
        truth = translate()
        nodes = sum(1 for side in (truth.yes, truth.no) for _ in walk(side))
    except RecursionError as exc:
        raise PolicyFileError("the condition is nested too deep") from exc
    if nodes > MAX_NODES:
        raise PolicyFileError("the condition is too large for a row filter")
    return truth


class Translator(Comparer):
    """Translate expressions over one row shape."""

    # -- booleans --------------------------------------------------------------------------

    def truth(self, expr: Json) -> Truth:
        """Return when a boolean expression is true and when it is false."""
        name, body = _node(expr)
        if name in ("&&", "||"):
            return self._chain(expr, name)
        if name == "!":
            return negate(self.truth(body["arg"]))
        if name == "if-then-else":
            return choose(*(self.truth(body[key]) for key in ("if", "then", "else")))
        if name == "==":
            return self._pairs(body, self.equal)
        if name == "!=":
            return negate(self._pairs(body, self.equal))
        if name in _ORDER:
            op = _ORDER[name]
            return self._pairs(body, lambda a, b: self.order(a, op, b))
        if name in _DECIMALS:
            return self._decimals(name, body)
        if name in ("contains", "containsAll", "containsAny"):
            by = {
                "contains": self.contains,
                "containsAll": self.contains_all,
                "containsAny": self.contains_any,
            }
            return self._pairs(body, by[name])
        if name == "isEmpty":
            return self._each_value(body["arg"], self.is_empty)
        if name == "like":
            pattern = _pattern(body["pattern"])
            return self._each_value(body["left"], lambda term: self.like(term, pattern))
        if name == "has":
            return self.has(body["left"], body["attr"])
        if name in ("is", "in", "hasTag"):
            return self.outside_truth(expr)
        if name == "unknown" and body[0]["Value"].startswith(HAS):
            return self._present(body[0]["Value"][len(HAS) :])
        return self._each_value(expr, self._as_boolean)

    def _chain(self, expr: Json, name: str) -> Truth:
        parts: list[Json] = []
        while name in expr:  # the left spine may be long: no recursion here
            parts.append(expr[name]["right"])
            expr = expr[name]["left"]
        result = self.truth(expr)
        join = both if name == "&&" else either
        for part in reversed(parts):
            result = join(result, self.truth(part))
        return result

    def _decimals(self, name: str, body: Json) -> Truth:
        op = _DECIMALS[name]
        pair = {"left": body[0], "right": body[1]}
        return self._pairs(pair, lambda a, b: self.order_decimals(a, op, b))

    def _as_boolean(self, term: Term) -> Truth:
        if term.type != "bool":
            self.mismatch(term, Const("bool", True))
            return ERROR
        return self.equal(term, Const("bool", True))

    def has(self, left: Json, attr: str) -> Truth:
        """Return when ``left has attr``; only `resource.subject` arrives here."""

        def of(term: Term) -> Truth:
            if not isinstance(term, SubjectOf):
                return ERROR
            present = not_null(self.columns(term))
            if attr == "consents":
                return Truth(present, FALSE, self.columns(term))
            return Truth(FALSE, present, self.columns(term))

        return self._each_value(left, of)

    # -- values ----------------------------------------------------------------------------

    def value(self, expr: Json) -> Alternatives:
        """Return what an expression may evaluate to."""
        name, body = _node(expr)
        if name in _BOOLEAN:
            truth = self.truth(expr)
            options = ((truth.yes, Const("bool", True)), (truth.no, Const("bool", False)))
            return tuple((guard, term) for guard, term in options if guard != FALSE)
        if name == "Value":
            return self.constant(body)
        if name == "unknown":
            return self.unknown(body)
        if name == "Set":
            return self._set(body)
        if name == "if-then-else":
            return self._choice(body)
        if name in _LITERALS:
            return self.literal_of(name, body)
        if name == ".":
            return self.attribute(expr, body["left"], body["attr"])
        if name == "Record":
            return self._record(body)
        if name in ("+", "-", "*"):
            return self._terms((body["left"], body["right"]), lambda t: self.apply(name, t))
        if name == "neg":
            return self._terms((body["arg"],), lambda t: self.apply("neg", t))
        if name in METHODS:
            return self._terms(tuple(body), lambda t: self.apply(name, t))
        return self.outside(expr)

    def unknown(self, body: Json) -> Alternatives:
        """Return the column, stand-in or subject that an unknown stands for."""
        name = body[0]["Value"]
        if name.startswith(HAS):
            truth = self._present(name[len(HAS) :])
            return ((truth.yes, Const("bool", True)), (truth.no, Const("bool", False)))
        if name == "subject":
            return self.subject()
        return self.column(name)

    def _present(self, name: str) -> Truth:
        columns = self.row.subject_columns if name == "subject" else frozenset((name,))
        absent = any_of(*(IsNull(column) for column in sorted(columns)))
        return Truth(not_null(columns), absent, frozenset())

    def column(self, name: str) -> Alternatives:
        """Return the term of a column.

        Raises:
            PolicyFileError: Cedar has no type that holds its values exactly.
        """
        iceberg = self.row.types.get(name)
        if iceberg is None:
            return ()
        kind = column_type(iceberg)
        if kind is None:
            unsupported(
                f"column `{name}` of type `{iceberg}`",
                "Cedar has text, whole numbers, decimals of up to 4 digits, booleans and dates: "
                "give the table such a column",
            )
        return ((TRUE, Col(name, kind)),)

    def subject(self) -> Alternatives:
        """Return the term of `resource.subject`."""
        subject = self.row.subject
        if subject is None or not self.row.subject_columns <= self.row.types.keys():
            return ()
        return ((TRUE, SubjectOf()),)

    def attribute(self, expr: Json, left: Json, attr: str) -> Alternatives:
        """Return ``left.attr``; at run time only `resource.subject.consents` is left over."""
        if "Var" in left:
            return self.outside(expr)
        found: list[tuple[Predicate, Term]] = []
        for guard, term in self.value(left):
            if isinstance(term, SubjectOf) and attr == "consents":
                found.append((guard, ConsentsOf()))
        return tuple(found)

    def _set(self, items: Json) -> Alternatives:
        return self._terms(tuple(items), SetOf)

    def _record(self, fields: Json) -> Alternatives:
        for _, term in self._terms(tuple(fields.values()), SetOf):
            if self.columns(term):
                unsupported("a record that holds a column")
        return ((TRUE, Const("record", None)),)

    def literal_of(self, name: str, body: Json) -> Alternatives:
        """Return the value of a `datetime`, `duration`, `decimal` or `ip` literal."""
        if len(body) == 1 and isinstance(body[0].get("Value"), str):
            try:
                return ((TRUE, _LITERALS[name](body[0]["Value"])),)
            except PolicyFileError as exc:
                return self.bad_literal(exc)
        return unsupported(f"`{name}` of something that is not a text literal")

    def constant(self, value: Json) -> Alternatives:
        """Return the term of a literal."""
        match value:
            case bool():
                return ((TRUE, Const("bool", value)),)
            case int():
                return ((TRUE, Const("long", value)),)
            case str():
                return ((TRUE, Const("string", value)),)
            case {"__entity": {"type": str(kind), "id": str(name)}}:
                return ((TRUE, Const("entity", (kind, name))),)
            case _:
                return unsupported("a literal of this kind")

    def _choice(self, body: Json) -> Alternatives:
        test = self.truth(body["if"])
        found = [
            (all_of(side, guard), term)
            for side, key in ((test.yes, "then"), (test.no, "else"))
            for guard, term in self.value(body[key])
        ]
        return _limited((guard, term) for guard, term in found if guard != FALSE)

    # -- combinations ----------------------------------------------------------------------

    def _terms(
        self, exprs: tuple[Json, ...], make: Callable[[tuple[Term, ...]], Term | None]
    ) -> Alternatives:
        rows: list[tuple[Predicate, tuple[Term, ...]]] = [(TRUE, ())]
        for expr in exprs:
            options = self.value(expr)
            rows = [(all_of(g, h), (*terms, t)) for g, terms in rows for h, t in options]
            rows = list(_limited(rows))
        made = ((guard, make(terms)) for guard, terms in rows if guard != FALSE)
        return tuple((guard, term) for guard, term in made if term is not None)

    def _pairs(self, body: Json, compare: Callable[[Term, Term], Truth]) -> Truth:
        left, right = self.value(body["left"]), self.value(body["right"])
        return merge([(all_of(g, h), compare(a, b)) for g, a in left for h, b in right])

    def _each_value(self, expr: Json, test: Callable[[Term], Truth]) -> Truth:
        return merge([(guard, test(term)) for guard, term in self.value(expr)])

    # -- hooks of the checker --------------------------------------------------------------

    def apply(self, name: str, terms: tuple[Term, ...]) -> Term | None:
        """Return the result of arithmetic or a date method, None where Cedar errs."""
        return call(name, terms) if name in METHODS else arithmetic(name, terms)

    def outside(self, expr: Json) -> Alternatives:
        """Return the value of an expression that does not depend on the row.

        Cedar folded all of those; one that is still here errs whenever it is evaluated.
        """
        name, _ = _node(expr)
        if name in ("Var", ".", "getTag"):
            return ()
        return unsupported(f"`{name}` on a column")

    def outside_truth(self, expr: Json) -> Truth:
        """Return the truth of `in`, `is` or `hasTag`: on a column they are type errors."""
        name, body = _node(expr)
        if name == "hasTag" and self.value(body["right"]) and "Var" not in body["left"]:
            unsupported("`hasTag` with a column as the tag")
        return ERROR

    def bad_literal(self, error: PolicyFileError) -> Alternatives:
        """Return the value of a literal that Cedar cannot read: an error."""
        del error
        return ()


def _limited(options: Iterable[tuple[Predicate, Any]]) -> tuple[tuple[Predicate, Any], ...]:
    found = tuple(options)
    if len(found) > MAX_ALTERNATIVES:
        unsupported("a condition with so many cases")
    return found


def _node(expr: Json) -> tuple[str, Json]:
    if not isinstance(expr, dict) or len(expr) != 1:
        unsupported("an expression of this form")
    return next(iter(expr.items()))


def _pattern(parts: Iterable[Json]) -> tuple[str | None, ...]:
    return tuple(_merged(parts))


def _merged(parts: Iterable[Json]) -> Iterator[str | None]:
    text = ""
    for part in parts:
        if part == "Wildcard":
            if text:
                yield text
            yield None
            text = ""
        else:
            text += part["Literal"]
    if text:
        yield text
