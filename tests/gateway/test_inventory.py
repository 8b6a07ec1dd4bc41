"""Scanning a storage: what lies there becomes rows, and only changes are written."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jupyter_govdata.errors import AccessDeniedError, StorageError
from jupyter_govdata.gateway import inventory
from jupyter_govdata.gateway.inventory import Scanned
from jupyter_govdata.model.wire_files import scan_ticket
from tests.gateway.files_world import Reader, make_files_world
from tests.gateway.world import World

STORAGE = '\n[storage.files]\ntype = "local"\nroot = "files"\nassets = ["imaging", "lab.scans"]\n'
DICOM = b"\0" * 128 + b"DICM" + b"rest"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_files_world(tmp_path, STORAGE)
    folder = made.lake / "files"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.dcm").write_bytes(DICOM)
    (folder / "sub" / "b.svs").write_bytes(b"II*\x00rest")
    (folder / "sub" / "ü c.txt").write_bytes(b"text")
    yield made
    made.close()


def scan(world: World, asset: str = "imaging.scanned", uri: str = "files", by: str = "dina") -> Any:
    """Scan by the bare protocol; return what it came to."""
    stream, chunk = world.connect(by).read(scan_ticket(asset, uri))
    while True:
        if chunk.app_metadata is not None:
            return json.loads(chunk.app_metadata.to_pybytes())
        chunk = stream.read_chunk()


def rows(world: World, asset: str = "imaging.scanned") -> dict[str, dict[str, Any]]:
    reader = Reader(world.connect("dina"))
    told = reader.rows(reader.grant(asset)).to_pylist()
    return {one["name"]: one for one in told}


def test_scan_makes_an_inventory_whose_files_open(world: World) -> None:
    told = scan(world)
    assert (told["added"], told["changed"], told["removed"], told["unreadable"]) == (3, 0, 0, [])
    found = rows(world)
    assert {n: (r["format"], r["size"]) for n, r in found.items()} == {
        "a.dcm": ("dicom", len(DICOM)),
        "b.svs": ("svs", 8),
        "ü c.txt": ("txt", 4),
    }
    assert found["a.dcm"]["checksum"] == hashlib.sha256(DICOM).hexdigest()
    reader = Reader(world.connect("dina"))
    grant = reader.grant("imaging.scanned")
    assert reader.read(grant, reader.indexes(grant)["ü c.txt"]) == b"text"
    card = world.gateway.ledger.state().cards["imaging.scanned"]
    assert card.kind == "files"


def test_scan_again_writes_only_changes(world: World) -> None:
    first = scan(world)
    again = scan(world)
    assert (again["snapshot_id"], again["unchanged"]) == (None, 3)
    (world.lake / "files" / "new.svs").write_bytes(b"II*\x00new")
    added = scan(world)
    assert (added["added"], added["unchanged"]) == (1, 3)
    (world.lake / "files" / "a.dcm").write_bytes(DICOM + b"more")
    (world.lake / "files" / "sub" / "b.svs").unlink()
    changed = scan(world)
    assert (changed["changed"], changed["removed"], changed["unchanged"]) == (1, 1, 2)
    ids = {first["snapshot_id"], added["snapshot_id"], changed["snapshot_id"]}
    assert len(ids) == 3
    assert set(rows(world)) == {"a.dcm", "new.svs", "ü c.txt"}
    newest = world.gateway.catalog.versions("imaging.scanned")
    assert newest[1].operation == "append"


def test_scan_keeps_what_others_wrote_into_the_rows(world: World) -> None:
    scan(world)
    catalog = world.gateway.catalog
    catalog.add_column("imaging.scanned", pa.field("study", pa.string()))
    found = rows(world)["a.dcm"]["uri"]
    schema = catalog.schema("imaging.scanned")
    keep = {"uri": found, "study": "S1", "version": "0", "bytes": 1, "checksum": "x"}
    world.load("imaging.scanned", pa.Table.from_pylist([keep], schema=schema), mode="overwrite")
    assert scan(world)["changed"] == 1
    assert rows(world)["a.dcm"]["study"] == "S1"
    assert rows(world)["b.svs"]["study"] is None


def test_scan_lists_what_cannot_be_read(world: World) -> None:
    folder = world.lake / "files"
    (folder / "link.svs").symlink_to(world.lake / "keys" / "signing.key")
    (folder / "linked").symlink_to(world.lake / "keys")
    os.mkfifo(folder / "pipe")
    (folder / "bad\n.svs").write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.svs")).write_bytes(b"x")
    told = scan(world)
    assert told["added"] == 8
    assert len(told["unreadable"]) == 5
    found = rows(world)
    assert len(found) == 8
    assert found["link.svs"]["size"] is None
    assert found["link.svs"]["problem"]
    assert not any("signing" in str(one) for one in found.values())


def test_scan_that_broke_off_reads_nothing_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "EVERY", 1)
    scanning = world.gateway.inventorying.scan("dina", "imaging.scanned", "files", None)
    next(scanning)
    next(scanning)
    scanning.close()
    read: list[str] = []
    store, _ = world.gateway.inventorying.stores.folder("files", "imaging.scanned")
    measure = type(store).measure
    monkeypatch.setattr(
        type(store), "measure", lambda self, key: (read.append(key), measure(self, key))[1]
    )
    *_, last = world.gateway.inventorying.scan("dina", "imaging.scanned", "files", None)
    assert isinstance(last, Scanned)
    assert last.added == 3
    assert len(read) == 1
    assert not list((world.lake / "run").glob("inventory-*"))


@pytest.mark.attack("T46", surface="stored")
@pytest.mark.parametrize(
    "uri",
    ["keys", "files/../keys", "/etc", "file:///etc", "warehouse", "", "s3://b/", "files/sub/../.."],
)
def test_scan_of_another_place_is_refused(world: World, uri: str) -> None:
    with pytest.raises(StorageError):
        scan(world, uri=uri)


def test_scan_into_an_asset_that_the_storage_does_not_serve_is_refused(world: World) -> None:
    with pytest.raises(StorageError, match="no storage"):
        scan(world, asset="lab.other")


def test_scan_needs_leave_to_publish(world: World) -> None:
    with pytest.raises(AccessDeniedError):
        scan(world, by="ana")


def test_scan_of_a_part_leaves_the_rest(world: World) -> None:
    scan(world)
    (world.lake / "files" / "a.dcm").unlink()
    part = scan(world, uri="files/sub")
    assert (part["snapshot_id"], part["unchanged"]) == (None, 2)
    assert scan(world)["removed"] == 1
