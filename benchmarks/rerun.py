"""Running notebooks: papermill, papermill without saving, nbclient, and the engine `govdata`.

    python benchmarks/rerun.py [--runs 3] [--cells 1,50,200] [--output 0,20000] [--part all]

The four run in turn, so that a drift of the machine hits all of them; figures are medians of
wall-clock seconds, of a whole run: kernel start, cells, writing. `ours` is crash-safe, nbclient
writes once at the end. The part `data` runs a notebook of 50 governed queries over a table with
five snapshots, appends a sixth, and runs it again: what changes, and what a stamp costs.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pyarrow as pa
from nbclient import NotebookClient

from jupyter_govdata.model.pins import Pins
from jupyter_govdata.rerun import rerun
from jupyter_govdata.session import connect, init_lake
from jupyter_govdata.stamps.folding import stamped_cells
from jupyter_govdata.stamps.stamp import make_stamp, stamp_bundle

PRINCIPALS = """
groups: {stewards: {description: all}}
principals:
  dina: {name: Dina, groups: [stewards], purpose: research}
  ana: {name: Ana, purpose: research}
"""
POLICIES = """
@id("stewards") permit (principal in Group::"stewards", action, resource);
@id("read") permit (principal, action in [Action::"discover", Action::"select", Action::"reveal"],
  resource in Namespace::"bench");
"""
FILES = {
    "principals.yaml": PRINCIPALS,
    "purposes.yaml": "purposes: {research: {description: research}}\n",
    "assets/bench.yaml": "assets:\n  bench.rows: {owner: dina, steward: stewards}\n",
    "policies/bench.cedar": POLICIES,
}
CELLS = 50
QUERY = "%%govsql\nSELECT count(*) AS n, sum(x) AS total FROM bench.rows WHERE x % {n} = 0"


def notebook(folder: Path, sources: list[str]) -> Path:
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "P", "language": "python"}
    path = folder / f"in-{len(sources)}.ipynb"
    nbformat.write(nb, path)
    return path


def by_papermill(nb: Path, out: Path) -> None:
    papermill.execute_notebook(str(nb), str(out), progress_bar=False)


def by_papermill_quiet(nb: Path, out: Path) -> None:
    papermill.execute_notebook(
        str(nb), str(out), progress_bar=False, request_save_on_cell_execute=False
    )


def by_nbclient(nb: Path, out: Path) -> None:
    found = nbformat.read(nb, as_version=4)
    NotebookClient(found, kernel_name="python3").execute()
    nbformat.write(found, out)


def by_us(nb: Path, out: Path) -> None:
    papermill.execute_notebook(str(nb), str(out), progress_bar=False, engine_name="govdata")


RUNNERS: dict[str, Callable[[Path, Path], None]] = {
    "papermill": by_papermill,
    "papermill, no saving": by_papermill_quiet,
    "nbclient": by_nbclient,
    "ours": by_us,
}


def measure_running(folder: Path, cells: list[int], outputs: list[int], runs: int) -> None:
    print(f"{'cells':>5} {'output':>7}", *(f"{n:>21}" for n in RUNNERS), "  ours / nbclient")
    for count in cells:
        for size in outputs:
            source = f"print('x' * {size})" if size else "x = 1"
            path = notebook(folder, [source] * count)
            seconds: dict[str, list[float]] = {name: [] for name in RUNNERS}
            for _ in range(runs):
                for name, run in RUNNERS.items():
                    started = time.perf_counter()
                    run(path, folder / "out.ipynb")
                    seconds[name].append(time.perf_counter() - started)
            medians = {name: statistics.median(found) for name, found in seconds.items()}
            shown = " ".join(f"{medians[name]:>20.2f}s" for name in RUNNERS)
            ratio = medians["ours"] / medians["nbclient"]
            print(f"{count:>5} {size:>7} {shown}   {ratio:.2f}", flush=True)


def make_lake(folder: Path) -> Path:
    for name, text in FILES.items():
        target = folder / "governance" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return init_lake(folder / "lake", folder / "governance", "dina")


def append(session: Any, rows: int, mode: str = "append") -> None:
    session.load(pa.table({"x": range(rows)}), "bench.rows", mode=mode)


def digests(path: Path) -> list[str]:
    nb = nbformat.read(path, as_version=4)
    return [stamp.result_digest for cell in stamped_cells(nb) for stamp in cell.stamps]


def measure_data(folder: Path) -> None:
    lake = make_lake(folder)
    environment = {"GOVDATA_LAKE": str(lake), "GOVDATA_USER": "ana"}
    os.environ |= environment
    with connect(lake, user="dina") as dina:
        append(dina, 100_000, "create")
        for _ in range(4):
            append(dina, 100_000)
        sources = ["%load_ext jupyter_govdata", *(QUERY.format(n=n + 1) for n in range(CELLS))]
        path = folder / "study.ipynb"
        by_papermill(notebook(folder, sources), path)
        append(dina, 100_000)
        started = time.perf_counter()
        by_papermill(path, folder / "papermill.ipynb")
        theirs = time.perf_counter() - started
        started = time.perf_counter()
        report = rerun(path, folder / "ours.ipynb", environment=environment)
        ours = time.perf_counter() - started
        newest = rerun(path, folder / "newest.ipynb", pins=Pins(), environment=environment)
        first = digests(path)
        assert len(first) == CELLS
        for name, file in (("papermill", "papermill.ipynb"), ("ours", "ours.ipynb")):
            same = sum(a == b for a, b in zip(first, digests(folder / file), strict=True))
            print(f"{name}: {same} of {CELLS} results are those of before the append")
        print(f"papermill {theirs:.2f}s, ours {ours:.2f}s; verdict {report.verdict}")
        print(f"ours on the newest data: {newest.verdict}, {newest.cells[0].causes}")
    with connect(lake, user="ana") as ana:
        measure_stamp(ana)


def measure_stamp(session: Any) -> None:
    """What a stamp costs beside its query: digest, receipts, bundle."""
    result = session.sql(QUERY.format(n=3).split("\n", 1)[1])
    seconds = []
    for _ in range(200):
        started = time.perf_counter()
        stamp = make_stamp(
            query=result.query,
            parameters=result.parameters,
            receipts=result.receipts,
            table=result.arrow(),
            ordered=result.ordered,
            wall=result.wall,
            pins=result.pins,
        )
        stamp_bundle(stamp, {"seconds": result.seconds})
        seconds.append(time.perf_counter() - started)
    print(f"a stamp of a small result: {statistics.median(seconds) * 1000:.3f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cells", default="1,50,200")
    parser.add_argument("--output", default="0,20000")
    parser.add_argument("--part", choices=("all", "running", "data"), default="all")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    # The kernel's remarks about itself have no place in the figures.
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    with tempfile.TemporaryDirectory() as name:
        if options.part in ("all", "running"):
            cells = [int(n) for n in options.cells.split(",")]
            outputs = [int(n) for n in options.output.split(",")]
            measure_running(Path(name), cells, outputs, options.runs)
        if options.part in ("all", "data"):
            measure_data(Path(name))


if __name__ == "__main__":
    main()
