"""The engine: any SQL, versions, local tables, retries, and what a result says."""

from __future__ import annotations

import datetime as dt
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from jupyter_govdata.errors import (
    AccessDeniedError,
    GatewayError,
    NotVisibleError,
    PurposeError,
    QueryError,
    StaleDecisionError,
    StorageError,
)
from jupyter_govdata.model.predicate import Compare
from jupyter_govdata.model.scan import Filter, Limit, Project, Scan, ScanRequest
from jupyter_govdata.query.engine import QueryEngine
from jupyter_govdata.query.show.text_table import result_text
from jupyter_govdata.query.source import AssetSource, ScanStream
from tests.query.lake import T0, Governed, Lake, Version


def one(engine: QueryEngine, sql: str, *args: Any, **kwargs: Any) -> Any:
    (row,) = engine.run(sql, *args, **kwargs)
    (value,) = row.values()
    return value


def test_protocol_the_lake_of_these_tests_is_a_source(lake: Lake) -> None:
    assert isinstance(lake, AssetSource)
    assert isinstance(lake.open_scan(ScanRequest(Scan("imaging.slides"))), ScanStream)


@pytest.mark.parametrize(
    ("sql", "first"),
    [
        ("FROM imaging.slides SELECT count(*)", 3),
        ("WITH s AS (FROM imaging.slides) SELECT max(slide) FROM s", 3),
        ("SELECT count(*) FROM (PIVOT imaging.slides ON stain USING count(*))", 3),
        ("SELECT count(*) FROM (DESCRIBE imaging.slides)", 2),
        ("SELECT count(*) FROM (SUMMARIZE imaging.slides)", 2),
        ("SELECT count(COLUMNS(c -> c = 'slide')) FROM imaging.slides s", 3),
        ("SELECT sum(slide) FROM IMAGING.Slides WHERE stain LIKE 'H%'", 4),
        ('SELECT "Slides".SLIDE FROM "imaging"."slides" ORDER BY 1 LIMIT 1', 1),
        ("SELECT imaging.slides.slide FROM imaging.slides ORDER BY slide DESC LIMIT 1", 3),
        ("TABLE imaging.slides ORDER BY slide LIMIT 1", 1),
        ("SELECT (SELECT max(slide) FROM imaging.slides)", 3),
        ("SELECT count(*) FROM imaging.slides, trials.outcomes, trials.visits", 72),
        ("WITH slides AS (SELECT 7 AS slide) SELECT slide FROM slides", 7),
        ("SELECT imaging.a FROM (SELECT 5 AS a) imaging", 5),
        ("VALUES (4)", 4),
        ("SELECT x.y.z FROM (SELECT {'z': 9} AS y) x", 9),
    ],
)
def test_run_any_select_of_duckdb(engine: QueryEngine, sql: str, first: int) -> None:
    assert next(iter(next(iter(engine.run(sql))).values())) == first


def test_run_several_statements_the_last_one_gives_the_result(engine: QueryEngine) -> None:
    engine.run("CREATE MACRO twice(x) AS 2 * x")
    found = engine.run(
        """CREATE OR REPLACE TABLE mine AS SELECT slide FROM imaging.slides;
        INSERT INTO mine VALUES ($extra);
        SELECT sum(twice(slide)) AS s FROM mine;""",
        {"extra": 10},
    )
    assert found.table["s"].to_pylist() == [32]
    assert [r.asset for r in found.receipts] == ["imaging.slides"]


def test_run_copy_writes_a_local_file(engine: QueryEngine, tmp_path: Path) -> None:
    target = tmp_path / "slides.parquet"
    found = engine.run(f"COPY (FROM imaging.slides) TO '{target}'")
    assert found.changed_rows == 3
    assert "3 rows written" in str(found)
    assert one(engine, f"SELECT count(*) FROM '{target}'") == 3


def test_run_explain_shows_the_plan(engine: QueryEngine) -> None:
    found = engine.run("EXPLAIN SELECT * FROM imaging.slides WHERE slide > 1")
    assert "slide>1" in found.table["explain_value"][0].as_py()


def test_run_statement_without_rows_says_done(engine: QueryEngine) -> None:
    found = engine.run("CREATE TABLE t (a INT)")
    assert found.changed_rows == 0
    assert str(found) == "done"


