"""Large results are read when somebody asks for their end, and lose no row without an error."""

from __future__ import annotations

import datetime as dt
import gc
from collections.abc import Iterator
from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pytest

from jupyter_govdata.errors import GatewayError, GovDataError, QueryError, StaleDecisionError
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.query import reuse
from jupyter_govdata.query.engine import QueryEngine
from jupyter_govdata.query.pandas_frame import AT_ONCE, pandas_frame
from jupyter_govdata.query.tail import HEAD_ROWS
from tests.query.lake import T0, Governed, Lake, Version

ROWS = 400_000
ALL = "SELECT n, n % 7 AS k FROM big.rows"


@pytest.fixture
def lake() -> Iterator[Lake]:
    table = pa.table({"n": pa.array(range(ROWS))})
    small = pa.table({"n": [1, 2, 3]})
    made = Lake(
        {
            "big.rows": Governed([Version(table, T0)]),
            "big.some": Governed([Version(table, T0)], row_filter="n % 2 = 0"),
            "small.rows": Governed([Version(small, T0)]),
        }
    )
    made.chunk = 10_000
    yield made
    made.close()


def everything(result: object) -> bool:
    table = pa.table(result)
    return table.num_rows == ROWS and sum(table.column("n").to_pylist()) == ROWS * (ROWS - 1) // 2


def read_batches(lake: Lake) -> int:
    return sum(stream.batches for stream in lake.streams)


def test_lazy_a_large_result_shows_its_head_and_reads_no_further(engine: QueryEngine, lake: Lake):
    result = engine.run(ALL)
    assert not result.complete
    assert HEAD_ROWS < result.head.num_rows < ROWS // 2
    assert read_batches(lake) < ROWS // lake.chunk
    assert "more exist" in str(result)
    assert result
    assert not result.complete


def test_lazy_the_rest_continues_the_same_stream(engine: QueryEngine, lake: Lake):
    result = engine.run(ALL)
    assert everything(result.arrow())
    assert result.complete
    assert len(lake.streams) == 1
    assert len(result) == result.row_count == ROWS
    assert everything(result.arrow())
    assert len(lake.streams) == 1


