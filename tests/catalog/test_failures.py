"""Full disks, locked and damaged catalogs, and writers that race."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from jupyter_govdata.catalog import Catalog
from jupyter_govdata.errors import CatalogError, StorageError
from jupyter_govdata.model.predicate import Compare
from tests.catalog.reading import read

NAME = "trials.outcomes"


def noise(rows: int, start: int = 0) -> pa.Table:
    """Rows that do not compress."""
    return pa.table(
        {"id": range(start, start + rows), "raw": [os.urandom(100) for _ in range(rows)]}
    )


def files(folder: Path) -> set[Path]:
    """Return all files but SQLite's own temporary ones."""
    return {p for p in folder.rglob("*") if p.is_file() and "catalog.db-" not in p.name}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
    )
    if done.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("mode", ["create", "append", "overwrite"])
def test_full_disk_commits_nothing_and_leaves_nothing(small_disk: Path, mode: str) -> None:
    catalog = Catalog.local(small_disk)
    if mode != "create":
        catalog.write(NAME, noise(10), mode="create")
    before = files(small_disk)
    with pytest.raises(StorageError, match=r"disk is full.*nothing was saved"):
        catalog.write(NAME, noise(100_000), mode=mode)  # type: ignore[arg-type]
    assert files(small_disk) == before
    assert catalog.exists(NAME) == (mode != "create")
    catalog.write(NAME, noise(5, 10), mode="create" if mode == "create" else "append")
    assert len(read(catalog, NAME)) == (5 if mode == "create" else 15)


def test_full_disk_while_committing_leaves_nothing(small_disk: Path) -> None:
    """The rows fit, the metadata does not: whatever step fails, the asset stays as it was."""
    catalog = Catalog.local(small_disk)
    catalog.write(NAME, noise(10), mode="create")
    before = files(small_disk)
    stone = small_disk / "stone"
    outcomes = []
    for pages in range(16):
        free = os.statvfs(small_disk)
        stone.write_bytes(bytes((free.f_bavail - pages) * free.f_frsize))
        try:
            catalog.write(NAME, noise(10))
        except StorageError:
            outcomes.append("full")
            stone.unlink()
            assert files(small_disk) == before, pages
            assert len(catalog.versions(NAME)) == 1
        else:
            outcomes.append("saved")
            break
    stone.unlink(missing_ok=True)
    assert outcomes.count("full") > 3
    assert outcomes[-1] == "saved"
    assert len(read(catalog, NAME)) == 20


def test_delete_on_a_full_disk_deletes_nothing(small_disk: Path) -> None:
    catalog = Catalog.local(small_disk)
    catalog.write(NAME, noise(18_000), mode="create")
    before = files(small_disk)
    with pytest.raises(StorageError, match="disk is full"):
        catalog.delete(NAME, Compare("id", "=", 5))
    assert files(small_disk) == before
    assert len(read(catalog, NAME)) == 18_000


LIMITED = """
import os, resource, sys
from pathlib import Path
import pyarrow as pa
from jupyter_govdata.catalog import Catalog
from jupyter_govdata.errors import StorageError

catalog = Catalog.local(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
data = pa.table({"raw": [os.urandom(100) for _ in range(50_000)]})
try:
    catalog.write("trials.outcomes", data, mode="create")
except StorageError as exc:
    print(exc.message)
"""


def test_file_size_limit_is_said_as_a_full_disk(lake: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(lake)], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "the disk is full; nothing was saved"
    assert list(lake.rglob("*.parquet")) == []
    assert not Catalog.local(lake).exists(NAME)


def test_locked_catalog_says_so_and_keeps_nothing(lake: Path) -> None:
    Catalog.local(lake).write(NAME, pa.table({"x": [1]}), mode="create")
    catalog = Catalog.open(
        {
            "type": "sql",
            "uri": f"sqlite:///{lake / 'catalog.db'}?timeout=0.05",
            "warehouse": f"file://{lake / 'warehouse'}",
        }
    )
    before = files(lake)

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"x": [2]})
        other.execute("BEGIN IMMEDIATE")  # others may read, nobody may commit

    reader = pa.RecordBatchReader.from_batches(pa.schema([("x", pa.int64())]), batches())
    other = sqlite3.connect(lake / "catalog.db", isolation_level=None)
    try:
        with pytest.raises(CatalogError, match="locked by another program"):
            catalog.write(NAME, reader)
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert files(lake) == before
    assert read(catalog, NAME) == [{"x": 1}]


@pytest.mark.parametrize("damage", ["gone", "text"])
@pytest.mark.parametrize("pattern", ["*.metadata.json", "snap-*.avro", "*-m0.avro"])
def test_damaged_metadata_is_said_without_a_path(
    catalog: Catalog, lake: Path, pattern: str, damage: str
) -> None:
    catalog.write(NAME, pa.table({"x": [1]}), mode="create")
    for path in lake.rglob(pattern):
        path.unlink() if damage == "gone" else path.write_bytes(b"{broken")
    with pytest.raises((StorageError, CatalogError)) as failed:
        read(catalog, NAME)
    assert NAME in str(failed.value)
    assert str(lake) not in str(failed.value)


