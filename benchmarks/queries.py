"""Governed queries against raw DuckDB on the same Parquet files: ratios of medians.

    python benchmarks/queries.py [--rows 10000000] [--runs 5] [--lake DIR]

Builds a synthetic lake once (kept in `--lake`), starts the embedded gateway and runs every query
in turn, raw and governed, so that a drift of the machine hits both. `whole` is a principal who
sees everything; `filtered` has a row filter and a masked column, and raw DuckDB then gets the
same filter in its WHERE.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa

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


def pair(raw: Callable[[], object], governed: Callable[[], object], runs: int) -> tuple[float, ...]:
    """Return the median seconds of both, run in turn after one warm-up."""
    times: tuple[list[float], list[float]] = ([], [])
    for run in range(runs + 1):
        for side, call in enumerate((raw, governed)):
            began = time.perf_counter()
            call()
            if run:
                times[side].append(time.perf_counter() - began)
    return statistics.median(times[0]), statistics.median(times[1])


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
    session: Session
    with connect(folder, user=user) as session:
        for name, query in QUERIES.items():
            if user == "filtered" and "{part}" in query:
                continue
            raw_sql = query.format(**raw_from)
            sql = query.format(**{t: f"bench.{t}" for t in tables})
            check = con.execute(raw_sql).to_arrow_table()
            assert session.sql(sql).arrow().num_rows == check.num_rows
            size = check.nbytes
            raw, governed = pair(
                lambda q=raw_sql: con.execute(q).to_arrow_table(),
                lambda q=sql: session.sql(q).arrow(),
                runs,
            )
            print(
                f"{user:9} {name:22} raw {raw * 1e3:9.1f} ms  governed {governed * 1e3:9.1f} ms  "
                f"ratio {governed / raw:5.2f}  ({size / 1e6:,.0f} MB result)",
                flush=True,
            )


def overhead(folder: Path, runs: int) -> None:
    """Print what governing and stamping one row costs, warm."""
    con = duckdb.connect()
    source = files_of(folder, "part")
    sql = "SELECT * FROM {} WHERE partkey = 7"
    with connect(folder, user="whole") as session:
        raw, governed = pair(
            lambda: con.execute(sql.format(source)).to_arrow_table(),
            lambda: session.sql(sql.format("bench.part")).stamp,
            runs * 20,
        )
        floor, local = pair(
            lambda: con.execute("SELECT 1").to_arrow_table(),
            lambda: session.sql("SELECT 1").stamp,
            runs * 20,
        )
    print(f"1 row, governed and stamped: {governed * 1e3:.2f} ms (raw {raw * 1e3:.2f} ms)")
    print(f"1 row, no asset, stamped:    {local * 1e3:.2f} ms (raw {floor * 1e3:.2f} ms)")


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
    overhead(folder, options.runs)
    for user in ("whole", "filtered"):
        compare(folder, user, options.runs)


if __name__ == "__main__":
    main()
