"""A predicate as an Arrow expression, for deleting rows.

Runs in the gateway. Follows `model.predicate`: NULL means out, NaN equals NaN and is greater than
every other number. Constants must have the column's own kind; anything else is refused, because a
delete must never guess.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
import operator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jupyter_govdata.errors import ColumnNotFoundError, QueryError
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

_OPS: dict[Op, Any] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def expression(predicate: Predicate, schema: pa.Schema) -> pc.Expression:
    """Return the expression that is true for the rows that `predicate` keeps, else false or NULL.

    Raises:
        ColumnNotFoundError: A column that the schema does not have.
        QueryError: A condition that cannot select rows to delete, or a constant of another type.
    """
    match predicate:
        case Constant(value):
            return pc.scalar(value)
        case And(args):
            parts = [expression(a, schema) for a in args]
            return functools.reduce(operator.and_, parts, pc.scalar(True))
        case Or(args):
            parts = [pc.coalesce(expression(a, schema), pc.scalar(False)) for a in args]
            return functools.reduce(operator.or_, parts, pc.scalar(False))
        case IsNull(column, negated):
            field = pc.field(_known(column, schema).name)
            return field.is_valid() if negated else field.is_null()
        case Compare(column, op, value):
            return _compare(_known(column, schema), op, value)
        case In(column, values, negated):
            field = _known(column, schema)
            hits = [_compare(field, "!=" if negated else "=", v) for v in values]
            if negated:
                return functools.reduce(operator.and_, hits, pc.field(column).is_valid())
            return functools.reduce(operator.or_, hits, pc.scalar(False))
        case Like() | CompareColumns() | Consent():
            raise QueryError("a delete takes comparisons with constants only")


def _known(column: str, schema: pa.Schema) -> pa.Field:
    index = schema.get_field_index(column)
    if index < 0:
        raise ColumnNotFoundError(f"no column `{column[:200]}`")
    return schema.field(index)


def _compare(field: pa.Field, op: Op, value: Value) -> pc.Expression:
    column = pc.field(field.name)
    scalar = _scalar(field, value)
    if not pa.types.is_floating(field.type):
        return _OPS[op](column, scalar)
    nan = pc.is_nan(column)
    if isinstance(value, float) and math.isnan(value):
        return {
            "=": nan,
            ">=": nan,
            "!=": ~nan,
            "<": ~nan,
            "<=": column.is_valid(),
            ">": pc.and_(nan, pc.scalar(False)),
        }[op]
    plain = _OPS[op](column, scalar)
    return plain | nan if op in (">", ">=", "!=") else plain


def _scalar(field: pa.Field, value: Value) -> pa.Scalar:
    """Return the constant in exactly the column's type."""
    types, kind = pa.types, field.type
    naive = isinstance(value, dt.datetime) and value.tzinfo is None
    fits = (
        (types.is_boolean(kind) and isinstance(value, bool))
        or (types.is_integer(kind) and type(value) is int)
        or (types.is_floating(kind) and type(value) in (int, float))
        or (types.is_decimal(kind) and type(value) in (int, Decimal))
        or (types.is_string(kind) and isinstance(value, str))
        or (types.is_binary(kind) and isinstance(value, bytes))
        or (types.is_date(kind) and type(value) is dt.date)
        or (types.is_time(kind) and isinstance(value, dt.time))
        or (
            types.is_timestamp(kind)
            and isinstance(value, dt.datetime)
            and naive == (kind.tz is None)
        )
    )
    try:
        if fits:
            return pa.scalar(value, kind)
    except (pa.ArrowException, OverflowError, ValueError, UnicodeError) as exc:
        raise QueryError(f"the constant for `{field.name}` does not fit `{kind}`") from exc
    raise QueryError(
        f"column `{field.name}` has type `{kind}`, the constant is a `{type(value).__name__}`"
    )
