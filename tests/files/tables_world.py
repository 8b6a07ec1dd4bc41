"""Large tables in a bucket behind a real gateway."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from functools import cache
from pathlib import Path

import pyarrow as pa

from jupyter_govdata.config import GatewayConfig
from jupyter_govdata.gateway.composer import Gateway, initialise
from jupyter_govdata.gateway.lake import write_run_file
from jupyter_govdata.gateway.server import Server
from tests.gateway.files_world import CARDS, POLICIES, governance
from tests.gateway.world import World
from tests.storage.s3_service import Bucket, Service

ASSET = "imaging.cells"
ROWS = 80_000
CARD = """
  imaging.cells:
    owner: dina
    steward: stewards
    tags: {classification: public}
    columns:
      name: {description: Name., domain: "L:name", tags: {identifier: direct}}
"""
SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("small", pa.int32()),
        ("score", pa.float64()),
        ("thin", pa.float32()),
        ("name", pa.string()),
        ("day", pa.date32()),
        ("seen", pa.timestamp("us", "UTC")),
        ("price", pa.decimal128(9, 2)),
        ("ok", pa.bool_()),
        ("raw", pa.binary()),
    ]
)


def files(policies: str = POLICIES) -> dict[str, str]:
    """Return the governance files."""
    return governance("public", policies) | {
        "assets/imaging.yaml": CARDS.replace("CLASS", "public") + CARD
    }


@cache
def cells(first: int, count: int) -> pa.Table:
    """Return rows of every plain type, with NULL, NaN and -0.0 among them."""
    draw = random.Random(first)
    special = [None, float("nan"), -0.0, 0.0, float("inf")]
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)

    def row(i: int) -> dict[str, object]:
        score = draw.choice(special) if i % 7 == 0 else draw.random()
        return {
            "id": i,
            "small": None if i % 11 == 0 else i % 100 - 50,
            "score": score,
            "thin": None if score is None else score,
            "name": None if i % 13 == 0 else f"näme-{i * 7919 % 1000}",
            "day": dt.date(2024, 1, 1) + dt.timedelta(days=i % 365),
            "seen": start + dt.timedelta(seconds=i),
            "price": Decimal(i % 10_000) / 100,
            "ok": None if i % 17 == 0 else i % 2 == 0,
            "raw": draw.randbytes(8),
        }

    return pa.Table.from_pylist([row(i) for i in range(first, first + count)], schema=SCHEMA)


def make_tables_world(
    folder: Path, service: Service, bucket: Bucket, way: str = "signed", **settings: str | int
) -> World:
    """Build a lake over a bucket, with one table of two files, and serve it.

    Args:
        folder: Of the lake.
        service: The store.
        bucket: Of the tables.
        way: How public tables are read.
        settings: Further ones of the storage; `endpoint` is where kernels are sent.
    """
    for name, text in files().items():
        target = folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    lake = folder / "lake"
    initialise(lake, "dina", folder / "source")
    storage = service.toml(bucket.name, f'public = "{way}"')
    storage = storage.replace('assets = ["imaging"]', "tables = true")
    for name, value in settings.items():
        line = f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}"
        known = f'{name} = "{service.endpoint}"'
        start = "[storage.slides]\n"
        storage = (
            storage.replace(known, line)
            if known in storage
            else storage.replace(start, f"{start}{line}\n")
        )
    with (lake / "govdata.toml").open("a", encoding="utf-8") as out:
        out.write(storage)
    catalog = {
        "type": "sql",
        "uri": f"sqlite:///{folder / 'catalog.db'}",
        "warehouse": f"s3://{bucket.name}/warehouse",
        "s3.endpoint": service.endpoint,
        "s3.region": service.region,
        "s3.access-key-id": service.owner[0],
        "s3.secret-access-key": service.owner[1],
        "s3.force-virtual-addressing": "false",
    }
    gateway = Gateway(GatewayConfig(lake=lake, catalog=catalog))
    server = Server(gateway)
    write_run_file(lake, server.address)
    made = World(gateway, server, lake)
    made.load(ASSET, cells(0, ROWS // 2))
    made.load(ASSET, cells(ROWS // 2, ROWS // 2), mode="append")
    return made
