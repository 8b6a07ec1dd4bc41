"""The result digest against other ways to fingerprint the same table: GB/s of Arrow memory.

    python benchmarks/digest.py [--gigabytes 1] [--runs 3]

Each table is worked on in chunks of 64 MB that are made anew, so memory stays below 1 GB; only the
fingerprint is timed. The alternatives run in turn with ours on the same chunk, so that a drift of
the machine hits all:

* `blake2b` over the chunk's Arrow IPC stream: depends on chunks, layout and the order of rows;
* `pandas` `hash_pandas_object`: eight bytes a row, another value for another layout or NULL type.

Neither can stand for equal results; they say what the machine gives. The column `cpu` is ours by
time of processors, so what one core does while others wait. The last lines are the time of a digest
of one row, which every query pays.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa

from jupyter_govdata.stamps.digest import result_digest

CHUNK_BYTES = 64_000_000
CODES = np.array(["Placebo", "Xanomeline Low Dose", "TCGA-AB-2802", "ADVERSE EVENT", "M", ""])


def numeric(rows: int, random: np.random.Generator) -> pa.Table:
    """Eight columns of double and 64-bit numbers: 64 bytes a row."""
    floats = {f"f{i}": random.normal(size=rows) for i in range(4)}
    whole = {f"i{i}": random.integers(-1000, 10**9, rows) for i in range(4)}
    return pa.table(floats | whole)


def mixed(rows: int, random: np.random.Generator) -> pa.Table:
    """An outcomes table: identifier, codes, date, instant, narrow and wide numbers, NULLs."""
    return pa.table(
        {
            "subject": identifiers(rows, random),
            "arm": pa.array(CODES[random.integers(0, 6, rows)], pa.string()),
            "day": pa.array(random.integers(0, 20_000, rows).astype(np.int32)).cast(pa.date32()),
            "at": pa.array(random.integers(0, 10**15, rows)).cast(pa.timestamp("us", tz="UTC")),
            "visit": random.integers(0, 30, rows).astype(np.int32),
            "value": pa.array(random.normal(size=rows), mask=random.random(rows) < 0.1),
            "seen": random.random(rows) < 0.5,
        }
    )


def identifiers(rows: int, random: np.random.Generator) -> pa.Array:
    """Barcodes of 16 bytes that do not repeat."""
    digits = np.char.zfill(random.integers(0, 10**9, rows).astype("U9"), 9)
    return pa.array(np.char.add("TCGA-AB", digits), pa.string())


def codes(rows: int, random: np.random.Generator) -> pa.Table:
    """Four columns of six names each, as they stand in any clinical table."""
    return pa.table(
        {f"c{i}": pa.array(CODES[random.integers(0, 6, rows)], pa.string()) for i in range(4)}
    )


def text(rows: int, random: np.random.Generator) -> pa.Table:
    """Sentences of 10 to 200 bytes that do not repeat."""
    filler = "the subject reported mild dizziness after the second dose of the study drug; " * 3
    ends = random.integers(2, 190, rows)
    return pa.table({"note": pa.array([f"{i:08d}{filler[:e]}" for i, e in enumerate(ends)])})


def notes(rows: int, random: np.random.Generator) -> pa.Table:
    """Notes of 2 kB: BLAKE2b does the work."""
    return pa.table({"note": pa.array([f"{i:08d}" * 250 for i in random.integers(0, 99999, rows)])})


TABLES = {"numeric": numeric, "mixed": mixed, "codes": codes, "text": text, "notes": notes}


def ours(table: pa.Table) -> None:
    result_digest(table, ordered=False)


def blake2b(table: pa.Table) -> None:
    state = hashlib.blake2b()

    class Into:
        closed = False

        def write(self, data: object) -> int:
            view = memoryview(data)  # type: ignore[arg-type]
            state.update(view)
            return view.nbytes

        def flush(self) -> None: ...

    with pa.ipc.new_stream(pa.PythonFile(Into(), mode="w"), table.schema) as stream:
        stream.write_table(table)
    state.digest()


def pandas(table: pa.Table) -> None:
    pd.util.hash_pandas_object(table.to_pandas(), index=False)


WAYS: dict[str, Callable[[pa.Table], None]] = {"ours": ours, "blake2b": blake2b, "pandas": pandas}


def measured(
    way: Callable[[pa.Table], None],
    table: pa.Table,
    runs: int,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    times = []
    for _ in range(runs):
        started = clock()
        way(table)
        times.append(clock() - started)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, GB/s of Arrow memory")
    print(f"{'table':10}{'MB':>8}" + "".join(f"{name:>10}" for name in ("cpu", *WAYS)))
    for name, make in TABLES.items():
        random, done = np.random.default_rng(1), 0
        rows = max(1, CHUNK_BYTES // (make(1000, random).nbytes // 1000))
        spent = dict.fromkeys(("cpu", *WAYS), 0.0)
        while done < options.gigabytes * 1e9:
            table = make(rows, random)
            done += table.nbytes
            spent["cpu"] += measured(ours, table, options.runs, time.process_time)
            for way, run in WAYS.items():
                spent[way] += measured(run, table, options.runs)
        speeds = "".join(f"{done / seconds / 1e9:10.2f}" for seconds in spent.values())
        print(f"{name:10}{done / 1e6:8.0f}{speeds}", flush=True)
    one = pa.table({"arm": ["Placebo"], "n": [86], "mean": [75.2]})
    for way, run in WAYS.items():
        times = [measured(run, one, 1) for _ in range(500)]
        print(f"one row, {way}: {statistics.median(times) * 1e6:.0f} µs")
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
