"""Governed queries against raw DuckDB on the same Parquet files: ratios of medians.

    python benchmarks/queries.py [--rows 10000000] [--runs 5] [--lake DIR]

Builds a synthetic lake once (kept in `--lake`), starts the embedded gateway and runs every query
in turn, raw and governed, so that a drift of the machine hits both. `whole` is a principal who
sees everything; `filtered` has a row filter and a masked column, and raw DuckDB then gets the
same filter in its WHERE. `governed` reads everything anew; `again` is a session as it comes: it
keeps scans of a snapshot and asks the gateway each time whether they still hold.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from jupyter_govdata.config import GatewayConfig
from jupyter_govdata.gateway.composer import Gateway
from jupyter_govdata.session import Session, connect, init_lake

FILES = {
    "principals.yaml": """
groups: {stewards: {description: all}}
principals:
  dina: {name: Dina, groups: [stewards], purpose: research}
  whole: {name: Whole, purpose: research}
  filtered: {name: Filtered, purpose: research}
""",
    "purposes.yaml": "purposes: {research: {description: research}}\n",
    "tags.yaml": "tags: {free: {scope: [column], values: [text]}}\n",
    "assets/bench.yaml": """
assets:
  bench.lineitem:
    owner: dina
    steward: stewards
    columns: {comment: {description: Free text., tags: {free: text}}}
  bench.orders: {owner: dina, steward: stewards}
  bench.part: {owner: dina, steward: stewards}
""",
    "policies/bench.cedar": """
@id("stewards") permit (principal in Group::"stewards", action, resource);
@id("bench-read") permit (principal, action in [Action::"discover", Action::"reveal"],
  resource in Namespace::"bench");
@id("bench-whole") permit (principal == User::"whole", action == Action::"select",
  resource in Namespace::"bench");
@id("bench-filtered") permit (principal == User::"filtered", action == Action::"select",
  resource in Asset::"bench.lineitem") when { ["A", "N"].contains(resource.flag) };
@id("bench-others") permit (principal == User::"filtered", action == Action::"select",
  resource in Asset::"bench.orders");
@id("bench-mask") @mask("null") forbid (principal == User::"filtered", action == Action::"reveal",
  resource) when { resource.hasTag("free") };
