"""Governed reading: row filter, then masks, then the user's condition.

Runs in the gateway. Trusts the plan and the decision, nothing of the request.

INVARIANT 1: rows are filtered on raw values first, then columns are masked, then the user's
condition sees masked values. A condition on columns without a mask gives the same rows on either
side of the masks and cannot fail on a row (it is structured and type-checked, nothing is cast),
so it runs inside the reading engine together with the row filter.
"""

from __future__ import annotations

import functools
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa
import pyarrow.fs

from jupyter_govdata.errors import QueryError
from jupyter_govdata.model.decision import Mask
from jupyter_govdata.model.plan import Plan
from jupyter_govdata.model.predicate import FALSE, TRUE, And, Consent, Predicate, columns_of, walk
from jupyter_govdata.model.scan import require_pushable
from jupyter_govdata.storage import direct
from jupyter_govdata.storage.binding import bind_predicate, field_of, template_columns
from jupyter_govdata.storage.errors import storage_errors
from jupyter_govdata.storage.footers import footer
from jupyter_govdata.storage.late import LateFilter, typed
from jupyter_govdata.storage.masking import Masker, plain_type, shown_schema
from jupyter_govdata.storage.pieces import LEAD_ROWS, Piece, led, pieces
from jupyter_govdata.storage.pseudonym import Pseudonyms
from jupyter_govdata.storage.reader import ScanReader, Stop
from jupyter_govdata.storage.relation import Source, relation
from jupyter_govdata.storage.side import Consents, SideTables
from jupyter_govdata.storage.sql import Columns, render

BATCH_ROWS = 65_536
BATCH_BYTES = 16 << 20
"""Compressed; batches of wide rows get fewer rows than `BATCH_ROWS`."""
LARGE_ROWS = 1_000_000
_COUNTED = 1 << 20
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Shape:
    """What happens to the rows.

    Args:
        raw: Columns that leave the reader: shown ones, and what masks and `late` need.
        blind: Columns that are shown without their values being read.
        early: Row filter and conditions on unmasked columns, bound to raw types.
        late: Conditions that touch a masked column, bound to shown types.
    """

    raw: tuple[str, ...]
    blind: tuple[str, ...]
    early: Predicate
    late: Predicate


def split_predicate(
    predicate: Predicate, masked: Mapping[str, Mask]
) -> tuple[Predicate, Predicate]:
    """Split a user's condition into what may run on raw values and what needs masked ones.

    Only the first part may prune files (`Catalog.plan`).
    """
    parts = predicate.args if isinstance(predicate, And) else (predicate,)
    early = tuple(p for p in parts if not columns_of(p) & masked.keys())
    late = tuple(p for p in parts if columns_of(p) & masked.keys())
    return And(early) if early else TRUE, And(late) if late else TRUE


@functools.lru_cache(maxsize=512)
def _raw_schema(serialised: bytes) -> pa.Schema:
    schema = pa.ipc.read_schema(pa.py_buffer(serialised))
    return pa.schema([pa.field(f.name, plain_type(f.type)) for f in schema])


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
    memory_limit: str = "4GB",
    threads: int = 2,
    batch_rows: int = BATCH_ROWS,
    filesystem: pa.fs.FileSystem | None = None,
    unmasked: Mapping[str, str] = NOTHING,
) -> ScanReader:
    """Start reading one part of a governed scan.

    Args:
        plan: What to read.
        columns: Columns shown, in this order; none at all gives batches that only count rows.
        row_filter: Of the decision, on raw values.
        masks: Column -> mask.
        predicate: The user's, on masked values.
        limit: At most so many rows, or None; only with one part.
        consents: Who has consented, now; with a method `pairs` also for templated domains.
        pseudonym_key: The lake's; used only if a column is masked by a pseudonym.
        purpose: Declared purpose.
        domains: Column -> identifier domain.
        part: Number of this part and how many there are; parts are disjoint and complete.
        memory_limit: Of the engine, over all its scans.
        threads: Of the engine.
        batch_rows: Rows of a batch, at most.
        filesystem: Where the files are, if not on a local path (`Catalog.filesystem`). Rows
            are then filtered after reading; only files are pruned.
        unmasked: Further column -> column whose stored values it holds. SECURITY: for the
            gateway's own eyes, such as addresses of files; they never leave it.

    Raises:
        ColumnNotFoundError: A column that the plan does not have.
        QueryError: A condition that does not fit its column.
        ProtocolError: A condition that a user may not push.
        StorageError: A file is missing or damaged; may also come while reading.
    """
    require_pushable(predicate)
    if limit is not None and part[1] != 1:
        raise QueryError("a scan with a limit has one part")
    schema = _raw_schema(plan.arrow_schema)
    shown = shown_schema(schema, masks)
    stored = [field_of(name, schema).with_name(told) for told, name in unmasked.items()]
    out = pa.schema([*(field_of(name, shown) for name in columns), *stored])
    key = _pseudonyms(masks, pseudonym_key, purpose)
    masker = Masker(masks, domains, key, plan.asset)
    shape = _shape(columns, row_filter, predicate, schema, shown, masker, unmasked.values())
    stop = Stop(plan, memory_limit, threads)
    with storage_errors(plan.asset):
        chosen = pieces(plan.files, part, lambda f: footer(f.path, filesystem).groups)
    job = _Job(plan, schema, chosen, shape, masker, out, consents, stop, filesystem, unmasked)
    found = job.rows(limit, _fitting(plan, batch_rows))
    return ScanReader(plan.asset, out, found, stop)


