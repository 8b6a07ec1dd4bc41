"""What a scan will read: the files of one snapshot that may hold matching rows.

Runs in the gateway only; the catalog makes a plan and the storage room reads it, so neither has
to know the other. A plan names storage locations and therefore never crosses a wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

NO_CONSTANTS: Mapping[int, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class PlanColumn:
    """A column of the schema that the rows are read under.

    Args:
        field_id: Iceberg field id: files are read by it, so renames cannot mix columns up.
        name: Name in this schema.
        type: Iceberg type, e.g. ``decimal(9, 2)``.
    """

    field_id: int
    name: str
    type: str


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file of the table.

    Args:
        path: Where it lies: a local path, or an address with a scheme.
        rows: Rows in the file, deleted ones included.
        size: Bytes.
        constants: Field id -> value of columns that the file does not hold but whose value is
            known (identity partitions of migrated tables, initial defaults). Any other column
            that the file does not hold is NULL.
        deleted: Positions (0-based, ascending, without repeats) of deleted rows, as
            little-endian signed 64-bit integers.
    """

    path: str
    rows: int
    size: int
    constants: Mapping[int, Any] = field(default_factory=lambda: NO_CONSTANTS)
    deleted: bytes = b""

    @property
    def has_deletes(self) -> bool:
        """True if rows of this file are deleted."""
        return bool(self.deleted)

    @property
    def live_rows(self) -> int:
        """Rows that are not deleted."""
        return self.rows - len(self.deleted) // 8


@dataclass(frozen=True, slots=True)
class Plan:
    """The files to read for one asset, snapshot and condition.

    Args:
        asset: Asset name.
        snapshot_id: Iceberg snapshot id; 0 for an asset without data.
        schema_id: Iceberg schema id that the rows are read under.
        columns: Of that schema, in order.
        arrow_schema: The same schema, IPC-serialised, with ``PARQUET:field_id`` metadata.
        root: Folder or address below which all files of the catalog lie.
        files: What to read.
        pruned_files: Files of the snapshot that cannot hold a matching row.
        nan_free: Field ids of floating point columns in which no planned file holds a NaN.
    """

    asset: str
    snapshot_id: int
    schema_id: int
    columns: tuple[PlanColumn, ...]
    arrow_schema: bytes
    root: str
    files: tuple[DataFile, ...] = ()
    pruned_files: int = 0
    nan_free: frozenset[int] = frozenset()

    @property
    def rows(self) -> int:
        """Rows in the planned files that are not deleted, before any filter."""
        return sum(f.live_rows for f in self.files)

    @property
    def size(self) -> int:
        """Bytes of the planned files."""
        return sum(f.size for f in self.files)
