"""Filters that DuckDB hands over: what of them the gateway can take. Runs in the kernel.

DuckDB does not filter again what it handed over, so every condition is applied exactly, with
DuckDB's semantics: by the gateway where it fits the structured predicate, and otherwise by
`local_filter`. A filter that loses information on its way here is refused
(`UnreadableFilterError`), and the engine runs the statement without handing filters over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

import pyarrow as pa

from jupyter_govdata.model.predicate import (
    MIRRORED,
    NEGATED,
    Compare,
    Constant,
    In,
    IsNull,
    Op,
    Predicate,
    Value,
    all_of,
    any_of,
)
from jupyter_govdata.query.split.expression import Call, Field, Literal, Node, UnreadableFilterError
from jupyter_govdata.query.split.values import exact_value

_OPS: Mapping[str, Op] = {
    "equal": "=",
    "not_equal": "!=",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """`path op value`; NaN is greater than every number and equals NaN."""

    path: tuple[str, ...]
    op: Op
    value: pa.Scalar


@dataclass(frozen=True, slots=True)
class Membership:
    """`path [NOT] IN values`; no value is NULL."""

    path: tuple[str, ...]
    values: pa.Array
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Nullness:
    """`path IS [NOT] NULL`."""

    path: tuple[str, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every condition holds."""

    args: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One condition holds."""

    args: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Never:
    """No row."""


Condition = Comparison | Membership | Nullness | AllOf | AnyOf | Never


def conditions_of(node: Node) -> tuple[Condition, ...]:
    """Return the conjuncts of a filter, in negation normal form.

    Raises:
        UnreadableFilterError: A function or an operand that is not known here.
    """
    condition = _condition(node, negated=False)
    return condition.args if isinstance(condition, AllOf) else (condition,)


def to_predicate(condition: Condition, columns: Mapping[str, pa.DataType]) -> Predicate | None:
    """Return the condition as the gateway takes it, or None if it has to be applied here.

    Args:
        condition: What to translate.
        columns: The columns whose conditions may be pushed, with their types.
    """
    match condition:
        case Never():
            return Constant(False)
        case AllOf(args) | AnyOf(args):
            parts = [to_predicate(a, columns) for a in args]
            known = [p for p in parts if p is not None]
            if len(known) < len(parts):
                return None
            return all_of(*known) if isinstance(condition, AllOf) else any_of(*known)
        case Comparison(path, op, scalar):
            value = _value(path, scalar, columns)
            return None if value is None else Compare(path[0], op, value)
        case Membership(path, array, negated):
            values = [_value(path, scalar, columns) for scalar in array]
            exact = tuple(v for v in values if v is not None)
            return In(path[0], exact, negated) if len(exact) == len(values) else None
        case Nullness(path, negated):
            return IsNull(path[0], negated) if len(path) == 1 and path[0] in columns else None
        case _:
            assert_never(condition)


def columns_of(condition: Condition) -> frozenset[str]:
    """Return the top-level columns that the condition reads."""
    match condition:
        case Never():
            return frozenset()
        case AllOf(args) | AnyOf(args):
            return frozenset().union(*(columns_of(a) for a in args))
        case _:
            return frozenset((condition.path[0],))


def _value(
    path: tuple[str, ...], scalar: pa.Scalar, columns: Mapping[str, pa.DataType]
) -> Value | None:
    if len(path) != 1 or path[0] not in columns:
        return None
    return exact_value(scalar, columns[path[0]])


# -- from the tree -----------------------------------------------------------------------------


def _condition(node: Node, *, negated: bool) -> Condition:
    match node:
        case Literal(value) if value.is_valid and value.type == pa.bool_():
            if value.as_py() is negated:
                return Never()
            # DuckDB writes `x <= NaN` as the constant true and so drops the NULL test of `x`.
            raise UnreadableFilterError("the filter lost a column")
        case Call("invert", (arg,), None):
            return _condition(arg, negated=not negated)
        case Call("and_kleene" | "or_kleene", args, None):
            parts = tuple(_condition(a, negated=negated) for a in args)
            conjunction = (node.function == "and_kleene") is not negated
            return _all(parts) if conjunction else AnyOf(parts)
        case Call("is_nan", (Field(path),), None):
            return Comparison(path, "!=" if negated else "=", pa.scalar(math.nan))
        case Call("is_valid", (Field(path),), None):
            return Nullness(path, negated=not negated)
        case Call("is_null", (Field(path),), options):
            if options is not None and options["nan_is_null"].as_py():
                raise UnreadableFilterError("the filter takes NaN for NULL")
            return Nullness(path, negated=negated)
        case Call("is_in", (Field(path),), options) if options is not None:
            return Membership(path, _members(options), negated=negated)
        case Call(function, (left, right), None) if function in _OPS:
            return _comparison(_OPS[function], left, right, negated=negated)
        case _:
            raise UnreadableFilterError("the filter holds something unknown")


def _comparison(op: Op, left: Node, right: Node, *, negated: bool) -> Comparison:
    if isinstance(left, Literal):
        op, left, right = MIRRORED[op], right, left
    if not isinstance(left, Field) or not isinstance(right, Literal) or not right.value.is_valid:
        raise UnreadableFilterError("the filter compares something unknown")
    return Comparison(left.path, NEGATED[op] if negated else op, right.value)


def _members(options: pa.StructScalar) -> pa.Array:
    if "value_set" not in options or not isinstance(options["value_set"], pa.ListScalar):
        raise UnreadableFilterError("the filter has a set of an unknown form")
    values = options["value_set"].values
    if values is None or values.null_count:
        raise UnreadableFilterError("the filter has a set with NULL")
    return values


def _all(parts: tuple[Condition, ...]) -> Condition:
    flat: list[Condition] = []
    for part in parts:
        flat.extend(part.args if isinstance(part, AllOf) else (part,))
    return AllOf(tuple(flat))
