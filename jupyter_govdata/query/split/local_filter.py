"""Conditions applied in the kernel, on governed batches, with DuckDB's semantics.

Arrow and DuckDB disagree about NaN (greater than every number, equal to itself) and about sets
of floating-point numbers (-0.0 is 0.0); here DuckDB is followed. A condition that is NULL keeps
no row. Trusts nothing; there is nothing to protect, the rows were filtered and masked before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, assert_never

import pyarrow as pa
import pyarrow.compute as pc

from jupyter_govdata.model.predicate import Op
from jupyter_govdata.query.split.conditions import (
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Membership,
    Never,
    Nullness,
)

_COMPARE: Mapping[Op, Callable[..., Any]] = {
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


def keep(batch: pa.RecordBatch, conditions: Sequence[Condition]) -> pa.RecordBatch:
    """Return the rows of the batch for which all conditions hold."""
    if not conditions:
        return batch
    return batch.filter(_holds(AllOf(tuple(conditions)), batch))


def _holds(condition: Condition, batch: pa.RecordBatch) -> pa.BooleanArray:
    match condition:
        case Never():
            return pa.array([False] * batch.num_rows, pa.bool_())
        case AllOf(args):
            return reduce(pc.and_kleene, (_holds(a, batch) for a in args))
        case AnyOf(args):
            return reduce(pc.or_kleene, (_holds(a, batch) for a in args))
        case Nullness(path, negated):
            values = _column(batch, path)
            return values.is_valid() if negated else values.is_null()
        case Comparison(path, op, value):
            return _compare(_column(batch, path), op, value)
        case Membership(path, members, negated):
            return _among(_column(batch, path), members, negated)
        case _:
            assert_never(condition)


def _column(batch: pa.RecordBatch, path: tuple[str, ...]) -> pa.Array:
    values = batch.column(path[0])
    for name in path[1:]:
        values = pc.struct_field(values, name)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    return values


def _compare(values: pa.Array, op: Op, value: pa.Scalar) -> pa.BooleanArray:
    if not pa.types.is_floating(values.type):
        return _COMPARE[op](values, value)
    is_nan = pc.is_nan(values)
    if not math.isnan(value.as_py()):
        found = _COMPARE[op](values, value)
        return pc.or_kleene(found, is_nan) if op in (">", ">=") else found
    if op in ("=", ">="):
        return is_nan
    if op in ("!=", "<"):
        return pc.invert(is_nan)
    return pc.and_kleene(values.is_valid(), pa.scalar(op == "<="))


def _among(values: pa.Array, members: pa.Array, negated: bool) -> pa.BooleanArray:
    if pa.types.is_floating(values.type):
        # `x + 0.0` turns -0.0 into 0.0; Arrow's sets tell the two apart.
        values, members = pc.add(values, 0.0), pc.add(members, 0.0)
    found = pc.is_in(values, value_set=members.cast(values.type))
    return pc.and_(pc.invert(found) if negated else found, values.is_valid())
