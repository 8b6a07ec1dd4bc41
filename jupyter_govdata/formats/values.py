"""Python values to typed columns, without Arrow's silent conversions.

Runs in the client process; trusts nothing.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from jupyter_govdata.formats.text import Converted, convert

_NONE = type(None)


def typed(
    values: Sequence[Any], kind: pa.DataType, null_values: Sequence[str] | None = None
) -> Converted:
    """Convert values; None is NULL, what does not fit is marked as bad.

    Values of the very Python type that `kind` stands for are taken as they are. All others go
    by their text, so that 1.5 is no `long`, and ``"12"`` is one.
    """
    found = set(map(type, values)) - {_NONE}
    if found <= _exact(kind, values, found) and not (null_values and found == {str}):
        try:
            return Converted(pa.array(values, kind))
        except (pa.ArrowException, OverflowError, UnicodeEncodeError):
            pass
    return convert(texts(values), kind, null_values)


def texts(values: Sequence[Any]) -> pa.Array:
    """Return the values as text, None as NULL."""
    return pa.array([None if v is None else as_text(v) for v in values], pa.string())


def as_text(value: Any) -> str:
    """Return the text of one value: JSON for nested ones, ISO 8601 for dates."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _exact(kind: pa.DataType, values: Sequence[Any], found: set[type]) -> set[type]:
    """Return the Python types that Arrow converts to `kind` without changing a value."""
    t = pa.types
    if t.is_string(kind):
        return {str}
    if t.is_boolean(kind):
        return {bool}
    if t.is_integer(kind):
        return {int}
    if t.is_floating(kind):
        return {float, int}
    if t.is_decimal(kind):
        return {Decimal, int}
    if t.is_date(kind):
        return {dt.date}
    if t.is_time(kind):
        return {dt.time}
    if t.is_binary(kind):
        return {bytes}
    if t.is_timestamp(kind) and found == {dt.datetime}:
        zoned = {v.tzinfo is not None for v in values if v is not None}
        return {dt.datetime} if zoned == {kind.tz is not None} else set()
    return set()
