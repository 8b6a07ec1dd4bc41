"""Queries on a remote table: by the gateway's grants, by its stream, and by the owner's own keys.

    GOVDATA_HTTPFS_PYTHON=... tests/services/ceph.sh run python benchmarks/tables.py [--far]

`GOVDATA_HTTPFS_PYTHON` is an interpreter that has DuckDB and its extension `httpfs` (`make
test-all` makes one in `.venv/httpfs`): a user with the owner's keys. All three take turns on the
same files, and neither DuckDB nor the session may keep what it read for the next turn. With
`--far`, all of them read the store over a line of 50 MB/s with 10 ms of delay.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

sys.path.insert(0, str(Path(__file__).parent.parent))

from jupyter_govdata.session import Session, connect
from tests.files.tables_world import ASSET, make_tables_world
from tests.storage.s3_service import Bucket, Service

ROUNDS = 5
DELAY = 0.010
RATE = 50e6
QUERIES = {
    "two sums": "SELECT sum(price), sum(qty) FROM {t}",
    "all columns": "SELECT max(COLUMNS(*)) FROM {t}",
    "grouped by text": "SELECT flag, mode, sum(price * qty), avg(qty) FROM {t} GROUP BY ALL",
    "grouped by number": "SELECT qty, sum(price), max(day) FROM {t} GROUP BY ALL",
    "filtered": "SELECT sum(price) FROM {t} WHERE day BETWEEN '2021-01-01' AND '2021-02-01'",
    "one row": "SELECT * FROM {t} WHERE id = 123456",
    "text": "SELECT max(note) FROM {t}",
}
ROWS = """
SELECT i AS id, (hash(i) % 100000) / 7.0 AS price, (hash(i * 3) % 50)::INT AS qty,
       DATE '2020-01-01' + (i % 2000)::INT AS day,
       ['A', 'B', 'C'][1 + (hash(i * 5) % 3)::INT] AS flag,
       'note ' || hash(i * 11) AS note, ['AIR', 'SHIP', 'RAIL'][1 + (hash(i * 13) % 3)::INT] AS mode
FROM range({first}, {last}) r(i)
"""
OWNER = """
import json, sys, time, duckdb, duckdb_extension_httpfs
from pathlib import Path
told = json.loads(sys.stdin.readline())
engine = duckdb.connect()
engine.execute("SET enable_progress_bar = false")
engine.execute("SET enable_external_file_cache = false")
[extension] = Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension")
engine.execute(f"LOAD '{extension}'")
engine.execute(told["secret"])
engine.execute(f"CREATE VIEW items AS SELECT * FROM read_parquet({told['files']})")
for line in sys.stdin:
    start = time.perf_counter()
    engine.execute(json.loads(line)).fetchall()
    print(time.perf_counter() - start, flush=True)
"""


def relay(port: int, ready: Any) -> None:
    """Pass bytes to a port of this machine as over a long line; every connection shares it."""
    free_at = 0.0

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, rate: float) -> None:
        nonlocal free_at
        try:
            while part := await source.read(1 << 16):
                now = time.monotonic()
                free_at = max(free_at, now) + len(part) / rate
                await asyncio.sleep(DELAY / 2 + free_at - now)
                target.write(part)
                await target.drain()
        except ConnectionError:
            pass
        finally:
            target.close()

    async def serve() -> None:
        async def linked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            back, forth = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pump(reader, forth, 1e12), pump(back, writer, RATE))

        server = await asyncio.start_server(linked, "127.0.0.1", 0)
        ready.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


@contextmanager
def at_a_distance(service: Service, *, far: bool) -> Iterator[Service]:
    """Return the store, behind a long line if asked for."""
    if not far:
        yield service
        return
    ready: Any = multiprocessing.Queue()
    line = multiprocessing.Process(
        target=relay, args=(int(service.endpoint.rpartition(":")[2]), ready), daemon=True
    )
    line.start()
    yield replace(service, endpoint=f"http://127.0.0.1:{ready.get()}")
    line.terminate()


@contextmanager
def owner(service: Service, files: list[str]) -> Iterator[Callable[[str], float]]:
    """Return what runs SQL with the owner's keys; it returns the seconds."""
    host = service.endpoint.partition("://")[2]
    secret = (
        f"CREATE SECRET (TYPE s3, KEY_ID '{service.owner[0]}', SECRET '{service.owner[1]}', "
        f"ENDPOINT '{host}', USE_SSL false, URL_STYLE 'path', REGION '{service.region}')"
    )
    process = subprocess.Popen(
        [os.environ["GOVDATA_HTTPFS_PYTHON"], "-c", OWNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    asked, answers = process.stdin, process.stdout

    def ask(message: Any) -> None:
        asked.write(json.dumps(message) + "\n")
        asked.flush()

    def run(sql: str) -> float:
        ask(sql.format(t="items"))
        return float(answers.readline())

    ask({"secret": secret, "files": files})
    yield run
    asked.close()
    process.wait()


def governed(session: Session, *, direct: bool) -> Callable[[str], float]:
    """Return what runs SQL by grants, or by the stream; it returns the seconds."""

    def run(sql: str) -> float:
        session._me["table_files"] = direct
        session._engine._cache.clear()
        start = time.perf_counter()
        session.sql(sql.format(t=ASSET)).table  # noqa: B018  (reads the result to its end)
        return time.perf_counter() - start

    return run


def compare(service: Service, rows: int, folder: Path) -> None:
    """Build the table, then time all queries."""
    bucket = Bucket(service.bucket({}).name, service.client(*service.owner))
    world = make_tables_world(folder, service, bucket)
    world.gateway.catalog.drop(ASSET)
    for first in range(0, rows, rows // 4):
        part = duckdb.sql(ROWS.format(first=first, last=first + rows // 4)).to_arrow_table()
        world.load(ASSET, part, mode="append" if first else "create")
    plan = world.gateway.catalog.plan(world.gateway.catalog.resolve(ASSET, None))
    print(
        f"{plan.rows} rows, {len(plan.files)} files, {plan.size / 1e6:.0f} MB; "
        f"seconds, median of {ROUNDS}"
    )
    print(f"{'':<20}{'owner, httpfs':>24}{'by grants':>24}{'by stream':>24}  grants/owner")
    with (
        owner(service, [file.path for file in plan.files]) as plain,
        connect(world.lake, user="dina") as session,
    ):
        ways = (plain, governed(session, direct=True), governed(session, direct=False))
        for name, sql in QUERIES.items():
            found: list[list[float]] = [[], [], []]
            for turn in range(ROUNDS + 1):
                for times, way in zip(found, ways, strict=True):
                    took = way(sql)
                    if turn:  # the first one reads footers
                        times.append(took)
            told = "".join(
                f"{f'{statistics.median(t):.3f} ({min(t):.3f}-{max(t):.3f})':>24}" for t in found
            )
            ratio = statistics.median(a / b for a, b in zip(found[1], found[0], strict=True))
            print(f"{name:<20}{told}  {ratio:.2f}", flush=True)
    world.close()


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--far", action="store_true")
    options = parser.parse_args()
    near = Service.running()
    names = ("GD_OWNER_KEY", "GD_OWNER_SECRET", "GD_BROKER_KEY", "GD_BROKER_SECRET")
    os.environ.update(zip(names, (*near.owner, *near.broker), strict=True))
    os.environ["AWS_REQUEST_CHECKSUM_CALCULATION"] = "when_required"
    with at_a_distance(near, far=options.far) as service, tempfile.TemporaryDirectory() as folder:
        compare(service, options.rows, Path(folder))


if __name__ == "__main__":
    main()
