"""Checks a user's predicate against the columns it reads, before anything is read.

Runs in the gateway. Pure. SECURITY: a constant must have its column's type; nothing is ever cast,
so no comparison can fail on a row and tell of it (T24).
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa

from jupyter_govdata.errors import ColumnNotFoundError, QueryError
from jupyter_govdata.model.predicate import (
    Compare,
    In,
    IsNull,
    Predicate,
    Value,
    columns_of,
    walk,
)

EXACT_FLOAT = 2**53
LONG = 2**63


def check_predicate(predicate: Predicate, schema: pa.Schema) -> None:
    """Check that every column exists and every constant has its column's type.

    Args:
        predicate: Holds only what users may push.
        schema: Of the columns as they are shown.

    Raises:
        ColumnNotFoundError: A column that `schema` does not have.
        QueryError: A constant of another type.
    """
    for column in columns_of(predicate):
        if column not in schema.names:
            raise ColumnNotFoundError(f"there is no column `{column[:200]}`")
    for node in walk(predicate):
        if isinstance(node, Compare):
            _require(node.column, schema.field(node.column).type, node.value)
        elif isinstance(node, In):
            for value in node.values:
                _require(node.column, schema.field(node.column).type, value)
        elif isinstance(node, IsNull):
            continue


def _require(column: str, kind: pa.DataType, value: Value) -> None:
    if not _fits(kind, value):
        raise QueryError(
            f"`{column}` is {kind}: it cannot be compared with a {type(value).__name__} constant"
        )


def _fits(kind: pa.DataType, value: Value) -> bool:
    types = pa.types
    whole = isinstance(value, int) and not isinstance(value, bool)
    if types.is_boolean(kind):
        return isinstance(value, bool)
    if types.is_integer(kind):
        return whole and -LONG <= value < LONG  # type: ignore[operator]
    if types.is_floating(kind):
        return isinstance(value, float) or (whole and abs(value) <= EXACT_FLOAT)  # type: ignore[arg-type]
    if types.is_decimal(kind):
        return (whole and abs(value) < LONG) or _decimal_fits(kind, value)  # type: ignore[arg-type]
    if types.is_date(kind):
        return isinstance(value, dt.date) and not isinstance(value, dt.datetime)
    if types.is_timestamp(kind):
        aware = isinstance(value, dt.datetime) and value.tzinfo is not None
        return isinstance(value, dt.datetime) and aware == (kind.tz is not None)
    if types.is_time(kind):
        return isinstance(value, dt.time) and value.tzinfo is None
    if types.is_string(kind) or types.is_large_string(kind):
        return isinstance(value, str)
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return isinstance(value, bytes)
    return False


def _decimal_fits(kind: Any, value: Value) -> bool:
    if not isinstance(value, Decimal):
        return False
    _, digits, exponent = value.as_tuple()
    scale = max(0, -int(exponent))
    whole = max(0, len(digits) + int(exponent))
    # DuckDB compares decimals in a common type of at most 38 digits; more could overflow.
    widest = max(kind.precision - kind.scale, whole) + max(kind.scale, scale)
    return widest <= 38
