"""Partition specs: parsed from text, and rows grouped by their partition.

Runs in the gateway. UPSTREAM: pyiceberg's own vectorised transforms need a compiled extra; the
ones here use Arrow for years to hours and apply the rest once per distinct value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.partitioning import PartitionField, PartitionFieldValue, PartitionKey, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    IdentityTransform,
    MonthTransform,
    Transform,
    TruncateTransform,
    VoidTransform,
    YearTransform,
)
from pyiceberg.typedef import Record
from pyiceberg.types import NestedField, PrimitiveType

from jupyter_govdata.errors import CatalogError

_TIMES: dict[str, Callable[[], Transform[Any, Any]]] = {
    "year": YearTransform,
    "month": MonthTransform,
    "day": DayTransform,
    "hour": HourTransform,
}
_CALL = re.compile(
    r"\s*(year|month|day|hour|bucket|truncate)\s*\(\s*(?:(\d{1,9})\s*,)?\s*(.+?)\s*\)"
)
_HINT = "write a column, `year(col)`, `month(col)`, `day(col)`, `hour(col)`, `bucket(16, col)` or \
`truncate(3, col)`"


def partition_spec(schema: Schema, parts: Sequence[str]) -> PartitionSpec:
    """Return the spec for texts such as ``study``, ``year(start)`` or ``bucket(16, id)``.

    Raises:
        CatalogError: A text that is none of these, an unknown column, or a type that the
            transform does not take.
    """
    fields: list[PartitionField] = []
    for number, text in enumerate(parts):
        transform, column = _parse(schema, text)
        found = schema.find_field(column)
        source_type = found.field_type
        if not isinstance(source_type, PrimitiveType) or not transform.can_transform(source_type):
            raise CatalogError(f"`{text}` cannot partition a column of type `{source_type}`")
        if any(f.source_id == found.field_id for f in fields):
            raise CatalogError(f"column `{column}` is used twice in the partitioning")
        suffix = "" if isinstance(transform, IdentityTransform) else f"_{_word(transform)}"
        fields.append(
            PartitionField(
                source_id=found.field_id,
                field_id=1000 + number,
                transform=transform,
                name=f"{column}{suffix}",
            )
        )
    return PartitionSpec(*fields)


def _word(transform: Transform[Any, Any]) -> str:
    return str(transform).split("[", 1)[0]


def _parse(schema: Schema, text: str) -> tuple[Transform[Any, Any], str]:
    names = {f.name for f in schema.fields}
    if text in names:
        return IdentityTransform(), text
    match = _CALL.fullmatch(text)
    if match is None or match[3] not in names:
        raise CatalogError(f"`{text[:200]}` is not a partitioning of this table", hint=_HINT)
    word, number, column = match[1], match[2], match[3]
    if (word in _TIMES) != (number is None) or number == "0":
        raise CatalogError(f"`{text[:200]}` is not a partitioning of this table", hint=_HINT)
    if number is None:
        return _TIMES[word](), column
    count = int(number)
    return (BucketTransform(count) if word == "bucket" else TruncateTransform(count)), column


def _transformed(array: pa.Array, transform: Transform[Any, Any], kind: PrimitiveType) -> pa.Array:
    """Return the partition value of every row, as int32, or as the value itself (identity)."""
    if isinstance(transform, IdentityTransform):
        return array
    if isinstance(transform, VoidTransform):
        return pa.nulls(len(array), pa.int32())
    if isinstance(transform, YearTransform | MonthTransform | DayTransform | HourTransform):
        return _time_part(array, transform)
    encoded = array.dictionary_encode()
    function = transform.transform(kind)
    values = [_internal(v, kind) for v in encoded.dictionary.to_pylist()]
    shown = pa.array([function(v) for v in values])
    return shown.take(encoded.indices) if len(shown) else pa.nulls(len(array), pa.int32())


def _internal(value: Any, kind: PrimitiveType) -> Any:
    """Return a value in the form that Iceberg's transforms take (days, microseconds, bytes)."""
    if value is None:
        return None
    field = PartitionField(1, 1000, IdentityTransform(), "x")
    schema = Schema(NestedField(1, "x", kind, required=False))
    return PartitionKey(
        [PartitionFieldValue(field, value)], PartitionSpec(field), schema
    ).partition[0]


def _time_part(array: pa.Array, transform: Transform[Any, Any]) -> pa.Array:
    if isinstance(transform, HourTransform):
        micros = array.cast(pa.int64())
        return pc.cast(_floor_div(micros, 3_600_000_000), pa.int32())
    if isinstance(transform, DayTransform):
        days = array.cast(pa.date32()) if pa.types.is_timestamp(array.type) else array
        return days.cast(pa.int32())
    years = pc.subtract(pc.year(array), 1970)
    if isinstance(transform, YearTransform):
        return years.cast(pa.int32())
    months = pc.add(pc.multiply(years, 12), pc.subtract(pc.month(array), 1))
    return months.cast(pa.int32())


def _floor_div(array: pa.Array, by: int) -> pa.Array:
    quotient = pc.divide(array, by)
    below = pc.less(pc.subtract(array, pc.multiply(quotient, by)), 0)
    return pc.subtract(quotient, below.cast(pa.int64()))


def grouped(
    batch: pa.RecordBatch, spec: PartitionSpec, schema: Schema
) -> Iterator[tuple[Record, pa.RecordBatch]]:
    """Yield the rows of each partition, their order kept, with the partition's record."""
    if spec.is_unpartitioned():
        yield Record(), batch
        return
    if not batch.num_rows:
        return
    codes = np.zeros(batch.num_rows, dtype=np.int64)
    picked: list[tuple[pa.Array, np.ndarray[Any, np.dtype[np.int64]]]] = []
    for field in spec.fields:
        source = schema.find_field(field.source_id)
        column = batch.column(batch.schema.get_field_index(source.name))
        kind = source.field_type
        assert isinstance(kind, PrimitiveType)
        array = _transformed(column, field.transform, kind)
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
        encoded = array.dictionary_encode(null_encoding="encode")
        indices = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        picked.append((encoded.dictionary, indices))
        _, codes = np.unique(codes * (len(encoded.dictionary) + 1) + indices, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(order)], strict=True):
        rows = order[start:stop]
        record = _record(spec, schema, [(d, int(i[rows[0]])) for d, i in picked])
        whole = len(rows) == batch.num_rows
        yield record, batch if whole else batch.take(pa.array(rows))


def _record(spec: PartitionSpec, schema: Schema, picked: list[tuple[pa.Array, int]]) -> Record:
    held = [
        PartitionFieldValue(field, dictionary[index].as_py())
        for field, (dictionary, index) in zip(spec.fields, picked, strict=True)
    ]
    return PartitionKey(held, spec, schema).partition
