"""``papermill --engine govdata``: what papermill's users know, and how a run may end."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError
from papermill.iorw import papermill_io

from jupyter_govdata.errors import ConfigError, StorageError
from jupyter_govdata.rerun import rerun
from jupyter_govdata.rerun.journal import SUFFIX, Journal, journalled
from jupyter_govdata.rerun.saving import forget_now, journal_path
from tests.rerun.conftest import LOAD, SQL, WIDE, Desk

PAPERMILL = [sys.executable, "-m", "papermill", "--engine", "govdata"]


def statuses(out: Path) -> list[str]:
    nb = nbformat.read(out, as_version=4)
    return [c.metadata.papermill.status for c in nb.cells if "papermill" in c.metadata]


def journal_of(out: Path) -> Path:
    return out.with_name(out.name + SUFFIX)


def pm(nb: Path, out: Path, **options: Any) -> Any:
    return papermill.execute_notebook(
        str(nb), str(out), engine_name="govdata", progress_bar=False, **options
    )


def start(desk: Desk, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
    environment = os.environ | desk.environment() | more
    return subprocess.Popen(
        [*PAPERMILL, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def ended_cells(out: Path) -> int:
    return journalled(journal_of(out)).last_good + 1


# -- as papermill's users know it ----------------------------------------------------------------


def test_engine_by_papermills_command_line_pins_what_the_stamps_name(desk: Desk) -> None:
    first = desk.wide(1, 2)
    path = desk.notebook("in", LOAD, "n = 1", WIDE, tags={1: "parameters"})
    desk.run(path)
    desk.wide(50)
    out = desk.folder / "out.ipynb"
    process = start(desk, str(path), str(out), "-p", "n", "5", "--report-mode", "--log-output")
    said = process.communicate(timeout=240)[0].decode()
    assert process.returncode == 0, said
    assert "1 assets pinned as its stamps say" in said
    nb = nbformat.read(out, as_version=4)
    assert set(statuses(out)) == {"completed"}
    assert nb.metadata.papermill.parameters == {"n": 5}
    assert nb.metadata.jupyter_govdata["pins"]["assets"] == {"trials.wide": str(first)}
    assert all(c.metadata.jupyter.source_hidden for c in nb.cells)
    assert not journal_of(out).exists()
    again = start(desk, str(path), str(out), GOVDATA_PINS='{"v": 1}')
    said = again.communicate(timeout=240)[0].decode()
    assert again.returncode == 0, said
    newest = nbformat.read(out, as_version=4).metadata.jupyter_govdata["pins"]["assets"]
    assert newest != {"trials.wide": str(first)}


def test_engine_prepare_only_runs_nothing_and_keeps_stamps(desk: Desk) -> None:
    desk.wide(1)
    path = desk.notebook("in", LOAD, WIDE)
    desk.run(path)
    out = desk.folder / "out.ipynb"
    pm(path, out, prepare_only=True, parameters={"n": 1})
    assert nbformat.read(out, as_version=4).cells[-1].outputs
    assert not journal_of(out).exists()


def test_engine_runs_in_cwd_and_writes_relative_to_the_callers(
    tmp_path: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = desk.notebook("cwd", "import os\nprint(os.getcwd())")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path)
    nb = pm(path, Path("out.ipynb"), cwd=str(tmp_path / "work"))
    assert nb.cells[0].outputs[0].text.strip() == str(tmp_path / "work")
    assert (tmp_path / "out.ipynb").exists()


def test_engine_writes_through_papermills_handlers_and_journals_locally(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: dict[str, str] = {}

    class Store:
        def read(self, path: str) -> str:
            return written[path]

        def write(self, text: str, path: str) -> None:
            written[path] = text
            assert journal_path(path).parent == tmp_path / "jupyter_govdata" / "journals"

        def pretty_path(self, path: str) -> str:
            return path

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(papermill_io, "_handlers", list(papermill_io._handlers))
    papermill_io.register("store://", Store())
    source = "import os\nprint('remote')"
    written["store://in.ipynb"] = desk.notebook("remote", source).read_text()
    papermill.execute_notebook(
        "store://in.ipynb", "store://out.ipynb", engine_name="govdata", progress_bar=False
    )
    assert "remote" in written["store://out.ipynb"]
    journal = journalled(journal_path("store://out.ipynb"))
    assert journal.finished
    assert stat.S_IMODE(journal_path("store://out.ipynb").stat().st_mode) == 0o600


def test_engine_without_saving_leaves_no_journal(desk: Desk, tmp_path: Path) -> None:
    path = desk.notebook("quiet", "1 + 1")
    (tmp_path / "out").mkdir()
    pm(path, tmp_path / "out" / "out.ipynb", request_save_on_cell_execute=False)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["out.ipynb"]


@pytest.mark.attack("T57", surface="stored")
def test_engine_refuses_a_secret_before_it_is_written(desk: Desk, tmp_path: Path) -> None:
    path = desk.notebook("secret", "x = 1")
    with pytest.raises(ConfigError, match="`api_token` looks like a secret"):
        pm(path, tmp_path / "out.ipynb", parameters={"api_token": "abc"})
    pm(path, tmp_path / "out.ipynb", parameters={"n_token": 3})
    assert "abc" not in (tmp_path / "out.ipynb").read_text()


# -- before anything runs ------------------------------------------------------------------------


def test_engine_with_a_folder_that_cannot_be_written_runs_nothing(desk: Desk) -> None:
    mark = desk.folder / "was-run"
    path = desk.notebook("touch", f"open({str(mark)!r}, 'w').close()")
    with pytest.raises(StorageError, match="does not exist"):
        pm(path, desk.folder / "no" / "out.ipynb")
    blocked = desk.folder / "blocked.ipynb"
    blocked.mkdir(exist_ok=True)
    with pytest.raises(StorageError, match="cannot be written"):
        pm(path, blocked)
    assert not mark.exists()


def test_engine_of_two_runs_into_one_notebook_refuses_the_second(
    desk: Desk, tmp_path: Path
) -> None:
    path = desk.notebook("twice", "1")
    out = tmp_path / "out.ipynb"
    first = Journal(journal_path(str(out)))
    with pytest.raises(ConfigError, match=r"another run is writing `out\.ipynb`"):
        pm(path, out)
    first.close()
    pm(path, out)


def test_engine_without_its_extra_says_which_one(desk: Desk) -> None:
    code = (
        "import sys; sys.modules['papermill'] = None\n"
        "import jupyter_govdata.rerun as room\n"
        "try: room.rerun\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert said.startswith(b"MissingExtraError")
    assert b"pip install 'jupyter_govdata[rerun]'" in said


def test_engine_with_a_large_output_journals_it_whole(desk: Desk, tmp_path: Path) -> None:
    size = 20_000_000
    path = desk.notebook("large", f"print('x' * {size})", "raise ValueError")
    out = tmp_path / "out.ipynb"
    with pytest.raises(PapermillExecutionError):
        pm(path, out)
    for outputs in (
        journalled(journal_of(out)).entries[0].outputs,
        nbformat.read(out, as_version=4).cells[1].outputs,  # papermill puts a note at the top
    ):
        assert sum(len(o["text"]) for o in outputs) == size + 1


# -- how a run ends ------------------------------------------------------------------------------


def test_engine_after_a_failing_cell_leaves_later_cells_pending(desk: Desk, tmp_path: Path) -> None:
    path = desk.notebook("fails", "1", "raise ValueError('no')", "2")
    out = tmp_path / "out.ipynb"
    with pytest.raises(PapermillExecutionError):
        pm(path, out)
    assert statuses(out) == ["completed", "failed", "pending"]
    assert journal_of(out).exists()


@pytest.fixture
def install_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Install a kernel of a name that runs Python code; its last argument is the connection."""

    def install(name: str, code: str) -> None:
        spec = tmp_path / "jupyter" / "kernels" / name
        spec.mkdir(parents=True)
        argv = [sys.executable, "-c", code, "-f", "{connection_file}"]
        told = {"argv": argv, "display_name": name, "language": "python"}
        (spec / "kernel.json").write_text(json.dumps(told))
        monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))

    return install


