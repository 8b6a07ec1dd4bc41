"""Governed reading: row filter, then masks, then the user's condition; see `shape`.

Runs in the gateway. Trusts the plan and the decision, nothing of the request.
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
from jupyter_govdata.model.predicate import FALSE, TRUE, Predicate
from jupyter_govdata.model.scan import require_pushable
from jupyter_govdata.model.summary import Summary
from jupyter_govdata.storage import direct
from jupyter_govdata.storage.binding import field_of
from jupyter_govdata.storage.errors import storage_errors
from jupyter_govdata.storage.footers import footer
from jupyter_govdata.storage.late import LateFilter, typed
from jupyter_govdata.storage.masking import Masker, plain_type, shown_schema
from jupyter_govdata.storage.pieces import LEAD_ROWS, Piece, led, pieces
from jupyter_govdata.storage.pseudonym import Pseudonyms
from jupyter_govdata.storage.reader import ScanReader, Stop
from jupyter_govdata.storage.relation import Source, relation
from jupyter_govdata.storage.shape import Shape, filter_columns, shape_of
from jupyter_govdata.storage.side import Consents, SideTables
from jupyter_govdata.storage.sql import Columns, render
from jupyter_govdata.storage.summary import columns_read, summary_schema, summary_sql

BATCH_ROWS = 65_536
BATCH_BYTES = 16 << 20
"""Compressed; batches of wide rows get fewer rows than `BATCH_ROWS`."""
LARGE_ROWS = 1_000_000
_COUNTED = 1 << 20
NOTHING: Mapping[str, str] = MappingProxyType({})


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
    summary: Summary | None = None,
) -> ScanReader:
    """Start reading one part of a governed scan.

    Args:
        plan: What to read.
        columns: Columns shown, in this order; none at all gives batches that only count rows.
            Of an aggregation the columns that it reads.
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
        summary: What is computed from the governed rows, instead of showing them; with one part,
            without `limit` and `unmasked`.

    Raises:
        ColumnNotFoundError: A column that the plan does not have.
        QueryError: A condition that does not fit its column.
        ProtocolError: A condition that a user may not push.
        StorageError: A file is missing or damaged; may also come while reading.
    """
    require_pushable(predicate)
    if (limit is not None or summary is not None) and part[1] != 1:
        raise QueryError("a scan with a limit or a summary has one part")
    schema = _raw_schema(plan.arrow_schema)
    shown = shown_schema(schema, masks)
    asked = columns
    if summary is not None:
        columns = columns_read(summary, asked)
    stored = [field_of(name, schema).with_name(told) for told, name in unmasked.items()]
    out = pa.schema([*(field_of(name, shown) for name in columns), *stored])
    key = _pseudonyms(masks, pseudonym_key, purpose)
    masker = Masker(masks, domains, key, plan.asset)
    shape = shape_of(columns, row_filter, predicate, schema, shown, masker, unmasked.values())
    stop = Stop(plan, "rows" if summary is None else "summaries", memory_limit, threads)
    with storage_errors(plan.asset):
        chosen = pieces(plan.files, part, lambda f: footer(f.path, filesystem).groups)
    job = _Job(plan, schema, chosen, shape, masker, out, consents, stop, filesystem, unmasked)
    fitting = _fitting(plan, batch_rows)
    if summary is None:
        return ScanReader(plan.asset, out, job.rows(limit, fitting), stop)
    answer = summary_schema(summary, asked, shown)
    return ScanReader(plan.asset, answer, job.summarised(summary, asked, answer, fitting), stop)


def _pseudonyms(masks: Mapping[str, Mask], key: bytes, purpose: str) -> Pseudonyms | None:
    needed = any(m.kind == "pseudonym" for m in masks.values())
    return Pseudonyms(key, purpose) if needed else None


def _fitting(plan: Plan, batch_rows: int) -> int:
    """Return how many rows a batch gets, fewer for wide rows."""
    wide = max(plan.size // max(plan.rows, 1), 1)
    return max(min(batch_rows, BATCH_BYTES // wide), 1_024)


@dataclass(frozen=True, slots=True)
class _Job:
    """One part of a scan, ready to run."""

    plan: Plan
    schema: pa.Schema
    chosen: list[Piece]
    shape: Shape
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

    # -- summarising -------------------------------------------------------------------------

    def summarised(
        self, summary: Summary, asked: Sequence[str], answer: pa.Schema, batch_rows: int
    ) -> Generator[pa.RecordBatch, None, None]:
        """Yield what is computed from the governed rows of the part.

        INVARIANT 1: it is computed from the rows as they would be shown: filtered, then masked.
        """
        if not self.out.names:  # only rows are counted
            count = pa.array([sum(b.num_rows for b in self.rows(None, batch_rows))], pa.int64())
            yield pa.RecordBatch.from_arrays([count] * len(answer), schema=answer)
            return
        if self._shows_what_is_stored():
            side = SideTables(self.consents)
            source = f"({self._select(self.chosen, self.out.names, side)})"
            ids = {c.name: c.field_id for c in self.plan.columns}
            written = {name: f"c{ids[name]}" for name in self.out.names}
            connection = self.stop.connection
            side.register(connection)
        else:
            source = "governed"
            written = {name: f"g{index}" for index, name in enumerate(self.out.names)}
            schema = pa.schema([field.with_name(written[field.name]) for field in self.out])
            rows = self._checked(self.rows(None, batch_rows), schema)
            connection = self.stop.connection.cursor()  # the first one reads the rows
            connection.register(source, pa.RecordBatchReader.from_batches(schema, rows))
        sql = summary_sql(summary, source, asked, written, self.out)
        for batch in connection.execute(sql).to_arrow_reader(batch_rows):
            columns = zip(batch.columns, answer, strict=True)
            yield pa.RecordBatch.from_arrays([typed(c, f.type) for c, f in columns], schema=answer)

    def _shows_what_is_stored(self) -> bool:
        """Return True if one statement over the files gives the rows as they are shown."""
        masked = not self.masker.masks.keys().isdisjoint(self.out.names)
        empty = self.shape.early == FALSE or not self.chosen
        return self.shape.late == TRUE and self.filesystem is None and not (masked or empty)

    def _checked(
        self, batches: Iterable[pa.RecordBatch], schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.stop.check()
            yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)

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


def counting(rows: int) -> pa.RecordBatch:
    """Return a batch of so many rows without columns; Arrow IPC keeps the count."""
    empty = pa.StructArray.from_buffers(pa.struct([]), rows, [None])
    return pa.RecordBatch.from_struct_array(empty)


def counted(rows: int) -> Iterator[pa.RecordBatch]:
    """Yield batches without columns that add up to so many rows."""
    while rows > 0:
        yield counting(min(rows, _COUNTED))
        rows -= _COUNTED
