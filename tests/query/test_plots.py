"""A result goes straight into the libraries that people plot with.

The libraries are not needed for anything else: `pip install altair plotly plotnine seaborn` in the
environment of the tests runs what is skipped here.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from jupyter_govdata.query.result import QueryResult
from jupyter_govdata.query.rows import Rows

INSTALL = "not installed: `pip install altair plotly plotnine seaborn` runs this test"


def library(name: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other people's
            if name in ("seaborn", "seaborn.objects", "plotnine"):
                importlib.import_module("matplotlib").use("Agg")
            return importlib.import_module(name)
    except ImportError:
        pytest.skip(f"{name} is {INSTALL}")


@pytest.fixture
def result() -> Iterator[QueryResult]:
    """Numbers as DuckDB makes them: sums are HUGEINT, literals DECIMAL."""
    with duckdb.connect() as con:
        table = con.execute(
            """SELECT arm, DATE '2026-01-01' + i::INT AS day, i AS patient, i * 1.5 AS size,
            sum(i) OVER (ORDER BY i) AS total, CASE WHEN i > 2 THEN i % 2 = 0 END AS responded,
            [i] AS list, TIME '10:00' AS clock, NULL AS nothing, '\\x00'::BLOB AS bytes
            FROM (SELECT range AS i, ['a', 'b', NULL][range % 3 + 1] AS arm FROM range(9))"""
        ).to_arrow_table()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas wants libraries to use another protocol
        yield QueryResult(Rows(table), query="x")


def test_interchange_keeps_values_and_nulls(result: QueryResult) -> None:
    pandas = library("pandas")

    class OnlyThis:
        """Newer versions of pandas would take Arrow's way."""

        __dataframe__ = result.__dataframe__

    frame = pandas.api.interchange.from_dataframe(OnlyThis())
    assert frame["total"].tolist() == result.table["total"].cast(pa.int64()).to_pylist()
    assert frame["size"].tolist() == [i * 1.5 for i in range(9)]
    assert frame["responded"].isna().tolist() == [i <= 2 for i in range(9)]
    assert frame["responded"][4] == "true"
    assert str(frame["day"][0].date()) == "2026-01-01"
    assert frame["arm"].isna().sum() == 3
    assert not {"list", "bytes"} & set(frame.columns)


def test_narwhals_reads_a_result_as_a_whole(result: QueryResult) -> None:
    narwhals = library("narwhals")
    frame = narwhals.from_native(result, eager_only=True)
    assert frame.columns == result.columns
    assert frame["total"].to_list() == result.table["total"].cast(pa.int64()).to_pylist()
    stable = importlib.import_module("narwhals.stable.v1")  # as altair and plotly ask
    assert stable.from_native(result, eager_or_interchange_only=True)["patient"].sum() == 36


def test_altair_takes_a_result_and_infers_types(result: QueryResult) -> None:
    altair = library("altair")
    columns = ["arm", "day", "size", "total"]
    small = QueryResult(Rows(result.table.select(columns)), query="x")
    chart = altair.Chart(small).mark_point().encode(x="day", y="total", color="arm", size="size")
    made = chart.to_dict()
    kinds = {name: made["encoding"][name]["type"] for name in ("x", "y", "color", "size")}
    assert kinds == {
        "x": "temporal",
        "y": "quantitative",
        "color": "nominal",
        "size": "quantitative",
    }
    (rows,) = made["datasets"].values()
    assert [row["total"] for row in rows] == [0, 1, 3, 6, 10, 15, 21, 28, 36]
    assert "2026-01-09" in chart.to_json()


def test_plotly_takes_a_result(result: QueryResult) -> None:
    express = library("plotly.express")
    figure = express.scatter(result, x="day", y="total", color="arm", size="size")
    assert sum(len(trace.x) for trace in figure.data) >= 6
    figure.to_json()


def test_seaborn_takes_a_result(result: QueryResult) -> None:
    seaborn = library("seaborn")
    pyplot = importlib.import_module("matplotlib.pyplot")
    assert len(seaborn.histplot(data=result, x="size", hue="arm").patches) > 0
    pyplot.figure()
    axes = seaborn.lineplot(data=result, x="day", y="total")
    pyplot.gcf().canvas.draw()
    assert axes.get_xlabel() == "day"
    assert axes.lines[0].get_ydata().astype(float).tolist() == [0, 1, 3, 6, 10, 15, 21, 28, 36]
    pyplot.close("all")


def test_seaborn_objects_take_a_result(result: QueryResult) -> None:
    objects = library("seaborn.objects")
    plotter = objects.Plot(result, x="patient", y="total").add(objects.Dot()).plot()
    assert plotter is not None


def test_plotnine_takes_a_result(result: QueryResult) -> None:
    plotnine = library("plotnine")
    plot = plotnine.ggplot(result, plotnine.aes("size", "total", color="arm"))
    assert (plot + plotnine.geom_point()).draw() is not None
