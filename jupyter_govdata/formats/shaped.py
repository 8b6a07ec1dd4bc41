"""Sources whose rows come typed: rename, cast, set aside what does not fit.

Runs in the client process; trusts nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jupyter_govdata.formats.iceberg_types import (
    arrow_type,
    described,
    fact,
    storable,
    type_name,
    unknown_columns,
)
from jupyter_govdata.formats.names import column_names, renamed
from jupyter_govdata.formats.rejects import Reject
from jupyter_govdata.formats.source import Request, Source
from jupyter_govdata.formats.text import Converted, convert, piecewise
from jupyter_govdata.formats.values import typed


class ShapedSource(Source):
    """A source that yields Arrow batches of its own and gets them into shape here."""

    def _shape(self, request: Request, native: pa.Schema) -> None:
        """Settle names and types for batches of `native`; sets `schema`.

        Raises:
            LoadError: `types` or `columns` names a column that the source lacks, or a type that
                a lake cannot keep.
        """
        self._native = native
        self._null_values = request.null_values
        names, notes = column_names(native.names)
        if error := unknown_columns(request.types, [*names, *request.columns.values()], "types"):
            raise error
        final = renamed(names, request.columns)
        self.notes += notes
        fields: list[pa.Field] = []
        for field, raw, name in zip(native, names, final, strict=True):
            given = request.types.get(name, request.types.get(raw))
            target, loss = storable(field.type)
            if given is not None:
                target = arrow_type(given)
            elif loss:
                self.notes.append(f"`{name}`: {loss}")
            fields.append(
                described(
                    name,
                    target,
                    description=fact(field, "description"),
                    unit=fact(field, "unit"),
                    fmt=fact(field, "format"),
                )
            )
        self.schema = pa.schema(fields)

    def _fit(self, batch: pa.RecordBatch, lines: Sequence[int]) -> pa.RecordBatch:
        """Return the rows of a native batch that fit, in shape; set the others aside.

        Args:
            batch: Of the native schema.
            lines: 1-based number of each row.
        """
        return self._fit_columns(batch.columns, lines, lambda row: _raw(batch, row))

    def _fit_columns(
        self,
        columns: Sequence[Any],
        lines: Sequence[int],
        raw: Callable[[int], str],
        refused: Sequence[Reject] = (),
    ) -> pa.RecordBatch:
        """Do the work of `_fit` for columns that are Arrow arrays or lists of Python values.

        Args:
            columns: One per column of the schema.
            lines: Line (or 1-based number) of each row.
            raw: Gives the row as the source has it.
            refused: Rows that are no rows at all; not counted in `rows_read` here.
        """
        self.rows_read += len(lines)
        arrays: list[pa.Array] = []
        misfits: dict[int, tuple[str, str]] = {}
        for index, (column, field) in enumerate(zip(columns, self.schema, strict=True)):
            done = self._cast(index, column)
            arrays.append(done.array)
            if done.bad is not None:
                reason = f"not a {type_name(field.type)}"
                for row in pc.indices_nonzero(done.bad).to_pylist():
                    misfits.setdefault(row, (field.name, reason))
        shaped = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        if misfits or refused:
            rejects = [Reject(lines[row], *why, raw=raw(row)) for row, why in misfits.items()]
            self.reject.add(sorted([*rejects, *refused], key=lambda reject: reject.line))
        if not misfits:
            return shaped
        return shaped.filter(pa.array([i not in misfits for i in range(len(lines))], pa.bool_()))

    def _cast(self, index: int, column: Any) -> Converted:
        """Convert one column to the type of `schema`."""
        kind = self.schema.field(index).type
        if isinstance(column, list):
            return typed(column, kind, self._null_values)
        return cast(column, kind, self._null_values)


def cast(
    array: pa.Array, target: pa.DataType, null_values: Sequence[str] | None = None
) -> Converted:
    """Cast a typed column, marking values that do not fit `target`.

    Nanoseconds are cut to microseconds without a mark; whoever offers that says so in a note.
    """
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        # UPSTREAM: Arrow cannot decode a dictionary of `string_view`, which polars hands over.
        plain = cast(array.dictionary, storable(array.type.value_type)[0]).array
        array = plain.take(array.indices)
    if array.type == target and not (null_values and pa.types.is_string(target)):
        return Converted(array)
    t = pa.types
    if t.is_large_string(array.type) or array.type == pa.string_view():
        array = array.cast(pa.string())
    if t.is_string(array.type):
        return convert(array, target, null_values)
    if t.is_timestamp(array.type) or t.is_time(array.type):
        unit_only = t.is_timestamp(target) and (array.type.tz is None) == (target.tz is None)
        if unit_only or (t.is_time(array.type) and t.is_time(target)):
            return Converted(array.cast(target, safe=False))
    if t.is_null(array.type):
        return Converted(pa.nulls(len(array), target))
    done = piecewise(array, target)
    if done.null_count == array.null_count:
        return Converted(done)
    return Converted(done, pc.and_(pc.is_null(done), pc.is_valid(array)))


def _raw(batch: pa.RecordBatch, row: int) -> str:
    values = {n: c[row].as_py() for n, c in zip(batch.schema.names, batch.columns, strict=True)}
    return json.dumps(values, ensure_ascii=False, default=str)
