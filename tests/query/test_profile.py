"""The summary of a result: right numbers, marked estimates, any type, and it can be stopped."""

from __future__ import annotations

import random
import signal
import statistics
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from jupyter_govdata.query import profile as profiling
from jupyter_govdata.query.profile import BINS, ColumnSummary, profile
from jupyter_govdata.query.result import QueryResult
from jupyter_govdata.query.rows import Rows
from jupyter_govdata.query.show.summary_table import sparkline, summary_text
from jupyter_govdata.query.show.visible import width


def one(values: pa.Array) -> ColumnSummary:
    (found,) = profile(pa.table({"v": values}))
    return found


def result(table: pa.Table) -> QueryResult:
    return QueryResult(Rows(table), query="x")


def test_numbers_agree_with_python_on_random_data() -> None:
    picks = random.Random(7)
    values = [None if picks.random() < 0.1 else picks.randint(-50, 50) for _ in range(999)]
    present = [v for v in values if v is not None]
    found = one(pa.array(values))
    assert (found.rows, found.nulls) == (999, 999 - len(present))
    assert (found.distinct, found.distinct_exact) == (len(set(present)), True)
    assert found.least.as_py() == min(present)
    assert found.greatest.as_py() == max(present)
    assert found.median.as_py() == statistics.median(present)
    assert sum(found.bins) == len(present)
    low, high = min(present), max(present)
    expected = [0] * BINS
    for v in present:
        expected[min(int((v - low) / (high - low) * BINS), BINS - 1)] += 1
    assert list(found.bins) == expected


def test_text_has_its_most_frequent_values() -> None:
    found = one(pa.array(["a"] * 5 + ["b"] * 3 + ["c", "d", None]))
    assert [(v.as_py(), n) for v, n in found.top] == [("a", 5), ("b", 3), ("c", 1)]
    assert (found.nulls, found.distinct) == (1, 4)
    assert found.bins == (5, 3, 1, 1)
    assert found.least is None


def test_not_finite_numbers_are_counted_and_left_out() -> None:
    found = one(pa.array([1.0, float("nan"), float("inf"), None, 3.0]))
    assert (found.nulls, found.nans) == (1, 2)
    assert (found.least.as_py(), found.greatest.as_py()) == (1.0, 3.0)
    assert sum(found.bins) == 2
    only = one(pa.array([float("nan")]))
    assert (only.nans, only.least, only.bins) == (1, None, ())


def test_large_table_has_estimates_that_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiling, "EXACT_DISTINCT", 100)
    monkeypatch.setattr(profiling, "EXACT_MEDIAN_ROWS", 1000)
    table = pa.table({"id": range(5000), "few": [i % 50 for i in range(5000)]})
    ids, few = profile(table)
    assert not ids.distinct_exact
    assert ids.distinct == pytest.approx(5000, rel=0.15)
    assert (few.distinct, few.distinct_exact) == (50, True)
    assert not ids.median_exact
    assert ids.median.as_py() == pytest.approx(2499, rel=0.05)
    text = summary_text(result(table).summary(), 120)
    assert f"~{ids.distinct:,}" in text
    assert "… ~" in text


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("1.5::DECIMAL(38, 2)", "number"),
        ("5::HUGEINT", "number"),
        ("true", "truth"),
        ("DATE '2026-01-01'", "time"),
        ("'infinity'::TIMESTAMP", "time"),
        ("TIMESTAMPTZ '2026-01-01'", "time"),
        ("TIMESTAMP_NS '2026-01-01'", "time"),
        ("TIME '10:00'", "time"),
        ("INTERVAL '1 day'", "other"),
        ("[1, 2, 3]", "list"),
        ("[1, 2, 3]::INT[3]", "list"),
        ("{'a': 1}", "other"),
        ("MAP {'a': 1}", "other"),
        ("union_value(a := 1)", "other"),
        ("'x'::BLOB", "other"),
        ("'a'::ENUM ('a')", "text"),
        ("uuid()", "text"),
        ("NULL", "number"),
    ],
)
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_column_of_each_type_is_summarised(sql: str, kind: str, rows: int) -> None:
    with duckdb.connect() as con:
        table = con.execute(
            f"SELECT v FROM (SELECT {sql} AS v, 0 AS i UNION ALL SELECT NULL, 1"
            f" UNION ALL SELECT {sql}, 2) WHERE i < {rows} ORDER BY i"
        ).to_arrow_table()
    summary = result(table).summary()
    (found,) = summary.columns
    assert found.kind == kind
    assert found.nulls == (rows if sql == "NULL" else rows // 3)
    assert "v" in repr(summary)
    assert "<table" in summary._repr_html_()
    assert summary.arrow().num_rows == 1


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, None], pa.decimal256(50, 2)),
        pa.array([1.5, None], pa.float16()),
        pa.array(["x", None], pa.string_view()),
        pa.array([[1], None], pa.list_view(pa.int8())),
        pa.nulls(2),
    ],
    ids=lambda v: str(v.type),
)
def test_column_of_a_type_of_arrow_that_duckdb_may_lack_has_its_nulls(values: pa.Array) -> None:
    found = one(values)
    assert found.nulls == values.null_count