def _pseudonyms(masks: Mapping[str, Mask], key: bytes, purpose: str) -> Pseudonyms | None:
    needed = any(m.kind == "pseudonym" for m in masks.values())
    return Pseudonyms(key, purpose) if needed else None


def _fitting(plan: Plan, batch_rows: int) -> int:
    """Return how many rows a batch gets, fewer for wide rows."""
    wide = max(plan.size // max(plan.rows, 1), 1)
    return max(min(batch_rows, BATCH_BYTES // wide), 1_024)


def _shape(
    columns: Sequence[str],
    row_filter: Predicate,
    predicate: Predicate,
    schema: pa.Schema,
    shown: pa.Schema,
    masker: Masker,
    unmasked: Iterable[str],
) -> _Shape:
    early, late = split_predicate(predicate, masker.masks)
    late = bind_predicate(late, shown)
    early = bind_predicate(And((row_filter, early)), schema)
    needed = dict.fromkeys((*columns, *sorted(columns_of(late))))
    kinds = {name: field_of(name, schema).type for name in needed}
    blind = tuple(name for name in needed if masker.blind(name, kinds[name]))
    raw = dict.fromkeys(name for name in needed if name not in blind)
    raw.update((field_of(name, schema).name, None) for name in unmasked)
    for name in tuple(raw):
        raw.update((field_of(other, schema).name, None) for other in masker.reads(name))
    return _Shape(tuple(raw), blind, FALSE if late == FALSE else early, late)


@dataclass(frozen=True, slots=True)
class _Job:
    """One part of a scan, ready to run."""

    plan: Plan
    schema: pa.Schema
    chosen: list[Piece]
    shape: _Shape
    masker: Masker
    out: pa.Schema
    consents: Consents
    stop: Stop
    filesystem: pa.fs.FileSystem | None
    unmasked: Mapping[str, str]

    def rows(self, limit: int | None, batch_rows: int) -> Generator[pa.RecordBatch, None, None]:
        """Yield the batches of the part."""
        if self.shape.early == FALSE or limit == 0 or not self.chosen:
            return
        if not self.out.names and self.shape.late == TRUE:
            count = self._count()
            yield from counted(count if limit is None else min(count, limit))
            return
        late = None
        if self.shape.late != TRUE:
            late = LateFilter(self.shape.late, self._shown_types(), self.stop.connection)
        left = limit
        for batch in self._raw(limit if late is None else None, batch_rows):
            shown = self._shown(batch, late)
            if left is not None:
                shown = shown.slice(0, left)
                left -= shown.num_rows
            if shown.num_rows:
                yield shown
            if left == 0:
                return

    # -- reading -----------------------------------------------------------------------------

    def _sources(self, names: Sequence[str]) -> list[Source]:
        ids = {c.name: c.field_id for c in self.plan.columns}
        return [Source(ids[name], self.schema.field(name).type) for name in names]

    def _direct(self) -> bool:
        """Return True if pyarrow reads the files; see `direct`."""
        plain = not any(p.file.has_deletes for p in self.chosen)
        return self.filesystem is not None or (self.shape.early == TRUE and plain)

    def _raw(self, limit: int | None, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows that pass `early`, with the columns of `shape.raw`."""
        if self._direct():
            yield from self._raw_direct(batch_rows)
            return
        side = SideTables(self.consents)
        connection = self.stop.connection
        for chosen, most in self._runs(limit):
            sql = self._select(chosen, self.shape.raw, side)
            if limit is not None:
                sql += f" LIMIT {int(limit)}"
            side.register(connection)
            yield from connection.execute(sql).to_arrow_reader(min(batch_rows, most))
        self.stop.clean = not side.tables

    def _runs(self, limit: int | None) -> Iterator[tuple[list[Piece], int]]:
        """Yield what is read by one statement each, and how many rows a batch of it has at most.

        A large scan reads its first row group alone: DuckDB gives no row before its buffer is
        full, and whoever looks at the first page should not wait for that.
        """
        rest = self.chosen
        if limit is None and sum(p.stop - p.start for p in rest) > LARGE_ROWS:
            lead, rest = led(rest, lambda f: footer(f.path).groups)
            yield [lead], LEAD_ROWS
        if rest:
            yield rest, BATCH_ROWS

    def _raw_direct(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        filtered = self.shape.early != TRUE
        needed = dict.fromkeys(self.shape.raw)
        if filtered:
            needed.update(dict.fromkeys(sorted(filter_columns(self.shape.early))))
        names = list(needed) or self.schema.names[:1]
        early = None
        if filtered:
            early = LateFilter(self.shape.early, self.schema, self.stop.connection, self.consents)
        for batch in direct.batches(
            self.chosen,
            self._sources(names),
            asset=self.plan.asset,
            batch_rows=batch_rows,
            filesystem=self.filesystem,
        ):
            kept = batch if early is None else early.kept(names, batch)
            yield kept.select(range(len(self.shape.raw))) if self.shape.raw else kept

    def _select(self, chosen: Sequence[Piece], names: Sequence[str], side: SideTables) -> str:
        """Return the SELECT of some columns of the rows of `chosen` that pass `early`."""
        needed = dict.fromkeys((*names, *sorted(filter_columns(self.shape.early))))
        sources = self._sources(list(needed) or self.schema.names[:1])
        written = {name: s.sql for name, s in zip(needed, sources, strict=False)}
        free = {c.name for c in self.plan.columns if c.field_id in self.plan.nan_free}
        condition = render(self.shape.early, Columns(written, self.schema, frozenset(free)), side)
        inner = relation(chosen, sources, condition, self.plan.asset, side)
        return f"SELECT {', '.join(written[n] for n in names) or '1'} FROM ({inner})"

    def _count(self) -> int:
        if self.shape.early == TRUE and all(p.whole for p in self.chosen):
            return sum(p.file.live_rows for p in self.chosen)
        if self.filesystem is not None:
            return sum(b.num_rows for b in self._raw_direct(BATCH_ROWS))
        side = SideTables(self.consents)
        sql = f"SELECT count(*) FROM ({self._select(self.chosen, (), side)})"
        connection = self.stop.connection
        side.register(connection)
        row = connection.execute(sql).fetchone()
        assert row is not None
        return int(row[0])

    # -- showing -----------------------------------------------------------------------------

    def _shown_types(self) -> pa.Schema:
        shown = shown_schema(self.schema, self.masker.masks)
        return pa.schema([*shown, *(self.out.field(told) for told in self.unmasked)])

    def _shown(self, batch: pa.RecordBatch, late: LateFilter | None) -> pa.RecordBatch:
        """Return the batch masked, filtered and projected."""
        names = self.shape.raw
        raw = {
            name: typed(array, self.schema.field(name).type)
            for name, array in zip(names, batch.columns, strict=False)
        }
        masked = {name: self.masker.apply(name, raw[name], raw) for name in names}
        for name in self.shape.blind:
            unread = pa.nulls(batch.num_rows, self.schema.field(name).type)
            masked[name] = self.masker.apply(name, unread, raw)
        masked.update((told, raw[name]) for told, name in self.unmasked.items())
        if late is not None:
            names = tuple(masked)
            kept = late.kept(names, pa.RecordBatch.from_arrays(list(masked.values()), list(names)))
            masked = dict(zip(names, kept.columns, strict=True))
            batch = kept
        if not self.out.names:
            return counting(batch.num_rows)
        return pa.RecordBatch.from_arrays([masked[n] for n in self.out.names], schema=self.out)


def filter_columns(predicate: Predicate) -> frozenset[str]:
    """Return the columns that a condition reads, those in templated domains included."""
    found = set(columns_of(predicate))
    for node in walk(predicate):
        if isinstance(node, Consent):
            found.update(template_columns(node.domain))
    return frozenset(found)


def counting(rows: int) -> pa.RecordBatch:
    """Return a batch of so many rows without columns; Arrow IPC keeps the count."""
    empty = pa.StructArray.from_buffers(pa.struct([]), rows, [None])
    return pa.RecordBatch.from_struct_array(empty)


def counted(rows: int) -> Iterator[pa.RecordBatch]:
    """Yield batches without columns that add up to so many rows."""
    while rows > 0:
        yield counting(min(rows, _COUNTED))
        rows -= _COUNTED
