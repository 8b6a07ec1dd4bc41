"""What a notebook read, over REST, and the jobs that run it again: real stamps, real kernels."""

from __future__ import annotations

import json
import os
import select
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
import pyarrow as pa
import pytest
from nbformat.v4 import new_code_cell

from jupyter_govdata.session import Session, connect
from tests.server.description import check
from tests.server.jupyter import API, Server
from tests.stamps.notebooks import notebook, output, query_cell, stamp

LOAD = "%load_ext jupyter_govdata"


def posted(server: Server, path: str, body: Any, status: int = 200) -> Any:
    answer = server.post(path, body)
    assert answer.status == status, answer.text
    return check("POST", path, answer)


def stamped(lake: Path, *queries: str) -> Any:
    """Return a notebook as a kernel leaves it after it ran these queries."""
    cells = []
    with connect(lake, user="ana") as session:
        for place, query in enumerate(queries):
            made = session.sql(query).stamp
            cells.append(query_cell(query, made, id=f"q{place}"))
    nb = notebook(*cells)
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "P", "language": "python"}
    return nb


def unrun(*sources: str) -> Any:
    nb = notebook(*(new_code_cell(source, id=f"c{i}") for i, source in enumerate(sources)))
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "P", "language": "python"}
    return nb


def ended(server: Server, job: Any, user: str = "") -> Any:
    """Wait for the end of a job."""
    told = job
    while told["state"] == "running":
        path = f"jobs/{job['id']}?wait=30"
        answer = server.get(path, user=user)
        assert answer.status == 200, answer.text
        told = check("GET", path, answer)
    return told


# -- pins --------------------------------------------------------------------------------------


def test_pins_name_cells_snapshots_and_what_is_newer(
    own: Server, lake: Path, dina: Session
) -> None:
    first = dina.load(pa.table({"a": [1]}), "trials.wide")
    nb = stamped(lake, "SELECT count(*) AS n FROM trials.wide", "SELECT 1 AS one")
    own.save("pins.ipynb", nb)
    found = posted(own, "notebooks/pins", {"path": "pins.ipynb"})
    assert found["purpose"] == "research"
    assert [(c["cell_id"], c["index"], c["status"]) for c in found["cells"]] == [
        ("q0", 0, "current"),
        ("q1", 1, "current"),
    ]
    (asset,) = found["assets"]
    assert (asset["asset"], asset["snapshot_id"]) == ("trials.wide", str(first.snapshot_id))
    assert (asset["cells"], asset["newer"]) == (["q0"], 0)
    assert asset["newest_snapshot_id"] == asset["snapshot_id"]
    assert asset["why"] == "newest"
    assert found["verification"]["status"] == "intact"

    second = dina.load(pa.table({"a": [2]}), "trials.wide", mode="append")
    (asset,) = posted(own, "notebooks/pins", {"path": "pins.ipynb"})["assets"]
    assert (asset["newer"], asset["newest_snapshot_id"]) == (1, str(second.snapshot_id))
    assert asset["committed_at"] == first.committed_at.isoformat()

    held = {"path": "pins.ipynb", "until": "90d", "name": "paper"}
    told = posted(own, "notebooks/hold", held)
    if told["refused"]:
        assert told["refused"][0]["code"] == "access_denied"
    else:
        assert told["held"][0]["snapshot_id"] == str(first.snapshot_id)


def test_pins_are_of_the_editors_text_where_it_is_sent(own: Server, lake: Path) -> None:
    nb = stamped(lake, "SELECT count(*) AS n FROM trials.growing")
    own.save("unsaved.ipynb", notebook())
    assert posted(own, "notebooks/pins", {"path": "unsaved.ipynb"})["assets"] == []
    content = json.loads(nbformat.writes(nb))
    found = posted(own, "notebooks/pins", {"path": "never-saved.ipynb", "content": content})
    assert [a["asset"] for a in found["assets"]] == ["trials.growing"]
    content["cells"][0]["source"] = "%%govsql\nSELECT 2"
    changed = posted(own, "notebooks/pins", {"path": "x.ipynb", "content": content})
    assert changed["cells"][0]["status"] == "outdated"
    assert changed["verification"]["status"] == "different"


