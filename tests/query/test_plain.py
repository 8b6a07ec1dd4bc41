"""Scans that are whole queries: the gateway's rows are what DuckDB gives, and no engine runs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_govdata.errors import AccessDeniedError, LimitError, QueryError
from jupyter_govdata.model.predicate import TRUE
from jupyter_govdata.model.scan import FlatScan
from jupyter_govdata.query.engine import QueryEngine
from jupyter_govdata.query.handover import Handover
from jupyter_govdata.query.tail import HEAD_ROWS
from tests.query.handed import both, opened, same
from tests.query.lake import T0, Governed, Lake, Version

Trial = tuple[Lake, QueryEngine]


@pytest.fixture(scope="module")
def trial() -> Iterator[Trial]:
    with opened() as found:
        yield found


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each statement so far needed no engine."""
    seen: list[bool] = []
    rows = Handover.rows

    def spy(*args: Any, **named: Any) -> Any:
        found = rows(*args, **named)
        seen.append(found is not None)
        return found

    monkeypatch.setattr(Handover, "rows", spy)
    return seen


SCANS = [
    "FROM trial.rows SELECT id, site",
    'SELECT ID, "Site", price AS p, price FROM trial.rows',
    "SELECT id, id, id AS id FROM trial.rows r",
    "SELECT r.id, r.age FROM trial.rows r",
    "SELECT rows.id, trial.rows.age FROM trial.rows",
    "SELECT id FROM trial.rows WHERE age > 1 AND (site = 'a' OR site IS NULL)",
    "SELECT patient, dose FROM trial.rows WHERE dose BETWEEN 0 AND 1",
    "SELECT id AS ok FROM trial.rows WHERE id < 10",
    "SELECT id, patient FROM trial.rows LIMIT 7",
    "SELECT id, weight, big, off, seen, visit FROM trial.rows LIMIT 0",
    "SELECT id FROM trial.rows AT (VERSION => 1) WHERE id >= 90",
    "SELECT id FROM trial.rows WHERE FALSE OR id = 4",
]
NOT_SCANS = [
    "SELECT * FROM trial.rows",  # a list: DuckDB has names of its own for what is in it
    "SELECT id + 1 FROM trial.rows",
    "SELECT DISTINCT site FROM trial.rows",
    "SELECT id FROM trial.rows ORDER BY id LIMIT 3",
    "SELECT id FROM trial.rows LIMIT 3 OFFSET 2",
    "SELECT id FROM trial.rows LIMIT 10%",
    "SELECT * EXCLUDE (tags) FROM trial.rows",
    "SELECT COLUMNS('i.*') FROM trial.rows",
    "SELECT id FROM trial.rows USING SAMPLE 3 (reservoir, 7)",
    "SELECT id FROM trial.rows QUALIFY row_number() OVER (ORDER BY id) < 3",
    "SELECT a FROM trial.rows AS r(a)",
    "WITH x AS (SELECT id FROM trial.rows) SELECT id FROM x",
    "SELECT id FROM trial.rows UNION ALL SELECT age FROM trial.rows",
    "SELECT a.id FROM trial.rows a JOIN trial.rows b USING (id)",
    "SELECT id FROM trial.rows WHERE site LIKE 'a%'",
    "SELECT id AS age FROM trial.rows WHERE age = 1",
    "SELECT count(*) FROM trial.rows",
    "SELECT rows FROM trial.rows",
]


@pytest.mark.parametrize("sql", [q for q in SCANS if "FALSE" not in q])
def test_scan_needs_no_engine(trial: Trial, taken: list[bool], sql: str) -> None:
    asked, helped, alone = both(trial, sql)
    assert taken == [True]
    assert len(asked) == 1
    same(helped, alone, ordered=True)


@pytest.mark.parametrize("sql", [*NOT_SCANS, SCANS[-1]])
def test_more_than_a_scan_is_left_to_duckdb(trial: Trial, taken: list[bool], sql: str) -> None:
    _, helped, alone = both(trial, sql)
    assert taken == [False]
    same(helped, alone)


NAMES = ["id", "site", "arm", "age", "big", "dose", "weight", "price", "seen", "visit", "ok"]
CONDITIONS = [
    "",
    "WHERE age = 1",
    "WHERE NOT (age <> 40 OR ok)",
    "WHERE site IN ('a', '', 'é')",
    "WHERE dose > 0 AND price < 50",
    "WHERE seen >= DATE '2020-01-02' AND visit < '2020-01-01 03:00'",
    "WHERE patient IS NOT NULL AND big IS NULL",
    "WHERE ok",
]


