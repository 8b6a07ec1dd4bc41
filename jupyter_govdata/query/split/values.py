"""Constants between Arrow and the model, exactly or not at all. Runs in the kernel."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from jupyter_govdata.model.predicate import Value

_EPOCH = dt.datetime(1970, 1, 1)
_NANOSECONDS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


def exact_value(scalar: pa.Scalar, column: pa.DataType) -> Value | None:
    """Return a constant for comparisons with a column of that type, or None.

    None means that there is no Python value that is exactly as large (a nanosecond, a date after
    the year 9999), or that the two types are not of one family.
    """
    kind = scalar.type
    if pa.types.is_dictionary(column):
        column = column.value_type
    for same_family, convert in _FAMILIES:
        if same_family(kind) and same_family(column):
            try:
                return convert(scalar)
            except (ValueError, OverflowError):
                return None
    return None


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _is_local_timestamp(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) and kind.tz is None)


def _is_aware_timestamp(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) and kind.tz is not None)


def _plain(scalar: pa.Scalar) -> Value:
    value: Value = scalar.as_py()
    return value


def _microseconds(scalar: pa.Scalar) -> dt.timedelta:
    rest = scalar.value * _NANOSECONDS[scalar.type.unit]
    if rest % 1_000:
        raise ValueError("finer than a microsecond")
    return dt.timedelta(microseconds=rest // 1_000)


def _local_timestamp(scalar: pa.Scalar) -> dt.datetime:
    return _EPOCH + _microseconds(scalar)


def _aware_timestamp(scalar: pa.Scalar) -> dt.datetime:
    return _EPOCH.replace(tzinfo=dt.UTC) + _microseconds(scalar)


def _time(scalar: pa.Scalar) -> dt.time:
    since_midnight = _microseconds(scalar)
    if not dt.timedelta() <= since_midnight < dt.timedelta(days=1):
        raise ValueError("not a time of day")  # DuckDB knows 24:00:00
    return (_EPOCH + since_midnight).time()


_FAMILIES: tuple[tuple[Callable[[pa.DataType], Any], Callable[[pa.Scalar], Value]], ...] = (
    (pa.types.is_boolean, _plain),
    (pa.types.is_integer, _plain),
    (pa.types.is_floating, _plain),
    (pa.types.is_decimal, _plain),
    (_is_text, _plain),
    (_is_bytes, _plain),
    (pa.types.is_date32, _plain),
    (_is_local_timestamp, _local_timestamp),
    (_is_aware_timestamp, _aware_timestamp),
    (pa.types.is_time, _time),
)
