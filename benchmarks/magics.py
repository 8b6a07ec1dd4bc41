"""``%%govsql`` against the other SQL magics, side by side on the same DuckDB and the same data.

    python -m venv /tmp/peers
    /tmp/peers/bin/pip install '.[pandas,polars]' jupysql magic-duckdb marimo
    /tmp/peers/bin/python benchmarks/magics.py [--lake DIR] [--big 10000000]

Three parts, each in one run: the time of a query of 1, 1,000 and 1,000,000 rows (in turn, median);
time and memory until the first rows of a large result are painted (a fresh process each); the time
of ``%load_ext`` (a fresh process each). The others read the lake's own Parquet files and enforce
nothing; ``governed`` has a row filter, a masked column, a signed receipt, an audit record and a
stamp for every query. What is not installed is left out and said so.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

SIZES = {1: 40, 1_000: 40, 1_000_000: 9}
WARM_UP = 3
BIG = "big"
MARK = "measured: "
FILES = {
    "principals.yaml": """
groups: {stewards: {description: all}}
principals:
  dina: {name: Dina, groups: [stewards], purpose: research}
  ana: {name: Ana, purpose: research}
""",
    "purposes.yaml": "purposes: {research: {description: research}}\n",
    "tags.yaml": "tags: {free: {scope: [column], values: [text]}}\n",
    "assets/bench.yaml": """
assets:
  bench.t1: {owner: dina, steward: stewards, columns: {note: {tags: {free: text}}}}
  bench.t1000: {owner: dina, steward: stewards, columns: {note: {tags: {free: text}}}}
  bench.t1000000: {owner: dina, steward: stewards, columns: {note: {tags: {free: text}}}}
  bench.big: {owner: dina, steward: stewards, columns: {note: {tags: {free: text}}}}
""",
    "policies/bench.cedar": """
@id("stewards") permit (principal in Group::"stewards", action, resource);
@id("read") permit (principal == User::"ana", action in [Action::"discover", Action::"reveal"],
  resource in Namespace::"bench");
@id("rows") permit (principal == User::"ana", action == Action::"select",
  resource in Namespace::"bench") when { resource.lot >= 0 };
@id("mask") @mask("null") forbid (principal == User::"ana", action == Action::"reveal", resource)
  when { resource.hasTag("free") };
""",
}
ROWS = "SELECT i AS lot, i / 7 AS weight, 'note ' || i AS note FROM range({rows}) t(i)"


def build(folder: Path, big: int) -> None:
    """Make the lake unless it is there."""
    import duckdb

    from jupyter_govdata import connect, init_lake

    if (folder / "built").exists():
        return
    source = folder.parent / f"{folder.name}-governance"
    for name, text in FILES.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    init_lake(folder, source, "dina")
    tables = {f"t{rows}": rows for rows in SIZES} | {BIG: big}
    with connect(folder, user="dina") as session:
        for name, rows in tables.items():
            reader = duckdb.connect().execute(ROWS.format(rows=rows)).to_arrow_reader(122_880)
            session.load(reader, f"bench.{name}")
    (folder / "built").touch()


def parquet(folder: Path, table: str) -> str:
    """Return a DuckDB source over a table's data files, without its column that is masked."""
    found = sorted((folder / "warehouse" / "bench" / table).rglob("data/**/*.parquet"))
    return f"(SELECT lot, weight, NULL::VARCHAR AS note FROM read_parquet({[*map(str, found)]!r}))"


# -- the systems: how a user writes it, up to a result that is complete ------------------------


def shell() -> Any:
    """Return IPython as a kernel has it, without its prompt."""
    from IPython.core.interactiveshell import InteractiveShell

    return InteractiveShell.instance()


def raw_arrow(_ip: Any, folder: Path, table: str) -> Callable[[], Any]:
    import duckdb

    con = duckdb.connect()
    sql = f"SELECT * FROM {parquet(folder, table)}"
    return lambda: con.execute(sql).to_arrow_table()


def raw_pandas(_ip: Any, folder: Path, table: str) -> Callable[[], Any]:
    import duckdb

    con = duckdb.connect()
    sql = f"SELECT * FROM {parquet(folder, table)}"
    return lambda: con.execute(sql).df()


