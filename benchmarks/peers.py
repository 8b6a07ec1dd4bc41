"""The same queries by everybody who can read the same files, in turn: ratios to raw DuckDB.

    python -m venv /tmp/peers
    /tmp/peers/bin/pip install '.[pandas,polars,rerun]' jupysql magic-duckdb marimo pyspark \
        duckdb-extension-iceberg duckdb-extension-avro grpcio-status
    /tmp/peers/bin/python benchmarks/peers.py [--rows 1000000] [--runs 5] [--results DIR]

Every peer answers each query as an Arrow table or a frame, complete. Peers read the lake's own
Parquet files, or its Iceberg metadata, and enforce nothing; `governed` has a row filter, a masked
column, an audit record and a signed receipt for every scan, and `whole` the same without filter
and mask. Both read everything anew: no scan is kept from the query before. In `governed`, raw
DuckDB gets the same filter in its WHERE, and is what the ratio is to. Rows of the answers are
compared before anything is timed. What is not installed is left out, and said so.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
from queries import QUERIES, build, files_of
from results import Results, add_results

from jupyter_govdata.session import connect

TABLES = ("lineitem", "orders", "part")
CHOSEN = (
    "full-scan aggregate",
    "selective clustered",
    "selective scattered",
    "2-table join",
    "wide to Arrow",
)
MASKED = "(SELECT * REPLACE (NULL::VARCHAR AS comment) FROM {} WHERE flag IN ('A', 'N'))"
Ask = Callable[[str], Any]


def raw(folder: Path) -> Ask:
    """Raw DuckDB over the Parquet files."""
    con = duckdb.connect()
    places = {t: files_of(folder, t) for t in TABLES}
    return lambda query: con.execute(query.format(**places)).to_arrow_table()


def raw_filtered(folder: Path) -> Ask:
    """Raw DuckDB with row filter and mask written into the query."""
    con = duckdb.connect()
    places = {t: files_of(folder, t) for t in TABLES}
    places["lineitem"] = MASKED.format(places["lineitem"])
    return lambda query: con.execute(query.format(**places)).to_arrow_table()


def ours(folder: Path, user: str) -> Ask:
    """Governed queries, everything read anew."""
    os.environ["GOVDATA_SCAN_CACHE"] = "0"
    session = connect(folder, user=user)
    places = {t: f"bench.{t}" for t in TABLES}
    return lambda query: session.sql(query.format(**places)).arrow()


def iceberg_extension(folder: Path) -> Ask:
    """DuckDB's own reader of Iceberg tables."""
    import duckdb_extension_iceberg

    con = duckdb.connect()
    root = Path(duckdb_extension_iceberg.__file__).parent
    # It asks DuckDB for Avro, which is another extension.
    for path in sorted(root.parent.rglob("avro.duckdb_extension")):
        con.execute(f"LOAD '{path}'")
    (path,) = root.rglob("iceberg.duckdb_extension")
    con.execute(f"LOAD '{path}'")
    places = {}
    for table in TABLES:
        found = sorted((folder / "warehouse").rglob(f"*{table}*/metadata/*.metadata.json"))
        places[table] = f"iceberg_scan('{found[-1]}')"
    return lambda query: con.execute(query.format(**places)).to_arrow_table()


def pyiceberg(folder: Path) -> Ask:
    """PyIceberg reads whole tables to Arrow, DuckDB does the rest."""
    from pyiceberg.catalog.sql import SqlCatalog

    catalog = SqlCatalog(
        "govdata",
        uri=f"sqlite:///{folder / 'catalog.db'}",
        warehouse=(folder / "warehouse").as_uri(),
    )
    con = duckdb.connect()

    def ask(query: str) -> Any:
        used = [t for t in TABLES if "{" + t + "}" in query]
        for table in used:
            con.register(table, catalog.load_table(f"bench.{table}").scan().to_arrow())
        return con.execute(query.format(**{t: t for t in TABLES})).to_arrow_table()

    return ask


def shell() -> Any:
    """Return IPython as a kernel has it."""
    from IPython.core.interactiveshell import InteractiveShell

    return InteractiveShell.instance()


def jupysql(folder: Path) -> Ask:
    """``%%sql`` of JupySQL, to pandas."""
    ip = shell()
    ip.run_line_magic("load_ext", "sql")
    for setting in ("autopandas = True", "feedback = 0", "displaycon = False"):
        ip.run_line_magic("config", f"SqlMagic.{setting}")
    ip.user_ns["raw"] = duckdb.connect()
    ip.run_line_magic("sql", "raw --alias raw")
    places = {t: files_of(folder, t) for t in TABLES}
    return lambda query: ip.run_cell_magic("sql", "", query.format(**places))


def magic_duckdb(folder: Path) -> Ask:
    """``%%dql`` of magic_duckdb, to Arrow."""
    ip = shell()
    ip.run_line_magic("load_ext", "magic_duckdb")
    places = {t: files_of(folder, t) for t in TABLES}
    return lambda query: ip.run_cell_magic("dql", "-t arrow", query.format(**places))