@pytest.mark.attack("T78", surface="rest")
def test_pins_of_a_forged_or_foreign_stamp_say_so(own: Server, lake: Path) -> None:
    nb = json.loads(nbformat.writes(stamped(lake, "SELECT count(*) AS n FROM trials.growing")))
    data = nb["cells"][0]["outputs"][0]["data"]
    (mime,) = [key for key in data if "stamp" in key]
    data[mime]["receipts"][0]["principal"] = "dina"
    forged = posted(own, "notebooks/pins", {"path": "x.ipynb", "content": nb})
    assert forged["verification"]["status"] == "forged"
    foreign = notebook(query_cell("SELECT 1", stamp("SELECT 1", {"trials.growing": 7}), id="q"))
    found = posted(own, "notebooks/pins", {"path": "x.ipynb", "content": dict(foreign)})
    assert found["verification"]["status"] == "not replayable"
    assert found["assets"][0]["why"] == "expired"


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"cells": 5, "nbformat": 4},
        {"cells": [None, 1, {"outputs": 3}], "metadata": []},
        {"cells": [{"cell_type": "code", "outputs": [{"data": {"x": 1}}]}]},
        {"metadata": {"jupyter_govdata": {"v": 1, "cells": {"a": 3}}}},
    ],
    ids=str,
)
def test_pins_of_what_is_no_notebook_are_none(own: Server, content: Any) -> None:
    found = posted(own, "notebooks/pins", {"path": "x.ipynb", "content": content})
    assert (found["assets"], found["verification"]) == ([], None)


def test_pins_of_many_snapshots_compare_some(own: Server) -> None:
    cells = [
        query_cell("SELECT 1", stamp("SELECT 1", {f"trials.n{i}": 7}), id=f"q{i}")
        for i in range(210)
    ]
    content = json.loads(nbformat.writes(notebook(*cells)))
    found = posted(own, "notebooks/pins", {"path": "x.ipynb", "content": content})
    whys = [asset["why"] for asset in found["assets"]]
    assert (whys.count("refused"), whys.count("not compared")) == (200, 10)


# -- the server's own rules --------------------------------------------------------------------


@pytest.mark.attack("T15", surface="rest")
def test_notebooks_outside_hidden_or_broken_are_not_there(own: Server) -> None:
    (own.root / ".hidden").mkdir(exist_ok=True)
    (own.root / ".hidden" / "x.ipynb").write_text(nbformat.writes(notebook()))
    (own.root.parent / "outside.ipynb").write_text(nbformat.writes(notebook()))
    (own.root / "broken.ipynb").write_text("{")
    bodies = {
        "notebooks/pins": {},
        "notebooks/hold": {"name": "x", "until": "90d"},
        "notebooks/verify": {},
        "notebooks/rerun": {"output": "out.ipynb"},
        "notebooks/export": {"to": "prov"},
    }
    for path, body in bodies.items():
        for missing in ("none.ipynb", ".hidden/x.ipynb", "no/folder.ipynb"):
            answer = own.post(path, {"path": missing, **body})
            assert (answer.status, answer.json["code"]) == (404, "no_notebook"), (path, missing)
            check("POST", path, answer)
    for path in ("notebooks/pins", "notebooks/hold"):
        answer = own.post(path, {"path": "broken.ipynb", **bodies[path]})
        assert answer.status == 400
        assert str(own.root) not in answer.text


def test_outputs_stay_where_the_server_lets_one_write(own: Server) -> None:
    own.save("o.ipynb", notebook())
    for out in ("no-such-folder/x.ipynb", ".hidden.ipynb"):
        answer = own.post("notebooks/rerun", {"path": "o.ipynb", "output": out})
        assert answer.status == 400, out


def test_person_who_may_not_run_or_save_starts_no_job(shared: Server) -> None:
    """An `Authorizer` that keeps somebody from kernels keeps him from jobs too."""
    (shared.root / "denied.ipynb").write_text(nbformat.writes(notebook()))
    bodies = {
        "notebooks/verify": {},
        "notebooks/rerun": {"output": "out.ipynb"},
        "notebooks/export": {"to": "prov"},
    }
    for path, body in bodies.items():
        answer = shared.post(path, {"path": "denied.ipynb", **body}, user="looker")
        assert (answer.status, answer.json["code"]) == (403, "forbidden"), path
    assert shared.post("notebooks/pins", {"path": "denied.ipynb"}, user="looker").status == 200


# -- jobs --------------------------------------------------------------------------------------