def test_lazy_a_result_read_to_its_end_is_held_for_the_next_query(
    engine: QueryEngine, lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    """What was read before the first page counts, too."""
    monkeypatch.setattr(reuse, "BEGINNING_BYTES", 2**40)  # these batches are slices of one buffer
    assert everything(engine.run(ALL).arrow())
    assert everything(engine.run(ALL).arrow())
    assert [stream.same for stream in lake.streams] == [False, True]
    assert read_batches(lake) == ROWS // lake.chunk


def test_lazy_a_result_that_nobody_reads_on_holds_little(engine: QueryEngine):
    result = engine.run(ALL)
    (opened,) = engine._reads.opened()
    assert opened.stream._size > reuse.BEGINNING_BYTES
    assert opened.stream._kept is None
    assert not result.complete


@pytest.mark.parametrize(
    "read",
    [
        lambda r: r.table.num_rows,
        lambda r: len(r.df()),
        lambda r: r.pl().height,
        lambda r: len(r.relation().fetchall()),
        lambda r: sum(1 for _ in r),
        lambda r: pa.table(r).num_rows,
        len,
    ],
    ids=["table", "df", "pl", "relation", "iteration", "arrow_c_stream", "len"],
)
def test_lazy_every_way_to_read_gives_all_rows_each_time(engine: QueryEngine, lake: Lake, read):
    result = engine.run(ALL)
    assert [read(result), read(result)] == [ROWS, ROWS]
    assert len(lake.streams) == 1


def test_lazy_order_of_rows_is_kept(engine: QueryEngine):
    result = engine.run("SELECT n FROM big.rows ORDER BY n DESC")
    assert not result.complete
    assert result.arrow().column("n").to_pylist() == list(range(ROWS - 1, -1, -1))


def test_lazy_a_small_result_is_complete_at_once(engine: QueryEngine, lake: Lake):
    result = engine.run(f"SELECT n FROM big.rows WHERE n < {HEAD_ROWS}")
    assert result.complete
    assert result.row_count == HEAD_ROWS
    assert result.stamp.status == "complete"
    assert all(stream.cancelled.is_set() for stream in lake.streams)


def test_lazy_stamp_is_partial_until_the_last_row_has_come(engine: QueryEngine):
    result = engine.run(ALL)
    seen = []
    result.on_complete.append(lambda: seen.append(result.stamp.status))
    assert result.stamp.status == "partial"
    assert result.stamp.result_digest == ""
    assert result.stamp.pins == {"big.rows": 1}
    result.arrow()
    assert seen == ["complete"]
    whole = engine.run("CREATE TABLE t AS FROM big.rows; SELECT n, n % 7 AS k FROM t").arrow()
    assert (
        result.stamp.result_digest
        == replace(result, rows=type(result.rows)(whole)).stamp.result_digest
    )
    result.arrow()
    assert seen == ["complete"]


def test_lazy_copies_share_the_rows(engine: QueryEngine, lake: Lake):
    result = engine.run(ALL)
    copy = replace(result, shown_rows=3)
    assert everything(copy.arrow())
    assert result.complete
    assert len(lake.streams) == 1


def test_lazy_another_statement_closes_the_stream_and_the_rest_is_read_again(
    engine: QueryEngine, lake: Lake
):
    result = engine.run(ALL)
    assert len(engine.run("SELECT * FROM small.rows")) == 3
    assert not result.complete
    assert lake.streams[0].cancelled.is_set()
    assert everything(result.arrow())
    assert [scan.asset for scan in lake.requests] == ["big.rows", "small.rows", "big.rows"]
    assert lake.requests[-1].at.snapshot_id == 1
    assert result.pins == {"big.rows": 1}
    assert result.stamp.status == "complete"


def test_lazy_the_rest_is_of_the_same_snapshot_when_a_newer_one_was_committed(
    engine: QueryEngine, lake: Lake
):
    result = engine.run(ALL)
    lake.assets["big.rows"].versions.append(Version(pa.table({"n": [5]}), T0))
    assert engine.run("SELECT count(*) AS n FROM big.rows").arrow().to_pydict() == {"n": [1]}
    assert everything(result.arrow())


def test_lazy_a_pinned_result_stays_pinned(engine: QueryEngine, lake: Lake):
    lake.assets["big.rows"].versions.append(Version(pa.table({"n": [5]}), T0))
    result = engine.run(ALL, pins=Pins({"big.rows": 1}))
    engine.run("SELECT 1")
    assert everything(result.arrow())


def test_lazy_another_epoch_is_an_error_and_no_mixture(engine: QueryEngine, lake: Lake):
    result = engine.run(ALL)
    engine.run("SELECT 1")
    lake.epoch_now = 2
    with pytest.raises(StaleDecisionError, match="after the first rows"):
        result.arrow()
    assert not result.complete
    assert engine.run("SELECT 1 AS n").complete


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT n, random() AS r FROM big.rows",
        "SELECT n, uuid() AS r FROM big.rows ORDER BY n",
        "SELECT n FROM mine",
        "SELECT n FROM temporary",
        "SELECT b.n, f.n AS m FROM big.rows b, frame f WHERE f.n = 1",
        "SELECT n FROM big.rows USING SAMPLE 90%",
        "SELECT n, dice() AS r FROM big.rows",
        "SELECT n, r FROM thrown",
    ],
)
def test_lazy_what_could_change_is_read_before_the_next_statement(
    engine: QueryEngine, lake: Lake, sql: str
):
    engine.run("CREATE TABLE mine AS FROM big.rows; CREATE TEMP TABLE temporary AS FROM big.rows")
    engine.run(
        "CREATE MACRO dice() AS random(); CREATE VIEW thrown AS SELECT n, dice() r FROM big.rows"
    )
    frame = pa.table({"n": [1, 2]})
    result = engine.run(sql, frames={"frame": frame})
    head = result.head
    assert not result.complete
    seen = []
    result.on_complete.append(lambda: seen.append(1))
    scans = len(lake.requests)
    engine.run("DROP TABLE mine; DROP TABLE temporary; SELECT 1")
    assert result.complete
    assert seen == [1]
    assert result.arrow().slice(0, head.num_rows).equals(head)
    assert len(lake.requests) == scans