def marimo(folder: Path) -> Ask:
    """``mo.sql`` of marimo, to polars."""
    import marimo as mo

    con = duckdb.connect()
    places = {t: files_of(folder, t) for t in TABLES}
    return lambda query: mo.sql(query.format(**places), engine=con, output=False)


def spark(folder: Path) -> Ask:
    """Spark on all cores of this machine, to Arrow."""
    from pyspark.sql import SparkSession

    made = (
        SparkSession.builder.master("local[*]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.memory", "4g")
        .config("spark.driver.maxResultSize", "0")
        .getOrCreate()
    )
    made.sparkContext.setLogLevel("ERROR")
    for table in TABLES:
        found = sorted((folder / "warehouse").rglob(f"*{table}*/data/**/*.parquet"))
        made.read.parquet(*map(str, found)).createOrReplaceTempView(table)
    return lambda query: made.sql(query.format(**{t: t for t in TABLES})).toArrow()


PEERS: dict[str, tuple[Callable[[Path], Ask], str]] = {
    # name: (how to ask it, the module it needs)
    "raw DuckDB": (raw, "duckdb"),
    "raw DuckDB, filter in WHERE": (raw_filtered, "duckdb"),
    "governed": (lambda folder: ours(folder, "filtered"), "jupyter_govdata"),
    "whole": (lambda folder: ours(folder, "whole"), "jupyter_govdata"),
    "DuckDB iceberg extension": (iceberg_extension, "duckdb_extension_iceberg"),
    "PyIceberg": (pyiceberg, "pyiceberg"),
    "JupySQL": (jupysql, "sql"),
    "magic_duckdb": (magic_duckdb, "magic_duckdb"),
    "marimo": (marimo, "marimo"),
    "Spark": (spark, "pyspark"),
}
FILTERED = ("governed", "raw DuckDB, filter in WHERE")


def ready(folder: Path, results: Results, only: set[str]) -> dict[str, Ask]:
    """Return the peers that can be asked here."""
    found: dict[str, Ask] = {}
    for name, (make, module) in PEERS.items():
        if only and name not in only and not name.startswith("raw"):
            continue
        if importlib.util.find_spec(module) is None:
            results.leave_out(name, f"`{module}` is not installed")
            continue
        try:
            found[name] = make(folder)
        except Exception as error:  # noqa: BLE001  (whatever a peer raises)
            results.leave_out(name, f"{type(error).__name__}: {str(error).splitlines()[0][:100]}")
    return found


def answer_rows(asks: dict[str, Ask], query: str, results: Results, what: str) -> dict[str, Ask]:
    """Return the peers that answer a query with as many rows as raw DuckDB does."""
    expected = {filtered: len(asks[name](query)) for filtered, name in raws().items()}
    fit = {}
    for name, ask in asks.items():
        try:
            rows = len(ask(query))
        except Exception as error:  # noqa: BLE001  (whatever a peer raises)
            results.leave_out(f"{name}, {what}", f"{type(error).__name__}")
            continue
        if rows == expected[name in FILTERED]:
            fit[name] = ask
        else:
            results.leave_out(f"{name}, {what}", f"answers {rows:,} rows, not {expected}")
    return fit


def raws() -> dict[bool, str]:
    """Return what a peer is compared with: raw DuckDB, with the filter or without."""
    return {False: "raw DuckDB", True: FILTERED[1]}


def compare(folder: Path, runs: int, results: Results, only: set[str], rows: int) -> None:
    """Ask everybody everything, in turn."""
    asks = ready(folder, results, only)
    cells: dict[str, list[str]] = {name: [] for name in asks}
    for what in CHOSEN:
        query = QUERIES[what]
        fit = answer_rows(asks, query, results, what)
        times: dict[str, list[float]] = {name: [] for name in fit}
        for _ in range(runs):
            for name, ask in fit.items():
                began = time.perf_counter()
                ask(query)
                times[name].append(time.perf_counter() - began)
        middle = {name: statistics.median(taken) for name, taken in times.items()}
        for name, row in cells.items():
            if name not in middle:
                row.append("-")
                continue
            ratio = middle[name] / middle[raws()[name in FILTERED]]
            row.append(f"{ratio:.2f}x ({middle[name] * 1e3:,.0f} ms)")
            if not name.startswith("raw"):
                against = raws()[name in FILTERED]
                results.line(f"{what}: {name} to {against}", ratio, "ratio", f"{rows:,} rows")
    found = [[name, *row] for name, row in cells.items()]
    results.table(f"Ratio to raw DuckDB (median), {rows:,} rows", ["", *CHOSEN], found)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--lake", type=Path)
    parser.add_argument("--only", action="append", default=[], help="a peer's name; repeatable")
    add_results(parser)
    options = parser.parse_args()
    os.environ.setdefault("IPYTHONDIR", tempfile.mkdtemp(prefix="govdata-bench-"))
    command = f"python benchmarks/peers.py --rows {options.rows} --runs {options.runs}"
    results = Results.of("peers", options, command)
    folder = (options.lake or Path(tempfile.mkdtemp(prefix="govdata-bench-")) / "lake").absolute()
    build(folder, options.rows)
    compare(folder, options.runs, results, set(options.only), options.rows)
    results.write()


if __name__ == "__main__":
    main()
