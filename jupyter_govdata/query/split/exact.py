"""Constants that compare at the gateway as they do in DuckDB, or not at all. Runs in the kernel.

The gateway compares numbers as numbers. DuckDB casts first, to a type that depends on both sides;
what it would round is left to it.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import Decimal

import pyarrow as pa

from jupyter_govdata.model.predicate import Value

_WHOLE_IN_DOUBLE = 2**53
_SCALE_IN_DOUBLE = 22
"""Whole numbers and powers of ten up to these are exact in double precision."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2}:\d{2}(\.\d{1,6})?)?")


def comparable(value: Value, column: pa.DataType) -> Value | None:
    """Return a constant as the gateway compares it with a column of that type.

    None means that DuckDB might compare it in another way.
    """
    if pa.types.is_boolean(column):
        return value if isinstance(value, bool) else None
    if isinstance(value, bool):
        return None
    if pa.types.is_integer(column):
        return value if isinstance(value, int) and abs(value) <= _WHOLE_IN_DOUBLE else None
    if pa.types.is_decimal(column):
        whole = isinstance(value, int) and abs(value) <= _WHOLE_IN_DOUBLE
        return value if whole or isinstance(value, Decimal) else None
    if pa.types.is_float64(column):
        return _double(value)
    if pa.types.is_string(column) or pa.types.is_large_string(column):
        return value if isinstance(value, str) else None
    if pa.types.is_date32(column):
        return _date(value)
    if pa.types.is_timestamp(column) and column.unit == "us":
        return _aware(value) if column.tz else _local(value)
    return None


def _double(value: Value) -> float | None:
    if isinstance(value, Decimal):
        _, digits, exponent = value.as_tuple()
        if not isinstance(exponent, int) or not -_SCALE_IN_DOUBLE <= exponent <= 0:
            return None
        if int("".join(map(str, digits))) > _WHOLE_IN_DOUBLE:
            return None
        return float(value)
    if isinstance(value, int):
        return float(value) if abs(value) <= _WHOLE_IN_DOUBLE else None
    return value if isinstance(value, float) and math.isfinite(value) else None


def _date(value: Value) -> dt.date | None:
    if isinstance(value, str):
        return dt.date.fromisoformat(value) if _DATE.fullmatch(value) else None
    if isinstance(value, dt.datetime) or not isinstance(value, dt.date):
        return None
    return value


def _local(value: Value) -> dt.datetime | None:
    if isinstance(value, str):
        return dt.datetime.fromisoformat(value) if _TIMESTAMP.fullmatch(value) else None
    if isinstance(value, dt.datetime):
        return value if value.tzinfo is None else None
    return dt.datetime.combine(value, dt.time()) if isinstance(value, dt.date) else None


def _aware(value: Value) -> dt.datetime | None:
    return value if isinstance(value, dt.datetime) and value.tzinfo is not None else None
