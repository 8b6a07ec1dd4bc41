"""Completion in ``%%govsql`` over 10,000 visible assets, in IPython and through a real kernel.

    python benchmarks/completion.py [--assets 10000] [--lake DIR]

Each of three fresh processes connects, and then completes: at once (nothing is known yet), and when
the names have come in the background, which is what a user meets who reads what ``connect``
printed before typing. Then the keys that follow, every place 30 times: median and slowest. The
kernel's numbers are round trips of ``complete_request``, with what Jupyter adds. ``ls`` is the
listing with a decision an asset, which completion does not wait for.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROCESSES = 3
REPEATS = 30
PER_NAMESPACE = 100
MARK = "measured: "
MASK = """@id("mask") @mask("null") forbid (principal == User::"ana",
  action == Action::"reveal", resource) when { resource.hasTag("free") };"""
PLACES = {
    "all namespaces": "%%govsql\nFROM |",
    "a prefix of a thousand": "%%govsql\nFROM lab0|",
    "a namespace": "%%govsql\nFROM lab012.|",
    "a bare name": "%%govsql\nFROM asset_042|",
    "columns of 50": "%%govsql\nSELECT w.| FROM lab000.wide w",
    "columns by CTE": "%%govsql\nWITH c AS (SELECT * FROM lab000.wide) SELECT c.| FROM c",
    "functions and keywords": "%%govsql\nSELECT s| FROM lab000.wide",
    "snapshots": "%%govsql\nFROM lab000.wide AT (VERSION => |",
    "options": "%%govsql --|",
}


def files(assets: int) -> dict[str, str]:
    """Governance with so many cards, a read policy for every namespace."""
    made = {
        "principals.yaml": "groups: {stewards: {description: all}}\nprincipals:\n"
        "  dina: {name: Dina, groups: [stewards], purpose: research}\n"
        "  ana: {name: Ana, purpose: research}\n",
        "purposes.yaml": "purposes: {research: {description: research}}\n",
        "tags.yaml": "tags: {free: {scope: [column], values: [text]}}\n",
    }
    policies = [
        '@id("stewards") permit (principal in Group::"stewards", action, resource);',
        MASK,
    ]
    for n in range(assets // PER_NAMESPACE):
        space = f"lab{n:03d}"
        names = [f"asset_{i:03d}" for i in range(PER_NAMESPACE - (n == 0))]
        cards = [f"  {space}.{name}: {{owner: dina, steward: stewards}}" for name in names]
        if n == 0:
            cards.append(
                f"  {space}.wide: {{owner: dina, steward: stewards, "
                "columns: {c01: {tags: {free: text}}}}"
            )
        made[f"assets/{space}.yaml"] = "\n".join(["assets:", *cards, ""])
        policies.append(
            f'@id("{space}") permit (principal == User::"ana", action in [Action::"discover", '
            f'Action::"select", Action::"reveal"], resource in Namespace::"{space}");'
        )
    made["policies/all.cedar"] = "\n".join(policies)
    return made


def build(folder: Path, assets: int) -> Path:
    """Make the lake; one of its assets has rows and 50 columns."""
    import pyarrow as pa

    from jupyter_govdata.session import connect, init_lake

    for name, text in files(assets).items():
        target = folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    lake = init_lake(folder / "lake", folder / "source", "dina")
    with connect(lake, user="dina") as dina:
        dina.load(pa.table({f"c{i:02d}": [i, i + 1] for i in range(50)}), "lab000.wide")
    return lake


def timed(work: Callable[[], int]) -> tuple[float, int]:
    """Return milliseconds and how many were proposed."""
    began = time.perf_counter()
    count = work()
    return (time.perf_counter() - began) * 1000, count


def in_ipython(lake: Path) -> dict[str, Any]:
    """Measure in this process."""
    from IPython.core.completer import provisionalcompleter
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell.instance()

    def complete(text: str) -> int:
        place = text.index("|")
        with provisionalcompleter():
            return len(list(shell.Completer.completions(text.replace("|", ""), place)))

    with capture_output():
        shell.run_cell("%load_ext jupyter_govdata")
        shell.run_cell(f"%govdata connect {lake} --as ana")
    found: dict[str, Any] = {"at once": timed(lambda: complete(PLACES["all namespaces"]))}
    time.sleep(1)  # reading what was printed
    found["first"] = timed(lambda: complete(PLACES["a prefix of a thousand"]))
    found["first columns"] = timed(lambda: complete(PLACES["columns of 50"]))
    for name, text in PLACES.items():
        times = []
        for _ in range(REPEATS):
            took, count = timed(lambda text=text: complete(text))  # type: ignore[misc]
            times.append(took)
        found[name] = (statistics.median(times), max(times), count)
    session = shell.magics_manager.registry["GovDataMagics"].session
    found["names"] = timed(lambda: len(session.catalog.names()[1]))
    return found


def in_kernel(lake: Path) -> dict[str, tuple[float, float, int]]:
    """Measure round trips to a kernel."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3")
    try:
        for cell in ("%load_ext jupyter_govdata", f"%govdata connect {lake} --as ana"):
            client.execute_interactive(cell, timeout=120, output_hook=lambda _: None)
        time.sleep(1)
        found = {}
        for name, text in PLACES.items():
            place, code = text.index("|"), text.replace("|", "")
            times = []
            for _ in range(REPEATS):
                began = time.perf_counter()
                reply = client.complete(code, place, reply=True, timeout=60)
                times.append((time.perf_counter() - began) * 1000)
            found[name] = (statistics.median(times), max(times), len(reply["content"]["matches"]))
        return found
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=int, default=10_000)
    parser.add_argument("--lake", type=Path)
    parser.add_argument("--child", action="store_true")
    options = parser.parse_args()
    if options.child:
        print(MARK + json.dumps(in_ipython(options.lake)))
        return
    with tempfile.TemporaryDirectory() as folder:
        lake = options.lake or build(Path(folder), options.assets)
        runs = []
        command = [sys.executable, __file__, "--child", "--lake", str(lake)]
        for _ in range(PROCESSES):
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            runs.append(json.loads(done.stdout.rpartition(MARK)[2]))
        kernel = in_kernel(lake)
    print(f"{'ms, ' + str(PROCESSES) + ' processes':34} {'each':>24}")
    for name in ("at once", "first", "first columns", "names"):
        print(f"{name:34} {' '.join(f'{run[name][0]:8.1f}' for run in runs)}")
    print(
        f"\n{'ms, median and slowest of ' + str(REPEATS):34} {'IPython':>16} {'kernel':>16} found"
    )
    for name in PLACES:
        median, slowest, count = runs[-1][name]
        k_median, k_slowest, _ = kernel[name]
        print(f"{name:34} {median:8.1f}{slowest:8.1f} {k_median:8.1f}{k_slowest:8.1f} {count:5}")


if __name__ == "__main__":
    main()
