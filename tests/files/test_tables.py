"""Large tables are read from their files where they are granted: the same rows, the same stamp."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow as pa
import pytest
from IPython.core.ultratb import VerboseTB

from jupyter_govdata.errors import GovDataError, RefusalError, StorageError
from jupyter_govdata.files.tables import FileScan
from jupyter_govdata.model.predicate import Compare, In, IsNull, Or, Predicate, all_of
from jupyter_govdata.model.scan import At, Filter, Limit, Project, Scan, ScanRequest
from jupyter_govdata.session import Session, connect
from tests.files.tables_world import ASSET, ROWS, cells, files
from tests.gateway.files_world import POLICIES
from tests.gateway.world import World
from tests.storage.s3_service import Bucket, needs_ceph

pytestmark = needs_ceph
Lakes = Callable[..., tuple[World, Bucket]]
TRACES = ("X-Amz-Signature", "X-Amz-Credential", "AWS4-HMAC", "Bearer ")
MASKED = POLICIES.replace('unless { principal in Group::"stewards" }', "")


@contextmanager
def streamed(session: Session) -> Iterator[None]:
    """Ask for no files meanwhile."""
    told, session._me["table_files"] = session._me["table_files"], False
    yield
    session._me["table_files"] = told


def rows_of(session: Session, request: ScanRequest, *, direct: bool = True) -> pa.Table:
    """Return the rows of a scan by id, having checked the way they came."""
    scan = session.open_scan(request)
    assert isinstance(scan, FileScan) is direct
    table = scan.reader().read_all()
    if isinstance(scan, FileScan):
        assert scan.is_direct
    return table.sort_by("id")


def request_for(
    predicate: Predicate | None = None, *columns: str, at: At | None = None
) -> ScanRequest:
    source = Scan(ASSET, at)
    fragment = source if predicate is None else Filter(source, predicate)
    return ScanRequest(Project(fragment, columns) if columns else fragment)


@pytest.mark.parametrize("way", ["signed", "session"])
def test_large_table_is_read_from_its_files(lakes: Lakes, way: str) -> None:
    world, _ = lakes(way)
    expected = pa.concat_tables([cells(0, ROWS // 2), cells(ROWS // 2, ROWS // 2)])
    with connect(world.lake, user="dina") as session:
        found = rows_of(session, request_for())
        assert found.schema == expected.schema
        for name in found.column_names:
            assert str(found.column(name).to_pylist()) == str(expected.column(name).to_pylist())


def test_query_has_the_same_result_receipt_and_record_as_a_streamed_one(
    shared_world: World,
) -> None:
    sql = (
        f"SELECT id, name, price FROM {ASSET} WHERE day < '2024-05-05' AND score > 0.8 ORDER BY id"
    )
    results, records = [], []
    for is_direct in (True, False):
        with connect(shared_world.lake, user="dina") as session:
            session._me["table_files"] = is_direct
            results.append(session.sql(sql))
        found = (e.record for e in shared_world.gateway.ledger.records(limit=20))
        records.append(
            next((r.action, r.snapshot_id, r.detail) for r in found if r.action == "select")
        )
    direct, stream = results
    assert direct.table.equals(stream.table)
    assert direct.receipts == stream.receipts
    assert direct.stamp == stream.stamp
    assert records[0] == records[1]
    opened = [
        e.record for e in shared_world.gateway.ledger.records(limit=20) if e.record.action == "open"
    ]
    assert any("signed" in record.detail for record in opened)


def test_random_conditions_give_the_rows_of_a_stream(shared: Session) -> None:
    draw, direct = random.Random(5), 0
    sample = cells(0, 400).to_pylist()

    def leaf() -> Predicate:
        column = draw.choice([n for n in sample[0] if n != "raw"])
        values = [r[column] for r in draw.sample(sample, 3) if r[column] is not None]
        kind = draw.randrange(4)
        if kind == 0 or not values:
            return IsNull(column, draw.random() < 0.5)
        if kind == 1:
            return In(column, tuple(values), draw.random() < 0.3)
        return Compare(column, draw.choice(("=", "!=", "<", "<=", ">", ">=")), values[0])

    for _ in range(24):
        predicate = all_of(leaf(), Or((leaf(), leaf())))
        request = request_for(predicate, "id", "score", "name")
        scan = shared.open_scan(request)
        found = scan.reader().read_all().sort_by("id")
        direct += isinstance(scan, FileScan) and scan.is_direct
        with streamed(shared):
            expected = rows_of(shared, request, direct=False)
        assert str(found.to_pylist()) == str(expected.to_pylist()), predicate
    assert direct > 8


def test_evolved_table_gives_the_rows_of_a_stream(world: World, dina: Session) -> None:
    """Files are read by field id: names may have changed hands since they were written."""
    catalog = world.gateway.catalog
    catalog.rename_column(ASSET, "small", "was_small")
    catalog.rename_column(ASSET, "name", "small")
    catalog.add_column(ASSET, pa.field("name", pa.string()))
    later = cells(ROWS, 100).rename_columns(
        [
            "was_small" if n == "small" else "small" if n == "name" else n
            for n in cells(0, 1).schema.names
        ]
    )
    world.load(ASSET, later.append_column("name", pa.array(["new"] * 100)), mode="append")
    for request in (
        request_for(),
        request_for(Compare("small", ">", "näme-5"), "id", "name", "was_small"),
    ):
        found = rows_of(dina, request)
        with streamed(dina):
            assert found.select(["id", "name"]).equals(
                rows_of(dina, request, direct=False).select(["id", "name"])
            )
    assert set(rows_of(dina, request_for(None, "id", "name"))["name"].to_pylist()) == {None, "new"}


def test_condition_on_a_column_that_a_file_lacks_comes_as_a_stream(
    world: World, dina: Session
) -> None:
    world.gateway.catalog.add_column(ASSET, pa.field("added", pa.string()))
    later = cells(ROWS, 10)
    world.load(ASSET, later.append_column("added", pa.array(["x"] * 10)), mode="append")
    scan = dina.open_scan(request_for(IsNull("added"), "id"))
    assert isinstance(scan, FileScan)
    assert scan.reader().read_all().num_rows == ROWS
    assert not scan.is_direct


def test_version_is_read_from_the_files_it_had(world: World, dina: Session) -> None:
    pinned = At(snapshot_id=world.gateway.catalog.resolve(ASSET, None).snapshot_id)
    world.load(ASSET, cells(ROWS, 10), mode="append")
    assert rows_of(dina, request_for(None, "id", at=pinned)).num_rows == ROWS
    assert rows_of(dina, request_for(None, "id")).num_rows == ROWS + 10


def test_scan_that_is_not_of_whole_rows_is_a_stream(world: World, dina: Session) -> None:
    limited = ScanRequest(Limit(Scan(ASSET), 70_000))
    assert not isinstance(dina.open_scan(limited), FileScan)
    world.gateway.catalog.delete(ASSET, Compare("id", "<", 10))
    with_deletes = dina.open_scan(request_for(None, "id"))
    assert with_deletes.reader().read_all().num_rows == ROWS - 10
    world.gateway.catalog.drop_column(ASSET, "raw")
    dropped = dina.open_scan(request_for(None, "id"))
    assert not isinstance(dropped, FileScan)
    assert dropped.reader().read_all().num_rows == ROWS - 10


def test_masked_table_is_a_stream(world: World, dina: Session) -> None:
    assert isinstance(dina.open_scan(request_for(None, "id")), FileScan)
    applied = world.gateway.loading.apply_files(files(MASKED), "dina", dry_run=False)
    assert not applied.problems, applied.problems
    masked = dina.open_scan(request_for(None, "id", "name"))
    assert not isinstance(masked, FileScan)
    stored = set(cells(0, 100)["name"].to_pylist())
    assert set(masked.reader().read_all()["name"].to_pylist()) & stored == {None}


def test_client_that_does_not_ask_gets_no_files(shared_world: World) -> None:
    connection = shared_world.connect("dina")
    assert connection.open(request_for()).files is None


def test_change_of_policy_ends_reading_within_the_life_of_an_address(lakes: Lakes) -> None:
    world, _ = lakes(sign_seconds=12)
    with connect(world.lake, user="dina") as session:
        scan = session.open_scan(request_for(None, "id"))
        assert isinstance(scan, FileScan)
        access = session._tables.access(scan._granted)
        index = scan._granted.files[0][0]
        goes_on = threading.Event()
        assert access.read(index, 0, 4, (), goes_on) == b"PAR1"
        applied = world.gateway.loading.apply_files(files(MASKED), "dina", dry_run=False)
        assert not applied.problems
        changed = time.monotonic()
        with pytest.raises(RefusalError):
            while time.monotonic() < changed + 60:
                access.read(index, 0, 4, (), goes_on)
        scan.cancel()


def test_store_out_of_reach_leaves_the_stream(lakes: Lakes, unused_port: int) -> None:
    world, _ = lakes(endpoint=f"http://127.0.0.1:{unused_port}")
    with connect(world.lake, user="dina") as session:
        scan = session.open_scan(request_for(None, "id"))
        assert isinstance(scan, FileScan)
        assert scan.reader().read_all().num_rows == ROWS
        assert not scan.is_direct
        assert not isinstance(session.open_scan(request_for(None, "id")), FileScan)


def test_damaged_file_is_told_without_its_address(lakes: Lakes) -> None:
    world, bucket = lakes()
    listed = bucket.owner.list_objects_v2(Bucket=bucket.name, Prefix="warehouse/")["Contents"]
    keys = sorted(e["Key"] for e in listed if e["Key"].endswith(".parquet"))
    for key in keys:
        content = bucket.owner.get_object(Bucket=bucket.name, Key=key)["Body"].read()
        middle = len(content) // 2
        bucket.put(key, content[:100] + bytes(middle) + content[100 + middle :])
    with connect(world.lake, user="dina") as session:
        try:
            session.sql(f"SELECT max(name), max(raw), sum(score) FROM {ASSET}")
        except GovDataError as error:
            text = "".join(VerboseTB().text(type(error), error, error.__traceback__))
            assert isinstance(error, StorageError)
            assert not [trace for trace in (*TRACES, keys[0]) if trace in text]
        else:
            pytest.fail("a damaged file was read")


def test_nothing_of_a_grant_shows(shared: Session) -> None:
    scan = shared.open_scan(request_for(None, "id"))
    assert isinstance(scan, FileScan)
    granted = scan._granted
    access = shared._tables.access(granted)
    access.read(granted.files[0][0], 0, 4, (), threading.Event())
    shown = " ".join(map(repr, (scan, granted, access, shared._tables, access._signed)))
    assert granted.grant not in shown
    assert not [trace for trace in TRACES if trace in shown]
    scan.cancel()


def test_stopped_scan_ends(shared: Session) -> None:
    scan = shared.open_scan(request_for())
    reader = scan.reader()
    assert reader.read_next_batch().num_rows
    scan.cancel()
    assert sum(batch.num_rows for batch in reader) < ROWS
