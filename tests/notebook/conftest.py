"""A real IPython shell over a real session at a real embedded gateway."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from jupyter_govdata.session import connect
from tests.session.conftest import build


@dataclass
class Ran:
    """What running a cell gave."""

    result: Any
    success: bool
    text: str
    outputs: list[dict[str, Any]] = field(default_factory=list)
    error: BaseException | None = None
    everything: list[dict[str, Any]] = field(default_factory=list)
    """All that was published, outputs that were replaced included."""


class Notebook:
    """Runs cells as a notebook does."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.everything: list[str] = []

    def run(self, cell: str, cell_id: str | None = None) -> Ran:
        with capture_output() as captured:
            done = self.shell.run_cell(cell, store_history=True, cell_id=cell_id)
        published = list(captured._outputs)
        outputs = [{"data": o["data"], "metadata": o["metadata"]} for o in _kept(published)]
        text = captured.stdout + captured.stderr
        self.everything += [cell, text, repr(outputs)]
        error = done.error_before_exec or done.error_in_exec
        return Ran(done.result, done.success, text, outputs, error, published)


def _kept(published: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the outputs as a frontend keeps them: an update takes the place of its output."""
    kept: dict[Any, dict[str, Any]] = {}
    for i, output in enumerate(published):
        kept[(output["transient"] or {}).get("display_id", i)] = output
    return list(kept.values())


@pytest.fixture(scope="session")
def shared_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    lake = build(tmp_path_factory.mktemp("notebook"))
    with connect(lake, user="dina"):  # keeps the gateway running for all tests
        yield lake


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    InteractiveShell.clear_instance()
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    made = InteractiveShell.instance(config=config)
    made.display_pub = CapturingDisplayPublisher()
    yield made
    if "GovDataMagics" in made.magics_manager.registry:
        made.run_line_magic("unload_ext", "jupyter_govdata")
    InteractiveShell.clear_instance()


@pytest.fixture
def bare(shell: InteractiveShell) -> Notebook:
    """A notebook with the extension loaded and no session."""
    shell.run_line_magic("load_ext", "jupyter_govdata")
    return Notebook(shell)


@pytest.fixture
def notebook(bare: Notebook, shared_lake: Path) -> Notebook:
    """A notebook of a clinical analyst."""
    assert bare.run(f"%govdata connect {shared_lake} --as ana").success
    return bare
