"""What one small governed query costs: the one-row bar.

    python benchmarks/tiny.py [--runs 200]

Builds a lake of one small asset behind the embedded gateway. Raw DuckDB, the same query governed,
and governed with its stamp run in turn; a second line has the scan cache off.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa

from jupyter_govdata.session import connect, init_lake

FILES = {
    "principals.yaml": """
groups: {stewards: {description: all}}
principals: {dina: {name: Dina, groups: [stewards], purpose: research}}
""",
    "purposes.yaml": "purposes: {research: {description: research}}\n",
    "assets/bench.yaml": "assets: {bench.tiny: {owner: dina, steward: stewards}}\n",
    "policies/bench.cedar": """
@id("stewards") permit (principal in Group::"stewards", action, resource);
""",
}
QUERY = "SELECT id, value FROM {table} WHERE id = 7"


def build(folder: Path) -> Path:
    """Make the lake."""
    source = folder / "governance"
    for name, text in FILES.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    lake = init_lake(folder / "lake", source, "dina")
    rows = pa.table({"id": list(range(1000)), "value": [i / 7 for i in range(1000)]})
    with connect(lake, user="dina") as dina:
        dina.load(rows, "bench.tiny")
    return lake


def in_turn(runs: int, *calls: Callable[[], object]) -> list[float]:
    """Return the median milliseconds of each call, run in turn after ten warm-ups."""
    times: list[list[float]] = [[] for _ in calls]
    for run in range(runs + 10):
        for taken, call in zip(times, calls, strict=True):
            began = time.perf_counter()
            call()
            if run >= 10:
                taken.append((time.perf_counter() - began) * 1e3)
    return [statistics.median(taken) for taken in times]


def measure(lake: Path, cache: str, runs: int) -> None:
    """Print one line."""
    os.environ["GOVDATA_SCAN_CACHE"] = cache
    files = [str(f) for f in (lake / "warehouse").rglob("*.parquet")]
    raw = duckdb.connect()
    raw_sql = QUERY.format(table=f"read_parquet({files!r})")
    sql = QUERY.format(table="bench.tiny")
    with connect(lake, user="dina") as session:
        plain, governed, stamped = in_turn(
            runs,
            lambda: raw.execute(raw_sql).to_arrow_table(),
            lambda: session.sql(sql).arrow(),
            lambda: session.sql(sql).stamp,
        )
        print(
            f"1 row, scan cache {cache:5}: raw {plain:5.2f} ms  governed {governed:5.2f} ms  "
            f"stamped {stamped:5.2f} ms"
        )


def main() -> None:
    """Measure with and without held scans."""
    parser = argparse.ArgumentParser(description="The cost of one small governed query.")
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    lake = build(Path(tempfile.mkdtemp(prefix="govdata-bench-")))
    measure(lake, "256MB", options.runs)
    measure(lake, "0", options.runs)


if __name__ == "__main__":
    main()
