"""Parquet files of a load, written before anything is committed.

Runs in the gateway. Memory is bounded by `Limits.buffered` however many partitions there are;
files that a failed load leaves behind are removed by `StagedFiles.discard`.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io import FileIO, OutputStream
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
    schema_to_pyarrow,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.locations import LocationProvider
from pyiceberg.typedef import Record

from jupyter_govdata.catalog.partition import grouped
from jupyter_govdata.catalog.types import FIELD_ID, rebuild, small


@dataclass(frozen=True, slots=True)
class Limits:
    """How files are cut.

    Args:
        group_rows: Rows of a row group: DuckDB's own, so that scans parallelise evenly.
        group_bytes: A row group is also full at this size in memory.
        file_bytes: A new file is begun after this size on disk.
        buffered: Bytes held for all open partitions together.
        open_files: Partitions that may have a file open at the same time.
    """

    group_rows: int = 122_880
    group_bytes: int = 64 << 20
    file_bytes: int = 128 << 20
    buffered: int = 256 << 20
    open_files: int = 64


@dataclass(slots=True)
class _Open:
    """The file of one partition that rows are being added to."""

    record: Record
    waiting: list[pa.RecordBatch] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0
    path: str = ""
    stream: OutputStream | None = None
    writer: pq.ParquetWriter | None = None
    nans: dict[int, int] = field(default_factory=dict)


class StagedFiles:
    """Data files of one load.

    Args:
        io: Storage of the table.
        locations: Where the table's files go.
        schema: Iceberg schema of the table.
        spec: Its partitioning.
        properties: Its properties (how much of the statistics is kept).
    """

    def __init__(
        self,
        io: FileIO,
        locations: LocationProvider,
        schema: Schema,
        spec: PartitionSpec,
        properties: dict[str, str],
        limits: Limits | None = None,
    ) -> None:
        self._io = io
        self._locations = locations
        self._schema = schema
        self.spec = spec
        self._properties = properties
        self._limits = limits or Limits()
        full = schema_to_pyarrow(self._schema, include_field_ids=True)
        self._arrow = pa.schema([f.with_type(rebuild(f.type, small)) for f in full])
        self._floats = {
            i: int(f.metadata[FIELD_ID])
            for i, f in enumerate(self._arrow)
            if pa.types.is_floating(f.type)
        }
        self._open: OrderedDict[Record, _Open] = OrderedDict()
        self._paths: list[str] = []
        self._token = uuid.uuid4().hex
        self._held = self._writers = 0
        self.rows = 0
        self.files: list[DataFile] = []

    def write(self, batches: Iterable[pa.RecordBatch]) -> list[DataFile]:
        """Write all batches (columns and types of the table's schema) and return the files."""
        for batch in batches if self.spec.is_unpartitioned() else self._gathered(batches):
            self.rows += batch.num_rows
            for record, rows in grouped(batch, self.spec, self._schema):
                self._add(record, rows)
        while self._open:
            _, part = self._open.popitem(last=False)
            self._close(part)
        return self.files

    def _gathered(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield larger batches, so that a partition does not get a few rows at a time."""
        waiting: list[pa.RecordBatch] = []
        rows = size = 0
        for batch in batches:
            waiting.append(batch)
            rows, size = rows + batch.num_rows, size + batch.nbytes
            if rows >= 4 * self._limits.group_rows or size >= self._limits.group_bytes:
                yield pa.concat_batches(waiting)
                waiting, rows, size = [], 0, 0
        if waiting:
            yield pa.concat_batches(waiting)

    def discard(self) -> None:
        """Remove every file that was begun; what cannot be removed stays, unreferenced."""
        for part in self._open.values():
            for thing in (part.writer, part.stream):
                if thing is not None:
                    _close_quietly(thing)
        self._open.clear()
        for path in self._paths:
            try:
                self._io.delete(path)
            except OSError:
                continue
        self._paths.clear()

    def _add(self, record: Record, rows: pa.RecordBatch) -> None:
        part = self._open.get(record)
        if part is None:
            part = self._open[record] = _Open(record)
        self._open.move_to_end(record)
        limit = self._limits
        while rows.num_rows:
            piece = rows.slice(0, limit.group_rows - part.rows)
            rows = rows.slice(piece.num_rows)
            part.waiting.append(piece)
            part.rows += piece.num_rows
            part.bytes += piece.nbytes
            self._held += piece.nbytes
            if part.rows >= limit.group_rows or part.bytes >= limit.group_bytes:
                self._flush(part)
        while self._held > limit.buffered:
            self._flush(max(self._open.values(), key=lambda p: p.bytes))
        while self._writers > limit.open_files:
            oldest = next(p for p in self._open.values() if p.writer is not None)
            del self._open[oldest.record]
            self._close(oldest)

    def _flush(self, part: _Open) -> None:
        """Write what waits as one row group."""
        if not part.waiting:
            return
        if part.writer is None:
            self._begin(part)
        assert part.writer is not None
        assert part.stream is not None
        table = pa.Table.from_batches(part.waiting).cast(self._arrow)
        for index, field_id in self._floats.items():
            count = pc.sum(pc.is_nan(table.column(index))).as_py() or 0
            part.nans[field_id] = part.nans.get(field_id, 0) + count
        part.writer.write_table(table, row_group_size=max(part.rows, 1))
        self._held -= part.bytes
        part.waiting, part.rows, part.bytes = [], 0, 0
        if part.stream.tell() >= self._limits.file_bytes:
            self._close(part)

    def _begin(self, part: _Open) -> None:
        # SECURITY: the name tells nothing about the rows; partition values never enter a path.
        number = len(self._paths)
        part.path = self._locations.new_data_location(f"{self._token}-{number:05d}.parquet")
        self._paths.append(part.path)
        part.stream = self._io.new_output(part.path).create()
        self._writers += 1
        part.writer = pq.ParquetWriter(
            part.stream,
            self._arrow,
            compression="zstd",
            store_decimal_as_integer=True,
            store_schema=False,
        )

    def _close(self, part: _Open) -> None:
        """Finish the file of a partition."""
        self._flush_last(part)
        if part.writer is None or part.stream is None:
            return
        part.writer.close()
        metadata = part.writer.writer.metadata
        part.stream.close()
        self.files.append(self._data_file(part, metadata))
        part.writer = part.stream = None
        part.nans = {}
        self._writers -= 1

    def _flush_last(self, part: _Open) -> None:
        if part.waiting:
            # INVARIANT: `_flush` may close the file itself when it is full.
            self._flush(part)

    def _data_file(self, part: _Open, metadata: pq.FileMetaData) -> DataFile:
        mapping = parquet_path_to_id_mapping(self._schema)
        statistics = data_file_statistics_from_parquet_metadata(
            parquet_metadata=metadata,
            stats_columns=compute_statistics_plan(self._schema, self._properties),
            parquet_column_mapping=mapping,
        )
        for field_id in _without_bounds(metadata, mapping):
            # UPSTREAM: pyiceberg takes the bounds of the row groups that have some; a row group
            # without (values longer than Parquet's limit) would make the bounds too narrow.
            statistics.column_aggregates.pop(field_id, None)
        statistics.nan_value_counts.update(part.nans)
        file = DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=part.path,
            file_format=FileFormat.PARQUET,
            partition=part.record,
            file_size_in_bytes=len(self._io.new_input(part.path)),
            sort_order_id=None,
            spec_id=self.spec.spec_id,
            equality_ids=None,
            key_metadata=None,
            **statistics.to_serialized_dict(),
        )
        file.spec_id = self.spec.spec_id
        return file


def _without_bounds(metadata: pq.FileMetaData, mapping: dict[str, int]) -> set[int]:
    """Return ids of columns with a row group that holds values but no minimum and maximum."""
    found: set[int] = set()
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for index in range(row_group.num_columns):
            column = row_group.column(index)
            stats = column.statistics
            all_null = stats is not None and stats.null_count == column.num_values
            if not all_null and (stats is None or not stats.has_min_max):
                found.add(mapping[column.path_in_schema])
    return found


def _close_quietly(thing: pq.ParquetWriter | OutputStream) -> None:
    try:
        thing.close()
    except (OSError, pa.ArrowException, ValueError):
        return
