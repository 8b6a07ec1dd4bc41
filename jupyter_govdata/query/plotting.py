"""How a result goes straight into the libraries that people plot with. Runs in the kernel.

Each library asks in its own way: altair and plotly by narwhals' protocol, seaborn by the data
frame interchange protocol, plotnine by `to_pandas`. All of them get the numbers that `df()` has;
nothing here knows a plotting library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import pandas

types = pa.types


class Plottable:
    """What plotting libraries ask of a table."""

    def arrow(self) -> pa.Table:
        """Return the Arrow table."""
        raise NotImplementedError

    def df(self) -> pandas.DataFrame:
        """Return a pandas frame."""
        raise NotImplementedError

    def to_pandas(self) -> pandas.DataFrame:
        """Return a pandas frame, as `df` does; the name that plotnine asks for."""
        return self.df()

    def __narwhals_dataframe__(self) -> object:
        """Answer narwhals, by which altair and plotly read frames."""
        import narwhals  # of the library that asks

        # UPSTREAM: narwhals documents the protocol; from Arrow, only its own frame fulfils it.
        return narwhals.from_native(plain_numbers(self.arrow()), eager_only=True)._compliant_frame

    def __dataframe__(self, nan_as_null: bool = False, allow_copy: bool = True) -> object:
        """Answer the data frame interchange protocol, by which seaborn reads frames.

        Dates become timestamps, times and truth values with NULL text; what the protocol has no
        type for (lists, structs, bytes, intervals) is left out.
        """
        return _interchangeable(plain_numbers(self.arrow())).__dataframe__(nan_as_null, allow_copy)


def plain_numbers(table: pa.Table) -> pa.Table:
    """Return the table with decimals as integers, where they are whole and fit, or floats."""
    for i, column in enumerate(table.columns):
        if types.is_decimal(column.type):
            table = table.set_column(i, table.schema.field(i).name, _plain_number(column))
    return table


def _plain_number(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if column.type.scale == 0:
        try:
            return column.cast(pa.int64())
        except pa.ArrowInvalid:
            pass
    return column.cast(pa.float64())


def _interchangeable(table: pa.Table) -> pa.Table:
    columns = {
        name: converted
        for name, column in zip(table.column_names, table.columns, strict=True)
        if (converted := _interchangeable_column(column)) is not None
    }
    return pa.table(columns)


def _interchangeable_column(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    kind = column.type
    if types.is_date(kind):
        return column.cast(pa.timestamp("ms"))
    if types.is_boolean(kind) and column.null_count:
        return pc.if_else(column, "true", "false")  # UPSTREAM: pandas reads NULL as false
    if types.is_time(kind) or types.is_string_view(kind):
        return column.cast(pa.string())
    if types.is_null(kind) or types.is_float16(kind):
        return column.cast(pa.float32())
    is_plain = (
        types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_timestamp(kind)
        or types.is_dictionary(kind)
    )
    return column if is_plain else None
