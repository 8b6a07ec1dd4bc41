"""Governed reading against raw DuckDB on the same files: ratios of medians, one process.

    python benchmarks/storage.py [--rows 6000000] [--runs 7] [--threads 2]

Builds a lake in a temporary folder, then runs every case in turn, raw and through `open_scan`, so
that a drift of the machine hits both. Raw is the same `read_parquet`, streamed to Arrow, with the
same filter in its WHERE; "table" materialises as `to_arrow_table` does. Masks and consents have
no raw counterpart; they are compared with the scan without them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from jupyter_govdata.catalog import Catalog
from jupyter_govdata.model.decision import Mask
from jupyter_govdata.model.predicate import TRUE, And, Compare, Consent, In, Predicate
from jupyter_govdata.storage import open_scan

WORDS = np.array(["DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"])


class People:
    """Half of the subjects have consented."""

    def __init__(self, count: int) -> None:
        self._ids = frozenset(f"p{n:07d}" for n in range(0, count, 2))

    def __call__(self, domain: str, purpose: str) -> frozenset[str]:
        return self._ids if (domain, purpose) == ("d:p", "research") else frozenset()


@dataclass
class Case:
    name: str
    asset: str
    where: str = "TRUE"
    row_filter: Predicate = TRUE
    columns: Sequence[str] | None = None
    masks: Mapping[str, Mask] = field(default_factory=dict)
    predicate: Predicate = TRUE
    against: str = "raw"


CASES = [
    Case("wide export, mixed types", "bench.visits"),
    Case("wide export, numbers only", "bench.signals"),
    Case("embeddings", "bench.vectors"),
    Case("2 columns", "bench.visits", columns=("id", "price")),
    Case(
        "filter keeps 1/3",
        "bench.visits",
        where="flag = 'A'",
        row_filter=Compare("flag", "=", "A"),
    ),
    Case(
        "clustered range, 0.1 %",
        "bench.visits",
        where="id BETWEEN 3000000 AND 3006000",
        row_filter=And((Compare("id", ">=", 3_000_000), Compare("id", "<=", 3_006_000))),
    ),
    Case(
        "scattered, 0.001 %",
        "bench.visits",
        where="part IN (17, 4711)",
        row_filter=In("part", (17, 4711)),
    ),
    Case(
        "count",
        "bench.visits",
        columns=(),
        where="price > 100",
        row_filter=Compare("price", ">", 100.0),
    ),
    Case("tiny table", "bench.tiny"),
    Case("tiny table, filtered", "bench.tiny", where="id < 5", row_filter=Compare("id", "<", 5)),
    Case(
        "consent semi-join",
        "bench.visits",
        row_filter=Consent("person", "d:p", "research"),
        against="governed",
    ),
    Case(
        "mask year, round",
        "bench.visits",
        masks={"day": Mask("year"), "price": Mask("round", "10")},
        against="governed",
    ),
    Case("mask last 4", "bench.visits", masks={"person": Mask("last", "4")}, against="governed"),
    Case(
        "mask pseudonym, 100,000 people",
        "bench.visits",
        masks={"person": Mask("pseudonym")},
        against="governed",
    ),
    Case(
        "condition on a masked column",
        "bench.visits",
        masks={"person": Mask("last", "4")},
        predicate=Compare("person", "=", "***0042"),
        against="governed",
    ),
]


def build(folder: Path, rows: int) -> Catalog:
    catalog = Catalog.local(folder)
    rng = np.random.default_rng(0)

    def visits(start: int, count: int) -> pa.Table:
        return pa.table(
            {
                "id": np.arange(start, start + count),
                "part": rng.integers(0, 200_000, count),
                "person": pa.array([f"p{n:07d}" for n in rng.integers(0, 100_000, count)]),
                "qty": pa.array(rng.integers(0, 5_000, count))
                .cast(pa.decimal128(19, 0))
                .cast(pa.decimal128(21, 2)),
                "price": rng.random(count) * 1_000,
                "disc": rng.random(count),
                "flag": pa.array(np.array(["A", "N", "R"])[rng.integers(0, 3, count)]),
                "how": pa.array(WORDS[rng.integers(0, 4, count)]),
                "day": pa.array(rng.integers(8_000, 10_500, count), pa.int32()).cast(pa.date32()),
                "at": pa.array(rng.integers(0, 10**15, count)).cast(pa.timestamp("us")),
            }
        )

    step = min(rows, 1_500_000)
    for start in range(0, rows, step):
        mode: Any = "append" if start else "create"
        catalog.write("bench.visits", visits(start, step), mode=mode)
    catalog.write(
        "bench.signals",
        pa.table({f"x{n}": rng.random(rows // 4) for n in range(20)}),
        mode="create",
    )
    flat = pa.array(rng.random(rows // 60 * 384, dtype=np.float32))
    vectors = pa.FixedSizeListArray.from_arrays(flat, 384)
    catalog.write("bench.vectors", pa.table({"id": range(rows // 60), "v": vectors}), mode="create")
    catalog.write("bench.tiny", pa.table({"id": range(20), "s": ["x"] * 20}), mode="create")
    return catalog


def drain(batches: Any) -> int:
    return sum(batch.num_rows for batch in batches)


def governed(catalog: Catalog, case: Case, people: People, threads: int) -> Callable[[], int]:
    version = catalog.resolve(case.asset)
    names = version.schema.names if case.columns is None else case.columns

    def run() -> int:
        reader = open_scan(
            catalog.plan(version, case.row_filter),
            columns=names,
            row_filter=case.row_filter,
            masks=case.masks,
            predicate=case.predicate,
            limit=None,
            consents=people,
            pseudonym_key=b"k" * 32,
            purpose="research",
            domains={},
            threads=threads,
        )
        try:
            return drain(reader)
        finally:
            reader.close()

    return run


def raw(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, case: Case, table: bool
) -> Callable[[], int]:
    version = catalog.resolve(case.asset)
    paths = ", ".join(f"'{f.path}'" for f in catalog.plan(version).files)
    names = version.schema.names if case.columns is None else case.columns
    shown = ", ".join(f'"{n}"' for n in names) or "count(*) AS n"
    sql = f"SELECT {shown} FROM read_parquet([{paths}]) WHERE {case.where}"

    def run() -> int:
        relation = connection.execute(sql)
        if table:
            return int(relation.to_arrow_table().num_rows)
        return drain(relation.to_arrow_reader(65_536))

    return run


def timed(function: Callable[[], int]) -> float:
    start = time.perf_counter()
    function()
    return (time.perf_counter() - start) * 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=6_000_000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    people = People(100_000)
    with tempfile.TemporaryDirectory() as folder:
        catalog = build(Path(folder), options.rows)
        connection = duckdb.connect(config={"threads": options.threads})
        print(f"{options.rows:,} rows, {options.threads} threads, median of {options.runs}")
        print(f"{'case':34}{'governed':>10}{'stream':>10}{'table':>10}{'ratio':>8}  against")
        for case in CASES:
            ours = governed(catalog, case, people, options.threads)
            if case.against == "raw":
                others = [raw(connection, catalog, case, table) for table in (False, True)]
            else:
                plain = Case("plain", case.asset, columns=case.columns)
                others = [governed(catalog, plain, people, options.threads)]
            runs = [[timed(f) for f in (ours, *others)] for _ in range(options.runs + 1)][1:]
            medians = [statistics.median(column) for column in zip(*runs, strict=True)]
            best = min(medians[1:])
            shown = [*medians, *[float("nan")] * (3 - len(medians))]
            cells = "".join(f"{m:10.1f}" for m in shown)
            print(f"{case.name:34}{cells}{medians[0] / best:8.2f}  {case.against}")


if __name__ == "__main__":
    main()
