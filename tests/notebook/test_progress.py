"""Progress: shown while one waits, gone when the query has ended."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from jupyter_govdata.model.stamp import STAMP_MIME
from jupyter_govdata.notebook.progress import progress_text
from jupyter_govdata.query.progress import AssetProgress, Progress
from tests.notebook.conftest import Notebook
from tests.notebook.test_kernel import notebook_of, run

LONG = "SELECT count(*) AS n FROM range(150000000) t(i) WHERE hash(i) % 7 = 1"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def plain(output: dict[str, Any]) -> str:
    return str(output["data"]["text/plain"])


def test_progress_is_an_output_that_the_stamp_takes_the_place_of(notebook: Notebook) -> None:
    ran = notebook.run(f"%govsql {LONG}")
    first, *updates = ran.everything
    assert plain(first).startswith("govdata: running")
    assert not first["update"]
    assert all(u["update"] and u["transient"] == first["transient"] for u in updates)
    assert STAMP_MIME in updates[-1]["data"]
    assert not any(STAMP_MIME in u["data"] for u in updates[:-1])


def test_progress_is_taken_over_by_the_stamp_of_a_failure(notebook: Notebook) -> None:
    ran = notebook.run(f"%govsql {LONG} AND error('no') IS NULL OR error(i::text) IS NULL")
    assert not ran.success
    notebook.run(f"%govsql SELECT error('late') FROM ({LONG})")
    ran = notebook.run(f"%govsql SELECT error('late') FROM ({LONG})")
    assert plain(ran.everything[0]).startswith("govdata: running")
    assert "failed" in plain(ran.everything[-1])


@pytest.mark.parametrize(
    "how", ["%%govsql --no-progress\n", "%config GovSql.progress = False\n%govsql "]
)
def test_progress_can_be_switched_off(notebook: Notebook, how: str) -> None:
    (only,) = notebook.run(f"{how}{LONG}").everything
    assert STAMP_MIME in only["data"]


def test_progress_leaves_nothing_in_a_saved_notebook(shared_lake: Path) -> None:
    nb = run(
        notebook_of(
            f"%load_ext jupyter_govdata\n%govdata connect {shared_lake} --as ana",
            f"%%govsql\n{LONG}",
        )
    )
    stamp, result = nb.cells[1].outputs
    assert STAMP_MIME in stamp["data"]
    assert result.output_type == "execute_result"
    text = nbformat.writes(nb)
    assert "running" not in text
    assert "\\u001b" not in text


def test_progress_in_a_terminal_disappears(shared_lake: Path) -> None:
    code = (
        "%load_ext jupyter_govdata\n"
        f"_ = get_ipython().run_line_magic('govdata', 'connect {shared_lake} --as ana')\n"
        f"%govsql {LONG}\n"
    )
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--quiet", "--colors=NoColor"]
    master, slave = pty.openpty()
    with os.fdopen(slave, "wb", closefd=True) as terminal:
        done = subprocess.run(
            [*command, "-c", f"get_ipython().run_cell({code!r})"],
            stdout=subprocess.PIPE,
            stderr=terminal,
            env={**os.environ, "TERM": "xterm"},
            timeout=120,
            check=False,
        )
    shown = b""
    while chunk := _read(master):
        shown += chunk
    os.close(master)
    assert done.returncode == 0, shown[-300:]  # no thread of ours is stopped inside C++
    assert b"govdata: running" in shown
    assert shown.endswith(b"\x1b[2K")  # the line is erased; nothing comes after
    assert b"running" not in done.stdout
    assert b"govdata: no governed asset" in done.stdout


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other side is closed
        return b""


def test_progress_text_tells_rows_and_bytes_of_every_asset() -> None:
    progress = Progress(
        assets=(
            AssetProgress("trials.patients", 1_200_000, 34_000_000, 5_000_000),
            AssetProgress("imaging.slides", 12, 900, None),
            AssetProgress("trials.visits", 0, 0, None),
        ),
        seconds=3.2,
        done=False,
    )
    assert progress_text(progress) == (
        "govdata: reading trials.patients: 1,200,000 of 5,000,000 rows, 34.0 MB, "
        "imaging.slides: 12 rows, 900 B · 3 s"
    )
