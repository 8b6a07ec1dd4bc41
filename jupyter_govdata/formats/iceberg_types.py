"""Type names that users write, and the Arrow types that a lake can keep.

Runs in the client process; trusts nothing. Names are those of Iceberg: ``string``, ``int``,
``long``, ``float``, ``double``, ``boolean``, ``date``, ``time``, ``timestamp``, ``timestamptz``,
``binary``, ``decimal(p,s)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa

from jupyter_govdata.errors import LoadError

_BY_NAME: dict[str, pa.DataType] = {
    "string": pa.string(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "binary": pa.binary(),
}
_DECIMAL = re.compile(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")
_WAY_OUT = f"use one of {', '.join(_BY_NAME)}, decimal(p,s)"


def arrow_type(name: str) -> pa.DataType:
    """Return the Arrow type of an Iceberg type name.

    >>> arrow_type("decimal(9, 2)")
    Decimal128Type(decimal128(9, 2))

    Raises:
        LoadError: Not a known name, or a decimal outside of precision 1 to 38.
    """
    text = name.strip().lower()
    if text in _BY_NAME:
        return _BY_NAME[text]
    if match := _DECIMAL.fullmatch(text):
        precision, scale = int(match[1]), int(match[2])
        if 1 <= precision <= 38 and scale <= precision:
            return pa.decimal128(precision, scale)
    raise LoadError(f"`{name[:100]}` is not a type that a lake keeps", hint=_WAY_OUT)


def type_name(kind: pa.DataType) -> str:
    """Return the Iceberg name of an Arrow type; nested and foreign types keep Arrow's name.

    >>> type_name(pa.int64())
    'long'
    """
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamp" if kind.tz is None else "timestamptz"
    return next((name for name, known in _BY_NAME.items() if known == kind), str(kind))


def storable(kind: pa.DataType) -> tuple[pa.DataType, str]:
    """Return the type a lake keeps for `kind`, and what is lost by it ("" for nothing).

    Unsigned and small integers go to the next larger signed type, 64-bit unsigned to
    ``decimal(20,0)``, dictionaries to their values, nanoseconds to microseconds.
    """
    t = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return storable(kind.storage_type)
    if t.is_dictionary(kind):
        return storable(kind.value_type)
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        inner, loss = storable(kind.value_type)
        return pa.list_(pa.field("element", inner)), loss
    if t.is_struct(kind):
        parts = [(field, *storable(field.type)) for field in kind]
        lost = "; ".join(loss for _, _, loss in parts if loss)
        return pa.struct([field.with_type(inner) for field, inner, _ in parts]), lost
    return _storable_scalar(kind)


def _storable_scalar(kind: pa.DataType) -> tuple[pa.DataType, str]:
    t = pa.types
    if t.is_timestamp(kind):
        target = pa.timestamp("us", tz=None if kind.tz is None else "UTC")
        return target, "nanoseconds are cut to microseconds" if kind.unit == "ns" else ""
    if t.is_time(kind):
        lost = "nanoseconds are cut to microseconds" if kind == pa.time64("ns") else ""
        return pa.time64("us"), lost
    if t.is_duration(kind):
        return pa.int64(), f"a duration is kept as a number of `{kind.unit}`"
    if t.is_decimal(kind):
        if kind.precision <= 38 and 0 <= kind.scale <= kind.precision:
            return pa.decimal128(kind.precision, kind.scale), ""
        return pa.string(), f"`{kind}` is kept as text"
    if t.is_null(kind):
        return pa.string(), "there is no value, so the type is `string`"
    if t.is_large_string(kind) or kind == pa.string_view():
        return pa.string(), ""
    if t.is_large_binary(kind) or t.is_fixed_size_binary(kind) or kind == pa.binary_view():
        return pa.binary(), ""
    wider = {
        pa.int8(): pa.int32(),
        pa.int16(): pa.int32(),
        pa.uint8(): pa.int32(),
        pa.uint16(): pa.int32(),
        pa.uint32(): pa.int64(),
        pa.uint64(): pa.decimal128(20, 0),
        pa.float16(): pa.float32(),
        pa.date64(): pa.date32(),
    }
    return wider.get(kind, kind), ""


def described(
    name: str, kind: pa.DataType, *, description: str = "", unit: str = "", fmt: str = ""
) -> pa.Field:
    """Return a field whose metadata carries label, unit and format where there are any."""
    facts = {"description": description.strip(), "unit": unit.strip(), "format": fmt.strip()}
    metadata = {key: text for key, text in facts.items() if text}
    return pa.field(name, kind, metadata=metadata or None)


def fact(field: pa.Field, key: str) -> str:
    """Return a fact of the field's metadata, or empty."""
    raw = (field.metadata or {}).get(key.encode())
    return "" if raw is None else raw.decode("utf-8", "replace")


def describe_schema(schema: pa.Schema) -> str:
    """Return the columns as a text table: what a user is shown before anything is written."""
    rows = [("column", "type", "unit", "description")]
    rows += [
        (_one_line(f.name), type_name(f.type), fact(f, "unit"), _one_line(fact(f, "description")))
        for f in schema
    ]
    kept = [i for i in range(4) if i < 2 or any(row[i] for row in rows[1:])]
    widths = {i: max(len(row[i]) for row in rows) for i in kept}
    lines = ["  ".join(row[i].ljust(widths[i]) for i in kept).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * widths[i] for i in kept))
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def unknown_columns(wanted: Iterable[str], known: Iterable[str], option: str) -> LoadError | None:
    """Return the error for names in an option that are no columns, or None if all are."""
    names = list(known)
    missing = [name for name in wanted if name not in names]
    if not missing:
        return None
    shown = ", ".join(f"`{_one_line(n)}`" for n in names[:30])
    return LoadError(
        f"`{option}` names the column `{_one_line(missing[0])[:100]}`, which the source lacks",
        hint=f"its columns are {shown}{' ...' if len(names) > 30 else ''}",
    )
