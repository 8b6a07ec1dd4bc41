"""A disk without a free byte below a whole lake: nothing is answered that cannot be recorded."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_govdata.errors import GovDataError
from jupyter_govdata.session import Session, connect
from tests.faults.site import ROWS, commit_of, make_lake

MEGABYTES = 48


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount a disk here ({done.stderr.strip()}): run it as root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def no_space(folder: Path) -> Iterator[None]:
    """Fill the disk to its last byte."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size):
                    pass
    assert os.statvfs(folder).f_bavail == 0
    try:
        yield
    finally:
        filler.unlink()


def shown(session: Session) -> int:
    return len(session.sql("SELECT batch, study FROM lab.events"))


@pytest.mark.slow
def test_full_disk_answers_nothing_and_loses_nothing(small_disk: Path) -> None:
    lake = make_lake(small_disk)
    with connect(lake, user="dina") as dina, connect(lake, user="ana") as ana:
        assert (shown(dina), shown(ana)) == (ROWS, ROWS // 2)
        with no_space(small_disk):
            # SQLite has room in its log for a while: only what it could record was answered.
            answered = 0
            with pytest.raises(GovDataError) as refused:
                for _ in range(5_000):
                    assert shown(ana) == ROWS // 2
                    answered += 1
            assert refused.value.code == "storage", refused.value
            with pytest.raises(GovDataError):
                dina.load(commit_of(1), "lab.events", mode="append")
            with pytest.raises(GovDataError):
                dina.consent("L:p", "P01", "research", "withdrawn")
        assert (shown(dina), shown(ana)) == (ROWS, ROWS // 2)
        dina.load(commit_of(1), "lab.events", mode="append")
        assert shown(ana) == ROWS
        report = dina.audit(limit=20_000)
        assert report["chain"]["ok"], report["chain"]
        reads = [line for line in report["lines"] if " ana select lab.events " in line]
        assert len(reads) == 1 + answered + 2
