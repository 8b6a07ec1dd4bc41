"""Predicates fitted to a schema: every constant gets exactly its column's type.

Runs in the gateway; the predicate may come from a user. Numbers compare as numbers, exactly: a
constant that the column cannot hold is replaced by the nearest value that gives the same answer,
or the comparison is folded. So nothing is left that an engine would have to cast, and nothing
that could throw on some row.
"""

from __future__ import annotations

import datetime as dt
import math
import struct
from collections.abc import Iterable
from decimal import Decimal, localcontext
from string import Formatter

import pyarrow as pa

from jupyter_govdata.errors import ColumnNotFoundError, QueryError
from jupyter_govdata.model.predicate import (
    FALSE,
    TRUE,
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

Number = int | float | Decimal


def check_predicate(predicate: Predicate, schema: pa.Schema) -> None:
    """Check that every condition fits its column.

    Raises:
        ColumnNotFoundError: A column that the schema does not have.
        QueryError: A constant of another kind than the column.
    """
    bind_predicate(predicate, schema)


def bind_predicate(predicate: Predicate, schema: pa.Schema) -> Predicate:
    """Return an equal predicate whose constants have their columns' types.

    Args:
        predicate: Any tree.
        schema: Types of the columns it reads.

    Raises:
        ColumnNotFoundError: A column that the schema does not have.
        QueryError: A constant of another kind than the column; a nested column compared.
    """
    match predicate:
        case Constant():
            return predicate
        case And(args):
            return _joined(And, (bind_predicate(a, schema) for a in args), FALSE, TRUE)
        case Or(args):
            return _joined(Or, (bind_predicate(a, schema) for a in args), TRUE, FALSE)
        case IsNull(column):
            field_of(column, schema)
            return predicate
        case Compare(column, op, value):
            return _bind_compare(field_of(column, schema), op, value)
        case In(column, values, negated):
            return _bind_in(field_of(column, schema), values, negated)
        case Like(column, parts):
            field = field_of(column, schema)
            if not pa.types.is_string(field.type):
                raise QueryError(f"column `{column}` is not text")
            for part in parts:
                _text(field, part or "")
            return predicate
        case CompareColumns(left, _, right):
            _require_same_kind(field_of(left, schema), field_of(right, schema))
            return predicate
        case Consent(column, domain, _, _):
            for name in (column, *template_columns(domain)):
                require_id(field_of(name, schema))
            return predicate


def template_columns(domain: str) -> tuple[str, ...]:
    """Return the columns that a domain names in braces, in order, each once.

    >>> template_columns("{study_id}:{id_type}")
    ('study_id', 'id_type')

    Raises:
        QueryError: The braces do not match.
    """
    return tuple(dict.fromkeys(name for _, name in template_parts(domain) if name is not None))


def template_parts(domain: str) -> list[tuple[str, str | None]]:
    """Return the domain as pairs of a literal text and the column that follows it, or None."""
    try:
        parsed = list(Formatter().parse(domain))
    except ValueError as exc:
        raise QueryError(f"the identifier domain `{domain[:200]}` is malformed") from exc
    if any(name == "" or spec or conversion for _, name, spec, conversion in parsed):
        raise QueryError(f"the identifier domain `{domain[:200]}` is malformed")
    return [(text, name) for text, name, _, _ in parsed]


def field_of(column: str, schema: pa.Schema) -> pa.Field:
    """Return the field of a column.

    Raises:
        ColumnNotFoundError: There is none.
    """
    index = schema.get_field_index(column)
    if index < 0:
        raise ColumnNotFoundError(f"no column `{column[:200]}`")
    return schema.field(index)


def require_id(field: pa.Field) -> None:
    """Check that a column can hold identifiers: text, whole numbers or UUIDs."""
    kind = field.type
    if not (pa.types.is_string(kind) or pa.types.is_integer(kind) or isinstance(kind, pa.UuidType)):
        raise QueryError(f"column `{field.name}` of type `{kind}` cannot hold identifiers")


def _joined(
    kind: type[And] | type[Or], args: Iterable[Predicate], absorbing: Predicate, neutral: Predicate
) -> Predicate:
    flat: dict[Predicate, None] = {}
    for arg in args:
        if arg == absorbing:
            return absorbing
        if arg != neutral:
            flat.update(dict.fromkeys(arg.args if isinstance(arg, kind) else (arg,)))
    if not flat:
        return neutral
    return next(iter(flat)) if len(flat) == 1 else kind(tuple(flat))


def _require_same_kind(left: pa.Field, right: pa.Field) -> None:
    types = pa.types
    both = (left.type, right.type)
    same = left.type == right.type and not types.is_nested(left.type)
    if not (same or all(map(types.is_integer, both)) or all(map(types.is_floating, both))):
        raise QueryError(f"columns `{left.name}` and `{right.name}` cannot be compared")


# -- comparisons -----------------------------------------------------------------------------


def _bind_compare(field: pa.Field, op: Op, value: Value) -> Predicate:
    low, high = _neighbours(field, value)
    name = field.name
    if low is not None and low is high:
        return Compare(name, op, low)
    match op:
        case "=":
            return FALSE
        case "!=":
            return IsNull(name, negated=True)
        case "<" | "<=":
            return FALSE if low is None else Compare(name, "<=", low)
        case ">" | ">=":
            return FALSE if high is None else Compare(name, ">=", high)


def _bind_in(field: pa.Field, values: tuple[Value, ...], negated: bool) -> Predicate:
    held: dict[str, Value] = {}
    for value in values:
        low, high = _neighbours(field, value)
        if low is not None and low is high:
            held[repr(low)] = low
    if not held:
        return IsNull(field.name, negated=True) if negated else FALSE
    return In(field.name, tuple(held.values()), negated)


def _neighbours(field: pa.Field, value: Value) -> tuple[Value | None, Value | None]:
    """Return the greatest value of the column's type that is not above `value`, and the least
    that is not below it: the same object twice if the type holds `value`; None if there is none.

    Raises:
        QueryError: The constant is of another kind than the column.
    """
    types, kind = pa.types, field.type
    if type(value) in (int, float, Decimal):
        number = _number(field, value)  # type: ignore[arg-type]
        if types.is_integer(kind) or types.is_decimal(kind):
            return _on_grid(kind, number)
        if types.is_floating(kind):
            return _on_floats(kind, number)
    elif isinstance(value, dt.datetime):
        if types.is_timestamp(kind) and (kind.tz is None) == (value.tzinfo is None):
            return _on_timestamps(field, value)
    elif (
        (isinstance(value, bool) and types.is_boolean(kind))
        or (isinstance(value, bytes) and types.is_binary(kind))
        or (isinstance(value, dt.date) and types.is_date(kind))
        or (isinstance(value, dt.time) and types.is_time(kind) and value.tzinfo is None)
    ):
        return value, value
    elif isinstance(value, str) and (types.is_string(kind) or isinstance(kind, pa.UuidType)):
        text = _text(field, value)
        return text, text
    raise QueryError(
        f"column `{field.name}` has type `{kind}`, which does not compare with a "
        f"{_WORDS.get(type(value), 'value')}",
        hint="compare it with a constant of its own type",
    )


_WORDS: dict[type, str] = {
    bool: "boolean",
    int: "whole number",
    float: "number",
    Decimal: "decimal",
    str: "text",
    bytes: "binary value",
    dt.date: "date",
    dt.datetime: "timestamp",
    dt.time: "time of day",
}


def _text(field: pa.Field, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise QueryError(f"the text compared with `{field.name}` is not valid Unicode") from exc
    return value


def _number(field: pa.Field, value: Number) -> Number:
    if isinstance(value, Decimal) and not value.is_finite():
        raise QueryError(f"the number compared with `{field.name}` is not finite")
    if isinstance(value, Decimal) and abs(value.adjusted()) > 400:
        raise QueryError(f"the number compared with `{field.name}` is out of every range")
    if isinstance(value, int) and value.bit_length() > 1_200:
        raise QueryError(f"the number compared with `{field.name}` is out of every range")
    return value


def _on_grid(kind: pa.DataType, value: Number) -> tuple[Value | None, Value | None]:
    """Neighbours among whole numbers of some bits, or decimals of some precision and scale."""
    integral = pa.types.is_integer(kind)
    scale = 0 if integral else kind.scale
    least, most = _range(kind)
    if isinstance(value, float) and not math.isfinite(value):
        # NaN is greater than every number, as infinity is.
        low, high = (None, least) if value == -math.inf else (most, None)
    else:
        with localcontext() as context:
            context.prec = 1_000
            scaled = Decimal(value).scaleb(scale)
            low, high = math.floor(scaled), math.ceil(scaled)
        low = None if low < least else min(low, most)
        high = None if high > most else max(high, least)

    def shown(number: int | None) -> Value | None:
        return number if number is None or integral else _decimal(number, scale)

    if low is not None and low == high:
        exact = shown(low)
        return exact, exact
    return shown(low), shown(high)


def _range(kind: pa.DataType) -> tuple[int, int]:
    if pa.types.is_integer(kind):
        half = 1 << (kind.bit_width - 1)
        return -half, half - 1
    most = 10**kind.precision - 1
    return -most, most


def _decimal(unscaled: int, scale: int) -> Decimal:
    sign = 1 if unscaled < 0 else 0
    digits = tuple(int(d) for d in str(abs(unscaled)))
    return Decimal((sign, digits, -scale))


def _on_floats(kind: pa.DataType, value: Number) -> tuple[Value | None, Value | None]:
    """Neighbours among floats of 32 or 64 bits; NaN is the greatest of them."""
    if isinstance(value, float) and (pa.types.is_float64(kind) or not math.isfinite(value)):
        return value, value
    single = pa.types.is_float32(kind)
    near = _nearest(value, single)
    if near == value:  # Python compares int, float and Decimal exactly
        return near, near
    if near > value:
        return _step(near, -math.inf, single), near
    return near, _step(near, math.inf, single)


def _nearest(value: Number, single: bool) -> float:
    try:
        near = float(value)
        return struct.unpack("<f", struct.pack("<f", near))[0] if single else near
    except OverflowError:
        return math.copysign(math.inf, -1 if value < 0 else 1)


def _step(value: float, towards: float, single: bool) -> float:
    if not single:
        return math.nextafter(value, towards)
    if value == 0.0:
        return math.copysign(struct.unpack("<f", b"\x01\0\0\0")[0], towards)
    if math.isinf(value):
        return math.copysign(struct.unpack("<f", b"\xff\xff\x7f\x7f")[0], value)
    (bits,) = struct.unpack("<i", struct.pack("<f", value))
    bits += 1 if (towards > 0) == (value > 0) else -1
    return float(struct.unpack("<f", struct.pack("<i", bits))[0])


def _on_timestamps(field: pa.Field, value: dt.datetime) -> tuple[Value | None, Value | None]:
    try:
        moment = value if value.tzinfo is None else value.astimezone(dt.UTC)
    except OverflowError as exc:
        raise QueryError(f"the timestamp compared with `{field.name}` is out of range") from exc
    if field.type.unit == "ns" and not 1678 <= moment.year <= 2261:
        raise QueryError(f"the timestamp compared with `{field.name}` is out of range")
    return moment, moment