def governed(ip: Any, folder: Path, table: str) -> Callable[[], Any]:
    ip.run_line_magic("load_ext", "jupyter_govdata")
    ip.run_line_magic("govdata", f"connect {folder} --as ana")
    sql = f"SELECT * FROM bench.{table}"

    def run() -> Any:
        ip.run_cell_magic("govsql", "answer <<", sql)
        return ip.user_ns["answer"].arrow()

    return run


def governed_pandas(ip: Any, folder: Path, table: str) -> Callable[[], Any]:
    run = governed(ip, folder, table)
    return lambda: (run(), ip.user_ns["answer"].df())[1]


def magic_duckdb(ip: Any, folder: Path, table: str) -> Callable[[], Any]:
    ip.run_line_magic("load_ext", "magic_duckdb")
    sql = f"SELECT * FROM {parquet(folder, table)}"
    return lambda: ip.run_cell_magic("dql", "-t df", sql)


def magic_duckdb_arrow(ip: Any, folder: Path, table: str) -> Callable[[], Any]:
    ip.run_line_magic("load_ext", "magic_duckdb")
    sql = f"SELECT * FROM {parquet(folder, table)}"
    return lambda: ip.run_cell_magic("dql", "-t arrow", sql)


def jupysql(ip: Any, folder: Path, table: str) -> Callable[[], Any]:
    import duckdb

    ip.run_line_magic("load_ext", "sql")
    ip.run_line_magic("config", "SqlMagic.autopandas = True")
    ip.run_line_magic("config", "SqlMagic.feedback = 0")
    ip.run_line_magic("config", "SqlMagic.displaycon = False")
    ip.user_ns["raw"] = duckdb.connect()
    ip.run_line_magic("sql", "raw --alias raw")
    sql = f"SELECT * FROM {parquet(folder, table)}"
    return lambda: ip.run_cell_magic("sql", "", sql)


def marimo(_ip: Any, folder: Path, table: str) -> Callable[[], Any]:
    import duckdb
    import marimo as mo

    con = duckdb.connect()
    sql = f"SELECT * FROM {parquet(folder, table)}"
    return lambda: mo.sql(sql, engine=con, output=False)


SYSTEMS: dict[str, tuple[Callable[..., Callable[[], Any]], str]] = {
    # name: (how to run a query, the package it needs)
    "raw DuckDB, Arrow": (raw_arrow, "duckdb"),
    "raw DuckDB, pandas": (raw_pandas, "duckdb"),
    "%%govsql governed, Arrow": (governed, "jupyter_govdata"),
    "%%govsql governed, pandas": (governed_pandas, "jupyter_govdata"),
    "%dql -t arrow": (magic_duckdb_arrow, "magic_duckdb"),
    "%dql -t df": (magic_duckdb, "magic_duckdb"),
    "%sql native, autopandas": (jupysql, "sql"),
    "mo.sql (polars)": (marimo, "marimo"),
}


def installed() -> dict[str, Callable[..., Callable[[], Any]]]:
    """Return the systems that can be run; say which cannot."""
    found = {}
    for name, (make, package) in SYSTEMS.items():
        if importlib.util.find_spec(package) is None:
            print(f"left out: {name} (`pip install` {package})")
        else:
            found[name] = make
    return found


def overhead(folder: Path) -> None:
    """Print the median time of a query for every system and size, run in turn."""
    systems = installed()
    table: dict[str, list[str]] = {name: [] for name in systems}
    for rows, runs in SIZES.items():
        ip = shell()
        calls = {name: make(ip, folder, f"t{rows}") for name, make in systems.items()}
        times: dict[str, list[float]] = {name: [] for name in calls}
        for run in range(WARM_UP + runs):
            for name, call in calls.items():
                with redirect_stdout(io.StringIO()):  # a kernel would send what is shown
                    began = time.perf_counter()
                    answer = call()
                    took = time.perf_counter() - began
                assert answer is None or len(answer) == rows, name
                if run >= WARM_UP:
                    times[name].append(took)
        middle = {name: statistics.median(taken) for name, taken in times.items()}
        for name, seconds in middle.items():
            base = "pandas" if "pandas" in name or "df" in name else "Arrow"
            ratio = seconds / middle[f"raw DuckDB, {base}"]
            table[name].append(f"{seconds * 1e3:9.2f} ({ratio:.2f}x)")
    print(f"\n{'milliseconds (ratio to raw DuckDB)':<36}" + "".join(f"{n:>20,}" for n in SIZES))
    for name, cells in table.items():
        print(f"{name:<36}" + "".join(f"{cell:>20}" for cell in cells))