def test_engine_starts_a_kernel_again_that_died_before_it_was_ready(
    desk: Desk, tmp_path: Path, install_kernel: Callable[[str, str], None]
) -> None:
    starts = tmp_path / "starts"
    starts.write_text("")
    install_kernel(
        "unlucky",
        f"""
with open({str(starts)!r}, "r+") as file:
    before = file.read()
    file.write("x")
if len(before) < 2:
    raise SystemExit(1)
from ipykernel.kernelapp import launch_new_instance
launch_new_instance()
""",
    )
    out = tmp_path / "out.ipynb"
    report = rerun(desk.notebook("unlucky", "1", "2"), out, kernel="unlucky")
    assert not report.error
    assert statuses(out) == ["completed", "completed"]
    assert starts.read_text() == "xxx"


def test_engine_with_a_kernel_that_does_not_start_completes_nothing(
    desk: Desk, tmp_path: Path, install_kernel: Callable[[str, str], None]
) -> None:
    install_kernel("broken", "raise SystemExit(1)")
    out = tmp_path / "out.ipynb"
    report = rerun(desk.notebook("broken", "1", "2"), out, kernel="broken")
    assert statuses(out) == ["pending", "pending"]
    assert report.error.startswith("the kernel did not start")
    assert report.exit_status == 4