# -- versions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clause", "params", "rows"),
    [
        ("", {}, 12),
        ("AT (VERSION => 1)", {}, 6),
        ("AT (VERSION => $v)", {"v": 1}, 6),
        ("AT (VERSION => '2')", {}, 12),
        ("AT (TAG => 'freeze')", {}, 6),
        ("AT (TAG => {{ t }})", {"t": "freeze"}, 6),
        ("AT (TIMESTAMP => '2026-01-15')", {}, 6),
        ("AT (TIMESTAMP => TIMESTAMP '2026-03-01 00:00:00+02')", {}, 12),
        ("AT (TIMESTAMP => :t)", {"t": dt.date(2026, 1, 1)}, 6),
        ("AT (TIMESTAMP => :t)", {"t": dt.datetime(2026, 1, 31)}, 12),
    ],
)
def test_run_versions(engine: QueryEngine, clause: str, params: dict, rows: int) -> None:
    assert one(engine, f"SELECT count(*) FROM trials.outcomes {clause}", params) == rows


def test_run_two_versions_of_one_asset_in_one_query(engine: QueryEngine) -> None:
    found = engine.run(
        """SELECT new.patient_id FROM trials.outcomes new
        ANTI JOIN trials.outcomes AT (VERSION => 1) old USING (patient_id)"""
    )
    assert len(found) == 6
    assert {r.snapshot_id for r in found.receipts} == {1, 2}


def test_run_version_keeps_the_tables_name_for_columns(engine: QueryEngine) -> None:
    sql = """SELECT max(outcomes.age) + max(trials.outcomes.age)
        FROM trials.outcomes AT (VERSION => 1)"""
    assert one(engine, sql) == 90


def test_run_views_of_versions_keep_their_version(engine: QueryEngine) -> None:
    engine.run("CREATE VIEW old AS FROM trials.outcomes AT (VERSION => 1)")
    engine.run("SELECT 1 FROM trials.outcomes AT (VERSION => 2)")
    assert one(engine, "SELECT count(*) FROM old") == 6


@pytest.mark.parametrize(
    ("clause", "params"),
    [
        ("VERSION => 'x'", {}),
        ("VERSION => $v", {"v": 1.5}),
        ("VERSION => $v", {"v": None}),
        ("TIMESTAMP => 'soon'", {}),
        ("TIMESTAMP => $v", {"v": 3}),
        ("TAG => $v", {"v": 3}),
        ("TAG => ''", {}),
    ],
)
def test_run_version_of_a_wrong_form_is_an_error(
    engine: QueryEngine, clause: str, params: dict
) -> None:
    with pytest.raises(QueryError, match="does not have the form"):
        engine.run(f"FROM trials.outcomes AT ({clause})", params)


# -- local tables ------------------------------------------------------------------------------


def test_run_local_frames_join_in(engine: QueryEngine) -> None:
    columns = {"slide": [1, 2], "who": ["a", "b"]}
    frames = {
        "from_pandas": pd.DataFrame(columns),
        "from_polars": pl.DataFrame(columns),
        "lazily": pl.LazyFrame(columns),
        "from_arrow": pa.table(columns),
        "batch": pa.record_batch(columns),
        "relation": duckdb.sql("SELECT 1 AS slide UNION ALL SELECT 2"),
        "earlier": engine.run("SELECT 1 AS slide UNION ALL SELECT 2"),
    }
    for name in frames:
        sql = f"SELECT count(*) FROM imaging.slides JOIN {name} USING (slide)"
        assert one(engine, sql, frames=frames) == 2, name


def test_run_own_table_comes_before_a_variable(engine: QueryEngine) -> None:
    engine.run("CREATE TABLE t AS SELECT 'table' AS x")
    frame = pd.DataFrame({"x": ["variable"]})
    assert one(engine, "SELECT x FROM t", frames={"t": frame}) == "table"
    assert one(engine, "SELECT x FROM t WHERE 1 = 1", frames={}) == "table"


def test_run_frame_is_gone_after_the_query(engine: QueryEngine) -> None:
    frame = pd.DataFrame({"x": [1]})
    engine.run("CREATE VIEW v AS FROM df", frames={"df": frame})
    with pytest.raises(QueryError, match="table `df` does not exist"):
        engine.run("FROM df")
    assert one(engine, "SELECT x FROM v", frames={"df": frame}) == 1


