"""The sidebar over a large catalog, in a real browser before a real JupyterLab and gateway.

    python benchmarks/sidebar.py [--assets 100000] [--opens 5] [--lake FOLDER]

Needs Chromium. The lake is that of `benchmarks/catalog.py`; `--lake` keeps it in a folder, and uses
the one that is there. Everything is measured in the page,
from the event to the frame that shows its rows, in milliseconds:

`open`       the panel is opened in a page that is loaded, until rows are painted (bar: 300)
`refresh`    everything is asked anew, until rows are painted
`namespace`  a namespace is opened, until its assets are painted
`keystroke`  one more letter in the filter, until the rows that it finds are painted (bar: 50)
`answer`     the part of a keystroke until the Jupyter server's answer is there

The page is loaded anew for each `open`. The load of the machine is printed: figures of a busy one
say little.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from catalog import FILES, TYPED, cards
from playwright.sync_api import Page, sync_playwright

from jupyter_govdata.config import GatewayConfig
from jupyter_govdata.gateway.composer import Gateway, initialise

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.browser.desk import CHROMIUM
from tests.browser.lab import Lab

WATCH = """() => {
  const send = window.fetch.bind(window);
  window.__answers = new Map();
  window.fetch = async (request, init) => {
    const answer = await send(request, init);
    const url = new URL(request.url ?? request, location.href);
    if (url.pathname.endsWith('/jupyter_govdata/catalog')) {
      window.__answers.set(url.searchParams.get('text') ?? '', performance.now());
    }
    return answer;
  };
  const panel = () => document.querySelector('#jp-govdata-catalog');
  window.__rows = () => panel()?.querySelectorAll('[role=treeitem]') ?? [];
  window.__calm = () =>
    panel()?.querySelector('[role=tree], .jp-GovCatalog-notice')?.ariaBusy !== 'true';
  window.__painted = async (start, seen) => {
    for (;;) {
      await new Promise(requestAnimationFrame);
      if (performance.now() - start > 60000) { throw Error('nothing was painted'); }
      if (seen()) { break; }
    }
    // The frame that was just made is on the screen when the next task begins.
    await new Promise(done => { const c = new MessageChannel();
      c.port1.onmessage = done; c.port2.postMessage(0); });
    return performance.now() - start;
  };
}"""
READY = """() => { const app = window.jupyterapp;
  return app?.commands.hasCommand('govdata:open-catalog') && window.__answers.has(''); }"""
OPEN = """() => { const start = performance.now();
  void window.jupyterapp.commands.execute('govdata:open-catalog');
  return window.__painted(start, () => window.__rows().length > 3); }"""
REFRESH = """() => { const start = performance.now();
  window.__answers.delete('');
  void window.jupyterapp.commands.execute('govdata:refresh');
  return window.__painted(start, () => window.__answers.has('') && window.__calm()); }"""
NAMESPACE = """name => { const start = performance.now();
  const row = [...window.__rows()].find(r => r.id.endsWith('n:' + name));
  row.click();
  return window.__painted(start, () => document.querySelector(
    `#jp-govdata-catalog [data-govdata-asset^="${name}."]`)); }"""
KEYSTROKE = """async text => {
  const field = document.querySelector('#jp-govdata-catalog input[type=search]');
  const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set;
  window.__answers.delete(text);
  const start = performance.now();
  set.call(field, text);
  field.dispatchEvent(new Event('input', { bubbles: true }));
  const spent = await window.__painted(start, () => window.__answers.has(text) && window.__calm());
  return [spent, window.__answers.get(text) - start]; }"""


def build(folder: Path, count: int) -> Path:
    """Make a lake of that many assets in a folder, unless it holds one."""
    for name, text in FILES.items():
        target = folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    lake = folder / "lake"
    if (lake / "govdata.toml").exists():
        return lake
    initialise(lake, "dina", folder / "source")
    gateway = Gateway(GatewayConfig(lake=lake))
    gateway.ledger.apply(gateway.ledger.state().files, cards(count), "dina")
    gateway.close()
    return lake


def told(name: str, figures: list[float]) -> None:
    """Print one line."""
    ordered = sorted(figures)
    print(
        f"  {name:10} median {statistics.median(ordered):6.0f}"
        f"   worst {ordered[-1]:6.0f}   n {len(ordered)}",
        flush=True,
    )


def load() -> str:
    """Say how busy the machine is."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"


def measure(page: Page, lab: Lab, opens: int) -> None:
    """Print the figures of one JupyterLab."""
    page.add_init_script(f"({WATCH})()")
    opened = []
    for _ in range(opens):
        page.goto(lab.address("lab") + "&reset")
        page.wait_for_function(READY, timeout=120_000)
        opened.append(page.evaluate(OPEN))
    told("open", opened)
    told("refresh", [page.evaluate(REFRESH) for _ in range(opens)])
    shown = page.locator("#jp-govdata-catalog [aria-level='1']").all_inner_texts()
    names = [text.split("\n")[0] for text in shown[:5]]
    told("namespace", [page.evaluate(NAMESPACE, name) for name in reversed(names)])
    letters, answers = [], []
    for word in TYPED:
        for end in range(1, len(word) + 1):
            spent, answered = page.evaluate(KEYSTROKE, word[:end])
            letters.append(spent)
            answers.append(answered)
        page.evaluate(KEYSTROKE, "")
    told("keystroke", letters)
    told("answer", answers)


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--assets", type=int, default=100_000)
    options.add_argument("--opens", type=int, default=5)
    options.add_argument("--lake", type=Path, help="folder to keep the lake in")
    chosen = options.parse_args()
    if CHROMIUM is None:
        sys.exit("there is no Chromium")
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        lake = build(chosen.lake or Path(made), chosen.assets)
        print(f"{chosen.assets} assets; {load()} at the beginning", flush=True)
        who = {"GOVDATA_LAKE": str(lake), "GOVDATA_USER": "ana"}
        with Lab(Path(made) / "lab", who) as lab:
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
            )
            measure(browser.new_page(viewport={"width": 1280, "height": 860}), lab, chosen.opens)
            browser.close()
    print(f"  {load()} at the end")


if __name__ == "__main__":
    main()
