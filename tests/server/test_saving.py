"""A real Jupyter server folds stamps when a notebook is saved, and never fails a save for it."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from jupyter_govdata.stamps.folding import stamped_cells
from jupyter_govdata.stamps.pinning import pins_of
from tests.server.jupyter import ROOT, Server
from tests.stamps.notebooks import notebook, query_cell, stamp

CONFIG = """
from tornado.web import HTTPError

def hook(model, path, contents_manager, **more):
    nb = model.get("content")
    if "refused" in path:
        raise HTTPError(409, "the other hook refuses")
    if model["type"] == "notebook" and "stripped" in path:
        for cell in nb["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None

c.FileContentsManager.pre_save_hook = hook
c.AsyncFileContentsManager.pre_save_hook = hook
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("server"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose user has a pre-save hook."""
    made = Server(tmp_path_factory.mktemp("hooked"), CONFIG)
    yield made
    made.close()


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def test_saved_notebook_has_its_stamps_folded(server: Server) -> None:
    nb = notebook(query_cell(id="q1"), new_code_cell("1"))
    path = server.save("a.ipynb", nb)
    saved = read(path)
    assert saved.cells[0].metadata.jupyter_govdata["stamps"]
    assert list(saved.metadata.jupyter_govdata["cells"]) == ["q1"]
    before = path.read_bytes()
    server.save("a.ipynb", server.call("GET", "/api/contents/a.ipynb?content=1")["content"])
    assert path.read_bytes() == before


def test_outputs_cleared_in_an_editor_that_never_saw_the_copy_keep_it(server: Server) -> None:
    """An editor's model does not change when the server writes metadata into the file."""
    nb = notebook(query_cell(id="q1"), query_cell("SELECT 2", id="q2"))
    in_editor = copy.deepcopy(nb)
    server.save("b.ipynb", nb)
    for cell in in_editor.cells:
        cell.outputs, cell.execution_count = [], None
    in_editor.cells.reverse()
    in_editor.cells[0].source = "%%govsql\nSELECT 3"
    path = server.save("b.ipynb", in_editor)
    cells = stamped_cells(read(path))
    assert [(c.name, c.state) for c in cells] == [("q2", "outdated"), ("q1", "kept")]
    assert cells[1].stamps == (stamp(),)
    del in_editor.cells[0]
    path = server.save("b.ipynb", in_editor)
    assert list(read(path).metadata.jupyter_govdata["cells"]) == ["q1"]


def test_notebook_without_ids_keeps_its_copies_over_saves(server: Server) -> None:
    nb = notebook(query_cell())
    nb.nbformat_minor = 4
    del nb.cells[0]["id"]
    in_editor = copy.deepcopy(nb)
    server.save("c.ipynb", nb)
    in_editor.cells[0].outputs, in_editor.cells[0].execution_count = [], None
    path = server.save("c.ipynb", in_editor)
    assert pins_of(json.loads(path.read_text())).assets == {"trials.outcomes": 11}


def test_hook_of_the_user_runs_after_ours(hooked: Server) -> None:
    path = hooked.save("stripped.ipynb", notebook(query_cell(id="q1")))
    saved = read(path)
    assert saved.cells[0].outputs == []
    assert stamped_cells(saved)[0].state == "kept"
    model = {"type": "notebook", "format": "json", "content": notebook(query_cell(id="q1"))}
    assert hooked.fetch("PUT", "/api/contents/refused.ipynb", model).status == 409


def test_malformed_notebooks_and_other_files_are_saved(server: Server) -> None:
    nb = notebook(query_cell(id="q1"))
    nb.metadata["jupyter_govdata"] = {"cells": 5, "v": "x"}
    nb.cells[0].metadata["jupyter_govdata"] = [1]
    nb.cells[0].outputs[0].data["application/vnd.govdata.stamp.v1+json"] = {"v": "?"}
    assert read(server.save("d.ipynb", nb)).cells[0].source == "%%govsql\nSELECT 1"
    (server.root / "e.ipynb").write_text('{"jupyter_govdata": broken')
    server.save("e.ipynb", notebook(query_cell(id="q1")))
    assert read(server.root / "e.ipynb").metadata.jupyter_govdata["cells"]
    text = {"type": "file", "format": "text", "content": "jupyter_govdata"}
    server.call("PUT", "/api/contents/f.txt", text)
    assert (server.root / "f.txt").read_text() == "jupyter_govdata"


def test_failure_inside_the_fold_is_logged_and_the_notebook_saved(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import logging

    from jupyter_govdata.server import saving

    def fails(*_: Any) -> bool:
        raise RuntimeError("x")

    monkeypatch.setattr(saving, "fold_stamps", fails)
    hook = saving.FoldHook(logging.getLogger("test"), None)
    model = {"type": "notebook", "content": dict(notebook(query_cell(id="q1")))}
    before = copy.deepcopy(model)
    hook(model=model, path="x.ipynb")
    assert model == before
    assert "stamps were not folded" in caplog.text


def test_server_loads_no_arrow_and_no_engine() -> None:
    code = (
        "import sys, jupyter_govdata.server.app\n"
        "print([m for m in ('pyarrow', 'duckdb', 'numpy', 'jupyter_govdata.session') "
        "if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_wheel_enables_the_extension(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*build, "-w", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        (name,) = [n for n in files.namelist() if "jupyter_server_config.d" in n]
        assert name.endswith("/data/etc/jupyter/jupyter_server_config.d/jupyter_govdata.json")
        settings = json.loads(files.read(name))
    assert settings["ServerApp"]["jpserver_extensions"] == {"jupyter_govdata": True}
