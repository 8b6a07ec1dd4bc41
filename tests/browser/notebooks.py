"""A lake, a JupyterLab over it and a browser, for tests about notebooks."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from playwright.sync_api import Browser, Locator, Page

from jupyter_govdata.session import Session, connect, init_lake
from tests.browser.lab import Lab
from tests.gateway.world import FILES, PATIENTS

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-headless-shell")
SCREENSHOTS = Path(__file__).with_name("screenshots")
THEMES = {
    "light": "JupyterLab Light",
    "dark": "JupyterLab Dark",
    "contrast": "JupyterLab Dark High Contrast",
}
AXE = ROOT / "labextension" / "node_modules" / "axe-core" / "axe.min.js"

LOAD = "%load_ext jupyter_govdata"
COUNT = "%%govsql\nSELECT study, count(*) AS n FROM trials.patients GROUP BY study ORDER BY study"
WIDE = "%%govsql\nSELECT sum(x) AS total FROM trials.wide"

TRAINING = """
@id("clinical-training")
permit (principal in Group::"clinical", action == Action::"select",
        resource in Asset::"trials.patients")
when { resource.study == "S3" && context.purpose == "model_training" };

@id("clinical-hold")
permit (principal in Group::"clinical", action == Action::"hold",
        resource in Asset::"trials.patients");
"""

IDLE = """() => { const k = window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel;
  return k && k.connectionStatus === 'connected' && k.status === 'idle' && !k.hasPendingInput; }"""


def build(folder: Path) -> Path:
    """A lake in which ana sees other patients for another purpose."""
    source = folder / "source"
    files = {**FILES, "policies/all.cedar": FILES["policies/all.cedar"] + TRAINING}
    for name, text in files.items():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    lake = init_lake(folder / "lake", source, "dina")
    with connect(lake, user="dina") as dina:
        dina.load(PATIENTS, "trials.patients")
        wide(dina, 1, 2, 3, mode="create")
    return lake


def wide(steward: Session, *values: int, mode: str = "append") -> None:
    """Append to the asset that everybody may read."""
    steward.load(pa.table({"x": list(values)}), "trials.wide", mode=mode)


@contextmanager
def running(folder: Path, lake: Path, user: str, app: str = "lab") -> Iterator[Lab]:
    """A JupyterLab with the extension as it stands in this tree."""
    built = folder / "share" / "jupyter" / "labextensions"
    built.mkdir(parents=True)
    (built / "jupyter-govdata").symlink_to(ROOT / "jupyter_govdata" / "labextension")
    settings = folder / "jupyter_config_dir" / "jupyter_server_config.json"
    settings.parent.mkdir(parents=True)
    enabled = {"ServerApp": {"jpserver_extensions": {"jupyter_govdata": True}}}
    settings.write_text(json.dumps(enabled))
    environment = {
        "GOVDATA_LAKE": str(lake),
        "GOVDATA_USER": user,
        "JUPYTER_PATH": os.environ.get("JUPYTER_PATH", str(built.parent)),
        "PYTHONWARNINGS": "default",
    }
    lab = Lab(folder, environment, app=app)
    try:
        yield lab.start()
    finally:
        lab.stop()


def cells(*sources: str) -> dict[str, Any]:
    """A notebook that never ran, with cells ``c0``, ``c1`` ..."""
    code = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"c{place}",
            "metadata": {},
            "outputs": [],
            "source": source,
        }
        for place, source in enumerate(sources)
    ]
    spec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": code, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}


@dataclass
class Desk:
    """A browser at a JupyterLab.

    Args:
        lab: The JupyterLab.
        page: The page.
        errors: What failed in the page.
    """

    lab: Lab
    page: Page
    errors: list[str] = field(default_factory=list)

    def open(self, name: str, *sources: str, content: dict[str, Any] | None = None) -> None:
        """Open a notebook and wait for its kernel."""
        self.page.goto(self.lab.notebook(name, content or cells(*sources)))
        self.page.wait_for_function(IDLE, timeout=120_000)

    def reopen(self, name: str) -> None:
        """Open a notebook that is there, as its file is."""
        self.page.goto(f"{self.lab.url}/lab/tree/{name}?token={self.lab.token}&reset")
        self.page.wait_for_function(IDLE, timeout=120_000)

    def command(self, name: str, **arguments: Any) -> None:
        # A promise that is waited for in the page may never end.
        self.page.evaluate(
            "([n, a]) => { void window.jupyterapp.commands.execute(n, a); }", [name, arguments]
        )

    def run_all(self) -> None:
        self.command("notebook:run-all-cells")
        self.page.wait_for_function(
            "() => [...window.jupyterapp.shell.currentWidget.model.cells]"
            ".every(c => c.type !== 'code' || c.executionCount !== null)",
            timeout=120_000,
        )
        self.page.wait_for_function(IDLE, timeout=120_000)

    def run_cell(self, place: int) -> None:
        """Run one cell and wait for its end."""
        cell = f"window.jupyterapp.shell.currentWidget.model.cells.get({place})"
        before = self.page.evaluate(f"() => {cell}.executionCount ?? 0")
        self.page.evaluate(
            "n => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = n; }", place
        )
        self.command("notebook:run-cell")
        self.page.wait_for_function(
            f"n => ({cell}.executionCount ?? 0) > n", arg=before, timeout=120_000
        )
        self.page.wait_for_function(IDLE, timeout=120_000)

    def metadata(self) -> Any:
        """Our part of the open notebook's metadata."""
        return self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.model.getMetadata('jupyter_govdata')"
            " ?? null"
        )

    def save(self) -> dict[str, Any]:
        """Save the notebook and return the file."""
        path = self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.path")
        self.command("docmanager:save")
        self.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.model.dirty")
        saved: dict[str, Any] = json.loads((self.lab.root / path).read_text("utf-8"))
        return saved

    def panel(self) -> Locator:
        """Show the notebook panel."""
        self.command("govdata:show-notebook-data")
        panel = self.page.get_by_role("region", name="Data of the notebook")
        panel.wait_for()
        return panel

    def theme(self, name: str) -> None:
        self.command("apputils:change-theme", theme=THEMES[name])
        self.page.wait_for_function(
            "n => document.body.dataset.jpThemeName === n", arg=THEMES[name], timeout=20_000
        )

    def pictures(self, name: str) -> None:
        """Take the state in three themes."""
        SCREENSHOTS.mkdir(exist_ok=True)
        for theme in ("dark", "contrast", "light"):
            self.theme(theme)
            self.page.screenshot(path=SCREENSHOTS / f"notebook-{name}-{theme}.png")

    def violations(self, *selectors: str) -> list[str]:
        """What axe finds in elements of ours."""
        self.page.add_script_tag(path=AXE)
        found = self.page.evaluate(
            "s => axe.run({include: s.map(x => [x])}, {resultTypes: ['violations']})"
            ".then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' ')))",
            list(selectors),
        )
        return list(found)


@contextmanager
def desk_at(lab: Lab, browser: Browser, width: int = 1400, height: int = 900) -> Iterator[Desk]:
    """A page of its own; it fails where the page did."""
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    desk = Desk(lab, page)
    page.on("pageerror", lambda error: desk.errors.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    try:
        yield desk
        assert not desk.errors
    finally:
        context.close()
