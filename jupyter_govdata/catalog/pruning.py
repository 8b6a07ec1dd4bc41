"""Which data files cannot hold a matching row, from bounds that Iceberg keeps.

Runs in the gateway, on raw values. INVARIANT: pruning is exact-safe: in doubt a file is read.
Bounds may be wider than the values (text is truncated), never narrower; NaN is in no bound.
"""

from __future__ import annotations

import datetime as dt
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, IdentityTransform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    PrimitiveType,
    StringType,
    TimestampType,
    TimestamptzType,
    TimeType,
)

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

_EPOCH = dt.datetime(1970, 1, 1)
_EPOCH_UTC = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICRO = dt.timedelta(microseconds=1)
_BOUNDED = (
    BooleanType,
    IntegerType,
    LongType,
    FloatType,
    DoubleType,
    DecimalType,
    DateType,
    TimeType,
    TimestampType,
    TimestamptzType,
    StringType,
    BinaryType,
)

_EXACT = tuple(k for k in _BOUNDED if k not in (FloatType, DoubleType))


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is known of one column in one file.

    Args:
        lower: At most the least value (NaN aside), or None if unknown.
        upper: At least the greatest value (NaN aside), or None if unknown.
        nulls: Number of NULLs, or None if unknown.
        nans: Number of NaNs, or None if unknown; 0 for columns that cannot hold one.
        values: Number of rows, or None if unknown.
        bucket: Partition number and the function that computes it, or None.
    """

    lower: Any = None
    upper: Any = None
    nulls: int | None = None
    nans: int | None = None
    values: int | None = None
    bucket: tuple[int, Callable[[Any], Any]] | None = None

    @property
    def all_null(self) -> bool:
        """True if the file certainly holds only NULL in this column."""
        return self.values is not None and self.nulls == self.values


UNKNOWN = Bounds()


def bounds_of(file: DataFile, schema: Schema, spec: PartitionSpec) -> dict[str, Bounds]:
    """Return what is known of each column of `schema` in a data file, by name."""
    found: dict[str, Bounds] = {}
    buckets, identities = _partition_facts(file, schema, spec)
    for field in schema.fields:
        kind = field.field_type
        if not isinstance(kind, PrimitiveType):
            continue
        key = field.field_id
        lower = _decoded(kind, (file.lower_bounds or {}).get(key))
        upper = _decoded(kind, (file.upper_bounds or {}).get(key))
        if key in identities and lower is None and upper is None:
            lower = upper = identities[key]
        floating = isinstance(kind, FloatType | DoubleType)
        nans = (file.nan_value_counts or {}).get(key)
        found[field.name] = Bounds(
            lower=lower,
            upper=upper,
            nulls=(file.null_value_counts or {}).get(key),
            nans=nans if floating else 0,
            values=(file.value_counts or {}).get(key),
            bucket=buckets.get(key),
        )
    return found


def _partition_facts(
    file: DataFile, schema: Schema, spec: PartitionSpec
) -> tuple[dict[int, tuple[int, Callable[[Any], Any]]], dict[int, Any]]:
    buckets: dict[int, tuple[int, Callable[[Any], Any]]] = {}
    identities: dict[int, Any] = {}
    kinds = {f.field_id: f.field_type for f in schema.fields}
    for position, field in enumerate(spec.fields):
        kind, value = kinds.get(field.source_id), file.partition[position]
        if kind is None or value is None:
            continue
        if isinstance(field.transform, BucketTransform) and isinstance(kind, _BOUNDED):
            buckets[field.source_id] = value, field.transform.transform(kind)
        elif isinstance(field.transform, IdentityTransform) and isinstance(kind, _EXACT):
            identities[field.source_id] = value
    return buckets, identities


def _decoded(kind: PrimitiveType, data: bytes | None) -> Any:
    """Return a bound in the form of `comparable`, or None if it is not certain."""
    if data is None or not isinstance(kind, _BOUNDED):
        return None
    value: Any
    try:
        if isinstance(kind, LongType) and len(data) == 4:
            value = struct.unpack("<i", data)[0]
        elif isinstance(kind, DoubleType) and len(data) == 4:
            value = struct.unpack("<f", data)[0]
        else:
            value = from_bytes(kind, data)
    except (ValueError, struct.error, TypeError):
        return None
    return None if isinstance(value, float) and math.isnan(value) else value


def comparable(value: Value) -> Any:
    """Return a constant in the form of decoded bounds: days, microseconds, or itself."""
    match value:
        case dt.datetime():
            return (value - (_EPOCH_UTC if value.tzinfo else _EPOCH)) // _MICRO
        case dt.date():
            return (value - _EPOCH.date()).days
        case dt.time():
            seconds = (value.hour * 60 + value.minute) * 60 + value.second
            return seconds * 1_000_000 + value.microsecond
        case _:
            return value


def may_match(predicate: Predicate, columns: Mapping[str, Bounds]) -> bool:
    """Return False only if no row of the file can satisfy the predicate."""
    match predicate:
        case Constant(value):
            return value
        case And(args):
            return all(may_match(a, columns) for a in args)
        case Or(args):
            return any(may_match(a, columns) for a in args)
        case IsNull(column, negated):
            known = columns.get(column, UNKNOWN)
            return not known.all_null if negated else known.nulls != 0
        case Compare(column, op, value):
            return _compare(columns.get(column, UNKNOWN), op, value)
        case In(column, values, negated):
            known = columns.get(column, UNKNOWN)
            if negated:
                return not known.all_null
            return any(_compare(known, "=", v) for v in values)
        case Like(column, parts, negated):
            return _like(columns.get(column, UNKNOWN), parts, negated)
        case CompareColumns(left, _, right):
            return not (columns.get(left, UNKNOWN).all_null or columns.get(right, UNKNOWN).all_null)
        case Consent(column, _, _, _):
            return not columns.get(column, UNKNOWN).all_null


def _compare(known: Bounds, op: Op, value: Value) -> bool:
    if known.all_null:
        return False
    if isinstance(value, float) and math.isnan(value):
        return op not in ("=", ">", ">=") or (op != ">" and known.nans != 0)
    try:
        return _in_bounds(known, op, comparable(value))
    except (TypeError, ValueError, AttributeError, ArithmeticError, struct.error):
        return True  # the constant is of another kind; the reader refuses it with a better text


def _in_bounds(known: Bounds, op: Op, value: Any) -> bool:
    low, high, nan = known.lower, known.upper, known.nans != 0
    if op == "=" and known.bucket is not None and not isinstance(value, float | Decimal):
        number, function = known.bucket
        if function(value) != number:
            return False
    if op in ("=", "<", "<=") and low is not None and (low > value or (op == "<" and low == value)):
        return False
    if op in ("=", ">", ">=") and high is not None:
        # NaN is greater than every number and in no bound.
        short = high < value or (op == ">" and high == value)
        return not short or (nan and op != "=")
    return True


def _like(known: Bounds, parts: tuple[str | None, ...], negated: bool) -> bool:
    if known.all_null:
        return False
    prefix = parts[0] if parts else ""
    if negated or not prefix:
        return True
    low, high = known.lower, known.upper
    if isinstance(low, str) and low[: len(prefix)] > prefix:
        return False
    return not (isinstance(high, str) and high < prefix)