def test_run_variables_of_the_engine_are_not_tables(engine: QueryEngine) -> None:
    for name in ("values", "table", "tables", "statement", "frames", "work"):
        with pytest.raises(QueryError):
            engine.run(f'SELECT * FROM "{name}"')


# -- parameters --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "NULL"),
        (True, "BOOLEAN"),
        (3, "INTEGER"),
        (2**100, "HUGEINT"),
        (1.5, "DOUBLE"),
        ("x' OR '1'='1", "VARCHAR"),
        (b"\x00", "BLOB"),
        (Decimal("1.25"), "DECIMAL(3,2)"),
        (dt.date(2026, 1, 1), "DATE"),
        (dt.datetime(2026, 1, 1), "TIMESTAMP"),
        (dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "TIMESTAMP WITH TIME ZONE"),
        (dt.time(1), "TIME"),
        (dt.timedelta(1), "INTERVAL"),
        ([1, 2], "INTEGER[]"),
        (("a", None), "VARCHAR[]"),
        ({3, 1}, "INTEGER[]"),
        ({"a": 1}, "STRUCT(a INTEGER)"),
        (np.int64(3), "INTEGER"),
        (np.float32(0.5), "DOUBLE"),
        (np.bool_(True), "BOOLEAN"),
        (np.array([1, 2]), "INTEGER[]"),
        (np.datetime64("2026-01-01T00:00:00"), "TIMESTAMP"),
        (pd.Timestamp("2026-01-01"), "TIMESTAMP"),
        (pd.NaT, "NULL"),
        (pd.NA, "NULL"),
        (pd.Series([1, 2]), "INTEGER[]"),
        (pl.Series([1, 2]), "INTEGER[]"),
        (pa.scalar(3), "INTEGER"),
        (pa.array([1]), "INTEGER[]"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_run_parameters_of_many_types_are_bound(engine: QueryEngine, value: Any, kind: str) -> None:
    assert one(engine, "SELECT typeof($x)", {"x": value}).strip('"') == kind


def test_run_parameter_list_goes_into_in(engine: QueryEngine, lake: Lake) -> None:
    sql = "SELECT count(*) FROM imaging.slides WHERE slide IN :some AND stain = {{ stain }}"
    assert one(engine, sql, {"some": [1, 2], "stain": "H&E"}) == 1


def test_run_parameter_text_is_never_sql(engine: QueryEngine) -> None:
    attack = "x' OR '1'='1'; DROP TABLE t; --"
    sql = "SELECT count(*) FROM imaging.slides WHERE stain = {{ v }}"
    assert one(engine, sql, {"v": attack}) == 0


@pytest.mark.parametrize(
    ("sql", "params", "message"),
    [
        ("SELECT $x", {}, "parameter `x` has no value"),
        ("SELECT $x", {"X": 1}, "parameter `x` has no value"),
        ("SELECT 1", {"x": 1}, "the query has no parameter `x`"),
        ("SELECT $x", {"x": 1, "y": 2}, "the query has no parameter `y`"),
        ("SELECT $x", {"x": object()}, "parameter `x` has the type `object`"),
        ("SELECT $x", {"x": 1j}, "parameter `x` has the type `complex`"),
        ("SELECT $x", {"x": [object()]}, "parameter `x` has the type `object`"),
        ("SELECT $x", {"x": {1: 2}}, "parameter `x` has the type `dict`"),
        ("SELECT $x", {"x": 2**127}, "parameter `x` is larger"),
        ("SELECT $x", {"x": pd.DataFrame({"a": [1]})}, "parameter `x` has the type `DataFrame`"),
        ("SELECT $x", {"x": np.zeros((2, 2))}, "parameter `x` has the type `ndarray`"),
    ],
)
def test_run_wrong_parameters_are_named(
    engine: QueryEngine, sql: str, params: dict, message: str
) -> None:
    with pytest.raises(QueryError) as caught:
        engine.run(sql, params)
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pd.period_range("2020-01", periods=2, freq="M"), "period[M]"),
        (pd.interval_range(0, 2), "interval[int64, right]"),
        (np.array([1j, 2j]), "complex128"),
    ],
)
def test_run_frame_with_a_column_that_sql_has_no_type_for_is_named(
    engine: QueryEngine, values: object, kind: str
) -> None:
    frames = {"visits": pd.DataFrame({"n": [1, 2], "when": values})}
    with pytest.raises(QueryError) as caught:
        engine.run("SELECT n FROM visits", frames=frames)
    assert f"column `when` of `visits` has the type `{kind}`" in caught.value.message
    assert caught.value.hint
    text = frames["visits"].astype({"when": str})
    assert len(engine.run("FROM visits", frames={"visits": text})) == 2


