"""The answer to a query: an Arrow table and what stands behind it. Runs in the kernel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from jupyter_govdata.errors import MissingExtraError
from jupyter_govdata.model.stamp import Receipt, Stamp
from jupyter_govdata.model.view import AssetView
from jupyter_govdata.query.html_table import result_html
from jupyter_govdata.query.page import DEFAULT_ROWS
from jupyter_govdata.query.text_table import result_text
from jupyter_govdata.stamps.stamp import make_stamp

if TYPE_CHECKING:
    import pandas
    import polars


@dataclass(frozen=True, eq=False)
class QueryResult:
    """A result with its receipts.

    Args:
        table: All rows.
        query: SQL text as written.
        parameters: Values bound to its parameters.
        receipts: Of the governed scans, sorted, equal ones once.
        views: Governed card of every asset read, by asset name.
        purpose: Purpose that the scans were decided on; empty if nothing governed was read and
            none was declared.
        wall: ``enforced`` or ``advisory``.
        ordered: The query fixes the order of rows.
        changed_rows: Rows that a statement without a result wrote, or None.
        seconds: Wall-clock time of the query.
        pins: Asset name -> snapshot id of what was read without a version in the query's text.
        scanned_rows: Rows that the gateway sent.
        scanned_bytes: Their size in Arrow's memory format.
        notes: Remarks about the query.
        shown_rows: Rows that are displayed at most.
    """

    table: pa.Table
    query: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    receipts: tuple[Receipt, ...] = ()
    views: Mapping[str, AssetView] = field(default_factory=dict)
    purpose: str = ""
    wall: str = "advisory"
    ordered: bool = False
    changed_rows: int | None = None
    seconds: float = 0.0
    pins: Mapping[str, int] = field(default_factory=dict)
    scanned_rows: int = 0
    scanned_bytes: int = 0
    notes: tuple[str, ...] = ()
    shown_rows: int = DEFAULT_ROWS

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.table.column_names)

    @property
    def assets(self) -> tuple[str, ...]:
        """Names of the governed assets that were read, sorted."""
        return tuple(sorted({r.asset for r in self.receipts} | set(self.views)))

    @property
    def masked(self) -> dict[str, dict[str, str]]:
        """Masked columns by asset, each with the kind of its mask."""
        return {name: dict(view.masked) for name, view in self.views.items() if view.masked}

    @cached_property
    def stamp(self) -> Stamp:
        """What a notebook keeps: see `jupyter_govdata.stamps`.

        Raises:
            StampError: A column or parameter has a type that no digest is defined for.
        """
        return make_stamp(
            query=self.query,
            parameters=self.parameters,
            receipts=self.receipts,
            table=self.table,
            ordered=self.ordered,
            wall=self.wall,
            pins=self.pins,
        )

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield rows as dicts."""
        for batch in self.table.to_batches(max_chunksize=10_000):
            yield from batch.to_pylist()

    def __str__(self) -> str:
        return result_text(self, self.shown_rows)

    def __repr__(self) -> str:
        return result_text(self, self.shown_rows)

    def _repr_html_(self) -> str:
        return result_html(self, self.shown_rows)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Hand the table to any library that reads Arrow."""
        return self.table.__arrow_c_stream__(requested_schema)

    def arrow(self) -> pa.Table:
        """Return the Arrow table; nothing is copied."""
        return self.table

    def df(self) -> pandas.DataFrame:
        """Return a pandas frame.

        As DuckDB itself does, decimals become floating-point numbers (whole ones integers, where
        they fit), and dates become timestamps.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas  # noqa: F401
        except ImportError as exc:
            raise MissingExtraError.for_extra("pandas", "a pandas frame") from exc
        return _with_plain_numbers(self.table).to_pandas(date_as_object=False)

    def pl(self) -> polars.DataFrame:
        """Return a polars frame.

        Raises:
            MissingExtraError: polars is not installed.
        """
        try:
            import polars
        except ImportError as exc:
            raise MissingExtraError.for_extra("polars", "a polars frame") from exc
        frame = polars.from_arrow(self.table)
        assert isinstance(frame, polars.DataFrame)
        return frame

    def relation(
        self, connection: duckdb.DuckDBPyConnection | None = None
    ) -> duckdb.DuckDBPyRelation:
        """Return a DuckDB relation over the table, on `connection` or DuckDB's default one."""
        return duckdb.from_arrow(self.table, connection=connection or duckdb.default_connection())


def _with_plain_numbers(table: pa.Table) -> pa.Table:
    for i, column in enumerate(table.columns):
        if pa.types.is_decimal(column.type):
            table = table.set_column(i, table.schema.field(i).name, _plain_number(column))
    return table


def _plain_number(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if column.type.scale == 0:
        try:
            return column.cast(pa.int64())
        except pa.ArrowInvalid:
            pass
    return column.cast(pa.float64())
