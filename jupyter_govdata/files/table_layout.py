"""What of a Parquet file has to be read for some columns. Pure; runs in the kernel.

Files are read by Iceberg field id, as the gateway reads them. Whatever is not plain is a doubt:
then the scan comes as a stream.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jupyter_govdata.model.predicate import (
    And,
    Compare,
    Constant,
    In,
    IsNull,
    Or,
    Predicate,
    Value,
    columns_of,
)
from jupyter_govdata.query.split.conditions import (
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Membership,
    Never,
    Nullness,
)
from jupyter_govdata.query.split.local_filter import keep

_FIELD_ID = b"PARQUET:field_id"
_GAP = 512 << 10
"""Bytes between two ranges that are read along: a request costs more."""
_PIECE = 8 << 20


class DoubtError(Exception):
    """The files may not give exactly the rows of the scan."""


@dataclass(frozen=True)
class Layout:
    """The footer of a data file."""

    metadata: pq.FileMetaData

    @cached_property
    def fields(self) -> Mapping[int, tuple[str, pa.DataType]]:
        """Field id -> name and type in the file."""
        schema = self.metadata.schema.to_arrow_schema()
        return {
            int(f.metadata[_FIELD_ID]): (f.name, f.type)
            for f in schema
            if _FIELD_ID in (f.metadata or {})
        }

    @cached_property
    def leaves(self) -> Mapping[str, int]:
        """Name -> position of its chunk in a row group, for columns that are not nested."""
        schema = self.metadata.schema
        return {schema.column(i).path: i for i in range(len(schema))}


@dataclass(frozen=True, slots=True)
class Reading:
    """What one scan reads of one file.

    Args:
        layout: Of the file.
        schema: Columns that leave, in order, with the types that the gateway tells.
        names: Name in the file of each of them; None where the file has no such column.
        filtered: Column of the asset -> name in the file, for the columns of `condition`.
        condition: On the columns of `filtered`, or None.
        groups: Row groups that may hold matching rows.
    """

    layout: Layout
    schema: pa.Schema
    names: tuple[str | None, ...]
    filtered: Mapping[str, str]
    condition: Condition | None
    groups: tuple[int, ...]

    @property
    def columns(self) -> list[str]:
        """Columns of the file that are read."""
        shown = [name for name in self.names if name is not None]
        return list(dict.fromkeys([*self.filtered.values(), *shown]))

    def ranges(self, group: int) -> list[tuple[int, int]]:
        """Return offset and length of what has to be fetched for a row group."""
        found, leaves = self.layout.metadata.row_group(group), self.layout.leaves
        return merged(_extent(found.column(leaves[name])) for name in self.columns)

    def shown(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the matching rows of a batch of the file, as the scan shows them."""
        if self.condition is not None:
            told = [batch.column(name) for name in self.filtered.values()]
            rows = pa.RecordBatch.from_arrays(
                [*told, *batch.columns],
                [*self.filtered, *(f"\0{name}" for name in batch.schema.names)],
            )
            rows = keep(rows, (self.condition,))
            columns = dict(zip(batch.schema.names, rows.columns[len(told) :], strict=True))
            count = rows.num_rows
        else:
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            count = batch.num_rows
        arrays = [
            pa.nulls(count, field.type) if name is None else _typed(columns[name], field.type)
            for name, field in zip(self.names, self.schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def reading_of(
    layout: Layout, schema: pa.Schema, predicate: Predicate, ids: Mapping[str, int]
) -> Reading:
    """Return what a scan reads of a file.

    Args:
        layout: Of the file.
        schema: What the scan shows.
        predicate: The user's.
        ids: Column of the asset -> field id.

    Raises:
        DoubtError: It is not plain.
    """
    names = tuple(_name(layout, ids, field.name, field.type) for field in schema)
    wanted = sorted(columns_of(predicate))
    filtered = {column: _name(layout, ids, column, None) for column in wanted}
    if None in filtered.values() or not names:
        raise DoubtError
    held = {column: name for column, name in filtered.items() if name is not None}
    types = {c: layout.fields[ids[c]][1] for c in held}
    condition = None if predicate == Constant(True) else _condition(predicate, types)
    made = Reading(layout, schema, names, held, condition, ())
    if not made.columns:
        raise DoubtError
    _try(condition, types)
    groups = tuple(
        group
        for group in range(layout.metadata.num_row_groups)
        if _may_match(predicate, _Bounds(layout, group, held))
    )
    return Reading(layout, schema, names, held, condition, groups)


def merged(extents: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ranges that cover all extents, those near each other as one, none too long.

    >>> merged([(10, 5), (0, 4)])
    [(0, 15)]
    """
    joined: list[tuple[int, int]] = []
    for start, length in sorted(extents):
        if joined and start - sum(joined[-1]) <= _GAP:
            first, before = joined[-1]
            joined[-1] = first, max(before, start + length - first)
        else:
            joined.append((start, length))
    return [
        (at, min(_PIECE, start + length - at))
        for start, length in joined
        for at in range(start, start + length, _PIECE)
    ]


def _extent(chunk: Any) -> tuple[int, int]:
    first = chunk.data_page_offset
    if chunk.has_dictionary_page and chunk.dictionary_page_offset:
        first = min(first, chunk.dictionary_page_offset)
    return first, chunk.total_compressed_size


# -- columns ---------------------------------------------------------------------------------


def _name(
    layout: Layout, ids: Mapping[str, int], column: str, told: pa.DataType | None
) -> str | None:
    """Return what a column is called in a file, None if the file lacks it."""
    if column not in ids:
        raise DoubtError
    name, kind = layout.fields.get(ids[column], (None, told))
    if name is None:
        return None
    # A nested column has other paths; a dot in a name means something to the reader.
    if pa.types.is_nested(kind) or "." in name or name not in layout.leaves:
        raise DoubtError
    if told is not None and kind != told and not _is_widened(kind, told):
        raise DoubtError
    return name


def _is_widened(kind: pa.DataType, told: pa.DataType) -> bool:
    """Return True for the promotions of types that Iceberg knows, and for other layouts of text."""
    if pa.types.is_decimal(kind) and pa.types.is_decimal(told):
        return bool(kind.scale == told.scale and kind.precision <= told.precision)
    return (kind, told) in (
        (pa.int32(), pa.int64()),
        (pa.float32(), pa.float64()),
        (pa.string(), pa.large_string()),
        (pa.binary(), pa.large_binary()),
    )


def _typed(values: pa.Array, kind: pa.DataType) -> pa.Array:
    return values if values.type == kind else values.cast(kind)


# -- conditions ------------------------------------------------------------------------------


def _condition(predicate: Predicate, types: Mapping[str, pa.DataType]) -> Condition:
    match predicate:
        case Constant(value):
            return AllOf(()) if value else Never()
        case And(args):
            return AllOf(tuple(_condition(a, types) for a in args))
        case Or(args):
            return AnyOf(tuple(_condition(a, types) for a in args))
        case IsNull(column, negated):
            return Nullness((column,), negated)
        case Compare(column, op, value):
            return Comparison((column,), op, _exact(value, types[column]))
        case In(column, values, negated) if values:
            found = [_exact(value, types[column]).as_py() for value in values]
            return Membership((column,), pa.array(found, types[column]), negated)
        case _:
            raise DoubtError


def _exact(value: Value, kind: pa.DataType) -> pa.Scalar:
    """Return a constant in the type of its column, if that changes nothing."""
    try:
        found = pa.scalar(value, kind)
        told = found.as_py()
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        raise DoubtError from None
    if isinstance(value, float) and math.isnan(value):
        return found
    if told != value or isinstance(value, bool) is not pa.types.is_boolean(kind):
        raise DoubtError
    return found


def _try(condition: Condition | None, types: Mapping[str, pa.DataType]) -> None:
    """Apply a condition to no row, which finds types that Arrow cannot compare."""
    if condition is None:
        return
    try:
        keep(pa.RecordBatch.from_pylist([], schema=pa.schema(list(types.items()))), (condition,))
    except (pa.ArrowException, KeyError, TypeError):
        raise DoubtError from None


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What a row group's statistics say of the columns of a condition."""

    layout: Layout
    group: int
    names: Mapping[str, str]

    def of(self, column: str, value: Value) -> tuple[Any, Any] | None:
        """Return least and greatest value, None if unknown or of another kind than `value`."""
        leaf = self.layout.leaves[self.names[column]]
        known = self.layout.metadata.row_group(self.group).column(leaf).statistics
        # Bounds of floating-point numbers say nothing of NaN.
        if known is None or not known.has_min_max or isinstance(value, float):
            return None
        least, most = known.min, known.max
        return (least, most) if type(least) is type(value) is type(most) else None


def _may_match(predicate: Predicate, bounds: _Bounds) -> bool:
    match predicate:
        case Constant(value):
            return value
        case And(args):
            return all(_may_match(a, bounds) for a in args)
        case Or(args):
            return any(_may_match(a, bounds) for a in args)
        case In(column, values, False):
            return any(_may_match(Compare(column, "=", v), bounds) for v in values)
        case Compare(column, op, value):
            found = bounds.of(column, value)
            return found is None or _overlaps(op, value, *found)
        case _:
            return True


def _overlaps(op: str, value: Any, least: Any, most: Any) -> bool:
    match op:
        case "=":
            return bool(least <= value <= most)
        case "<":
            return bool(least < value)
        case "<=":
            return bool(least <= value)
        case ">":
            return bool(most > value)
        case ">=":
            return bool(most >= value)
        case _:
            return True