def test_engine_after_the_kernel_died_marks_the_cell_failed_and_no_other(
    desk: Desk, tmp_path: Path
) -> None:
    path = desk.notebook("dies", "1", "import os; os.kill(os.getpid(), 9)", "2")
    out = tmp_path / "out.ipynb"
    with pytest.raises(DeadKernelError):
        pm(path, out)
    assert statuses(out) == ["completed", "failed", "pending"]
    nb = nbformat.read(out, as_version=4)
    assert nb.cells[1].outputs[-1].ename == "DeadKernelError"
    assert nb.metadata.papermill.exception is True


def test_engine_after_a_time_out_marks_the_cell_failed_and_no_other(
    desk: Desk, tmp_path: Path
) -> None:
    path = desk.notebook("slow", "1", "import threading; threading.Event().wait()", "2")
    out = tmp_path / "out.ipynb"
    with pytest.raises(CellTimeoutError):
        pm(path, out, execution_timeout=2)
    assert statuses(out) == ["completed", "failed", "pending"]
    assert "longer than 2 s" in nbformat.read(out, as_version=4).cells[1].outputs[-1].evalue


def test_engine_after_ctrl_c_marks_the_cell_failed_and_writes_the_notebook(
    desk: Desk, tmp_path: Path
) -> None:
    mark = tmp_path / "running"
    wait = f"open({str(mark)!r}, 'w').close()\nimport threading; threading.Event().wait()"
    path = desk.notebook("stopped", "1", wait, "2")
    out = tmp_path / "out.ipynb"
    process = start(desk, str(path), str(out))
    wait_for(mark.exists, process)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0].decode()
    assert process.returncode != 0
    assert statuses(out) == ["completed", "failed", "pending"], said
    assert "never retrieved" not in said
    assert "destroyed" not in said


# -- kill -9, then resume ------------------------------------------------------------------------

LOG = "open({log!r}, 'a').write('{name} ')"