@given(seed=st.integers(0, 2**32))
def test_random_scans_are_the_same(trial: Trial, seed: int) -> None:
    choose = random.Random(seed)
    listed = [
        name if choose.random() < 0.7 else f'{name.upper()} AS "{name} {n}"'
        for n, name in enumerate(choose.choices(NAMES, k=choose.randint(1, 6)))
    ]
    limit = choose.choice(["", "LIMIT 5", "LIMIT 1000"])
    sql = f"SELECT {', '.join(listed)} FROM trial.rows {choose.choice(CONDITIONS)} {limit}"
    _, helped, alone = both(trial, sql)
    same(helped, alone, ordered=True)


@pytest.mark.parametrize(
    "setting",
    [
        "SET arrow_large_buffer_size = true",
        "SET produce_arrow_string_view = true",
        "SET default_collation = 'nocase'",
        "USE trial",
        "PRAGMA threads = 2",
    ],
)
def test_settings_of_the_user_are_respected(taken: list[bool], setting: str) -> None:
    with opened() as found:
        found[1].run(setting)
        _, helped, alone = both(found, "SELECT id, site FROM trial.rows WHERE site = 'a'")
    assert taken == [False]
    same(helped, alone)


def test_parameters_are_bound(trial: Trial, taken: list[bool]) -> None:
    sql = "SELECT id FROM trial.rows WHERE age = $age LIMIT $n"
    asked, helped, alone = both(trial, sql, {"age": 2, "n": 4})
    assert taken == [True]
    assert (asked[0].limit, asked[0].predicate != TRUE) == (4, True)
    same(helped, alone, ordered=True)


def test_refusal_is_the_gateways_own(trial: Trial) -> None:
    lake, engine = trial

    def fail(stream: Any, batch: int) -> None:
        raise LimitError("you stream 8 scans already")

    lake.on_batch = fail
    try:
        with pytest.raises(LimitError, match="8 scans"):
            engine.run("SELECT id FROM trial.rows")
    finally:
        lake.on_batch = None
    assert engine.run("SELECT id FROM trial.rows LIMIT 2").arrow().num_rows == 2


@pytest.mark.parametrize("sql", ["SELECT id FROM trial.rows", "SELECT count(*) FROM trial.rows"])
def test_denial_is_asked_for_once(trial: Trial, sql: str) -> None:
    lake, engine = trial
    asked: list[str] = []

    def deny(scan: FlatScan) -> Exception:
        asked.append(scan.asset)
        return AccessDeniedError("refused: `select` on `trial.rows`: no policy permits it")

    lake.on_open = deny
    try:
        with pytest.raises(AccessDeniedError, match="no policy"):
            engine.run(sql)
    finally:
        lake.on_open = None
    assert asked == ["trial.rows"]


def test_unknown_column_is_placed_in_the_text(trial: Trial) -> None:
    with pytest.raises(QueryError) as caught:
        trial[1].run("SELECT id,\n  agee FROM trial.rows")
    assert caught.value.detail["line"] == 2
    assert "age" in str(caught.value)


def test_columns_that_came_meanwhile_are_read(taken: list[bool]) -> None:
    with opened() as (lake, engine):
        assert engine.run("SELECT * EXCLUDE (tags) FROM trial.rows").arrow().num_columns == 13
        governed = lake.assets["trial.rows"]
        rows = governed.versions[-1].table
        more = rows.append_column("extra", pa.array(range(rows.num_rows), pa.int32()))
        governed.versions.append(Version(more, T0))
        lake.epoch_now += 1
        assert engine.run("SELECT extra FROM trial.rows LIMIT 3").arrow().num_columns == 1
    assert taken[-1]


def test_large_scan_stays_open_and_is_read_on() -> None:
    rows = HEAD_ROWS * 3
    lake = Lake({"big.rows": Governed([Version(pa.table({"n": pa.array(range(rows))}), T0)])})
    engine = QueryEngine(lake, scan_cache=0)
    try:
        result = engine.run("SELECT n FROM big.rows")
        assert not result.rows.complete
        assert engine.run("SELECT n FROM big.rows LIMIT 1").arrow().num_rows == 1
        assert result.arrow().column(0).to_pylist() == list(range(rows))
        nested = engine.run("SELECT max(n) FROM held", frames={"held": result})
        assert nested.arrow().column(0)[0].as_py() == rows - 1
    finally:
        engine.close()
        lake.close()