def test_catalog_that_cannot_be_opened_is_our_error(tmp_path: Path) -> None:
    bad = tmp_path / "catalog.db"
    bad.write_bytes(b"this is no database" * 100)
    with pytest.raises(CatalogError):
        Catalog.open({"type": "sql", "uri": f"sqlite:///{bad}", "warehouse": f"file://{tmp_path}"})
    with pytest.raises(CatalogError):
        Catalog.open({"type": "no such type"})


WRITER = """
import sys
from pathlib import Path
import pyarrow as pa
from jupyter_govdata.catalog import Catalog

catalog = Catalog.local(Path(sys.argv[1]))
for step in range(6):
    catalog.write("trials.outcomes", pa.table({"x": [int(sys.argv[2]) * 100 + step]}))
"""


def test_writers_in_several_processes_lose_no_row(catalog: Catalog, lake: Path) -> None:
    catalog.write(NAME, pa.table({"x": [-1]}), mode="create")
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(lake), str(n)], stderr=subprocess.PIPE, text=True
        )
        for n in range(3)
    ]
    problems = [p.communicate()[1] for p in running]
    assert [p.returncode for p in running] == [0, 0, 0], problems
    expected = sorted([-1, *(n * 100 + s for n in range(3) for s in range(6))])
    assert sorted(r["x"] for r in read(catalog, NAME)) == expected
    assert len(catalog.versions(NAME)) == 19
    kept = {p.name for p in lake.rglob("*.metadata.json")}
    assert len(kept) == 11, "the metadata of lost attempts and of long ago is removed"


def run_together(*jobs: Callable[[], object]) -> list[BaseException]:
    failed: list[BaseException] = []

    def run(job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as exc:
            failed.append(exc)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


DELETER = """
import sys
from pathlib import Path
from jupyter_govdata.catalog import Catalog
from jupyter_govdata.model.predicate import Compare

catalog = Catalog.local(Path(sys.argv[1]))
for step in range(5):
    catalog.delete("trials.outcomes", Compare("x", "=", step))
"""


def test_delete_and_append_in_two_processes_keep_both(catalog: Catalog, lake: Path) -> None:
    """The appended rows stay, the deleted ones go."""
    catalog.write(NAME, pa.table({"x": range(100)}), mode="create")
    other = subprocess.Popen(
        [sys.executable, "-c", DELETER, str(lake)], stderr=subprocess.PIPE, text=True
    )
    for n in range(10):
        catalog.write(NAME, pa.table({"x": [1_000 + n]}))
    problem = other.communicate()[1]
    assert other.returncode == 0, problem
    found = sorted(r["x"] for r in read(catalog, NAME))
    assert found == [*range(5, 100), *range(1_000, 1_010)]


def test_load_that_meets_another_schema_change_does_not_mix_columns(lake: Path) -> None:
    """Both writers add a column; the later one must not commit files with the other's ids."""
    first, second = Catalog.local(lake), Catalog.local(lake)
    first.write(NAME, pa.table({"x": [1]}), mode="create")

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"x": [2], "mine": ["m"]})
        second.write(NAME, pa.table({"x": [3], "theirs": ["t"]}), evolve=True)

    reader = pa.RecordBatchReader.from_batches(
        pa.schema([("x", pa.int64()), ("mine", pa.string())]), batches()
    )
    with pytest.raises(CatalogError, match="at the same time"):
        first.write(NAME, reader, evolve=True)
    assert read(first, NAME) == [{"x": 1, "theirs": None}, {"x": 3, "theirs": "t"}]
    assert len(list(lake.rglob("*.parquet"))) == 2


def test_overwrite_meets_an_append_and_still_replaces_everything(lake: Path) -> None:
    first, second = Catalog.local(lake), Catalog.local(lake)
    first.write(NAME, pa.table({"x": [1]}), mode="create")

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"x": [2]})
        second.write(NAME, pa.table({"x": [3]}))

    reader = pa.RecordBatchReader.from_batches(pa.schema([("x", pa.int64())]), batches())
    made = first.write(NAME, reader, mode="overwrite")
    assert read(first, NAME) == [{"x": 2}]
    assert (made.removed_rows, made.total_rows) == (2, 1)


def test_writers_of_one_process_take_turns(lake: Path) -> None:
    first, second = Catalog.local(lake), Catalog.local(lake)
    first.write(NAME, pa.table({"x": [0]}), mode="create")
    failed = run_together(
        lambda: [first.write(NAME, pa.table({"x": [n]})) for n in range(1, 6)],
        lambda: [second.delete(NAME, Compare("x", "=", 0)), second.tag(NAME, "t", _head(second))],
        lambda: second.rename_column(NAME, "x", "x"),
    )
    assert failed == []
    assert sorted(r["x"] for r in read(first, NAME)) == [1, 2, 3, 4, 5]


def _head(catalog: Catalog) -> int:
    return catalog.resolve(NAME).snapshot_id
