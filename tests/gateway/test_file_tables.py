"""Data files of a table are granted only where they hold exactly what a scan would show."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jupyter_govdata.errors import AccessDeniedError, GrantError, StorageError
from jupyter_govdata.model.files import FilesGrant, FilesRequest
from jupyter_govdata.model.predicate import Compare
from jupyter_govdata.model.scan import At
from jupyter_govdata.model.wire_files import files_request_to_wire, grant_from_wire
from tests.gateway.files_world import POLICIES, Reader, apply, make_files_world, row, table
from tests.gateway.world import World

STORAGE = '\n[storage.tables]\ntype = "local"\nroot = "warehouse"\ntables = true\n'
ROWS = [row(f"files/{i}", bytes([i]), f"P{i}", "S1") for i in range(5)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_files_world(tmp_path, STORAGE)
    made.load("imaging.slides", table(ROWS))
    yield made
    made.close()


def table_grant(reader: Reader, asset: str = "imaging.slides", **options: Any) -> FilesGrant:
    asked = files_request_to_wire(FilesRequest(asset, **options))
    return grant_from_wire(reader.connection.act("table_grant", asked))


def rows_of(reader: Reader, grant: FilesGrant) -> list[dict[str, Any]]:
    parts = [
        pq.read_table(io.BytesIO(reader.read(grant, i))).to_pylist() for i in range(grant.count)
    ]
    return [one for part in parts for one in part]


def test_whole_table_is_granted_as_its_files(world: World) -> None:
    dina = Reader(world.connect("dina"))
    grant = table_grant(dina)
    assert rows_of(dina, grant) == ROWS
    assert (grant.formats, grant.receipt.filtered) == ({"parquet": 1}, False)


def test_whole_table_grant_stays_with_its_snapshot(world: World) -> None:
    dina = Reader(world.connect("dina"))
    grant = table_grant(dina)
    world.load("imaging.slides", table(ROWS[:1]), mode="append")
    assert rows_of(dina, grant) == ROWS
    assert len(rows_of(dina, table_grant(dina))) == 6
    assert rows_of(dina, table_grant(dina, at=At(snapshot_id=grant.snapshot_id))) == ROWS


@pytest.mark.attack("T58", surface="flight")
def test_filtered_or_masked_table_is_not_granted(world: World) -> None:
    with pytest.raises(AccessDeniedError, match="not seen as it is stored"):
        table_grant(Reader(world.connect("ana")))


@pytest.mark.attack("T58", surface="flight")
def test_table_with_a_dropped_column_is_not_granted(world: World) -> None:
    """The column stands in the old files still."""
    world.gateway.catalog.drop_column("imaging.slides", "study")
    with pytest.raises(AccessDeniedError):
        table_grant(Reader(world.connect("dina")))


@pytest.mark.attack("T58", surface="flight")
def test_table_with_deleted_rows_is_not_granted(world: World) -> None:
    """The rows stand in the files still, or the files were written anew without them."""
    world.gateway.catalog.delete("imaging.slides", Compare("patient", "=", "P0"))
    dina = Reader(world.connect("dina"))
    try:
        grant = table_grant(dina)
    except AccessDeniedError:
        return
    assert "P0" not in {one["patient"] for one in rows_of(dina, grant)}


@pytest.mark.attack("T50", surface="flight")
def test_whole_table_grant_ends_with_the_policy_that_gave_it(world: World) -> None:
    dina = Reader(world.connect("dina"))
    grant = table_grant(dina)
    apply(world, policies=POLICIES.replace('unless { principal in Group::"stewards" }', ""))
    with pytest.raises(AccessDeniedError, match="not seen as it is stored"):
        dina.read(grant, 0)


def test_whole_table_grant_is_useless_to_another(world: World) -> None:
    grant = table_grant(Reader(world.connect("dina")))
    with pytest.raises(GrantError):
        Reader(world.connect("ana")).read(grant, 0)


def test_table_without_a_storage_that_serves_it_is_not_granted(tmp_path: Path) -> None:
    made = make_files_world(tmp_path, "")
    try:
        made.load("imaging.slides", pa.Table.from_pylist(ROWS))
        with pytest.raises(StorageError, match="no storage"):
            table_grant(Reader(made.connect("dina")))
    finally:
        made.close()