# -- refusals and changes ----------------------------------------------------------------------


def test_run_hidden_and_missing_assets_get_one_answer(engine: QueryEngine) -> None:
    texts = []
    for name in ("secret.things", "secret.nothing", "nowhere.things", "trials.things"):
        for sql in (f"SELECT * FROM {name}", f"FROM {name} AT (VERSION => 1)"):
            with pytest.raises(NotVisibleError) as caught:
                engine.run(sql)
            texts.append((caught.value.code, caught.value.message.replace(name, "NAME")))
            assert set(caught.value.detail) == {"line", "column"}
    assert len(set(texts)) == 1


def test_run_misspelt_asset_gets_visible_names_proposed(engine: QueryEngine) -> None:
    with pytest.raises(NotVisibleError) as caught:
        engine.run("SELECT 1,\n* FROM trials.outcome")
    assert "`trials.outcomes`" in str(caught.value.hint)
    assert (caught.value.detail["line"], caught.value.detail["column"]) == (2, 8)
    with pytest.raises(NotVisibleError) as caught:
        engine.run("FROM secret.thing")
    assert "secret.things" not in str(caught.value)


def test_run_refused_asset_gets_the_gateways_own_words(engine: QueryEngine) -> None:
    with pytest.raises(AccessDeniedError, match="no policy permits it"):
        engine.run("FROM trials.closed")


def test_run_unknown_purpose_is_refused(engine: QueryEngine) -> None:
    with pytest.raises(PurposeError):
        engine.run("FROM imaging.slides", purpose="marketing")


def test_run_purpose_changes_what_is_seen_at_once(engine: QueryEngine, lake: Lake) -> None:
    lake.assets["imaging.slides"].row_filter = "slide = 1 OR $purpose = 'research'"
    sql = "SELECT count(*) FROM imaging.slides"
    assert one(engine, sql) == 3
    assert one(engine, sql, purpose="model_training") == 1
    engine.run("CREATE VIEW v AS FROM imaging.slides")
    assert one(engine, "SELECT count(*) FROM v", purpose="model_training") == 1
    assert one(engine, "SELECT count(*) FROM v") == 3


def test_run_error_inside_a_reader_arrives_as_it_was_raised(
    engine: QueryEngine, lake: Lake
) -> None:
    error = StorageError("a data file of `imaging.slides` is missing")

    def fail(stream: Any, batch: int) -> None:
        raise error

    lake.on_batch = fail
    with pytest.raises(StorageError) as caught:
        engine.run("SELECT count(*), max(stain) FROM imaging.slides")
    assert caught.value is error
    assert caught.value.__cause__ is None
    lake.on_batch = None
    assert one(engine, "SELECT count(*) FROM imaging.slides") == 3


def test_run_foreign_exception_inside_a_reader_shows_no_internals(
    engine: QueryEngine, lake: Lake
) -> None:
    def fail(stream: Any, batch: int) -> None:
        raise KeyError("a private detail")

    lake.on_batch = fail
    with pytest.raises(GatewayError) as caught:
        engine.run("FROM imaging.slides")
    assert "private" not in str(caught.value)
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("namespace", ["memory", "temp", "system", "main", "select", "order"])
def test_run_namespaces_that_duckdb_uses_itself(
    engine: QueryEngine, lake: Lake, namespace: str
) -> None:
    lake.assets[f"{namespace}.x"] = lake.assets["imaging.slides"]
    lake.assets["information_schema.x"] = lake.assets["imaging.slides"]
    lake.epoch_now += 1
    assert one(engine, f'SELECT max(x.slide) FROM "{namespace}".x') == 3
    assert one(engine, f'SELECT max(x.slide) FROM "{namespace}".x AT (VERSION => 1)') == 3
    assert one(engine, "SELECT count(*) > 5 FROM information_schema.tables") is not None


