"""Notebooks that real kernels run over a real lake behind a real embedded gateway."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pyarrow as pa
import pytest
from nbclient import NotebookClient

from jupyter_govdata.session import Session, connect
from tests.session.conftest import build

LOAD = "%load_ext jupyter_govdata"
SQL = "%%govsql\nSELECT study, count(*) AS n FROM trials.patients GROUP BY study ORDER BY study"
WIDE = "%%govsql\nSELECT sum(x) AS total, count(*) AS n FROM trials.wide"


@dataclass
class Desk:
    """A folder to work in, a lake, and the steward's session that keeps its gateway running."""

    folder: Path
    lake: Path
    dina: Session
    is_wide: bool = False

    def notebook(self, name: str, *sources: str, tags: dict[int, str] | None = None) -> Path:
        """Write a notebook of these code cells, with ids ``c0``, ``c1`` ..., never run."""
        cells = []
        for place, source in enumerate(sources):
            cell = nbformat.v4.new_code_cell(source, id=f"c{place}")
            if tags and place in tags:
                cell.metadata["tags"] = [tags[place]]
            cells.append(cell)
        nb = nbformat.v4.new_notebook(cells=cells)
        nb.metadata["kernelspec"] = {"name": "python3", "display_name": "P", "language": "python"}
        path = self.folder / f"{name}.ipynb"
        nbformat.write(nb, path)
        return path

    def run(self, path: Path, user: str = "ana") -> Any:
        """Run a notebook in place, as somebody at JupyterLab does."""
        nb = nbformat.read(path, as_version=4)
        environment = os.environ | self.environment(user)
        NotebookClient(nb, timeout=120, kernel_name="python3").execute(env=environment)
        nbformat.write(nb, path)
        return nb

    def environment(self, user: str = "ana") -> dict[str, str]:
        return {"GOVDATA_LAKE": str(self.lake), "GOVDATA_USER": user}

    def wide(self, *values: int) -> int:
        """Append to the asset that everybody may read; return the snapshot."""
        table = pa.table({"x": list(values)})
        mode = "append" if self.is_wide else "create"
        self.is_wide = True
        return self.dina.load(table, "trials.wide", mode=mode).snapshot_id


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever runs the tests have no say, and no kernel inherits warnings."""
    for name in list(os.environ):
        if name.startswith("GOVDATA_"):
            monkeypatch.delenv(name)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk of one's own."""
    lake = build(tmp_path)
    with connect(lake, user="dina") as dina:
        yield Desk(tmp_path, lake, dina)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk that the tests of one module share; they leave the lake as it is."""
    folder = tmp_path_factory.mktemp("shared")
    lake = build(folder)
    with connect(lake, user="dina") as dina:
        desk = Desk(folder, lake, dina)
        desk.wide(1, 2, 3)
        yield desk
