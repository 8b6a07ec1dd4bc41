"""Reads the planned files of one scan: row filter, then masks, then the user's predicate.

Runs in the gateway. Trusts the plan and the decision, and nothing of the request.

INVARIANT 1: rows are filtered on raw values first, then columns are masked, then the user's
predicate sees masked values. A condition on columns that carry no mask gives the same rows on
either side of the masks, and it cannot fail on a row (types are checked, nothing is cast), so it
runs together with the row filter inside the reading engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from jupyter_govdata.errors import LimitError, StorageError
from jupyter_govdata.model.decision import Mask
from jupyter_govdata.model.plan import Plan
from jupyter_govdata.model.predicate import TRUE, And, Consent, Predicate, all_of, columns_of
from jupyter_govdata.storage.engine import cursor
from jupyter_govdata.storage.files import source_sql
from jupyter_govdata.storage.masking import Masker, domain_columns, shown_schema
from jupyter_govdata.storage.sql import identifier, render

BATCH_ROWS = 122_880
"""Rows a batch: one row group; half a million and more halve Flight's throughput."""


class Consents(Protocol):
    """The live consents of one moment."""

    def __call__(self, domain: str, purpose: str) -> frozenset[str]:
        """Return the ids of a domain that consent."""

    def pairs(self, purpose: str) -> frozenset[tuple[str, str]]:
        """Return (domain, id) pairs that consent."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is read, in which stage.

    Args:
        raw: Columns that leave the row filter: shown ones, and what masks and `late` read.
        early: The part of the predicate that touches no masked column.
        late: The rest of it.
    """

    raw: tuple[str, ...]
    needed: frozenset[str]
    early: Predicate
    late: Predicate


def _shape(
    columns: Sequence[str],
    row_filter: Predicate,
    masks: Mapping[str, Mask],
    predicate: Predicate,
    domains: Mapping[str, str],
) -> _Shape:
    parts = predicate.args if isinstance(predicate, And) else (predicate,)
    late = all_of(*(p for p in parts if columns_of(p) & masks.keys()))
    early = all_of(*(p for p in parts if not columns_of(p) & masks.keys()))
    raw = dict.fromkeys((*columns, *sorted(columns_of(late))))
    for name in tuple(raw):
        if name in masks:
            raw.update(dict.fromkeys(domain_columns(domains.get(name, ""))))
    filtered = columns_of(row_filter)
    for node in _consents(row_filter):
        filtered |= set(domain_columns(node.domain))
    return _Shape(tuple(raw), frozenset(raw) | filtered | columns_of(early), early, late)


def _consents(node: Predicate) -> Iterator[Consent]:
    if isinstance(node, Consent):
        yield node
    for child in getattr(node, "args", ()):
        yield from _consents(child)


class ScanReader:
    """The governed batches of one part of a scan; iterate once, then `close`."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        schema: pa.Schema,
        batches: Iterator[pa.RecordBatch],
    ) -> None:
        self.schema = schema
        self._connection = connection
        self._batches = batches

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self._batches

    def cancel(self) -> None:
        """Stop the engine's work on this scan; safe from any thread."""
        self._connection.interrupt()

    def close(self) -> None:
        """Stop reading and free what the scan holds."""
        self._connection.interrupt()
        self._connection.close()


