"""Parquet files with field ids and plans over them, without a catalog."""

from __future__ import annotations

import datetime as dt
import struct
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from jupyter_govdata.model.decision import Mask
from jupyter_govdata.model.plan import DataFile, Plan, PlanColumn
from jupyter_govdata.model.predicate import TRUE, IsNull, Or, Predicate, all_of
from jupyter_govdata.model.summary import Summary
from jupyter_govdata.storage import open_scan
from tests.storage.oracle import Agreed

NAN, INF = float("nan"), float("inf")
UTC = dt.UTC


def with_id(name: str, kind: pa.DataType, number: int) -> pa.Field:
    return pa.field(name, kind, metadata={"PARQUET:field_id": str(number)})


FIELDS: dict[str, tuple[int, pa.DataType]] = {
    "id": (1, pa.int64()),
    "i": (2, pa.int64()),
    "i2": (3, pa.int32()),
    "f": (4, pa.float64()),
    "f2": (5, pa.float32()),
    "d": (6, pa.decimal128(12, 2)),
    "s": (7, pa.string()),
    "s2": (8, pa.string()),
    "b": (9, pa.bool_()),
    "day": (10, pa.date32()),
    "ts": (11, pa.timestamp("us")),
    "tz": (12, pa.timestamp("us", tz="UTC")),
    "tm": (13, pa.time64("us")),
    "raw": (14, pa.binary()),
    "u": (15, pa.uuid()),
    "l": (16, pa.list_(pa.field("element", pa.int32()))),
    "st": (17, pa.struct([pa.field("x", pa.int32()), pa.field("y", pa.string())])),
    "k": (18, pa.string()),
}
SCHEMA = pa.schema([with_id(n, t, i) for n, (i, t) in FIELDS.items()])

EDGES: dict[str, list[Any]] = {
    "i": [0, 1, -1, 5, 2**53, 2**53 + 1, -(2**63), 2**63 - 1, None],
    "i2": [0, 1, -1, 7, 2**31 - 1, -(2**31), None],
    "f": [0.0, -0.0, 1.5, -1.5, NAN, INF, -INF, 0.1, 1e300, 5e-324, float(2**53), None],
    "f2": [0.0, -0.0, 1.5, NAN, INF, -INF, 0.10000000149011612, 3.4028234663852886e38, None],
    "d": [Decimal("0.00"), Decimal("1.50"), Decimal("-9999999999.99"), Decimal("0.10"), None],
    "s": [
        "",
        "a",
        "A",
        "it's",
        '"q"',
        "50%",
        "a_b",
        "a\\b",
        "ä",
        "日本",
        "x\0y",
        "\0",
        "z\n",
        "2020-02-29",
        None,
    ],
    "s2": ["a", "A", "ä", "x\0y", "it's", None],
    "b": [True, False, None],
    "day": [dt.date(1969, 12, 31), dt.date(1970, 1, 1), dt.date(1, 1, 1), dt.date(9999, 12, 31)],
    "ts": [dt.datetime(1969, 12, 31, 23, 59, 59, 999999), dt.datetime(2020, 2, 29), None],
    "tz": [dt.datetime(1900, 1, 1, tzinfo=UTC), dt.datetime(2020, 2, 29, 1, tzinfo=UTC), None],
    "tm": [dt.time(0), dt.time(23, 59, 59, 999999), dt.time(12, 30), None],
    "raw": [b"", b"\0", b"a'\\", b"\xff\xfe", None],
    "u": [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), uuid.UUID(int=2**127), None],
    "l": [[1, 2], [], [None], None],
    "st": [{"x": 1, "y": "a"}, {"x": None, "y": None}, None],
    "k": ["A", "B", "A:B", "", None],
}


def rows(count: int = 120) -> list[dict[str, Any]]:
    """Rows in which every column runs through its edges, out of step with the others."""
    made = []
    for n in range(count):
        row: dict[str, Any] = {"id": n}
        for step, (name, values) in enumerate(EDGES.items(), start=1):
            row[name] = values[(n * step + n // len(values)) % len(values)]
        made.append(row)
    return made


def table(values: Sequence[Mapping[str, Any]], schema: pa.Schema = SCHEMA) -> pa.Table:
    return pa.table(
        [pa.array([_stored(v[f.name], f.type) for v in values], f.type) for f in schema],
        schema=schema,
    )


def _stored(value: Any, kind: pa.DataType) -> Any:
    return value.bytes if isinstance(value, uuid.UUID) else value


def save(path: Path, data: pa.Table, group: int = 17) -> DataFile:
    pq.write_table(data, path, row_group_size=group, store_schema=False)
    return DataFile(str(path), data.num_rows, path.stat().st_size)


def plan_of(root: Path, files: Sequence[DataFile], schema: pa.Schema = SCHEMA) -> Plan:
    plain = pa.schema([f.with_nullable(True) for f in schema])
    return Plan(
        asset="trials.edges",
        snapshot_id=7,
        schema_id=0,
        columns=tuple(
            PlanColumn(int(f.metadata[b"PARQUET:field_id"]), f.name, str(f.type)) for f in plain
        ),
        arrow_schema=plain.serialize().to_pybytes(),
        root=str(root),
        files=tuple(files),
    )


def positions(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}q", *sorted(numbers))


READERS = ("engine", "direct", "stream")
"""DuckDB over files; pyarrow over files; pyarrow with the filter on batches in memory."""


def everything(column: str) -> Predicate:
    """True for every row, but not known to be: makes `open_scan` choose the engine."""
    return Or((IsNull(column), IsNull(column, negated=True)))


@dataclass(frozen=True)
class Asked:
    """Arguments of a scan, with defaults."""

    columns: Sequence[str] | None = None
    row_filter: Predicate = TRUE
    masks: Mapping[str, Mask] | None = None
    predicate: Predicate = TRUE
    limit: int | None = None
    consents: Any = None
    domains: Mapping[str, str] | None = None
    purpose: str = "research"
    part: tuple[int, int] = (0, 1)
    batch_rows: int = 65_536
    summary: Summary | None = None
    memory: str = "1GB"


def scan(plan: Plan, asked: Asked = Asked(), reader: str = "direct") -> pa.Table:
    """Read everything that a scan gives."""
    opened = open_scan(
        plan,
        columns=[c.name for c in plan.columns] if asked.columns is None else asked.columns,
        row_filter=all_of(
            asked.row_filter, everything(plan.columns[0].name) if reader == "engine" else TRUE
        ),
        masks=asked.masks or {},
        predicate=asked.predicate,
        limit=asked.limit,
        consents=asked.consents or Agreed(),
        pseudonym_key=b"k" * 32,
        purpose=asked.purpose,
        domains=asked.domains or {},
        part=asked.part,
        batch_rows=asked.batch_rows,
        threads=1,
        memory_limit=asked.memory,
        filesystem=pa.fs.LocalFileSystem() if reader == "stream" else None,
        summary=asked.summary,
    )
    try:
        return pa.Table.from_batches(list(opened), opened.schema)
    finally:
        opened.close()