def test_notebook_is_run_verified_and_run_again_on_new_data(
    own: Server, lake: Path, dina: Session
) -> None:
    dina.load(pa.table({"n": pa.array([1, 2], pa.int64())}), "trials.stale")
    dina.load(pa.table({"a": [1]}), "trials.unused")
    query = "%%govsql\nSELECT sum(n) AS total FROM trials.growing"
    own.save("story.ipynb", unrun(LOAD, query))

    body = {"path": "story.ipynb", "output": "run.ipynb", "pins": "current"}
    first = ended(own, posted(own, "notebooks/rerun", body, 202)["job"])
    assert (first["state"], first["result"]["verdict"]) == ("done", "first run"), first
    assert (first["result"]["notebook"], first["result"]["out"]) == ("story.ipynb", "run.ipynb")

    dina.load(pa.table({"n": pa.array([9], pa.int64())}), "trials.growing", mode="append")
    (asset,) = posted(own, "notebooks/pins", {"path": "run.ipynb"})["assets"]
    assert asset["newer"] == 1

    def both(*asked: tuple[str, dict[str, str]]) -> list[Any]:
        jobs = [posted(own, path, {"path": "run.ipynb"} | more, 202)["job"] for path, more in asked]
        return [ended(own, job) for job in jobs]

    # What was read is read again, whatever was loaded since.
    verified, again = both(
        ("notebooks/verify", {}),
        ("notebooks/rerun", {"output": "pinned.ipynb", "pins": "stamped"}),
    )
    assert (verified["state"], verified["exit_status"]) == ("done", 0), verified
    assert [c["verdict"] for c in verified["result"]["cells"]][-1] == "exact"
    assert again["result"]["verdict"] == "identical", again

    moved, prov = both(
        ("notebooks/rerun", {"output": "newest.ipynb", "pins": "current"}),
        ("notebooks/export", {"to": "prov"}),
    )
    assert moved["result"]["verdict"] == "different", moved
    assert moved["result"]["cells"][-1]["causes"] == ["data"]
    assert (own.root / "newest.ipynb").exists()

    exports = [prov]
    exports += both(
        ("notebooks/export", {"to": "openlineage"}), ("notebooks/export", {"to": "prov"})
    )
    exports += both(("notebooks/export", {"to": "ro-crate"}), ("notebooks/export", {"to": "prov"}))
    assert {job["state"] for job in exports} == {"done"}, exports
    outs = [job["result"]["out"] for job in exports]
    assert outs == [
        "run.prov.json",
        "run.openlineage.ndjson",
        "run-1.prov.json",
        "run.ro-crate",
        "run-2.prov.json",
    ]
    assert all((own.root / out).exists() for out in outs)
    assert str(lake.parent) not in json.dumps([first, verified, again, moved])
    assert str(own.root) not in json.dumps([first, verified, again, moved])


def test_job_without_a_report_failed_and_says_why(own: Server) -> None:
    own.save("plain.ipynb", unrun("1 + 1"))
    body = {"path": "plain.ipynb", "output": "plain.out.ipynb"}
    job = ended(own, posted(own, "notebooks/rerun", body, 202)["job"])
    assert (job["state"], job["exit_status"], job["result"]) == ("failed", 3, None)
    assert "`plain.ipynb` has no stamps" in job["log_tail"]


def started(server: Server, *names: str) -> list[tuple[Any, int]]:
    """Start jobs that do not end, and return each with the process id of its kernel."""
    jobs = [_start(server, name) for name in names]
    # Reading waits until the kernel writes.
    return [(job, int(said.read_text())) for job, said in jobs]


def _start(server: Server, name: str) -> tuple[Any, Path]:
    said = server.root / f"{name}.pid"
    os.mkfifo(said)
    write = f"import os, pathlib\npathlib.Path({str(said)!r}).write_text(str(os.getpid()))"
    server.save(f"{name}.ipynb", unrun(write, "import threading\nthreading.Event().wait()"))
    body = {"path": f"{name}.ipynb", "output": f"{name}.out.ipynb", "pins": "current"}
    return posted(server, "notebooks/rerun", body, 202)["job"], said


def wait_for_end(pid: int) -> None:
    """Wait until a process is gone that is not our child."""
    with suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        select.select([process], [], [])
        os.close(process)


def test_jobs_are_few_stopped_with_their_kernels_and_their_owners_own(shared: Server) -> None:
    """`t` has no session of its own in this server; see `test_sessions` for the server's end."""
    (shared.root / "p.ipynb").write_text(nbformat.writes(unrun("1")))
    answer = shared.post("notebooks/rerun", {"path": "p.ipynb", "output": "q.ipynb"}, user="t")
    assert (answer.status, answer.json["code"]) == (403, "not_your_server")


def test_running_jobs_are_limited_and_end_when_stopped(own: Server) -> None:
    jobs = started(own, "one", "two")
    body = {"path": "one.ipynb", "output": "three.ipynb", "pins": "current"}
    third = own.post("notebooks/rerun", body)
    assert (third.status, check("POST", "notebooks/rerun", third)["code"]) == (429, "busy")
    for job, pid in jobs:
        answer = own.fetch("DELETE", f"{API}jobs/{job['id']}")
        assert check("DELETE", f"jobs/{job['id']}", answer)["state"] == "stopped"
        wait_for_end(pid)
        assert own.get(f"jobs/{job['id']}").json["state"] == "stopped"


@pytest.mark.attack("T78", surface="rest")
def test_cell_output_that_is_no_stamp_is_no_asset(own: Server) -> None:
    content = notebook(new_code_cell("1", outputs=[output(stamp())], id="a", execution_count=1))
    content.cells[0].outputs[0].data = {"text/plain": "trials.patients @ 1"}
    found = posted(own, "notebooks/pins", {"path": "x.ipynb", "content": dict(content)})
    assert found["cells"] == []
