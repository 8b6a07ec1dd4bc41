"""A scan whose answer the client holds already: nothing is sent, and nothing is taken on trust."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pyarrow as pa
import pytest

from jupyter_govdata.client.connection import Connection
from jupyter_govdata.client.scan import FlightScan
from jupyter_govdata.errors import GovDataError, StorageError
from jupyter_govdata.model.predicate import Compare
from jupyter_govdata.model.scan import Filter, Limit, Project, Scan, ScanRequest
from tests.gateway.world import PATIENTS, POLICIES, World, make_world


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    made = make_world(tmp_path)
    yield made
    made.close()


def scan(connection: Connection, known: str = "", **changes: object) -> tuple[FlightScan, pa.Table]:
    fragment = changes.get("fragment", Scan("trials.patients"))
    request = ScanRequest(fragment, changes.get("purpose", "research"), known)  # type: ignore[arg-type]
    stream = FlightScan(connection, request)
    return stream, stream.reader().read_all()


def test_known_answer_comes_without_rows_with_its_receipt_and_on_record(world: World) -> None:
    ana = world.connect("ana")
    first, rows = scan(ana)
    assert rows.num_rows
    assert first.tag
    assert not first.same
    before = world.gateway.ledger.anchor().seq
    again, nothing = scan(ana, first.tag)
    assert again.same
    assert nothing.num_rows == 0
    assert again.receipts == first.receipts
    assert again.tag == first.tag
    assert world.gateway.ledger.anchor().seq == before + 1
    assert world.gateway.ledger.records(limit=1)[0].record.asset == "trials.patients"


def narrower(world: World) -> None:
    rule = 'context.purpose == "research" };'
    world.apply(
        policies=POLICIES.replace(rule, 'context.purpose == "research" && resource.age > 40 };')
    )


def new_rows(world: World) -> None:
    world.load("trials.patients", PATIENTS, "append")


def consent_moved(world: World) -> None:
    world.gateway.ledger.set_consent("T:patient", "P1", "research", "withdrawn", "dina", "letter")


@pytest.mark.parametrize("change", [narrower, new_rows, consent_moved])
def test_known_answer_after_a_change_is_read_anew(
    world: World, change: Callable[[World], None]
) -> None:
    ana = world.connect("ana")
    first, _ = scan(ana)
    change(world)
    fresh, rows = scan(ana, first.tag)
    assert not fresh.same
    assert fresh.tag != first.tag
    assert rows.drop_columns("score").equals(scan(ana)[1].drop_columns("score"))


def test_known_answer_of_another_scan_or_principal_is_not_the_same(world: World) -> None:
    ana, dina = world.connect("ana"), world.connect("dina")
    first, _ = scan(ana)
    narrowed = Filter(Scan("trials.patients"), Compare("age", ">", 40))
    others = [
        scan(dina, first.tag),
        scan(ana, first.tag, fragment=narrowed),
        scan(ana, first.tag, fragment=Project(Scan("trials.patients"), ("age",))),
    ]
    assert not any(stream.same for stream, _ in others)
    assert all(rows.num_rows for _, rows in others)


def test_known_answer_is_decided_anew_when_access_is_gone(world: World) -> None:
    ana = world.connect("ana")
    first, _ = scan(ana)
    world.apply(
        policies=POLICIES.replace('principal in Group::"clinical"', 'principal == User::"nobody"')
    )
    with pytest.raises(GovDataError):
        scan(ana, first.tag)


def test_answer_that_depends_on_the_time_has_no_tag(world: World) -> None:
    later = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    rule = "when { resource.study == principal.study &&"
    until = f'{rule} context.now < datetime("{later}") &&'
    world.apply(policies=POLICIES.replace(rule, until))
    stream, rows = scan(world.connect("ana"))
    assert rows.num_rows
    assert stream.tag == ""
    assert not scan(world.connect("ana"), "")[0].same


def as_a_stream(connection: Connection) -> None:
    """Make the client ask as for an asset that was large the last time."""
    connection._large["trials.patients", True] = True


def as_a_message(connection: Connection) -> None:
    """Make the client ask as for an asset that was small the last time."""
    connection._large["trials.patients", True] = False


def test_small_answer_in_one_message_is_the_same_as_a_stream(world: World) -> None:
    ana, other = world.connect("ana"), world.connect("ana")
    as_a_message(ana)
    as_a_stream(other)
    (whole, rows), (streamed, streamed_rows) = scan(ana), scan(other)
    assert not whole._parts  # a step of the protocol: everything came with the answer
    assert streamed._parts
    assert rows.drop_columns("score").equals(streamed_rows.drop_columns("score"))  # it has NaN
    assert (whole.tag, whole.receipts) == (streamed.tag, streamed.receipts)
    assert (whole.rows, whole.bytes) == (rows.num_rows, streamed.bytes)


@pytest.mark.parametrize(("rows", "width"), [(70_000, 1), (50, 200_000)])
def test_large_answer_comes_as_a_stream_of_its_tickets(world: World, rows: int, width: int) -> None:
    columns = {"patient": [f"P{i}" for i in range(rows)], "note": ["x" * width] * rows}
    world.load("trials.large", pa.table(columns))
    dina = world.connect("dina")
    for _ in range(2):
        stream, found = scan(dina, fragment=Scan("trials.large"))
        assert stream._parts
        assert found.num_rows == rows
        assert dina._large["trials.large", True]


def test_small_asset_comes_as_a_stream_once_and_in_one_message_then(world: World) -> None:
    ana = world.connect("ana")
    (first, rows), (second, again) = scan(ana), scan(ana)
    assert first._parts
    assert not second._parts
    assert rows.drop_columns("score").equals(again.drop_columns("score"))


def test_first_rows_of_a_large_asset_come_in_one_message(world: World) -> None:
    world.load("trials.large", pa.table({"n": range(1_100_000)}))
    found, rows = scan(world.connect("dina"), fragment=Limit(Scan("trials.large"), 5))
    assert not found._parts
    assert rows.column("n").to_pylist() == [0, 1, 2, 3, 4]


def test_few_rows_picked_from_a_large_asset_come_in_one_message(world: World) -> None:
    world.load("trials.large", pa.table({"n": list(range(70_000)), "note": ["x" * 100] * 70_000}))
    dina = world.connect("dina")
    few = Filter(Scan("trials.large"), Compare("n", "<", 5))
    many = Filter(Scan("trials.large"), Compare("n", "<", 65_000))
    for fragment, rows, is_whole in ((few, 5, True), (many, 65_000, False)):
        stream, found = scan(dina, fragment=fragment)
        assert found.num_rows == rows
        assert (not stream._parts) is is_whole


@pytest.mark.parametrize("way", ["whole", "known", "stream"])
def test_scan_whose_record_cannot_be_kept_answers_nothing(world: World, way: str) -> None:
    ana = world.connect("ana")
    first, _ = scan(ana)
    (as_a_stream if way == "stream" else as_a_message)(ana)
    broken = "CREATE TRIGGER full BEFORE INSERT ON govdata_audit BEGIN SELECT RAISE(ABORT, ''); END"
    with closing(sqlite3.connect(world.lake / "store.db", isolation_level=None)) as store:
        store.execute(broken)
        with pytest.raises(StorageError):
            scan(ana, first.tag if way == "known" else "")
        store.execute("DROP TRIGGER full")
    assert scan(ana)[1].num_rows