def test_run_stale_decision_is_retried_once(engine: QueryEngine, lake: Lake) -> None:
    failures = [StaleDecisionError("the policy changed")]

    def fail(stream: Any, batch: int) -> None:
        if failures:
            raise failures.pop()

    lake.on_batch = fail
    found = engine.run("SELECT count(*) AS n FROM imaging.slides")
    assert found.table["n"].to_pylist() == [3]
    assert len(found.receipts) == 1
    failures.extend([StaleDecisionError("again"), StaleDecisionError("and again")])
    with pytest.raises(StaleDecisionError):
        engine.run("SELECT max(slide), min(stain) FROM imaging.slides")


def test_run_mask_added_between_card_and_scan_is_followed(engine: QueryEngine, lake: Lake) -> None:
    engine.run("CREATE VIEW v AS SELECT slide FROM imaging.slides")
    lake.assets["imaging.slides"].masks["slide"] = ("pseudonym", "md5(slide::VARCHAR)")
    lake.epoch_now += 1
    found = engine.run("SELECT typeof(slide) AS t FROM imaging.slides LIMIT 1")
    assert found.table["t"].to_pylist() == ["VARCHAR"]
    assert one(engine, "SELECT typeof(slide) FROM v LIMIT 1") == "VARCHAR"


def test_run_commit_between_two_scans_of_one_asset_is_retried(
    engine: QueryEngine, lake: Lake
) -> None:
    asset = lake.assets["imaging.slides"]
    more = pa.table({"slide": [4], "stain": ["H&E"]})

    def commit_before_the_second(scan: Any) -> None:
        if len(lake.requests) == 1:
            asset.versions.append(Version(more, T0 + dt.timedelta(days=1)))

    lake.on_open = commit_before_the_second
    found = engine.run("SELECT count(*) AS n FROM imaging.slides a, imaging.slides b")
    assert found.table["n"].to_pylist() == [1]
    assert {r.snapshot_id for r in found.receipts} == {2}


def test_run_asset_that_came_later_is_found(engine: QueryEngine, lake: Lake) -> None:
    assert one(engine, "SELECT count(*) FROM imaging.slides") == 3
    version = Version(pa.table({"x": [1]}), T0)
    lake.assets["imaging.fresh"] = Governed([version])
    lake.assets["brand_new.space"] = Governed([version])
    assert one(engine, "SELECT count(*) FROM imaging.fresh") == 1
    assert one(engine, "SELECT count(*) FROM brand_new.space") == 1


def test_run_column_that_came_later_is_found(engine: QueryEngine, lake: Lake) -> None:
    engine.run("FROM imaging.slides")
    wider = pa.table({"slide": [1], "stain": ["H&E"], "scanner": ["S1"]})
    lake.assets["imaging.slides"].versions.append(Version(wider, T0 + dt.timedelta(days=1)))
    assert one(engine, "SELECT scanner FROM imaging.slides") == "S1"


def test_run_cards_are_fetched_once_an_epoch(engine: QueryEngine, lake: Lake) -> None:
    for _ in range(3):
        engine.run("FROM imaging.slides")
    assert lake.views == 1
    lake.epoch_now += 1
    engine.run("FROM imaging.slides")
    assert lake.views == 2


def test_run_dropped_view_of_an_asset_comes_back(engine: QueryEngine) -> None:
    assert one(engine, "SELECT count(*) FROM imaging.slides") == 3
    engine.run("DROP VIEW memory.imaging.slides")
    assert one(engine, "SELECT count(*) FROM imaging.slides") == 3


def test_run_use_makes_a_namespace_the_default(engine: QueryEngine) -> None:
    engine.run("USE imaging")
    assert one(engine, "SELECT count(*) FROM slides") == 3
    engine.run("USE main")
    with pytest.raises(QueryError) as caught:
        engine.run("SELECT count(*) FROM slides")
    assert caught.value.hint == "did you mean `imaging.slides`?"


def test_run_own_table_under_an_assets_name_is_an_error(engine: QueryEngine) -> None:
    engine.run("CREATE SCHEMA IF NOT EXISTS imaging")
    engine.run("CREATE TABLE imaging.mine AS SELECT 1 AS a")
    assert one(engine, "SELECT a FROM imaging.mine") == 1


