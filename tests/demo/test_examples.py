"""The example notebooks give what they show, on a lake built anew; nbval compares."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from jupyter_govdata.model.stamp import STAMP_MIME

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "example_notebooks"


def nbval(lake: Path, notebook: Path) -> subprocess.CompletedProcess[str]:
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("GOVDATA_", "PYTEST_"))}
    tools = Path(sys.executable).parent
    environment = plain | {
        "GOVDATA_LAKE": str(lake),
        "PATH": f"{tools}:{plain['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "80",
    }
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "tests.nbval_stamps", "-p", "no:randomly"),
        *("--nbval", "--nbval-sanitize-with", str(ROOT / "tests" / "nbval_sanitize.cfg")),
        *("--nbval-kernel-name", "python3", "-c", os.devnull, "--rootdir", str(notebook.parent)),
        str(notebook),
    ]
    return subprocess.run(
        command, env=environment, cwd=notebook.parent, capture_output=True, text=True, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in EXAMPLES.glob("02_*.ipynb"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_example_of_one_study_answers_as_it_shows(demo_lake: Path, folder: Path) -> None:
    done = nbval(demo_lake, folder / "02_study.ipynb")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


@pytest.mark.slow
def test_example_with_another_answer_in_its_stamp_is_told(demo_lake: Path, folder: Path) -> None:
    path = folder / "02_study.ipynb"
    nb: Any = nbformat.read(path, as_version=4)
    stamps = [
        output.data[STAMP_MIME]
        for cell in nb.cells
        for output in cell.get("outputs", ())
        if STAMP_MIME in output.get("data", {})
    ]
    stamps[0]["result_digest"] = "v1:" + "0" * 64
    nbformat.write(nb, path)
    done = nbval(demo_lake, path)
    assert done.returncode == 1
    assert "1 failed" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)  # six kernels, one after the other
def test_example_of_scheduled_runs_answers_as_it_shows(demo_lake: Path, folder: Path) -> None:
    done = nbval(demo_lake, folder / "02_scheduled_runs.ipynb")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


@pytest.mark.slow
@pytest.mark.timeout(900)  # builds a lake, for it changes governance and consent on the way
def test_example_of_training_answers_as_it_shows(tmp_path: Path) -> None:
    from jupyter_govdata.demo import build

    shutil.copy(EXAMPLES / "03_training_manifest.ipynb", tmp_path)
    done = nbval(build(tmp_path / "lake"), tmp_path / "03_training_manifest.ipynb")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
