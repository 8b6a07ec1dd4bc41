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

from jupyter_govdata.query.cell import cell_queries
from jupyter_govdata.session import Session, connect
from jupyter_govdata.stamps.stamp import stamp_bundle
from tests.gateway.world import FILES, consent_table
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
    is_changed: bool = False

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

    def run(self, path: Path, user: str = "ana", **variables: Any) -> None:
        """Stamp a notebook in place: every query is run by a session, Python cells are not."""
        nb = nbformat.read(path, as_version=4)
        with connect(self.lake, user=user) as session:
            for cell in nb.cells:
                cell.outputs = []
                for query in cell_queries(cell.source):
                    result = session.sql(query.sql, variables)
                    data, metadata = stamp_bundle(result.stamp, {})
                    output = nbformat.v4.new_output("display_data", data, metadata=metadata)
                    cell.outputs.append(output)
        nbformat.write(nb, path)

    def run_in_kernel(self, path: Path, user: str = "ana") -> None:
        """Run a notebook in place, as somebody at JupyterLab does."""
        nb = nbformat.read(path, as_version=4)
        environment = os.environ | self.environment(user)
        NotebookClient(nb, timeout=120, kernel_name="python3").execute(env=environment)
        nbformat.write(nb, path)

    def environment(self, user: str = "ana") -> dict[str, str]:
        return {"GOVDATA_LAKE": str(self.lake), "GOVDATA_USER": user}

    def apply(self, policies: str) -> None:
        """Make these policies the lake's."""
        self.is_changed = True
        source = self.folder / "governance"
        for name, text in {**FILES, "policies/all.cedar": policies}.items():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        self.dina.apply(source)

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


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A lake that all tests share, with ``trials.wide`` filled; its versions only get more."""
    folder = tmp_path_factory.mktemp("rerun")
    with connect(build(folder), user="dina") as dina:
        desk = Desk(folder, folder / "lake", dina)
        desk.wide(1, 2, 3)
        dina.load(consent_table(), "governance.consent")
        yield desk


@pytest.fixture
def desk(lake: Desk, tmp_path: Path) -> Iterator[Desk]:
    """A folder of one's own at the shared lake, whose policies are put right afterwards."""
    made = Desk(tmp_path, lake.lake, lake.dina, is_wide=True)
    yield made
    if made.is_changed:
        made.apply(FILES["policies/all.cedar"])


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Desk]:
    """A desk at a lake of one's own."""
    with connect(build(tmp_path), user="dina") as dina:
        yield Desk(tmp_path, tmp_path / "lake", dina)