# -- a large result ----------------------------------------------------------------------------


def paint(folder: Path, name: str) -> None:
    """Run the query over the large table and paint what a notebook shows; print time and memory."""
    ip = shell()
    make = {**{n: m for n, (m, _) in SYSTEMS.items()}, "%%govsql shown": shown}[name]
    with redirect_stdout(io.StringIO()):
        ip.display_formatter.format(make(ip, folder, "t1")())
        call = make(ip, folder, BIG)
        before = peak()
        began = time.perf_counter()
        answer = call()
        html = ip.display_formatter.format(answer)[0].get("text/html", "")
        seconds = time.perf_counter() - began
    grown = peak() - before
    assert html or "Arrow" in name or "arrow" in name, name
    print(f"{MARK}{seconds} {grown}")


def peak() -> float:
    """Return the largest memory that this process has had since it was started, in MB.

    Not `getrusage`: that counts what the parent had before this process was its own.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def shown(ip: Any, folder: Path, table: str) -> Callable[[], Any]:
    ip.run_line_magic("load_ext", "jupyter_govdata")
    ip.run_line_magic("govdata", f"connect {folder} --as ana")
    return lambda: ip.run_cell_magic("govsql", "", f"SELECT * FROM bench.{table}")


def first_page(folder: Path, script: str) -> None:
    """Print time and memory of painting the large result, a fresh process each."""
    print(f"\n{'first page of the large table':<36}{'milliseconds':>16}{'MB more':>12}")
    names = [n for n in installed() if not n.startswith("raw") and "governed" not in n]
    for name in ["raw DuckDB, pandas", "%%govsql shown", *names]:
        runs = [fresh(script, "--paint", name, "--lake", str(folder)) for _ in range(3)]
        seconds, megabytes = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{name:<36}{seconds * 1e3:16.1f}{megabytes:12.1f}")


def load_ext(script: str) -> None:
    """Print the time of ``%load_ext``, a fresh process each."""
    print(f"\n{'%load_ext':<36}{'milliseconds':>16}")
    for name in ("jupyter_govdata", "sql", "magic_duckdb"):
        if importlib.util.find_spec(name) is not None:
            times = [fresh(script, "--load", name)[0] for _ in range(5)]
            print(f"{name:<36}{statistics.median(times) * 1e3:16.1f}")


def fresh(script: str, *arguments: str) -> list[float]:
    """Return the numbers that this script measures in a process of its own."""
    done = subprocess.run(
        [sys.executable, script, *arguments], check=True, capture_output=True, text=True
    )
    (line,) = (found for found in done.stdout.splitlines() if found.startswith(MARK))
    return [float(number) for number in line.removeprefix(MARK).split()]


def load(name: str) -> None:
    """Print how long ``%load_ext`` takes."""
    ip = shell()
    began = time.perf_counter()
    ip.run_line_magic("load_ext", name)
    print(f"{MARK}{time.perf_counter() - began}")


def main() -> None:
    """Run all parts, or one of them as the process that measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path)
    parser.add_argument("--big", type=int, default=10_000_000)
    parser.add_argument("--part", choices=["overhead", "page", "load"], action="append")
    parser.add_argument("--paint", help=argparse.SUPPRESS)
    parser.add_argument("--load", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("IPYTHONDIR", tempfile.mkdtemp(prefix="govdata-bench-"))
    if options.load:
        load(options.load)
        return
    folder = options.lake or Path(tempfile.mkdtemp(prefix="govdata-bench-")) / "lake"
    if options.paint:
        paint(folder, options.paint)
        return
    build(folder, options.big)
    parts = options.part or ["overhead", "page", "load"]
    if "overhead" in parts:
        overhead(folder)
    if "page" in parts:
        first_page(folder, __file__)
    if "load" in parts:
        load_ext(__file__)


if __name__ == "__main__":
    main()
