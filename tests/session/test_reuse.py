"""Finished scans are reused while the gateway's answer would be the same, and only then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from jupyter_govdata.config import read_client_settings
from jupyter_govdata.errors import AccessDeniedError, ConfigError
from jupyter_govdata.model.scan import Scan, ScanRequest
from jupyter_govdata.query.reuse import Held, ScanCache
from jupyter_govdata.session import Session, connect
from tests.gateway.world import CONSENTED, FILES, POLICIES, consent_table

PEOPLE = "SELECT age, study FROM trials.patients WHERE age > 30"


@pytest.fixture
def own(lake: Path) -> Iterator[Session]:
    with connect(lake, user="ana") as session:
        yield session


def write(lake: Path, **changed: str) -> Path:
    folder = lake.parent / "changed"
    for name, text in (FILES | changed).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def selects(dina: Session) -> int:
    lines = dina.audit(limit=1000)["lines"]
    return sum("trials.patients" in line and "select" in line for line in lines)


def rows(result: object) -> list[dict]:
    return sorted(pa.table(result).to_pylist(), key=str)


def test_reuse_the_same_query_transfers_no_rows_the_second_time(ana):
    first, second = ana.sql(PEOPLE), ana.sql(PEOPLE)
    assert first.scanned_rows > 0
    assert second.scanned_rows == second.scanned_bytes == 0
    assert rows(second) == rows(first)
    assert second.receipts == first.receipts
    assert second.stamp == first.stamp


def test_reuse_every_query_is_on_record(own, lake):
    with connect(lake, user="dina") as dina:
        own.sql(PEOPLE)
        before = selects(dina)
        assert own.sql(PEOPLE).scanned_rows == 0
        assert selects(dina) == before + 1


def test_reuse_other_columns_or_rows_are_another_scan(ana):
    ana.sql(PEOPLE)
    assert ana.sql("SELECT age FROM trials.patients WHERE age > 30").scanned_rows > 0
    assert ana.sql("SELECT age, study FROM trials.patients WHERE age > 31").scanned_rows > 0


def test_reuse_a_scan_that_was_stopped_early_is_not_held(ana):
    ana.sql("SELECT age FROM trials.patients LIMIT 1")
    assert len(ana.sql("SELECT age FROM trials.patients")) == 10


def test_reuse_a_large_result_is_held_once_it_was_read_to_its_end(own, lake):
    with connect(lake, user="dina") as dina:
        dina.load(pa.table({"x": list(range(300_000))}), "trials.wide")
    result = own.sql("FROM trials.wide")
    assert not result.complete
    assert len(result.arrow()) == 300_000
    assert own._engine._cache.bytes > 300_000 * 8
    assert own.sql("SELECT sum(x % 7) AS s FROM trials.wide").scanned_rows == 0


def test_reuse_another_policy_is_read_anew(own, lake):
    assert len(own.sql(PEOPLE)) > 0
    rule = 'resource.study == principal.study && context.purpose == "research"'
    narrowed = POLICIES.replace(rule, f"{rule} && resource.age > 60")
    with connect(lake, user="dina") as dina:
        dina.apply(write(lake, **{"policies/all.cedar": narrowed}))
    result = own.sql(PEOPLE)
    assert result.scanned_rows > 0
    assert all(row["age"] > 60 for row in result)


def test_reuse_a_withdrawn_consent_is_read_anew(lake):
    sql = "SELECT study FROM trials.patients"
    with connect(lake, user="miko") as miko, connect(lake, user="dina") as dina:
        dina.load(consent_table(), "governance.consent")
        assert len(miko.sql(sql)) == len(CONSENTED)
        assert miko.sql(sql).scanned_rows == 0
        dina.consent("T:patient", "P002", "model_training", "withdrawn")
        result = miko.sql(sql)
        assert len(result) == result.scanned_rows == len(CONSENTED) - 1


def test_reuse_a_new_snapshot_is_read_anew(own, lake):
    with connect(lake, user="dina") as dina:
        dina.load(pa.table({"x": [1]}), "trials.wide")
        assert len(own.sql("FROM trials.wide")) == 1
        dina.load(pa.table({"x": [2, 3]}), "trials.wide", mode="append")
        result = own.sql("FROM trials.wide")
        assert rows(result) == [{"x": 1}, {"x": 2}, {"x": 3}]
        assert result.scanned_rows == 3


def test_reuse_another_purpose_is_decided_and_read_by_itself(ana):
    ana.sql(PEOPLE)
    with pytest.raises(AccessDeniedError):
        ana.sql(PEOPLE, purpose="marketing")
    assert ana.sql(PEOPLE).scanned_rows == 0


def test_reuse_a_session_has_its_own(ana, shared_lake):
    ana.sql(PEOPLE)
    with connect(shared_lake, user="ana") as other:
        assert other.sql(PEOPLE).scanned_rows > 0


def test_reuse_switched_off_reads_each_time(shared_lake, monkeypatch):
    monkeypatch.setenv("GOVDATA_SCAN_CACHE", "0")
    with connect(shared_lake, user="ana") as session:
        assert session.sql(PEOPLE).scanned_rows == session.sql(PEOPLE).scanned_rows > 0


@pytest.mark.parametrize(
    ("text", "size"), [("", 256_000_000), ("0", 0), ("1 GB", 10**9), ("5k", 5000)]
)
def test_scan_cache_setting_is_a_size(text, size):
    assert read_client_settings({"GOVDATA_SCAN_CACHE": text}).scan_cache == size


def test_scan_cache_setting_that_is_no_size_says_so():
    with pytest.raises(ConfigError, match="GOVDATA_SCAN_CACHE"):
        read_client_settings({"GOVDATA_SCAN_CACHE": "a lot"})


def request(name: str) -> ScanRequest:
    return ScanRequest(Scan(f"a.{name}"))


def held(size: int, epoch: int = 1) -> Held:
    return Held("tag", epoch, (), size)


def test_cache_drops_the_least_recently_used_and_stays_within_its_limit():
    cache = ScanCache(100)
    cache.put(request("a"), held(40))
    cache.put(request("b"), held(40))
    assert cache.get(request("a"))
    cache.put(request("c"), held(40))
    assert [bool(cache.get(request(n))) for n in "abc"] == [True, False, True]
    assert cache.bytes == 80
    cache.put(request("d"), held(101))
    assert cache.get(request("d")) is None
    cache.put(request("a"), held(10))
    assert cache.bytes == 50


def test_cache_drops_what_another_epoch_decided():
    cache = ScanCache(100)
    cache.put(request("a"), held(40, epoch=1))
    cache.put(request("b"), held(40, epoch=2))
    cache.keep_epoch(2)
    assert [bool(cache.get(request(n))) for n in "ab"] == [False, True]
    assert cache.bytes == 40
