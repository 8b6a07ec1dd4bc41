"""What a person does in JupyterLab with the extension, for tests that do it in a real browser."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error, Locator, Page, Response

from tests.browser.lab import PACKAGE, Lab, cells

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-headless-shell")
AXE = PACKAGE.parent / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
SCREENSHOTS = Path(__file__).with_name("screenshots")
THEMES = {
    "dark": "JupyterLab Dark",
    "contrast": "JupyterLab Dark High Contrast",
    "light": "JupyterLab Light",
}
"""Light comes last: a test that goes through all leaves the page as it was."""
MINUTE = 60_000
OURS = "/jupyter-govdata/static/"
"""In the address of every script of ours."""
UPSTREAM = ("Canceled future for", "_runOnIdleTime")
"""How JupyterLab itself fails, at any time later, where a notebook is closed while its kernel
starts or runs, or before all of its cells are drawn.
"""

# UPSTREAM: a command run before the kernel is connected may never end, so nothing awaits one.
IDLE = """() => {
  const k = window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel;
  return k && k.connectionStatus === 'connected' && k.status === 'idle' && !k.hasPendingInput; }"""
RAN = """() => [...window.jupyterapp.shell.currentWidget.model.cells].every(
  c => c.type !== 'code' || !c.sharedModel.getSource() || c.executionCount !== null)"""
PAINT = """async ([folder, name, light]) => {
  const link = [...document.querySelectorAll('link[rel=stylesheet]')].find(
    one => /\\/theme-[a-z-]+-extension\\/index.css/.test(one.href));
  const href = link.href.replace(/theme-[a-z-]+-extension/, folder);
  if (link.href !== href) {
    await new Promise(done => {
      link.addEventListener('load', done, { once: true });
      link.href = href;
    });
  }
  document.body.dataset.jpThemeName = name;
  document.body.dataset.jpThemeLight = light;
  document.body.style.colorScheme = light === 'true' ? 'light' : 'dark';
}"""
LOOKS = {
    "dark": ("theme-dark-extension", "false"),
    "contrast": ("theme-dark-high-contrast-extension", "false"),
    "light": ("theme-light-extension", "true"),
}
CLOSE = """() => {
  for (const one of [...window.jupyterapp.shell.widgets('main')]) {
    if (one.context) { one.context.model.dirty = false; }
    one.close();
  }
}"""
VIOLATIONS = """asked => axe.run(
    { include: asked.filter(one => document.querySelector(one)).map(one => [one]) },
    { resultTypes: ['violations'] })
  .then(r => r.violations.map(
    v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 200)).join(' | ')))"""


@dataclass
class Desk:
    """One person before a browser.

    Args:
        page: The page.
        lab: The JupyterLab that it shows.
        errors: What failed in the page.
        said: What our routes answered.
    """

    page: Page
    lab: Lab
    errors: list[Error] = field(default_factory=list)
    said: list[Response] = field(default_factory=list)

    def command(self, name: str, **arguments: Any) -> None:
        self.page.evaluate(
            "([n, a]) => { void window.jupyterapp.commands.execute(n, a); }", [name, arguments]
        )

    def theme(self, name: str) -> None:
        self.command("apputils:change-theme", theme=THEMES[name])
        self.page.wait_for_function(
            "t => document.body.dataset.jpThemeName === t"
            " && !document.getElementById('jupyterlab-splash')",
            arg=THEMES[name],
        )

    def picture(self, name: str) -> None:
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    def pictures(self, name: str) -> None:
        """Take the state in three themes.

        Their style sheets are put in place as themes are, without the splash that JupyterLab
        shows while it changes its theme: that would be most of the time of a test.
        """
        for theme, (folder, light) in LOOKS.items():
            self.page.evaluate(PAINT, [folder, THEMES[theme], light])
            self.picture(f"{name}-{theme}")

    def violations(self, *selectors: str) -> list[str]:
        """What axe finds in those of the elements that are there."""
        self.page.add_script_tag(path=AXE)
        return list(self.page.evaluate(VIOLATIONS, list(selectors)))

    # Notebooks.

    def open(self, name: str, *sources: str, content: dict[str, Any] | None = None) -> None:
        """Write a notebook, open it and wait for its kernel; in the page as it stands, if any."""
        self.lab.write(name, content or cells(*sources))
        if not self.page.url.startswith(self.lab.url):
            self.reopen(name)
            return
        self.command("docmanager:open", path=name)
        self.page.wait_for_function(
            f"name => ({IDLE})() && window.jupyterapp.shell.currentWidget.context.path === name",
            arg=name,
            timeout=2 * MINUTE,
        )

    def reopen(self, name: str) -> None:
        """Open a notebook that is there, as its file is."""
        self.page.goto(self.lab.address(f"lab/tree/{name}") + "&reset")
        self.page.wait_for_function(IDLE, timeout=2 * MINUTE)

    def source(self, place: int) -> str:
        cell = f"window.jupyterapp.shell.currentWidget.model.cells.get({place})"
        return str(self.page.evaluate(f"() => {cell}.sharedModel.getSource()"))

    def run_all(self) -> None:
        """Run the notebook to its end in its kernel."""
        self.command("notebook:run-all-cells")
        self.page.wait_for_function(RAN, timeout=2 * MINUTE)
        self.page.wait_for_function(IDLE, timeout=2 * MINUTE)

    def run_cell(self, place: int) -> None:
        """Run one cell and wait for its end."""
        cell = f"window.jupyterapp.shell.currentWidget.model.cells.get({place})"
        before = self.page.evaluate(f"() => {cell}.executionCount ?? 0")
        self.page.evaluate(
            "n => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = n; }", place
        )
        self.command("notebook:run-cell")
        self.page.wait_for_function(
            f"n => ({cell}.executionCount ?? 0) > n", arg=before, timeout=2 * MINUTE
        )
        self.page.wait_for_function(IDLE, timeout=2 * MINUTE)

    def outputs(self) -> str:
        return "\n".join(self.page.locator(".jp-OutputArea-output").all_inner_texts())

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

    def notebook_panel(self) -> Locator:
        """Show what the notebook read."""
        self.command("govdata:show-notebook-data")
        panel = self.page.get_by_role("region", name="Data of the notebook")
        panel.wait_for()
        return panel

    # The catalog.

    def browse(self) -> None:
        """Open JupyterLab and the catalog, and wait for the first rows."""
        self.begin()
        self.catalog()

    def begin(self) -> None:
        """Open JupyterLab and the catalog, whatever it shows."""
        self.page.goto(self.lab.address("lab") + "&reset")
        self.page.wait_for_function("() => window.jupyterapp", timeout=2 * MINUTE)
        self.page.evaluate("() => window.jupyterapp.restored.then(() => null)")
        self.command("govdata:open-catalog")
        self.panel.wait_for()

    def tidy(self) -> None:
        """Put the catalog and the main area back to how they are found at first."""
        self.page.evaluate(CLOSE)
        self.said.clear()
        self.panel.get_by_role("tab", name="Catalog").click()
        self.purpose("research")
        close = self.card.get_by_role("button", name="Close the card")
        if close.count():
            close.click()
        self.find.fill("no such thing")
        self.panel.get_by_role("button", name="Clear all filters").first.click()
        self.row("trials.asked").wait_for()

    def leave(self) -> None:
        """Close everything in the main area, and end what runs; nothing may have failed.

        Raises:
            AssertionError: A script of the page failed.
        """
        self.page.evaluate(CLOSE)
        self.lab.stop_kernels()
        stacks = [f"{e.message}\n{e.stack}" for e in self.errors]
        self.errors.clear()
        failed = [s for s in stacks if OURS in s or not any(theirs in s for theirs in UPSTREAM)]
        assert not failed, "\n".join(failed)

    def catalog(self) -> None:
        self.command("govdata:open-catalog")
        self.tree.wait_for()

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

    @property
    def wide(self) -> Locator:
        return self.page.locator(".jp-GovCatalog-wide")

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

    def bodies(self) -> str:
        """Everything that our routes answered so far."""
        # One that was called off has no body.
        return "\n".join(r.text() for r in self.said if r.ok and r.request.failure is None)


@contextmanager
def desk(browser: Browser, lab: Lab, width: int = 1280, height: int = 860) -> Iterator[Desk]:
    """Sit down; what failed in the page fails the test when one gets up. Kernels are left to none.

    Raises:
        AssertionError: A script of the page failed.
    """
    context = browser.new_context(viewport={"width": width, "height": height})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(MINUTE)
    made = Desk(page, lab)
    page.on("pageerror", lambda e: made.errors.append(e))
    page.on("response", lambda r: made.said.append(r) if "/jupyter_govdata/" in r.url else None)
    page.on("dialog", lambda dialog: dialog.accept())
    try:
        yield made
    finally:
        made.picture(f"last-{lab.folder.name}")
        try:
            made.leave()
        finally:
            context.close()
