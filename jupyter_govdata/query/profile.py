"""The columns of a result in numbers: missing, distinct, middle, distribution. Runs in the kernel.

DuckDB computes over the Arrow table where it lies, column by column, in a thread that an
interrupt stops. Nothing is sampled: what is not exact is marked as such.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import duckdb
import pyarrow as pa

from jupyter_govdata.query.worker import Job

EXACT_DISTINCT = 100_000
EXACT_MEDIAN_ROWS = 1_000_000
BINS = 12
TOP = 3
_LISTED = 1_000  # more different values are not counted when most occur once

Kind = Literal["number", "time", "text", "truth", "list", "other"]

types = pa.types


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """What is known about the values of one column.

    Args:
        name: Its name in the result.
        type: Its Arrow type.
        kind: ``number``, ``time``, ``text``, ``truth``, ``list`` (its facts are of the lengths)
            or ``other``.
        rows: Rows of the result.
        nulls: How many are NULL.
        nans: How many are NaN or infinite; the facts below leave them out.
        distinct: Different values besides NULL; None where the type has no equality.
        distinct_exact: False for an estimate, up to a tenth off.
        least: Smallest value, of Python's or DuckDB's type; None where there is no order.
        median: Middle value of numbers and times.
        median_exact: False for an estimate.
        greatest: Largest value.
        top: Most frequent values with their counts, for text, truth values and few numbers.
        bins: Values per part of the range from least to greatest, or of the most frequent ones.
    """

    name: str
    type: pa.DataType
    kind: Kind
    rows: int
    nulls: int
    nans: int = 0
    distinct: int | None = None
    distinct_exact: bool = True
    least: pa.Scalar | None = None
    median: pa.Scalar | None = None
    median_exact: bool = True
    greatest: pa.Scalar | None = None
    top: tuple[tuple[pa.Scalar, int], ...] = ()
    bins: tuple[int, ...] = ()


def profile(table: pa.Table) -> tuple[ColumnSummary, ...]:
    """Return a summary of every column.

    Raises:
        KeyboardInterrupt: The user interrupted.
    """
    # SECURITY: what does not fit into memory is governed rows, in a folder of the user alone.
    folder = tempfile.TemporaryDirectory(prefix="govdata-", ignore_cleanup_errors=True)
    connection = duckdb.connect(":memory:", config={"temp_directory": folder.name})
    connection.execute("SET TimeZone = 'UTC'; SET python_enable_replacements = false")
    if table.num_rows <= EXACT_DISTINCT:
        connection.execute("SET threads = 1")  # they would wait for each other, column by column

    def work() -> tuple[ColumnSummary, ...]:
        with folder, connection:
            return tuple(
                _Column(connection, field.name, table.column(i)).summary()
                for i, field in enumerate(table.schema)
            )

    return Job(work, connection.interrupt).wait()


class _Column:
    """One column, as `v` of a table of its own: DuckDB then reads nothing else."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, name: str, values: pa.ChunkedArray
    ) -> None:
        self._connection = connection
        self._name = name
        self._type = values.type
        self._kind = kind_of(values.type)
        self._rows = len(values)
        self._values = values.cast(pa.float32()) if types.is_float16(values.type) else values

    def summary(self) -> ColumnSummary:
        """Ask for counts and order first: they decide what else is worth asking."""
        try:
            self._connection.register("result", pa.table([self._values], ["v"]))
            return self._frequent(self._counted())
        except duckdb.NotImplementedException:  # a type of Arrow that DuckDB does not have
            nulls = self._values.null_count
            return ColumnSummary(self._name, self._type, "other", self._rows, nulls)

    def _counted(self) -> ColumnSummary:
        is_small = self._rows <= EXACT_DISTINCT
        distinct = "count(DISTINCT v)" if is_small else "approx_count_distinct(v)"
        measured, finite = self._measured, f"FILTER ({self._finite})"
        asked = ["count(v)", distinct]
        if self._kind in ("number", "time", "list"):
            middle = f"median({measured})"
            if self._rows > EXACT_MEDIAN_ROWS:
                middle = f"approx_quantile({measured}, 0.5)"
            elif self._kind == "time":
                middle = f"quantile_disc({measured}, 0.5)"
            asked += [
                f"min({measured}) {finite}",
                f"max({measured}) {finite}",
                f"{middle} {finite}",
            ]
            asked += [f"count(CASE WHEN NOT {self._finite} THEN 1 END)"]
        present, different, *order = self._ask(asked)
        summary = ColumnSummary(
            name=self._name,
            type=self._type,
            kind=self._kind,
            rows=self._rows,
            nulls=self._rows - present.as_py(),
            distinct=min(different.as_py(), present.as_py()),
            distinct_exact=is_small,
        )
        if not is_small and different.as_py() <= EXACT_DISTINCT:
            (exact,) = self._ask(["count(DISTINCT v)"])
            summary = replace(summary, distinct=exact.as_py(), distinct_exact=True)
        return self._ordered(summary, *order) if order else summary

    def _ask(self, expressions: Sequence[str]) -> list[pa.Scalar]:
        answer = self._connection.execute(f"SELECT {', '.join(expressions)} FROM result")
        return [column[0] for column in answer.to_arrow_table().columns]

    @property
    def _measured(self) -> str:
        """What has an order and a middle: the values, or the lengths of lists."""
        return "len(v)" if self._kind == "list" else "v"

    @property
    def _finite(self) -> str:
        """Condition that a value has a place between others."""
        kind = self._type
        has_infinity = types.is_floating(kind) or types.is_date(kind) or types.is_timestamp(kind)
        return "isfinite(v)" if has_infinity else "true"

    def _ordered(
        self,
        summary: ColumnSummary,
        least: pa.Scalar,
        greatest: pa.Scalar,
        median: pa.Scalar,
        nans: pa.Scalar,
    ) -> ColumnSummary:
        if not least.is_valid:
            return replace(summary, nans=nans.as_py())
        return replace(
            summary,
            nans=nans.as_py(),
            least=least,
            median=median,
            median_exact=self._rows <= EXACT_MEDIAN_ROWS,
            greatest=greatest,
            bins=self._bins(summary.rows - summary.nulls - nans.as_py()),
        )

    def _bins(self, count: int) -> tuple[int, ...]:
        number = "epoch(v)" if self._kind == "time" else f"({self._measured})::DOUBLE"
        where = f"WHERE v IS NOT NULL AND {self._finite}"
        edges = f"SELECT min({number}), max({number}) FROM result {where}"
        low, high = self._connection.execute(edges).fetchall()[0]
        if not low < high:
            return (count,)
        # Halves, for the difference of two large numbers may be too large.
        place = f"({number} / 2 - $low / 2) / ($high / 2 - $low / 2) * {BINS}"
        counts = self._connection.execute(
            f"SELECT least(greatest(floor({place}), 0), {BINS - 1})::INT, count(*) "
            f"FROM result {where} GROUP BY 1",
            {"low": low, "high": high},
        ).fetchall()
        found = dict(counts)
        return tuple(found.get(i, 0) for i in range(BINS))

    def _frequent(self, summary: ColumnSummary) -> ColumnSummary:
        present, distinct = summary.rows - summary.nulls, summary.distinct or 0
        few = summary.kind == "number" and 1 < distinct <= TOP
        if not distinct or not (summary.kind in ("text", "truth") or few):
            return summary
        if distinct > _LISTED and distinct > present / 2:
            return summary  # hardly any value occurs twice
        answer = self._connection.execute(
            "SELECT v, count(*) AS n FROM result WHERE v IS NOT NULL "
            f"GROUP BY v ORDER BY n DESC, v LIMIT {BINS}"
        ).to_arrow_table()
        counts = tuple(answer.column(1).to_pylist())
        if distinct > 1 and counts[0] == 1:
            return summary  # no value occurs twice
        top = tuple(zip(answer.column(0), counts, strict=True))[:TOP]
        return replace(summary, top=top, bins=summary.bins or counts)


def kind_of(kind: pa.DataType) -> Kind:
    """Return what can be said of values of a type."""
    if isinstance(kind, pa.BaseExtensionType):
        return "other"
    if types.is_dictionary(kind):
        kind = kind.value_type
    return next((name for test, name in _KINDS if test(kind)), "other")


_KINDS: tuple[tuple[Callable[[pa.DataType], Any], Kind], ...] = (
    (types.is_boolean, "truth"),
    (types.is_integer, "number"),
    (types.is_floating, "number"),
    (types.is_decimal, "number"),
    (types.is_date, "time"),
    (types.is_timestamp, "time"),
    (types.is_time, "time"),
    (types.is_string, "text"),
    (types.is_large_string, "text"),
    (types.is_string_view, "text"),
    (types.is_map, "other"),
    (types.is_list, "list"),
    (types.is_large_list, "list"),
    (types.is_fixed_size_list, "list"),
)
