"""An `AssetSource` in memory: a second DuckDB evaluates governed scans over Arrow tables."""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import duckdb
import pyarrow as pa

from jupyter_govdata.errors import (
    AccessDeniedError,
    GovDataError,
    NotVisibleError,
    PurposeError,
    SnapshotNotFoundError,
)
from jupyter_govdata.model.asset import Asset, Column, Snapshot
from jupyter_govdata.model.decision import MaskKind
from jupyter_govdata.model.predicate import (
    And,
    Compare,
    Constant,
    In,
    IsNull,
    Or,
    Predicate,
    Value,
)
from jupyter_govdata.model.scan import At, FlatScan, ScanRequest, flatten
from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.model.view import AssetView, ColumnAccess
from jupyter_govdata.model.wire import request_to_wire
from tests.summaries import told

T0 = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@dataclass
class Version:
    table: pa.Table
    at: dt.datetime
    tags: tuple[str, ...] = ()


@dataclass
class Governed:
    versions: list[Version]
    row_filter: str = "true"
    masks: dict[str, tuple[MaskKind, str]] = field(default_factory=dict)
    hidden: bool = False
    refused: bool = False


def oracle() -> duckdb.DuckDBPyConnection:
    """A DuckDB that compares by itself: Arrow would leave NaN out of every comparison."""
    connection = duckdb.connect()
    connection.execute("SET disabled_optimizers = 'filter_pushdown'; SET TimeZone = 'UTC'")
    return connection


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def condition(node: Predicate, values: list[Value]) -> str:
    """The predicate as SQL with positional parameters: the oracle of these tests."""

    def bound(value: Value) -> str:
        values.append(value)
        return f"${len(values)}"

    match node:
        case Constant(value):
            return "true" if value else "false"
        case Compare(column, op, value):
            return f"({quoted(column)} {op} {bound(value)})"
        case In(column, members, negated):
            if not members:
                return f"({quoted(column)} IS NOT NULL)" if negated else "false"
            inner = ", ".join(bound(m) for m in members)
            return f"({quoted(column)} {'NOT ' if negated else ''}IN ({inner}))"
        case IsNull(column, negated):
            return f"({quoted(column)} IS {'NOT ' if negated else ''}NULL)"
        case And(args):
            return "(" + " AND ".join(["true", *(condition(a, values) for a in args)]) + ")"
        case Or(args):
            return "(" + " OR ".join(["false", *(condition(a, values) for a in args)]) + ")"
        case _:
            raise AssertionError(f"not pushable: {node}")


class Stream:
    def __init__(self, lake: Lake, scan: FlatScan, table: pa.Table, receipt: Receipt) -> None:
        self.schema = table.schema
        self.cancelled = threading.Event()
        self.batches = 0
        self.receipts = [receipt]
        self.tag = hashlib.sha256(repr(receipt).encode()).hexdigest()
        self.same = False
        self._lake, self._scan, self._table = lake, scan, table

    def reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self.schema, self._read())

    def _read(self) -> Iterator[pa.RecordBatch]:
        for i, batch in enumerate(self._table.to_batches(max_chunksize=self._lake.chunk)):
            if self.cancelled.is_set():
                return
            if self._lake.on_batch is not None:
                self._lake.on_batch(self, i)
            if self.cancelled.is_set():
                return
            self.batches += 1
            yield batch

    def cancel(self) -> None:
        self.cancelled.set()