class _Registered:
    """Tables that one scan's SQL reads besides the files."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, consents: Consents) -> None:
        self._connection = connection
        self._consents = consents
        self._count = 0

    def add(self, table: pa.Table) -> str:
        """Register a table and return its name."""
        name = f"gd_{self._count}"
        self._count += 1
        self._connection.register(name, table)
        return name

    def consent(self, node: Consent) -> str:
        """Register the ids that a consent node asks for."""
        if "{" not in node.domain:
            ids = sorted(self._consents(node.domain, node.purpose))
            return self.add(pa.table({"id": pa.array(ids, pa.string())}))
        pairs = sorted(self._consents.pairs(node.purpose))
        return self.add(
            pa.table(
                {
                    "domain": pa.array([d for d, _ in pairs], pa.string()),
                    "id": pa.array([i for _, i in pairs], pa.string()),
                }
            )
        )


def open_scan(
    plan: Plan,
    *,
    columns: Sequence[str],
    row_filter: Predicate,
    masks: Mapping[str, Mask],
    predicate: Predicate,
    limit: int | None,
    consents: Consents,
    pseudonym_key: bytes,
    purpose: str,
    domains: Mapping[str, str],
    part: tuple[int, int] = (0, 1),
    memory_limit: str = "1GB",
    threads: int = 1,
    batch_rows: int = BATCH_ROWS,
) -> ScanReader:
    """Start reading one part of a governed scan.

    Args:
        plan: What to read.
        columns: Columns shown, in this order; none counts rows.
        row_filter: On raw values.
        masks: Column -> mask.
        predicate: The user's, on masked values; checked by `check_predicate`.
        limit: At most so many rows; only with one part.
        consents: Live consents.
        pseudonym_key: The lake's.
        purpose: Declared purpose.
        domains: Column -> identifier domain.
        part: This part and how many there are; parts are disjoint and complete.
        memory_limit: Of the engine, over all scans.
        threads: Of the engine.
        batch_rows: Rows a batch.

    Raises:
        StorageError: A file cannot be read.
    """
    stored = pa.ipc.read_schema(pa.py_buffer(plan.arrow_schema))
    schema = pa.schema([shown_schema(stored, masks).field(name) for name in columns])
    files = plan.files[part[0] :: part[1]]
    shape = _shape(columns, row_filter, masks, predicate, domains)
    connection = cursor(plan.root, memory_limit, threads)
    batches: Iterator[pa.RecordBatch] = iter(())
    if files and limit != 0:
        registered = _Registered(connection, consents)
        needed = [c for c in plan.columns if c.name in shape.needed]
        source = source_sql(plan, files, needed or plan.columns[:1], registered.add)
        sql = (
            f"SELECT {', '.join(map(identifier, shape.raw)) or '1'} FROM ("
            f"SELECT * FROM ({source}) WHERE {render(row_filter, registered.consent)}"
            f") WHERE {render(shape.early, registered.consent)}"
        )
        if limit is not None and shape.late == TRUE:
            sql += f" LIMIT {int(limit)}"
        masker = Masker(pseudonym_key, purpose, domains)
        raw = _raw(connection, plan.asset, sql, batch_rows)
        shown = (_masked(batch, schema, shape, masks, masker, connection) for batch in raw)
        batches = _limited(shown, limit)
    return ScanReader(connection, schema, batches)


def _raw(
    connection: duckdb.DuckDBPyConnection, asset: str, sql: str, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    try:
        reader = connection.execute(sql).to_arrow_reader(batch_rows)
        yield from reader
    except duckdb.OutOfMemoryException as exc:
        raise LimitError(
            f"reading `{asset}` needs more memory than the gateway may use",
            hint="ask for fewer columns, or try again later",
        ) from exc
    except (duckdb.Error, pa.ArrowException, OSError) as exc:
        raise StorageError(
            f"a data file of `{asset}` cannot be read",
            hint="its steward can load it again or roll back to an older snapshot",
        ) from exc


def _masked(
    batch: pa.RecordBatch,
    schema: pa.Schema,
    shape: _Shape,
    masks: Mapping[str, Mask],
    masker: Masker,
    connection: duckdb.DuckDBPyConnection,
) -> pa.RecordBatch:
    if not shape.raw:
        return batch.select([])
    arrays = {
        name: masker.apply(batch, name, masks[name]) if name in masks else batch.column(name)
        for name in shape.raw
    }
    if shape.late != TRUE:
        arrays = _kept(arrays, shape.late, connection)
    if not schema.names:
        return pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays)).select([])
    return pa.RecordBatch.from_arrays(
        [_as(arrays[field.name], field.type) for field in schema], schema=schema
    )


def _kept(
    arrays: Mapping[str, pa.Array], late: Predicate, connection: duckdb.DuckDBPyConnection
) -> dict[str, pa.Array]:
    """Keep the rows that fulfil a predicate on masked columns, in DuckDB's own semantics."""
    rows = len(next(iter(arrays.values())))
    read = sorted(columns_of(late))
    table = pa.table({**{n: arrays[n] for n in read}, "row of batch": pa.array(range(rows))})
    other = connection.cursor()
    try:
        other.register("masked", table)
        # UPSTREAM: DuckDB pushes filters into Arrow data, where NaN compares differently; a
        # materialised CTE keeps the comparison in DuckDB.
        kept = other.execute(
            "WITH m AS MATERIALIZED (SELECT * FROM masked) "
            f"SELECT "row of batch" AS i FROM m WHERE {render(late, _no_consent)}"
        ).to_arrow_table()
    finally:
        other.close()
    index = kept.column("i").combine_chunks().sort()
    return {name: array.take(index) for name, array in arrays.items()}


def _no_consent(node: Consent) -> str:
    raise AssertionError("a user's predicate cannot hold a consent")


def _as(array: pa.Array, kind: pa.DataType) -> pa.Array:
    return array if array.type == kind else pc.cast(array, kind)


def _limited(batches: Iterator[pa.RecordBatch], limit: int | None) -> Iterator[pa.RecordBatch]:
    left = limit
    for batch in batches:
        if left is not None:
            batch = batch.slice(0, left)
            left -= batch.num_rows
        if batch.num_rows:
            yield batch
        if left == 0:
            return
