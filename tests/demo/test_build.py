"""Building the demo lake: once, whole or not at all, and never over somebody's files."""

from __future__ import annotations

import fcntl
import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_govdata.demo import build
from jupyter_govdata.errors import ConfigError, LakeLockedError


def test_build_of_a_finished_lake_reuses_it(demo_lake: Path) -> None:
    before = (demo_lake / "demo.json").read_text()
    steps: list[str] = []
    assert build(demo_lake, progress=steps.append) == demo_lake
    assert steps == []
    assert (demo_lake / "demo.json").read_text() == before


def test_build_into_a_folder_with_files_refuses_and_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not empty and no demo lake"):
        build(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_build_over_another_version_refuses(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text(json.dumps({"version": 0}))
    with pytest.raises(ConfigError, match="another version"):
        build(tmp_path)


def test_build_while_another_is_running_refuses(tmp_path: Path) -> None:
    with (tmp_path / ".demo-building").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LakeLockedError, match="another build"):
            build(tmp_path)


def test_build_where_a_file_is_refuses(tmp_path: Path) -> None:
    target = tmp_path / "lake"
    target.write_text("")
    with pytest.raises(ConfigError, match="not a folder"):
        build(target)


_LIMITED = """
import resource, sys
from jupyter_govdata.demo import build
from jupyter_govdata.errors import GovDataError
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
try:
    build(sys.argv[1])
except GovDataError as problem:
    print(problem.code)
"""


def test_build_that_cannot_write_leaves_nothing_behind(tmp_path: Path) -> None:
    """No file may exceed 400 kB: for the writer that is what a full disk is, an error on write."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 400_000
    target = tmp_path / "lake"
    run = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(target)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.stdout.strip() == "storage", run.stderr
    assert not target.exists()


def test_build_after_an_interrupted_one_starts_again(tmp_path: Path) -> None:
    target = tmp_path / "lake"
    target.mkdir()
    (target / ".demo-building").write_text("")
    (target / "warehouse").mkdir()
    (target / "warehouse" / "half.parquet").write_text("half")
    steps: list[str] = []

    class Enough(Exception):
        pass

    def stop(step: str) -> None:
        steps.append(step)
        if step.startswith("loading"):
            raise Enough

    with pytest.raises(Enough):
        build(target, progress=stop)
    assert steps[0] == "making an empty lake"
    assert list(target.iterdir()) == []
