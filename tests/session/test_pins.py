"""Pins fix what is read where a query names no version; permission stays that of today."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pyarrow as pa
import pytest

from jupyter_govdata.config import read_client_settings
from jupyter_govdata.errors import ColumnNotFoundError, ConfigError, SnapshotNotFoundError
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.session import Session, connect
from tests.gateway.world import CONSENTED, consent_table

COUNT = "SELECT count(*) AS n FROM trials.wide"


@pytest.fixture(scope="module")
def wide(shared_lake: Path) -> dict[str, int]:
    """Snapshots of an asset that everybody reads: one row, two rows, three rows and a column."""
    with connect(shared_lake, user="dina") as dina:
        one = dina.load(pa.table({"x": [1]}), "trials.wide")
        two = dina.load(pa.table({"x": [2]}), "trials.wide", mode="append")
        grown = pa.table({"x": [3], "y": ["new"]})
        three = dina.load(grown, "trials.wide", mode="append", evolve=True)
    return {"one": one.snapshot_id, "two": two.snapshot_id, "three": three.snapshot_id}


def number(session: Session, sql: str = COUNT, **options: object) -> int:
    (row,) = session.sql(sql, **options)
    return int(row["n"])


def pinned(**assets: int) -> Pins:
    return Pins({f"trials.{name}": pin for name, pin in assets.items()})


def committed(session: Session, snapshot_id: int) -> dt.datetime:
    found = {s.snapshot_id: s for s in session.catalog.versions("trials.wide")}
    return found[snapshot_id].committed_at


def test_pin_a_query_without_version_reads_the_pinned_snapshot(ana, wide):
    result = ana.sql("SELECT * FROM trials.wide ORDER BY x", pins=pinned(wide=wide["two"]))
    assert result.arrow().to_pydict() == {"x": [1, 2]}
    assert {r.snapshot_id for r in result.receipts} == {wide["two"]}
    assert result.pins == {"trials.wide": wide["two"]} == result.stamp.pins
    assert number(ana) == 3


def test_pin_two_runs_of_one_session_read_their_own_snapshots(ana, wide):
    found = [number(ana, pins=pinned(wide=wide[n])) for n in ("one", "three", "two", "one")]
    assert found == [1, 3, 2, 1]


def test_pin_a_version_in_the_text_comes_first(ana, wide):
    sql = f"SELECT count(*) AS n FROM trials.wide AT (VERSION => {wide['one']})"
    result = ana.sql(sql, pins=pinned(wide=wide["two"]))
    assert next(iter(result)) == {"n": 1}
    assert result.pins == {}


def test_pin_text_and_pin_in_one_query_read_two_snapshots(ana, wide):
    sql = f"""SELECT (SELECT count(*) FROM trials.wide) * 10
        + (SELECT count(*) FROM trials.wide AT (VERSION => {wide["one"]})) AS n"""
    assert number(ana, sql, pins=pinned(wide=wide["two"])) == 21


def test_pin_a_self_join_reads_the_pinned_snapshot_twice(ana, wide):
    sql = "SELECT count(*) AS n FROM trials.wide a, trials.wide b WHERE a.x > 0 AND b.x < 9"
    result = ana.sql(sql, pins=pinned(wide=wide["two"]))
    assert next(iter(result)) == {"n": 4}
    assert {r.snapshot_id for r in result.receipts} == {wide["two"]}
    assert result.pins == {"trials.wide": wide["two"]}


def test_pin_a_view_of_the_user_made_before_reads_the_pinned_snapshot(ana, wide):
    ana.sql("CREATE OR REPLACE VIEW mine AS SELECT x AS n FROM trials.wide")
    sql = "SELECT sum(n) AS n FROM mine"
    assert number(ana, sql) == 6
    assert number(ana, sql, pins=pinned(wide=wide["two"])) == 3
    assert number(ana, sql, pins=pinned(wide=wide["one"])) == 1
    assert number(ana, sql) == 6


def test_pin_a_missing_snapshot_names_the_pin_and_the_place(ana, wide):
    with pytest.raises(SnapshotNotFoundError) as caught:
        ana.sql("SELECT 1\nFROM trials.wide", pins=pinned(wide=123))
    assert "the pin `trials.wide` = `123`" in str(caught.value.hint)
    assert caught.value.detail["line"] == 2
    assert number(ana) == 3


def test_pin_a_missing_snapshot_below_a_view_of_the_user_names_the_pin(ana, wide):
    ana.sql("CREATE OR REPLACE VIEW mine AS SELECT x AS n FROM trials.wide")
    assert number(ana, "SELECT sum(n) AS n FROM mine") == 6
    with pytest.raises(SnapshotNotFoundError) as caught:
        ana.sql("SELECT * FROM mine", pins=pinned(wide=123))
    assert "the pin `trials.wide` = `123`" in str(caught.value.hint)
    assert number(ana, "SELECT 5 AS n", pins=pinned(wide=123)) == 5


def test_pin_a_column_that_came_later_does_not_exist(ana, wide):
    assert number(ana, "SELECT count(y) AS n FROM trials.wide") == 1
    with pytest.raises(ColumnNotFoundError):
        ana.sql("SELECT y FROM trials.wide", pins=pinned(wide=wide["two"]))


def test_pin_of_the_session_holds_for_queries_and_scans(ana, wide):
    ana.pins = pinned(wide=wide["two"])
    assert number(ana) == 2
    found = ana.scan("trials.wide", columns=["x"], limit=10)
    assert sorted(found.arrow().column("x").to_pylist()) == [1, 2]
    assert found.pins == {"trials.wide": wide["two"]} == found.stamp.pins
    assert len(ana.scan("trials.wide", at=wide["one"])) == 1
    assert number(ana, pins=Pins()) == 3
    with pytest.raises(SnapshotNotFoundError, match="pin"):
        ana.pins = pinned(wide=9)
        ana.scan("trials.wide")


def test_as_of_reads_what_was_there_at_that_moment(ana, wide):
    moment = committed(ana, wide["two"])
    result = ana.sql(COUNT, as_of=moment)
    assert next(iter(result)) == {"n": 2}
    assert result.pins == {"trials.wide": wide["two"]} == result.stamp.pins
    assert number(ana, pins=pinned(wide=wide["one"]), as_of=moment) == 1


def test_as_of_before_an_asset_existed_names_the_moment(ana, wide):
    with pytest.raises(SnapshotNotFoundError, match="as_of` `2001-02-03") as caught:
        ana.sql(COUNT, as_of=dt.datetime(2001, 2, 3, tzinfo=dt.UTC))
    assert caught.value.detail["line"] == 1


def test_as_of_without_a_time_zone_is_refused(ana, wide):
    with pytest.raises(ConfigError, match="time zone"):
        ana.sql(COUNT, as_of=dt.datetime(2026, 1, 1))


def test_pin_permission_is_that_of_today(lake: Path):
    """Rows of a pinned snapshot pass today's row filter (invariant 3)."""
    with connect(lake, user="miko") as miko, connect(lake, user="dina") as dina:
        people = "SELECT count(*) AS n FROM trials.patients"
        dina.load(consent_table(), "governance.consent")
        pins = Pins(miko.sql(people).pins)
        assert number(miko, people, pins=pins) == len(CONSENTED)
        dina.consent("T:patient", "P002", "model_training", "withdrawn")
        assert number(miko, people, pins=pins) == len(CONSENTED) - 1


def test_connect_reads_pins_from_the_environment(shared_lake, wide, monkeypatch, tmp_path):
    pins = pinned(wide=wide["two"])
    file = tmp_path / "pins.json"
    file.write_text(json.dumps(pins.to_wire()), encoding="utf-8")
    for setting in (str(file), "\n" + json.dumps(pins.to_wire())):
        monkeypatch.setenv("GOVDATA_PINS", setting)
        with connect(shared_lake, user="ana") as session:
            assert session.pins == pins
            assert number(session) == 2


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("nowhere.json", "the pin file `nowhere.json` cannot be read"),
        ('{"v": 1', "the JSON in `GOVDATA_PINS` does not parse"),
        ('{"v": 9}', "the JSON in `GOVDATA_PINS`: this is not a pin file"),
        ('{"v": 1, "assets": {"a.b": 1.5}}', "a pin file maps asset names to snapshot ids"),
    ],
)
def test_pins_setting_that_is_none_says_so(setting, message):
    with pytest.raises(ConfigError, match=r"(?i)pin") as caught:
        read_client_settings({"GOVDATA_PINS": setting})
    assert message in str(caught.value)
    assert caught.value.hint