def resumable(desk: Desk, tmp_path: Path, *, hold: bool) -> Path:
    """A notebook whose Python cells tell that they ran; the last but one may wait forever."""
    log = str(tmp_path / "log")
    wait = "import threading; threading.Event().wait()" if hold else "pass"
    return desk.notebook(
        "resumable",
        LOAD,
        LOG.format(log=log, name="a"),
        SQL,
        "age = 30",
        "%%govsql\nSELECT count(*) AS n FROM trials.patients WHERE age > $age",
        "%%govsql kept <<\nSELECT study FROM trials.patients",
        wait,
        LOG.format(log=log, name="b") + "\nprint(len(kept))",
    )


def kill_in(desk: Desk, nb: Path, out: Path, cells: int) -> None:
    process = start(desk, str(nb), str(out))
    wait_for(lambda: ended_cells(out) >= cells, process)
    process.kill()
    process.communicate()


@pytest.mark.parametrize("cells", [1, 3, 6])
def test_resume_after_kill_9_runs_python_again_and_keeps_shown_results(
    desk: Desk, tmp_path: Path, cells: int
) -> None:
    path = resumable(desk, tmp_path, hold=True)
    out = tmp_path / "out.ipynb"
    kill_in(desk, path, out, cells)
    assert nbformat.read(out, as_version=4)  # whole, whatever was being written
    reached = ended_cells(out)
    resumable(desk, tmp_path, hold=False)
    report = rerun(path, out, resume=True, environment=desk.environment())
    assert report.error == ""
    ran = {c.cell_id: c.kept for c in report.cells}
    assert ran == {"c2": reached >= 3, "c4": reached >= 5, "c5": False}
    nb = nbformat.read(out, as_version=4)
    assert set(statuses(out)) == {"completed"}
    assert [c.execution_count for c in nb.cells] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert nb.cells[-1].outputs[0].text.strip() == "10"
    assert not journal_of(out).exists()
    whole = rerun(path, tmp_path / "whole.ipynb", environment=desk.environment())
    digests = [[s.result_digest for s in c.after] for c in whole.cells]
    assert [[s.result_digest for s in c.after] for c in report.cells] == digests


def test_resume_of_a_run_killed_after_its_last_cell_writes_without_running(
    desk: Desk, tmp_path: Path
) -> None:
    """Papermill writes once more after its engine has ended, and that write can be torn."""
    log = tmp_path / "log"
    source = LOG.format(log=str(log), name="a")
    path = desk.notebook("last", source, "print(1)")
    out = tmp_path / "out.ipynb"
    pm(path, out)
    saved = journal_of(out).read_bytes()
    forget_now()  # as at the end of the process
    journal_of(out).write_bytes(saved)
    out.write_text("{torn")
    report = rerun(path, out, resume=True)
    assert report.error == ""
    assert log.read_text() == "a "
    assert statuses(out) == ["completed", "completed"]


def test_resume_reads_the_snapshots_that_the_killed_run_read(desk: Desk, tmp_path: Path) -> None:
    first = desk.wide(1)
    wait = "import threading; threading.Event().wait()"
    path = desk.notebook("unpinned", LOAD, f"%%govsql a <<\n{WIDE[9:]}", wait, WIDE)
    out = tmp_path / "out.ipynb"
    kill_in(desk, path, out, 2)
    desk.wide(2)
    path = desk.notebook("unpinned", LOAD, f"%%govsql a <<\n{WIDE[9:]}", "pass", WIDE)
    report = rerun(path, out, resume=True, environment=desk.environment())
    assert [dict(s.pins) for c in report.cells for s in c.after] == [{"trials.wide": first}] * 2


def test_resume_after_a_consent_was_withdrawn_asks_again(desk: Desk, tmp_path: Path) -> None:
    path = resumable(desk, tmp_path, hold=True)
    out = tmp_path / "out.ipynb"
    kill_in(desk, path, out, 6)
    desk.dina.consent("T:patient", "P002", "model_training", "withdrawn")
    resumable(desk, tmp_path, hold=False)
    report = rerun(path, out, resume=True, environment=desk.environment())
    assert not any(cell.kept for cell in report.cells)
    assert any("policy or consent changed" in note for note in report.resumed)


