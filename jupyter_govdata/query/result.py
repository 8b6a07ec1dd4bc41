"""The answer to a query: rows and what stands behind them. Runs in the kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from jupyter_govdata.errors import MissingExtraError
from jupyter_govdata.model.stamp import Receipt, Stamp
from jupyter_govdata.model.view import AssetView
from jupyter_govdata.query.account import in_order
from jupyter_govdata.query.made_from import remember
from jupyter_govdata.query.pandas_frame import pandas_frame
from jupyter_govdata.query.plotting import Plottable, plain_numbers
from jupyter_govdata.query.profile import profile
from jupyter_govdata.query.rows import Rows
from jupyter_govdata.query.show.html_table import result_html
from jupyter_govdata.query.show.page import DEFAULT_ROWS, facts_of
from jupyter_govdata.query.show.summary_table import Description, Summary
from jupyter_govdata.query.show.text_table import result_text
from jupyter_govdata.stamps.stamp import make_stamp

if TYPE_CHECKING:
    import pandas
    import polars


@dataclass(frozen=True, eq=False)
class QueryResult(Plottable):
    """A result with its receipts.

    Args:
        rows: The rows that are here and those that are still to come.
        query: SQL text as written.
        parameters: Values bound to its parameters.
        views: Governed card of every asset read, by asset name.
        purpose: Purpose that the scans were decided on; empty if nothing governed was read and
            none was declared.
        wall: ``enforced`` or ``advisory``.
        ordered: The query fixes the order of rows.
        changed_rows: Rows that a statement without a result wrote, or None.
        seconds: Wall-clock time until the first rows.
        notes: Remarks about the query.
        shown_rows: Rows that are displayed at most.
        inherited: Receipts of the earlier results that the query read as tables.
    """

    rows: Rows
    query: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    views: Mapping[str, AssetView] = field(default_factory=dict)
    purpose: str = ""
    wall: str = "advisory"
    ordered: bool = False
    changed_rows: int | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    shown_rows: int = DEFAULT_ROWS
    inherited: tuple[Receipt, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.head.column_names)

    @property
    def complete(self) -> bool:
        """True when all rows are here; the rows of a large result are read when asked for."""
        return self.rows.complete

    @property
    def head(self) -> pa.Table:
        """The rows that are here; nothing is read for it."""
        return self.rows.head

    @property
    def row_count(self) -> int | None:
        """How many rows there are, or None while that is not known; nothing is read for it."""
        return self.rows.count

    @property
    def table(self) -> pa.Table:
        """All rows; those that are still to come are read.

        Raises:
            GovDataError: What hinders reading them.
        """
        return self.rows.table()

    @property
    def on_complete(self) -> list[Callable[[], None]]:
        """Called, each once and without arguments, when the last row has come."""
        return self.rows.on_complete

    @property
    def receipts(self) -> tuple[Receipt, ...]:
        """Of the governed scans so far and of earlier results, sorted, equal ones once."""
        own = self.rows.account.receipts
        return in_order((*own, *self.inherited)) if self.inherited else own

    @property
    def pins(self) -> Mapping[str, int]:
        """Asset name -> snapshot id of what was read without a version in the query's text."""
        return self.rows.account.pins

    @property
    def scanned_rows(self) -> int:
        """Rows that the gateway sent so far."""
        return self.rows.account.scanned_rows

    @property
    def scanned_bytes(self) -> int:
        """Their size in Arrow's memory format."""
        return self.rows.account.scanned_bytes

    @property
    def read_columns(self) -> Mapping[str, tuple[str, ...]]:
        """Asset name -> columns that the query read or filtered by."""
        return self.rows.account.columns

    @property
    def assets(self) -> tuple[str, ...]:
        """Names of the governed assets that were read, sorted."""
        return tuple(sorted({r.asset for r in self.receipts} | set(self.views)))

    @property
    def masked(self) -> dict[str, dict[str, str]]:
        """Masked columns by asset, each with the kind of its mask."""
        return {name: dict(view.masked) for name, view in self.views.items() if view.masked}

    @property
    def stamp(self) -> Stamp:
        """What a notebook keeps: see `jupyter_govdata.stamps`.

        It is `partial` and has no digest until the last row has come; nothing is read for it.

        Raises:
            StampError: A column or parameter has a type that no digest is defined for.
        """
        known: Stamp | None = self.__dict__.get("stamp")
        if known is not None:
            return known
        complete = self.complete
        stamp = make_stamp(
            query=self.query,
            parameters=self.parameters,
            receipts=self.receipts,
            table=self.table if complete else None,
            ordered=self.ordered,
            wall=self.wall,
            pins=self.pins,
            status="complete" if complete else "partial",
        )
        if complete:
            self.__dict__["stamp"] = stamp
        return stamp

    @property
    def known_digest(self) -> str:
        """Digest of the stamp, empty while it is not computed; showing a result does not."""
        stamp: Stamp | None = self.__dict__.get("stamp")
        return "" if stamp is None else stamp.result_digest

    def __len__(self) -> int:
        count = self.row_count
        return int(self.table.num_rows) if count is None else count

    def __bool__(self) -> bool:
        return bool(self.head.num_rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield rows as dicts, after reading all of them."""
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

    def summary(self) -> Summary:
        """Return every column in numbers: NULL, distinct, smallest, middle, largest, distribution.

        Reads all rows; exact but for what is marked with ``~``. Can be interrupted.
        """
        table = self.table
        return Summary(profile(table), tuple(facts_of(self, list(table.schema))), table.num_rows)

    def describe(self) -> Description:
        """Return what the cards say of the columns: type, unit, mask, description."""
        return Description(tuple(facts_of(self, list(self.head.schema))))

    def arrow(self) -> pa.Table:
        """Return the Arrow table; nothing is copied."""
        table = self.table
        remember(table, self.receipts)
        return table

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
        frame = pandas_frame(plain_numbers(self.table))
        remember(frame, self.receipts)
        return frame

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
        remember(frame, self.receipts)
        return frame

    def relation(
        self, connection: duckdb.DuckDBPyConnection | None = None
    ) -> duckdb.DuckDBPyRelation:
        """Return a DuckDB relation over the table, on `connection` or DuckDB's default one."""
        return duckdb.from_arrow(self.table, connection=connection or duckdb.default_connection())