def test_lazy_a_result_that_the_next_query_names_is_read_on_once(engine: QueryEngine, lake: Lake):
    result = engine.run(ALL)
    found = engine.run("SELECT count(*) AS n, sum(n) AS s FROM result", frames={"result": result})
    assert found.arrow().to_pydict() == {"n": [ROWS], "s": [ROWS * (ROWS - 1) // 2]}
    assert result.complete
    assert len(lake.streams) == 1


def test_lazy_a_closed_result_that_a_query_names_is_read_again(engine: QueryEngine, lake: Lake):
    result = engine.run(ALL)
    engine.run("SELECT 1")
    found = engine.run("SELECT count(*) AS n FROM result", frames={"result": result})
    assert found.arrow().to_pydict() == {"n": [ROWS]}
    assert result.complete


def test_lazy_a_result_below_a_view_of_the_user_is_read(engine: QueryEngine, lake: Lake):
    frame = pa.table({"n": [0]})
    engine.run("CREATE TEMP TABLE t AS SELECT 1; SELECT * FROM result", frames={"result": frame})
    result = engine.run(ALL)
    engine.run("SELECT 1")
    found = engine.run(
        "WITH r AS (FROM result) SELECT count(*) AS n FROM r", frames={"result": result}
    )
    assert found.arrow().to_pydict() == {"n": [ROWS]}


def test_lazy_two_large_results_keep_their_rows(engine: QueryEngine, lake: Lake):
    first = engine.run(ALL)
    second = engine.run("SELECT n FROM big.some")
    assert everything(first.arrow())
    assert second.arrow().num_rows == ROWS // 2
    assert {r.asset for r in second.receipts} == {"big.some"}


def test_lazy_an_abandoned_result_frees_its_stream(engine: QueryEngine, lake: Lake):
    result = engine.run(ALL)
    stream = lake.streams[0]
    assert not stream.cancelled.is_set()
    del result
    gc.collect()
    assert stream.cancelled.wait(10)
    assert len(engine.run("SELECT * FROM small.rows")) == 3


def test_lazy_an_error_in_the_rest_is_raised_and_nothing_is_missing(
    engine: QueryEngine, lake: Lake
):
    result = engine.run(ALL)
    lake.on_batch = fail_at(30)
    with pytest.raises(GatewayError, match="broke"):
        result.arrow()
    assert not result.complete
    lake.on_batch = None
    assert everything(result.arrow())


def test_lazy_an_error_of_the_query_in_the_rest_has_its_place(engine: QueryEngine, lake: Lake):
    result = engine.run(
        "SELECT n,\n CAST(CASE n WHEN 390000 THEN 'x' ELSE '1' END AS INT) FROM big.rows"
    )
    assert not result.complete
    with pytest.raises(QueryError, match="could not convert") as caught:
        result.df()
    assert caught.value.detail["line"] == 2
    assert engine.run("SELECT 1 AS n").complete


def test_lazy_a_closed_session_says_that_the_rest_is_gone(lake: Lake):
    engine = QueryEngine(lake)
    result = engine.run(ALL)
    engine.close()
    assert lake.streams[0].cancelled.is_set()
    with pytest.raises(QueryError, match="session is closed"):
        result.arrow()
    assert result.head.num_rows > HEAD_ROWS


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t AS FROM big.rows",
        "CREATE TABLE t AS FROM small.rows; INSERT INTO t FROM big.rows RETURNING n",
        "CREATE TABLE t AS FROM big.rows; UPDATE t SET n = n RETURNING n",
    ],
)
def test_lazy_what_changes_something_is_read_at_once(engine: QueryEngine, sql: str):
    result = engine.run(sql)
    assert result.complete
    assert engine.run("SELECT count(*) AS n FROM t").arrow().column("n")[0].as_py() >= ROWS


def test_lazy_pushdown_that_had_to_be_switched_off_keeps_the_result_lazy(
    engine: QueryEngine, lake: Lake
):
    sql = "SELECT n FROM big.rows WHERE n IS DISTINCT FROM 3 OR n IS DISTINCT FROM 4"
    result = engine.run(sql)
    assert not result.complete
    assert result.arrow().num_rows == ROWS


def fail_at(number: int):
    def on_batch(stream: object, batch: int) -> None:
        if batch >= number:
            raise GatewayError("the stream broke")

    return on_batch


def test_lazy_errors_are_of_this_package(engine: QueryEngine, lake: Lake):
    lake.on_batch = fail_at(1)
    with pytest.raises(GovDataError):
        engine.run(ALL).arrow()


def test_df_of_many_rows_is_what_pandas_makes_of_the_table_at_once():
    rows = AT_ONCE * 2 + 5
    table = pa.table(
        {
            "i": pa.array([None if n == rows - 1 else n for n in range(rows)]),
            "b": pa.array([None if n == 5 else n % 2 == 0 for n in range(rows)]),
            "s": pa.array([None if n < AT_ONCE else str(n) for n in range(rows)]),
            "d": pa.array([dt.date(2020, 1, 1) if n < 9 else None for n in range(rows)]),
            "e": pa.array(["a", "b", None, "a", "c"] * (rows // 5)).dictionary_encode(),
        }
    )
    for columns in (["i", "b", "s", "d"], ["i", "e"]):
        part = table.select(columns)
        pd.testing.assert_frame_equal(pandas_frame(part), part.to_pandas(date_as_object=False))