""",
}

LINEITEM = """
SELECT (i // 4)::BIGINT AS orderkey, (hash(i) % 300000)::BIGINT AS partkey,
  (hash(i + 1) % 50 + 1)::BIGINT AS quantity,
  ((hash(i + 2) % 10000000) / 100)::DECIMAL(12, 2) AS price,
  ((hash(i + 3) % 11) / 100)::DECIMAL(4, 2) AS discount,
  ((hash(i + 4) % 9) / 100)::DECIMAL(4, 2) AS tax,
  ['A', 'N', 'R'][1 + (hash(i + 5) % 3)::INT] AS flag,
  DATE '1992-01-01' + (i * 2500 // {rows})::INT AS shipdate,
  (hash(i + 6) % 1000000)::DOUBLE / 7 AS weight,
  (hash(i + 7) >> 1)::BIGINT AS lot,
  'item ' || (hash(i + 8) % 100000)::VARCHAR || ' packed with care' AS comment
FROM range({rows}) t(i)
"""
ORDERS = """
SELECT i::BIGINT AS orderkey, (hash(i + 9) % 150000)::BIGINT AS custkey,
  ['HIGH', 'LOW', 'MEDIUM'][1 + (hash(i) % 3)::INT] AS priority
FROM range({rows} // 4) t(i)
"""
PART = """
SELECT i::BIGINT AS partkey, 'Brand#' || (hash(i) % 25)::VARCHAR AS brand FROM range(300000) t(i)
"""
QUERIES = {
    "full-scan aggregate": "SELECT flag, count(*), sum(price), avg(quantity), sum(price * "
    "(1 - discount)) FROM {lineitem} GROUP BY flag ORDER BY flag",
    "aggregate of a filter": "SELECT partkey, avg(price), max(quantity) FROM {lineitem} "
    "WHERE shipdate >= DATE '1995-01-01' AND quantity < 10 GROUP BY partkey",
    "first rows": "SELECT orderkey, price, flag FROM {lineitem} ORDER BY price DESC LIMIT 20",
    "selective clustered": "SELECT orderkey, price, shipdate FROM {lineitem} "
    "WHERE shipdate = DATE '1995-06-17'",
    "selective scattered": "SELECT orderkey, price, lot FROM {lineitem} WHERE partkey = 4711",
    "2-table join": "SELECT o.priority, count(*), sum(l.price) FROM {lineitem} l "
    "JOIN {orders} o USING (orderkey) WHERE l.quantity > 25 GROUP BY 1 ORDER BY 1",
    "3-table join": "SELECT p.brand, o.priority, sum(l.price) FROM {lineitem} l "
    "JOIN {orders} o USING (orderkey) JOIN {part} p USING (partkey) "
    "WHERE l.shipdate < DATE '1994-01-01' GROUP BY ALL ORDER BY ALL",
    "wide to Arrow": "SELECT * FROM {lineitem}",
}


def build(folder: Path, rows: int) -> None:
    """Make the lake unless it is there."""
    if (folder / "built").exists():
        return
    source = folder.parent / (folder.name + "-governance")
    for name, text in FILES.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    init_lake(folder, source, "dina")
    con = duckdb.connect()
    with connect(folder, user="dina") as session:
        for name, sql in (("lineitem", LINEITEM), ("orders", ORDERS), ("part", PART)):
            reader = con.execute(sql.format(rows=rows)).to_arrow_reader(122_880)
            session.load(reader, f"bench.{name}")
    (folder / "built").touch()


def files_of(folder: Path, table: str) -> str:
    """Return a DuckDB source over the table's data files."""
    found = sorted((folder / "warehouse").rglob(f"*{table}*/data/**/*.parquet"))
    return f"read_parquet({[str(f) for f in found]!r})"


def in_turn(runs: int, *calls: Callable[[], object]) -> list[float]:
    """Return the median milliseconds of each call, run in turn after one warm-up."""
    times: list[list[float]] = [[] for _ in calls]
    for run in range(runs + 1):
        for taken, call in zip(times, calls, strict=True):
            began = time.perf_counter()
            call()
            if run:
                taken.append((time.perf_counter() - began) * 1e3)
    return [statistics.median(taken) for taken in times]


@contextmanager
def sessions(folder: Path, user: str) -> Iterator[tuple[Session, Session]]:
    """Yield a session that reads every scan anew, and one as it comes."""
    os.environ["GOVDATA_SCAN_CACHE"] = "0"
    with connect(folder, user=user) as anew:
        del os.environ["GOVDATA_SCAN_CACHE"]
        with connect(folder, user=user) as again:
            yield anew, again


def compare(folder: Path, user: str, runs: int) -> None:
    """Print one line a query."""
    tables = ("lineitem", "orders", "part")
    raw_from = {t: files_of(folder, t) for t in tables}
    if user == "filtered":
        raw_from["lineitem"] = (
            f"(SELECT * REPLACE (NULL::VARCHAR AS comment) FROM {raw_from['lineitem']} "
            "WHERE flag IN ('A', 'N'))"
        )
    con = duckdb.connect()
    with sessions(folder, user) as (anew, again):
        for name, query in QUERIES.items():
            if user == "filtered" and "{part}" in query:
                continue
            raw_sql = query.format(**raw_from)
            sql = query.format(**{t: f"bench.{t}" for t in tables})
            check = con.execute(raw_sql).to_arrow_table()
            assert anew.sql(sql).arrow().num_rows == check.num_rows
            size = check.nbytes
            del check
            raw, governed, kept = in_turn(
                runs,
                lambda q=raw_sql: con.execute(q).to_arrow_table(),
                lambda q=sql: anew.sql(q).arrow(),
                lambda q=sql: again.sql(q).arrow(),
            )
            print(
                f"{user:9} {name:22} raw {raw:9.1f} ms  governed {governed:9.1f} ms "
                f"{governed / raw:5.2f}x  again {kept:9.1f} ms {kept / raw:5.2f}x  "
                f"({size / 1e6:,.0f} MB result)",
                flush=True,
            )


def overhead(folder: Path, runs: int) -> None:
    """Print what governing and stamping one row costs, warm."""
    con = duckdb.connect()
    source = files_of(folder, "part")
    sql = "SELECT * FROM {} WHERE partkey = 7"
    with sessions(folder, "whole") as (anew, again):
        raw, governed, kept = in_turn(
            runs * 20,
            lambda: con.execute(sql.format(source)).to_arrow_table(),
            lambda: anew.sql(sql.format("bench.part")).stamp,
            lambda: again.sql(sql.format("bench.part")).stamp,
        )
        floor, local = in_turn(
            runs * 20,
            lambda: con.execute("SELECT 1").to_arrow_table(),
            lambda: anew.sql("SELECT 1").stamp,
        )
    print(f"1 row, governed and stamped: {governed:.2f} ms, again {kept:.2f} ms (raw {raw:.2f} ms)")
    print(f"1 row, no asset, stamped:    {local:.2f} ms (raw {floor:.2f} ms)")


def decisions(folder: Path) -> None:
    """Print what a decision from the cache costs, with the check that its epoch still holds."""
    gateway = Gateway(GatewayConfig(lake=folder))
    try:
        (cached,) = in_turn(
            1_000, lambda: gateway.access.select("filtered", "bench.lineitem", None)
        )
    finally:
        gateway.close()
    print(f"decision from the cache:     {cached:.3f} ms")


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--lake", type=Path)
    options = parser.parse_args()
    print(f"duckdb {duckdb.__version__}, pyarrow {pa.__version__}, {options.rows:,} rows")
    folder = options.lake or Path(tempfile.mkdtemp()) / "lake"
    build(folder, options.rows)
    decisions(folder)
    overhead(folder, options.runs)
    for user in ("whole", "filtered"):
        compare(folder, user, options.runs)


if __name__ == "__main__":
    main()
