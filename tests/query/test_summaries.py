"""Aggregates and first rows that the gateway computes: what DuckDB gives over all rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_govdata.errors import LimitError, QueryError
from jupyter_govdata.model.predicate import TRUE
from jupyter_govdata.model.scan import FlatScan
from jupyter_govdata.model.summary import Aggregation, Top
from jupyter_govdata.query.engine import QueryEngine
from tests.query.handed import both, opened, same
from tests.query.lake import Lake


@pytest.fixture(scope="module")
def trial() -> Iterator[tuple[Lake, QueryEngine]]:
    with opened() as found:
        yield found


SPLIT = [
    "SELECT count(*) FROM trial.rows",
    "SELECT count(1), count(age), count(DISTINCT site) FROM trial.rows",
    "SELECT site, count(*), sum(age), avg(price) FROM trial.rows GROUP BY site",
    "SELECT arm AS treatment, max(seen) FROM trial.rows GROUP BY treatment",
    "SELECT r.arm, min(r.site) FROM trial.rows r GROUP BY 1 ORDER BY 2 DESC NULLS LAST, 1",
    "SELECT rows.arm, trial.rows.ok, count(*) FROM trial.rows GROUP BY ALL",
    "SELECT SITE, Arm, COUNT(*) c FROM trial.rows GROUP BY ALL ORDER BY c DESC, 1, 2 LIMIT 3",
    "SELECT arm, sum(price * (1 - off)) FROM trial.rows GROUP BY arm",
    "SELECT arm, sum(age * price) + 1, avg(price * off) FROM trial.rows GROUP BY arm",
    "SELECT sum(weight * (1 - weight) + 0.5) FROM trial.rows WHERE weight < 5",
    "SELECT sum(big), sum(big) / 2, sum(age) // 3 FROM trial.rows",
    "SELECT arm, round(avg(weight), 2) AS w FROM trial.rows GROUP BY arm HAVING count(*) > 3",
    "SELECT arm, count(*) FROM trial.rows GROUP BY arm HAVING max(dose) > 5",
    "SELECT arm, CASE WHEN count(*) > 9 THEN 'many' ELSE 'few' END FROM trial.rows GROUP BY arm",
    "SELECT site, 100.0 * count(*) / sum(count(*)) OVER () AS share FROM trial.rows GROUP BY site",
    "SELECT arm, count(*) n FROM trial.rows GROUP BY arm QUALIFY rank() OVER (ORDER BY n) = 1",
    "SELECT DISTINCT site, arm FROM trial.rows",
    "SELECT DISTINCT site FROM trial.rows ORDER BY site NULLS FIRST",
    "SELECT patient, count(*) FROM trial.rows GROUP BY patient",
    "SELECT count(*) FROM trial.rows WHERE patient = 'P1'",
    "SELECT avg(age) FROM trial.rows WHERE site IN ('a', 'A') AND NOT (ok AND age > 1)",
    "SELECT count(*) FROM trial.rows WHERE price BETWEEN 0.05 AND 50 OR price IS NULL",
    "SELECT count(*) FROM trial.rows WHERE seen > '2020-01-01' OR visit = '2020-01-01 05:00:00'",
    "SELECT count(*) FROM trial.rows WHERE seen = DATE '2020-01-03' AND NOT ok",
    "SELECT arm, n FROM (SELECT arm, count(*) n FROM trial.rows GROUP BY arm) WHERE n > 3",
    "WITH c AS (SELECT arm, avg(age) w FROM trial.rows GROUP BY arm) SELECT max(w) - 1 FROM c",
    "SELECT id FROM trial.rows WHERE weight > (SELECT avg(weight) FROM trial.rows)",
    "SELECT arm, count(*) FROM trial.rows AT (VERSION => 1) GROUP BY arm",
    "SELECT arm, count(*) FROM trial.rows GROUP BY 1 UNION SELECT 'all', count(*) FROM trial.rows",
    "SELECT count(*) FROM trial.rows GROUP BY arm",
    "SELECT sum(age) FROM trial.rows WHERE id < 0",
    "SELECT arm, sum(age) FROM trial.rows WHERE id < 0 GROUP BY arm",
]
RANKED = [
    "SELECT * FROM trial.rows ORDER BY id DESC LIMIT 7",
    "SELECT id, weight * 2 AS twice FROM trial.rows ORDER BY id LIMIT 5 OFFSET 3",
    "SELECT * EXCLUDE (tags) FROM trial.rows WHERE arm = 'x' ORDER BY age NULLS FIRST, id LIMIT 9",
    "SELECT site s, id FROM trial.rows ORDER BY s DESC, 2 LIMIT 20",
    "SELECT dose, id FROM trial.rows ORDER BY dose DESC, id LIMIT 50",
    "SELECT patient FROM trial.rows ORDER BY patient, id LIMIT 4",
    "SELECT id FROM trial.rows ORDER BY id LIMIT 0",
]
NOT_SPLIT = [
    "SELECT median(age) FROM trial.rows",
    "SELECT list(arm) FROM trial.rows GROUP BY arm",
    "SELECT count(*) FILTER (WHERE ok) FROM trial.rows",
    "SELECT sum(DISTINCT age) FROM trial.rows",
    "SELECT arm, site, count(*) FROM trial.rows GROUP BY ROLLUP (arm, site)",
    "SELECT age % 2, count(*) FROM trial.rows GROUP BY 1",
    "SELECT sum(age * age) FROM trial.rows",
    "SELECT sum(price * weight) FROM trial.rows",
    "SELECT count(*) FROM trial.rows WHERE age > 1.5",
    "SELECT count(*) FROM trial.rows WHERE site LIKE 'a%'",
    "SELECT count(*) FROM trial.rows WHERE upper(site) = 'A'",
    "SELECT count(*) FROM trial.rows WHERE age = '1'",
    "SELECT count(*) FROM trial.rows WHERE seen < TIMESTAMP '2020-01-02 12:00:00'",
    "SELECT count(*) FROM trial.rows a JOIN trial.rows b USING (id)",
    "SELECT count(*) FROM trial.rows TABLESAMPLE 100 PERCENT",
    "SELECT a.arm, (SELECT count(*) FROM trial.rows b WHERE b.id <= a.id) FROM trial.rows a",
    "SELECT tags, count(*) FROM trial.rows GROUP BY tags",
    "SELECT unnest(tags) FROM trial.rows ORDER BY id LIMIT 3",
    "SELECT row_number() OVER (ORDER BY id) FROM trial.rows ORDER BY id LIMIT 3",
    "SELECT -id AS id FROM trial.rows ORDER BY id LIMIT 3",
    "SELECT id FROM trial.rows ORDER BY id % 7, id LIMIT 3",
    "SELECT id FROM trial.rows ORDER BY id LIMIT 10%",
    "SELECT min(tags) FROM trial.rows",
]


@pytest.mark.parametrize("sql", SPLIT)
def test_aggregates_come_from_the_gateway_and_are_the_same(trial, sql: str) -> None:
    asked, helped, alone = both(trial, sql)
    assert any(isinstance(scan.summary, Aggregation) for scan in asked)
    same(helped, alone)


@pytest.mark.parametrize("sql", RANKED)
def test_first_rows_come_from_the_gateway_and_are_the_same(trial, sql: str) -> None:
    asked, helped, alone = both(trial, sql)
    assert [type(scan.summary) for scan in asked] == [Top]
    same(helped, alone, ordered=True)


@pytest.mark.parametrize("sql", NOT_SPLIT)
def test_what_might_mean_something_else_is_computed_here(trial, sql: str) -> None:
    asked, helped, alone = both(trial, sql)
    assert all(scan.summary is None for scan in asked)
    same(helped, alone, ordered="ORDER" in sql and "OVER" not in sql)


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("site = $v", "a"),
        ("age >= $v", 2),
        ("weight < $v", 1.0),
        ("price = $v", Decimal("0.10")),
        ("seen = $v", dt.date(2020, 1, 2)),
        ("visit = $v", dt.datetime(2020, 1, 1, 5)),
        ("ok = $v", True),
    ],
)
def test_parameters_are_compared_at_the_gateway(trial, condition: str, value: Any) -> None:
    asked, helped, alone = both(
        trial, f"SELECT arm, count(*) FROM trial.rows WHERE {condition} GROUP BY arm", {"v": value}
    )
    assert [scan.predicate != TRUE and scan.summary is not None for scan in asked] == [True]
    same(helped, alone)


@pytest.mark.parametrize(
    ("condition", "value"),
    [("age = $v", "1"), ("age = $v", 2.0), ("seen = $v", "2020-01-02"), ("site = $v", None)],
)
def test_parameters_of_another_type_are_left_to_duckdb(trial, condition: str, value: Any) -> None:
    asked, helped, alone = both(
        trial, f"SELECT arm, count(*) FROM trial.rows WHERE {condition} GROUP BY arm", {"v": value}
    )
    assert all(scan.summary is None for scan in asked)
    same(helped, alone)


def test_limit_may_be_a_parameter(trial) -> None:
    asked, helped, alone = both(
        trial, "SELECT id FROM trial.rows ORDER BY id DESC LIMIT $n", {"n": 4}
    )
    assert [scan.summary.rows for scan in asked if isinstance(scan.summary, Top)] == [4]
    same(helped, alone, ordered=True)


@pytest.mark.parametrize(
    "setting",
    [
        "SET default_collation = 'nocase'",
        "SET default_null_order = 'nulls_first_on_asc_last_on_desc'",
        "SET default_order = 'desc'",
        "SET TimeZone = 'Europe/Vienna'",
        "CREATE MACRO sum(x) AS max(x)",
        "CREATE OR REPLACE FUNCTION avg(x) AS min(x)",
    ],
)
def test_settings_and_macros_that_change_the_meaning_are_respected(trial, setting: str) -> None:
    lake, _ = trial
    engine = QueryEngine(lake, scan_cache=0)
    try:
        engine.run(setting)
        asked, helped, alone = both(
            (lake, engine), "SELECT site, sum(age), avg(age) FROM trial.rows GROUP BY site"
        )
        assert all(scan.summary is None for scan in asked)
        same(helped, alone)
    finally:
        engine.close()


def test_refused_aggregate_falls_back_to_rows(trial) -> None:
    lake, engine = trial

    def refuse(scan: FlatScan) -> LimitError | None:
        return LimitError("too much memory") if scan.summary is not None else None

    lake.on_open = refuse
    try:
        result = engine.run("SELECT arm, count(*) AS n FROM trial.rows GROUP BY arm")
        assert sum(row["n"] for row in result) == 270
        assert len(result.receipts) == 1
    finally:
        lake.on_open = None


def test_nothing_is_left_behind(trial) -> None:
    _, engine = trial
    engine.run("SELECT arm, count(*) FROM trial.rows GROUP BY arm")
    engine.run("SELECT * FROM trial.rows ORDER BY id LIMIT 2")
    left = engine.run(
        "SELECT table_name FROM duckdb_tables() UNION SELECT view_name "
        "FROM duckdb_views() WHERE NOT internal AND view_name <> 'rows'"
    )
    assert left.arrow().num_rows == 0


def test_own_transaction_survives(trial) -> None:
    _, engine = trial
    for end in ("COMMIT", "ROLLBACK"):
        engine.run("BEGIN")
        assert engine.run("SELECT count(*) AS n FROM trial.rows").arrow()["n"].to_pylist() == [270]
        engine.run(end)
        assert engine.run("SELECT count(*) AS n FROM trial.rows").arrow()["n"].to_pylist() == [270]


def test_error_in_the_rest_points_into_the_users_text(trial) -> None:
    _, engine = trial
    with pytest.raises(QueryError) as raised:
        engine.run("SELECT arm,\n  CAST(max(site) AS INTEGER) FROM trial.rows GROUP BY arm")
    assert "governed summary" not in str(raised.value)


# -- at random -----------------------------------------------------------------------------------

KEYS = ["site", "arm", "age", "ok", "seen", "patient", "dose"]
CALLS = [
    *("count(*)", "count(1)", "count(age)", "count(DISTINCT site)", "sum(age)", "sum(price)"),
    *("avg(weight)", "avg(age)", "min(site)", "max(dose)", "max(seen)", "min(patient)", "sum(big)"),
    *("sum(price * off)", "sum(weight * weight)", "sum(age * price - 1.5)", "median(weight)"),
]
CONDITIONS = [
    *("age > 1", "site = 'a'", "arm IN ('x', 'z')", "ok", "NOT ok", "dose >= 0.5", "dose IS NULL"),
    *("price <> 0.1", "seen BETWEEN '2020-01-01' AND '2020-01-02'", "weight < 1", "age <> 40.5"),
    *("patient = 'P1'", "site LIKE 'A'", "visit = '2020-01-01 05:00:00'", "NOT (age < 2 OR ok)"),
]
conditions = st.lists(st.sampled_from(CONDITIONS), max_size=3).flatmap(
    lambda parts: st.sampled_from([" AND ", " OR "]).map(lambda joint: joint.join(parts))
)


@st.composite
def grouped(draw: st.DrawFn) -> str:
    keys = draw(st.lists(st.sampled_from(KEYS), max_size=2, unique=True))
    calls = draw(st.lists(st.sampled_from(CALLS), min_size=1, max_size=3))
    where = draw(conditions)
    having = draw(st.sampled_from(["", "count(*) > 2", "max(dose) > 1", "sum(age) IS NOT NULL"]))
    order = draw(st.sampled_from(["", "1", "count(*) DESC"]))
    return (
        f"SELECT {', '.join([*keys, *calls])} FROM trial.rows"
        + (f" WHERE {where}" if where else "")
        + (f" GROUP BY {draw(st.sampled_from(['ALL', ', '.join(keys)]))}" if keys else "")
        + (f" HAVING {having}" if having else "")
        + (f" ORDER BY {order}" if order else "")
    )


@given(sql=grouped())
def test_random_aggregates_are_the_same(trial, sql: str) -> None:
    _, helped, alone = both(trial, sql)
    same(helped, alone)


@st.composite
def ranked(draw: st.DrawFn) -> str:
    shown = draw(st.sampled_from(["*", "id, site", "id, age + 1 AS older", "* EXCLUDE (tags)"]))
    columns = draw(st.lists(st.sampled_from(KEYS), max_size=2, unique=True))
    order = [
        f"{column} {draw(st.sampled_from(['', 'ASC', 'DESC']))} "
        f"{draw(st.sampled_from(['', 'NULLS FIRST', 'NULLS LAST']))}"
        for column in columns
    ]
    where = draw(conditions)
    rows, skipped = draw(st.integers(0, 40)), draw(st.integers(0, 5))
    return (
        f"SELECT {shown} FROM trial.rows"
        + (f" WHERE {where}" if where else "")
        + f" ORDER BY {', '.join([*order, 'id'])} LIMIT {rows} OFFSET {skipped}"
    )


@given(sql=ranked())
def test_random_first_rows_are_the_same(trial, sql: str) -> None:
    _, helped, alone = both(trial, sql)
    same(helped, alone, ordered=True)