class Lake:
    """Tables by name, each with row filter and masks in DuckDB's SQL."""

    def __init__(self, assets: dict[str, Governed], wall: str = "advisory") -> None:
        self.assets = assets
        self.wall = wall
        self.epoch_now = 1
        self.chunk = 1000
        self.purposes = ("research", "model_training")
        self.requests: list[FlatScan] = []
        self.streams: list[Stream] = []
        self.views = 0
        self.on_batch: Callable[[Stream, int], None] | None = None
        self.on_open: Callable[[FlatScan], GovDataError | None] | None = None

        self._connection = oracle()
        self._lock = threading.RLock()

    @contextmanager
    def _oracle(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._lock:
            yield self._connection

    def close(self) -> None:
        self._connection.close()

    def namespaces(self) -> tuple[str, ...]:
        return tuple(sorted({name.split(".")[0] for name in self.names()}))

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(name for name, a in self.assets.items() if not a.hidden))

    def view(self, asset: str, at: At | None, purpose: str | None) -> AssetView:
        self.views += 1
        self._check(purpose)
        governed = self._find(asset)
        number, version = self._version(governed, at)
        schema = self._governed(governed, version, purpose).schema
        access = tuple(
            ColumnAccess(name, governed.masks[name][0] if name in governed.masks else None)
            for name in schema.names
        )
        return AssetView(
            asset=Asset(
                asset, columns=tuple(Column(n, str(schema.field(n).type)) for n in schema.names)
            ),
            access="none" if governed.refused else "filtered",
            columns=access,
            row_filter="" if governed.row_filter == "true" else "some rows",
            why=(),
            policies=(),
            purpose=purpose or "research",
            epoch=self.epoch_now,
            snapshot=Snapshot(number, 0, version.at, "append", tags=version.tags),
            arrow_schema=b"" if governed.refused else schema.serialize().to_pybytes(),
        )

    def open_scan(self, request: ScanRequest) -> Stream:
        scan = flatten(request.fragment)
        self._check(request.purpose)
        governed = self._find(scan.asset)
        if governed.refused:
            raise AccessDeniedError(f"refused: `select` on `{scan.asset}`: no policy permits it")
        error = self.on_open(scan) if self.on_open is not None else None
        if error is not None:
            raise error
        self.requests.append(scan)
        number, version = self._version(governed, scan.at)
        table = self._governed(governed, version, request.purpose)
        values: list[Value] = []
        where = condition(scan.predicate, values)
        names = table.column_names if scan.columns is None else list(scan.columns)
        listed = ", ".join(map(quoted, names)) or "1 AS none"
        limit = "" if scan.limit is None else f"LIMIT {scan.limit}"
        with self._oracle() as con:
            con.register("governed", table)
            sql = f"SELECT {listed} FROM governed WHERE {where} {limit}"
            if scan.summary is not None:
                summary = told(scan.summary, names)
                sql = f"WITH t AS (SELECT * FROM governed WHERE {where}) {summary}"
            found = con.execute(sql, values or None).to_arrow_table()
        receipt = Receipt(
            asset=scan.asset,
            snapshot_id=number,
            schema_id=0,
            epoch=self.epoch_now,
            principal="ana",
            purpose=request.purpose or "research",
            decision_id="d" * 64,
            fragment_digest=hashlib.sha256(request_to_wire(replace(request, known=""))).hexdigest(),
            filtered=governed.row_filter != "true",
            masked=tuple(sorted(governed.masks)),
        )
        stream = Stream(self, scan, found, receipt)
        if request.known == stream.tag:
            stream = Stream(self, scan, found.slice(0, 0), receipt)
            stream.same = True
        self.streams.append(stream)
        return stream

    def _check(self, purpose: str | None) -> None:
        if purpose is not None and purpose not in self.purposes:
            raise PurposeError(f"unknown purpose `{purpose}`")

    def _find(self, asset: str) -> Governed:
        governed = self.assets.get(asset)
        if governed is None or governed.hidden:
            raise NotVisibleError.for_asset(asset)
        return governed

    def _version(self, governed: Governed, at: At | None) -> tuple[int, Version]:
        numbered = list(enumerate(governed.versions, 1))
        if at is not None:
            numbered = [
                (i, v)
                for i, v in numbered
                if i == at.snapshot_id
                or at.tag in v.tags
                or (at.timestamp is not None and v.at <= at.timestamp)
            ]
        if not numbered:
            raise SnapshotNotFoundError("there is no such version")
        return numbered[-1]

    def _governed(self, governed: Governed, version: Version, purpose: str | None) -> pa.Table:
        shown = ", ".join(
            f"{governed.masks[name][1]} AS {quoted(name)}"
            if name in governed.masks
            else quoted(name)
            for name in version.table.column_names
        )
        row_filter = governed.row_filter.replace("$purpose", f"'{purpose or 'research'}'")
        with self._oracle() as con:
            con.register("raw", version.table)
            sql = f"SELECT {shown} FROM raw WHERE {row_filter}"
            return con.execute(sql).to_arrow_table()


def outcomes(rows: int = 12) -> pa.Table:
    """Patients with a bit of everything."""
    return pa.table(
        {
            "patient_id": [f"P{i:03}" for i in range(rows)],
            "site": pa.array([("BOS", "NYC", None)[i % 3] for i in range(rows)]),
            "age": pa.array([None if i == 4 else 40 + i for i in range(rows)], pa.int32()),
            "score": pa.array(
                [float("nan") if i == 5 else None if i == 6 else i / 2 for i in range(rows)]
            ),
            "visit": [dt.date(2026, 1, 1) + dt.timedelta(days=i) for i in range(rows)],
        }
    )


def small_lake() -> Lake:
    """Three visible assets, one hidden, one refused."""
    first, second = outcomes(6), outcomes(12)
    return Lake(
        {
            "trials.outcomes": Governed(
                [Version(first, T0, ("freeze",)), Version(second, T0 + dt.timedelta(days=30))],
                masks={"patient_id": ("pseudonym", "md5(patient_id)")},
            ),
            "trials.visits": Governed(
                [Version(pa.table({"patient": ["P001", "P002", "P002"], "day": [1, 2, 3]}), T0)],
                row_filter="day < 3",
            ),
            "imaging.slides": Governed(
                [Version(pa.table({"slide": [1, 2, 3], "stain": ["H&E", "IHC", "H&E"]}), T0)]
            ),
            "secret.things": Governed([Version(pa.table({"x": [1]}), T0)], hidden=True),
            "trials.closed": Governed([Version(pa.table({"x": [1]}), T0)], refused=True),
        }
    )