def test_resume_of_changed_code_or_parameters_is_refused(desk: Desk, tmp_path: Path) -> None:
    path = desk.notebook("changed", "x = 1", "raise ValueError(x)", tags={0: "parameters"})
    out = tmp_path / "out.ipynb"
    with pytest.raises(PapermillExecutionError):
        pm(path, out)
    with pytest.raises(ConfigError, match="a parameter changed since"):
        rerun(path, out, resume=True, parameters={"x": 2})
    desk.notebook("changed", "x = 7", "raise ValueError(x)", tags={0: "parameters"})
    with pytest.raises(ConfigError, match="the code of a cell that has run changed"):
        rerun(path, out, resume=True)
    desk.notebook("changed", "x = 1", "print(x)", tags={0: "parameters"})
    assert rerun(path, out, resume=True).error == ""


def test_resume_without_a_journal_is_refused_and_by_papermill_starts_anew(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = desk.notebook("fresh", "1")
    with pytest.raises(ConfigError, match="no journal"):
        rerun(path, tmp_path / "out.ipynb", resume=True)
    assert not journal_of(tmp_path / "out.ipynb").exists()
    monkeypatch.setenv("GOVDATA_RESUME", "1")
    pm(path, tmp_path / "out.ipynb")
    assert statuses(tmp_path / "out.ipynb") == ["completed"]


def test_journal_has_what_a_later_cell_changed_in_an_earlier_ones_output(
    desk: Desk, tmp_path: Path
) -> None:
    path = desk.notebook("updated", "h = display('old', display_id=True)", "h.update('new')", "1/0")
    out = tmp_path / "out.ipynb"
    with pytest.raises(PapermillExecutionError):
        pm(path, out)
    kept = journalled(journal_of(out))
    assert kept.last_good == 1
    assert kept.entries[0].outputs[0]["data"]["text/plain"] == "'new'"


def test_journal_of_another_run_into_the_same_notebook_is_left_alone(
    desk: Desk, tmp_path: Path
) -> None:
    out = tmp_path / "out.ipynb"
    pm(desk.notebook("good", "1"), out)
    failing = start(desk, str(desk.notebook("bad", "1", "1 / 0")), str(out))
    failing.communicate(timeout=120)
    forget_now()
    assert journalled(journal_of(out)).last_good == 0


def test_resume_when_a_later_cell_reads_outputs_keeps_none(desk: Desk, tmp_path: Path) -> None:
    wait = "import threading; threading.Event().wait()"
    path = desk.notebook("history", LOAD, SQL, wait, "print(len(_))")
    out = tmp_path / "out.ipynb"
    kill_in(desk, path, out, 2)
    path = desk.notebook("history", LOAD, SQL, "pass", "print(len(_))")
    report = rerun(path, out, resume=True, environment=desk.environment())
    assert not report.cells[0].kept
    assert "a later cell reads the outputs" in report.resumed[0]


# -- the journal itself --------------------------------------------------------------------------


def test_journal_that_is_torn_is_read_up_to_the_tear(tmp_path: Path, desk: Desk) -> None:
    path = desk.notebook("torn", "1", "2", "raise ValueError")
    out = tmp_path / "out.ipynb"
    with pytest.raises(PapermillExecutionError):
        pm(path, out)
    whole = journal_of(out).read_bytes()
    lines = whole.splitlines(keepends=True)
    for size in range(0, len(whole), 17):
        journal_of(out).write_bytes(whole[:size])
        found = journalled(journal_of(out))
        ended = whole[:size].count(b"\n")
        assert (found.head is not None) == (ended >= 1)
        assert found.last_good == max(-1, min(ended - 3, 1))
    assert json.loads(lines[0])["head"]["kernel"] == "python3"
