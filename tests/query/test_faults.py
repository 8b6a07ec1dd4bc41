"""DuckDB's errors as users see them: clear, placed, without internals and cell values."""

from __future__ import annotations

import re

import duckdb
import pytest

from jupyter_govdata.errors import ColumnNotFoundError, LimitError, QueryError
from jupyter_govdata.query.engine import QueryEngine
from jupyter_govdata.query.faults import fault_of

INTERNALS = re.compile(
    r"__gd|scanner|arrow_scan|Traceback|Python|exception_|LINE \d|\^|\{\"|Binder|0x[0-9a-f]{6}",
    re.IGNORECASE,
)


@pytest.mark.parametrize(
    ("sql", "message", "place"),
    [
        ("SELEC 1", "syntax error at or near `SELEC`", (1, 1)),
        ("SELECT 1 +", "syntax error at end of input", (1, 11)),
        ("SELECT 'open", "the text that starts here is not closed", (1, 8)),
        ("SELECT\n  nope\nFROM imaging.slides", "column `nope` does not exist", (2, 3)),
        ("SELECT s.nope FROM imaging.slides s", "column `nope` does not exist", (1, 8)),
        ("SELECT 'é😀', slid FROM imaging.slides", "column `slid` does not exist", (1, 14)),
        ("SELECT {{ x }}, slid FROM imaging.slides", "column `slid` does not exist", (1, 17)),
        (
            "SELECT 1 FROM imaging.slides AT (VERSION => 1) WHERE slid = :x",
            "column `slid` does not exist",
            (1, 54),
        ),
        ("SELECT 1; SELECT slid FROM imaging.slides", "column `slid` does not exist", (1, 18)),
        ("WITH a AS (SELECT slid FROM imaging.slides) FROM a", "column `slid`", (1, 19)),
        (
            "SELECT * EXCLUDE (nope) FROM imaging.slides",
            "column `nope` does not exist, so EXCLUDE finds",
            (1, 19),
        ),
        ("FROM nope", "table `nope` does not exist", (1, 6)),
        ("SELECT nofun(1)", "function `nofun` does not exist", (1, 8)),
        ("SELECT sum(stain) FROM imaging.slides", "`sum` does not take (VARCHAR)", (1, 8)),
        (
            "SELECT slide FROM imaging.slides GROUP BY stain",
            "column `slide` is neither grouped nor aggregated",
            (1, 8),
        ),
        (
            "SELECT stain::INT FROM imaging.slides",
            "`stain` holds text that is not INTEGER",
            (1, 13),
        ),
        ("SELECT 1 WHERE 'abc'::INT = 1", "could not convert string `abc` to INTEGER", (1, 21)),
        ("SELECT 9223372036854775807 + slide FROM imaging.slides", "overflow in addition", None),
        ("SELECT (SELECT slide FROM imaging.slides)", "returned more than one row", None),
        ("SELECT error(stain) FROM imaging.slides", "", None),
        ("SELECT * FROM read_csv('/nowhere/x.csv')", "no files found that match", (1, 15)),
        ("COPY imaging.slides TO '/nowhere/x.csv'", "cannot open file `/nowhere/x.csv`", None),
        ("FROM (SELECT 1) AT (VERSION => 1)", "", None),
        ("CREATE TABLE t AS SELECT 1; CREATE TABLE t AS SELECT 1", "already exists", None),
        ("SET nope = 1", "configuration parameter `nope` does not exist", None),
        ("SELECT x.slide FROM imaging.slides", "no table of this query is called `x`", (1, 8)),
        ("CREATE VIEW v AS SELECT slid FROM imaging.slides", "column `slid`", (1, 25)),
        ("DESCRIBE nope", "table `nope` does not exist", (1, 10)),
        ("USE nope", "there is no namespace or schema `nope`", (1, 5)),
    ],
)
def test_fault_of_the_users_sql_is_clear_and_placed(
    engine: QueryEngine, sql: str, message: str, place: tuple[int, int] | None
) -> None:
    values = {"x": 1} if ":x" in sql or "{{ x" in sql else {}
    with pytest.raises(QueryError) as caught:
        engine.run(sql, values)
    error = caught.value
    assert message in error.message
    assert not INTERNALS.search(str(error)), str(error)
    assert "\n" not in error.message
    assert not error.message[:1].isupper()
    for value in ("H&E", "IHC"):
        assert value not in str(error)
    if place is not None:
        assert (error.detail.get("line"), error.detail.get("column")) == place


def test_fault_misspelt_column_gets_the_closest_ones(engine: QueryEngine) -> None:
    with pytest.raises(ColumnNotFoundError) as caught:
        engine.run("SELECT patientid FROM trials.outcomes o, trials.visits")
    assert caught.value.hint == "did you mean `patient_id` or `patient`?"


def test_fault_values_of_cells_are_left_out(engine: QueryEngine) -> None:
    engine.run("CREATE TABLE t AS SELECT 'Zoe Secret' AS name, 77 AS n, '{\"a\": Zoe' AS j")
    engine.run("CREATE TABLE k (n INT PRIMARY KEY)")
    for sql in (
        "SELECT name::INT FROM t",
        "SELECT name::DATE FROM t",
        "SELECT strptime(name, '%Y') FROM t",
        "SELECT error(name) FROM t",
        "SELECT j::JSON FROM t",
        "SELECT (n * 1000)::TINYINT FROM t",
        "INSERT INTO k SELECT n FROM t, range(2)",
        "SELECT name::ENUM('a') FROM t",
        "SELECT regexp_matches('a', '(' || name) FROM t",
    ):
        with pytest.raises(QueryError) as caught:
            engine.run(sql)
        assert "Zoe" not in str(caught.value), sql
        assert "77" not in str(caught.value), sql


def test_fault_out_of_memory_is_a_limit(engine: QueryEngine) -> None:
    engine.run("SET memory_limit = '30MB'; SET temp_directory = ''")
    with pytest.raises(LimitError) as caught:
        engine.run("CREATE TABLE big AS SELECT range::VARCHAR AS t FROM range(100000000)")
    assert "memory_limit" in str(caught.value.hint)
    engine.run("SELECT 1")


def test_fault_text_that_is_not_json_is_its_own_message() -> None:
    found = fault_of(duckdb.BinderException("Binder Error: it is {so}\n\nLINE 1: x"))
    assert (found.kind, found.message) == ("Binder", "it is {so}")
    assert fault_of(duckdb.Error("odd")).message == "odd"


def test_fault_without_json_errors_still_has_no_internals(engine: QueryEngine) -> None:
    engine.run("SET errors_as_json = false")
    with pytest.raises(QueryError) as caught:
        engine.run("SELECT nope FROM imaging.slides")
    assert "nope" in caught.value.message
    assert not INTERNALS.search(str(caught.value))


def test_fault_in_a_users_transaction_leaves_a_way_out(engine: QueryEngine) -> None:
    engine.run("BEGIN; CREATE TABLE t (a INT PRIMARY KEY); INSERT INTO t VALUES (1)")
    with pytest.raises(QueryError):
        engine.run("INSERT INTO t VALUES (1)")
    try:
        engine.run("SELECT 1")
    except QueryError as error:
        assert error.hint == "run `ROLLBACK`"
        engine.run("ROLLBACK")
    engine.run("SELECT 1")


def test_fault_asset_first_read_in_a_transaction(engine: QueryEngine) -> None:
    engine.run("BEGIN")
    engine.run("SELECT 1")
    found = engine.run("SELECT count(*) AS n FROM imaging.slides")
    assert found.table["n"].to_pylist() == [3]
    engine.run("COMMIT")
