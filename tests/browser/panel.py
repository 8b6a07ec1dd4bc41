"""What a person does with the catalog panel, for tests that do it in a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Error, Locator, Page, Response

from tests.browser.lab import Lab

SCREENSHOTS = Path(__file__).with_name("screenshots")
LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"
CONTRAST = "JupyterLab Dark High Contrast"
MINUTE = 60_000

# UPSTREAM: a command run before the kernel is connected may never end, so nothing awaits one.
READY = """() => {
  const k = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
  return k && k.connectionStatus === 'connected' && k.status === 'idle' && !k.hasPendingInput; }"""


@dataclass
class Desk:
    """One person before a browser: a page, and everything that the server said to it."""

    page: Page
    lab: Lab
    errors: list[Error] = field(default_factory=list)
    said: list[Response] = field(default_factory=list)

    def command(self, name: str, args: dict[str, Any] | None = None) -> None:
        self.page.evaluate(
            "([n, a]) => { void window.jupyterapp.commands.execute(n, a); }", [name, args or {}]
        )

    def open(self, name: str = "t.ipynb") -> None:
        """Open a new notebook and the panel, and wait for the first rows."""
        self.page.goto(self.lab.notebook(name))
        self.page.wait_for_function(READY, timeout=2 * MINUTE)
        self.command("govdata:open-catalog")
        self.tree.wait_for(timeout=2 * MINUTE)

    @property
    def panel(self) -> Locator:
        return self.page.get_by_role("region", name="Data catalog")

    @property
    def tree(self) -> Locator:
        return self.panel.get_by_role("tree")

    @property
    def find(self) -> Locator:
        return self.panel.get_by_role("searchbox")

    @property
    def card(self) -> Locator:
        return self.panel.get_by_role("article")

    def row(self, asset: str) -> Locator:
        return self.tree.locator(f"[data-govdata-asset='{asset}']")

    def column(self, name: str) -> Locator:
        return self.tree.locator("[aria-level='3']", has_text=name)

    def show(self, asset: str) -> Locator:
        """Open the card of an asset and wait for it."""
        self.row(asset).click()
        self.card.get_by_role("group", name="What I see").wait_for()
        return self.card

    def purpose(self, name: str) -> None:
        self.panel.get_by_role("combobox", name="Purpose").select_option(name)

    def cell(self, index: int) -> str:
        source: str = self.page.evaluate(
            "i => window.jupyterapp.shell.currentWidget.content.widgets[i]"
            ".model.sharedModel.getSource()",
            index,
        )
        return source

    def run_all(self) -> None:
        """Run the notebook to its end in its kernel."""
        self.command("notebook:run-all-cells")
        self.page.wait_for_function(
            """() => { const cells = window.jupyterapp.shell.currentWidget.content.widgets;
              return cells.every(c => !c.model.sharedModel.getSource() || c.model.executionCount)
            }""",
            timeout=2 * MINUTE,
        )
        self.page.wait_for_function(READY, timeout=2 * MINUTE)

    def outputs(self) -> str:
        texts: list[str] = self.page.locator(".jp-OutputArea-output").all_inner_texts()
        return "\n".join(texts)

    def theme(self, name: str) -> None:
        self.command("apputils:change-theme", {"theme": name})
        self.page.wait_for_function("t => document.body.dataset.jpThemeName === t", arg=name)

    def picture(self, name: str) -> None:
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    def bodies(self) -> str:
        """Everything that our routes answered so far."""
        return "\n".join(r.text() for r in self.said if r.ok)


@contextmanager
def desk(browser: Browser, lab: Lab) -> Iterator[Desk]:
    """Sit down; errors of the page fail the test when one gets up."""
    context: BrowserContext = browser.new_context(viewport={"width": 1280, "height": 860})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(MINUTE)
    made = Desk(page, lab)
    page.on("pageerror", lambda e: made.errors.append(e))
    page.on("response", lambda r: made.said.append(r) if "/jupyter_govdata/" in r.url else None)
    try:
        yield made
    finally:
        if os.environ.get("PYTEST_CURRENT_TEST"):
            made.picture("last-" + lab.folder.name)
        context.close()
    assert not made.errors, made.errors
