"""What other engines write into an Iceberg table and pyiceberg does not: position deletes."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriterV2,
)
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _FastAppendFiles
from pyiceberg.typedef import Record


class _DeleteManifest(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


class _RowDelta(_FastAppendFiles):
    delete_files: list[DataFile]

    def _manifests(self) -> list[ManifestFile]:
        table = self._transaction.table_metadata
        with _DeleteManifest(
            table.spec(), table.schema(), self.new_manifest_output(), self._snapshot_id, "gzip"
        ) as writer:
            for file in self.delete_files:
                writer.add(
                    ManifestEntry.from_args(
                        status=ManifestEntryStatus.ADDED,
                        snapshot_id=self._snapshot_id,
                        sequence_number=None,
                        file_sequence_number=None,
                        data_file=file,
                    )
                )
        return [writer.to_manifest_file(), *self._existing_manifests()]


def delete_positions(
    table: Table,
    positions: dict[str, list[int]],
    content: DataFileContent = DataFileContent.POSITION_DELETES,
) -> None:
    """Commit a delete file for the rows of data files, by location."""
    pairs = sorted((path, pos) for path, found in positions.items() for pos in found)
    columns: list[Any] = [
        pa.array([p for p, _ in pairs]),
        pa.array([n for _, n in pairs], pa.int64()),
    ]
    schema = pa.schema(
        [
            pa.field("file_path", pa.string(), False, {"PARQUET:field_id": "2147483546"}),
            pa.field("pos", pa.int64(), False, {"PARQUET:field_id": "2147483545"}),
        ]
    )
    location = table.location_provider().new_data_location(f"deletes-{len(pairs)}.parquet")
    with table.io.new_output(location).create(overwrite=True) as stream:
        pq.write_table(pa.Table.from_arrays(columns, schema=schema), stream)
    file = DataFile.from_args(
        content=content,
        file_path=location,
        file_format=FileFormat.PARQUET,
        partition=Record(),
        file_size_in_bytes=len(table.io.new_input(location)),
        record_count=len(pairs),
        spec_id=0,
        sort_order_id=None,
        equality_ids=None if content == DataFileContent.POSITION_DELETES else [1],
        key_metadata=None,
        column_sizes={},
        value_counts={},
        null_value_counts={},
        nan_value_counts={},
        lower_bounds={},
        upper_bounds={},
        split_offsets=None,
    )
    file.spec_id = 0
    with table.transaction() as transaction:
        delta = _RowDelta(Operation.DELETE, transaction, table.io)
        delta.delete_files = [file]
        delta.commit()