def test_run_listing_shows_no_internal_tables(engine: QueryEngine) -> None:
    engine.run("FROM trials.outcomes AT (VERSION => 1)")
    assert len(engine.run("SHOW TABLES")) == 0
    shown = str(engine.run("FROM imaging.slides")) + str(engine.run("SHOW TABLES"))
    assert "__gd" not in shown


def test_run_threads_share_one_engine(engine: QueryEngine) -> None:
    found: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(one(engine, "SELECT count(*) FROM imaging.slides"))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [3, 3, 3, 3]


# -- scan and result ---------------------------------------------------------------------------


def test_scan_reads_one_asset_without_sql(engine: QueryEngine) -> None:
    scan = Project(Filter(Scan("trials.outcomes"), Compare("age", ">=", 50)), ("age", "site"))
    found = engine.scan(ScanRequest(Limit(scan, 1), "research"))
    assert found.table.to_pylist() == [{"age": 50, "site": "NYC"}]
    assert found.purpose == "research"
    assert len(found.receipts) == 1


def test_scan_of_nothing_visible_is_refused(engine: QueryEngine) -> None:
    with pytest.raises(NotVisibleError):
        engine.scan(ScanRequest(Scan("secret.things")))


def test_result_converts_to_the_usual_frames(engine: QueryEngine) -> None:
    found = engine.run(
        """SELECT sum(slide) AS s, 1.25::DECIMAL(9,2) AS d, DATE '2026-01-01' AS day, 'x' AS t,
        NULL::INT AS n FROM imaging.slides"""
    )
    assert found.df().dtypes.astype(str).to_dict() | {"t": ""} == {
        "s": "int64",
        "d": "float64",
        "day": "datetime64[ms]",
        "t": "",
        "n": "float64",
    }
    assert found.pl().shape == (1, 5)
    assert found.arrow() is found.table
    assert found.relation().fetchall()[0][0] == 6
    assert pa.table(found).num_rows == 1
    assert len(found) == 1
    assert found.columns == ["s", "d", "day", "t", "n"]


def test_result_stamp_has_the_receipts_and_is_deterministic(engine: QueryEngine) -> None:
    sql = "SELECT * FROM trials.outcomes WHERE age > $a ORDER BY age"
    first, second = (engine.run(sql, {"a": 45}) for _ in range(2))
    assert first.stamp == second.stamp
    assert first.stamp.receipts == first.receipts
    assert engine.run(sql, {"a": 46}).stamp.result_digest != first.stamp.result_digest


def test_result_text_names_assets_masks_purpose_and_wall(engine: QueryEngine) -> None:
    text = str(engine.run("SELECT o.* FROM trials.outcomes o, trials.visits"))
    assert text.splitlines()[1].startswith("[pseudonym]")
    assert "NULL" in text
    assert " · ".join(text.splitlines()[-2:]).startswith(
        "24 rows · trials.outcomes @ 2 (1 column masked) · trials.visits @ 1 (rows filtered)"
        " · purpose research · advisory · "
    )
    assert "(first 20 of 24 rows)" in text


def test_result_text_shows_values_that_python_cannot_hold(engine: QueryEngine) -> None:
    found = engine.run(
        r"""SELECT 'infinity'::DATE AS a, '-infinity'::TIMESTAMP AS b,
        INTERVAL '1 month 2 days' AS c,
        '2026-01-01 00:00:00.123456789'::TIMESTAMP_NS AS d, MAP {'k': 1} AS e, true AS f,
        1e300 AS g, 0.1::DOUBLE + 0.2 AS h, '\xff'::BLOB AS i, 5::HUGEINT AS j,
        7.0::DOUBLE AS k"""
    )
    shown = result_text(found, 20, 300)
    for part in ("infinity", "1 month 2 days", "true", "1e+300", "0.3 ", r"\xff", "7.0"):
        assert part in shown
    assert "<table" in found._repr_html_()


def test_result_text_keeps_control_characters_visible(engine: QueryEngine) -> None:
    text = str(engine.run(r"SELECT E'a\nb\x1b[31m' AS " + '"c\u202ed"'))
    assert r"a\nb\x1b[31m" in text
    assert r"c\u202ed" in text