def test_lists_have_lengths() -> None:
    found = one(pa.array([[1], [1, 2, 3], [], None]))
    assert (found.least.as_py(), found.median.as_py(), found.greatest.as_py()) == (0, 1, 3)


def test_extreme_numbers_have_a_distribution() -> None:
    for values in ([-1.7e308, 0.0, 1.7e308], [-(2**63), 0, 2**63 - 1], [5, 5, 5]):
        assert sum(one(pa.array(values)).bins) == 3


def test_columns_of_one_name_and_names_of_strangers_are_apart() -> None:
    name = 'a"; DROP TABLE result; --'
    table = pa.table(
        [
            pa.array([1]),
            pa.array(["x"]),
            pa.array(
                [
                    None,
                ][:1]
            ),
        ],
        [name, name, "v"],
    )
    assert [s.kind for s in profile(table)] == ["number", "text", "other"]


def test_thousand_columns_are_summarised_and_folded() -> None:
    table = pa.table({f"c{i}": [i, i + 1, None] for i in range(1000)})
    summary = result(table).summary()
    assert len(summary) == 1000
    assert [s.least.as_py() for s in summary.columns] == list(range(1000))
    text = repr(summary)
    assert len(text.splitlines()) < 70
    assert "columns 31 to 970 not shown" in text
    assert summary.arrow()["nulls"].to_pylist() == [1] * 1000


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_summary_fits_any_width(columns: int) -> None:
    table = pa.table(
        {
            "a_name_that_is_rather_long_for_a_column": ["some longer text"] * 3 + [None],
            "n": [1, 2, 3, 4],
            "day": pa.array([1, 2, 3, None], pa.date32()),
        }
    )
    lines = summary_text(result(table).summary(), columns).splitlines()
    assert max(map(width, lines)) <= columns


def test_sparkline_shows_something_for_any_count_but_none() -> None:
    assert sparkline([1, 0, 1_000_000]) == "▁ █"
    assert sparkline([]) == ""
    assert sparkline([3, 3]) == "██"


def test_summary_leaves_no_folder_and_no_thread_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    one(pa.array([1, 2]))
    assert not list(tmp_path.iterdir())
    assert not [t for t in threading.enumerate() if t.name == "govdata-query"]


_LONG = """
import os, signal, threading, time
import duckdb, pyarrow as pa
from jupyter_govdata.query.profile import profile

table = duckdb.sql("SELECT 'id' || hash(range) AS v FROM range(6000000)").to_arrow_table()
table = table.select([0] * 40).rename_columns([f"c{i}" for i in range(40)])
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
began = time.perf_counter()
try:
    profile(table)
except KeyboardInterrupt:
    print("stopped", time.perf_counter() - began)
(job,) = [t for t in threading.enumerate() if t.name == "govdata-query"] or [None]
if job is not None:
    job.join(60)
print("ended")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT of one's own")
def test_summary_is_stopped_by_an_interrupt() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LONG], capture_output=True, text=True, timeout=240, check=True
    )
    assert "stopped" in done.stdout, done.stderr
    assert "ended" in done.stdout
    assert signal.SIGINT.name not in done.stderr
