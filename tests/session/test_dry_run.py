"""A dry run says what would be read, reads nothing, runs nothing and tells no hidden count."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from jupyter_govdata.errors import (
    AccessDeniedError,
    ColumnNotFoundError,
    NotVisibleError,
    QueryError,
)
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.session import Session, connect


@pytest.fixture(scope="module")
def wide(shared_lake: Path) -> dict[str, int]:
    with connect(shared_lake, user="dina") as dina:
        one = dina.load(pa.table({"x": [1, 2], "t": ["a", "b"]}), "trials.wide")
        two = dina.load(pa.table({"x": [3], "t": ["c"]}), "trials.wide", mode="append")
    return {"one": one.snapshot_id, "two": two.snapshot_id}


def selects(session: Session) -> int:
    return sum(" select " in line for line in session.audit(10_000)["lines"])


def test_dry_run_says_columns_condition_filter_and_masks(ana):
    (scan,) = ana.dry_run("SELECT patient FROM trials.patients WHERE age > 30").scans
    assert scan.asset == "trials.patients"
    assert scan.columns == ("patient",)
    assert scan.condition == "age>30"
    assert "study" in scan.row_filter
    assert scan.masked == {"patient": "pseudonym"}
    assert "clinical-rows" in scan.policies
    assert scan.why


def test_dry_run_tells_no_count_under_a_row_filter(ana, wide):
    (scan,) = ana.dry_run("FROM trials.patients").scans
    assert scan.total_rows is scan.estimated_bytes is None
    (scan,) = ana.dry_run("FROM trials.wide").scans
    assert scan.total_rows == 3
    assert scan.estimated_bytes > 3 * 8


def test_dry_run_reads_nothing_and_runs_nothing(ana, dina, wide):
    before = selects(dina)
    ana.dry_run("CREATE TABLE made AS SELECT x FROM trials.wide; DROP TABLE made")
    ana.dry_run("SELECT count(*) FROM trials.wide a JOIN trials.patients p ON a.x = p.age")
    assert selects(dina) == before
    with pytest.raises(QueryError, match="`made` does not exist"):
        ana.sql("FROM made")
    ana.sql("SELECT x FROM trials.wide")
    assert selects(dina) == before + 1


def test_dry_run_names_the_snapshot_and_why(ana, wide):
    def version(sql: str, **options: object) -> tuple:
        (scan,) = ana.dry_run(sql, **options).scans
        return scan.snapshot_id, scan.version

    sql = "SELECT x FROM trials.wide"
    assert version(sql) == (wide["two"], "newest")
    assert version(sql, pins=Pins({"trials.wide": wide["one"]})) == (wide["one"], "pinned")
    assert version(sql) == (wide["two"], "newest")
    assert version(f"{sql} AT (VERSION => {wide['one']})") == (wide["one"], "named")


def test_dry_run_of_a_self_join_of_two_versions_has_two_scans(ana, wide):
    sql = f"""SELECT a.x FROM trials.wide a JOIN trials.wide AT (VERSION => {wide["one"]}) b
        ON a.x = b.x WHERE a.t = 'a'"""
    scans = ana.dry_run(sql).scans
    assert {(s.snapshot_id, s.condition) for s in scans} >= {(wide["two"], "t='a'")}
    assert sorted(s.snapshot_id for s in scans) == sorted(wide.values())


@pytest.mark.parametrize(
    "sql", ["SELECT count(*) FROM trials.wide", "SELECT n FROM mine", "SELECT count(*) FROM mine"]
)
def test_dry_run_sees_through_counts_and_views_of_the_user(ana, wide, sql):
    ana.sql("CREATE OR REPLACE VIEW mine AS SELECT x AS n FROM trials.wide")
    dry = ana.dry_run(sql)
    asked = {tuple(s.columns) for s in dry.scans}
    assert asked <= {("x",)}
    assert dry.assets == ("trials.wide",) or sql.endswith("mine")


def test_dry_run_asks_for_the_columns_that_the_query_then_reads(ana, wide):
    for sql in ("SELECT t FROM trials.wide WHERE x = 1", "SELECT max(x) FROM trials.wide"):
        dry, result = ana.dry_run(sql), ana.sql(sql)
        assert dry.assets == result.assets
        assert {s.snapshot_id for s in dry.scans} == {r.snapshot_id for r in result.receipts}


def test_dry_run_later_steps_that_need_earlier_ones_are_said(ana, wide):
    dry = ana.dry_run("CREATE TABLE t1 AS FROM trials.wide; SELECT * FROM t1")
    assert len(dry.scans) == 1
    assert any("step 2" in remark for remark in dry.notes)


def test_dry_run_reads_parameters_and_frames(ana, wide):
    frame = pa.table({"x": [1]})
    dry = ana.dry_run(
        "SELECT w.t FROM trials.wide w JOIN f USING (x) WHERE t = $t",
        {"t": "a"},
        frames={"f": frame},
    )
    assert [s.condition for s in dry.scans] == ["t='a'"]


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("SELECT\n agee FROM trials.patients", ColumnNotFoundError),
        ("SELECT 1 FROM\n trials.hidden", NotVisibleError),
        ("SELECT 1\n FRM x", QueryError),
    ],
)
def test_dry_run_of_a_wrong_query_points_into_the_text(ana, sql, error):
    with pytest.raises(error) as caught:
        ana.dry_run(sql)
    assert caught.value.detail["line"] == 2


def test_dry_run_of_what_is_refused_is_refused(ana):
    with pytest.raises(AccessDeniedError):
        ana.dry_run("SELECT age FROM trials.patients", purpose="marketing")


@pytest.mark.parametrize("sql", ["EXPLAIN FROM trials.wide", "EXPLAIN ANALYZE FROM trials.wide"])
def test_dry_run_of_explain_is_refused(ana, wide, dina, sql):
    before = selects(dina)
    with pytest.raises(QueryError, match="reads nothing"):
        ana.dry_run(sql)
    assert selects(dina) == before


def test_dry_run_shows_itself_in_a_terminal_and_a_notebook(ana, wide):
    dry = ana.dry_run("SELECT patient FROM trials.patients WHERE arm = '<b>'")
    for face in (str(dry), dry._repr_html_()):
        assert "dry run: nothing was read" in face
        assert "pseudonym" in face
        assert "filtered" in face
    assert "<b>" not in dry._repr_html_()
