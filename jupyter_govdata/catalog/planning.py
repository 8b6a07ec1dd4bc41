"""From a version and a condition to the files to read; never by listing a folder.

Runs in the gateway. A snapshot never changes, so what its manifests say is kept in a bounded
cache; planning again only compares bounds.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFile as IceFile
from pyiceberg.manifest import FileFormat, ManifestContent
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask, Table
from pyiceberg.transforms import IdentityTransform

from jupyter_govdata.catalog.pruning import Bounds, bounds_of, may_match
from jupyter_govdata.catalog.types import FIELD_ID
from jupyter_govdata.catalog.versions import Version, schema_of
from jupyter_govdata.errors import CatalogError, SnapshotNotFoundError
from jupyter_govdata.model.plan import NO_CONSTANTS, DataFile, Plan, PlanColumn
from jupyter_govdata.model.predicate import TRUE, Predicate

Key = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Listed:
    """All files of one version, with their bounds."""

    whole: Plan
    bounds: tuple[Mapping[str, Bounds], ...]


class PlanCache:
    """Listed versions, least recently used first out.

    Args:
        versions: At most so many versions.
        files: At most so many files over all of them.
    """

    def __init__(self, versions: int = 256, files: int = 200_000) -> None:
        self._versions, self._files = versions, files
        self._kept: OrderedDict[Key, Listed] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()

    def get(self, key: Key) -> Listed | None:
        """Return a listing, or None."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: Key, listed: Listed) -> None:
        """Keep a listing and drop the ones that were not used for longest."""
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = listed
            self._count += len(listed.bounds)
            while self._kept and (len(self._kept) > self._versions or self._count > self._files):
                _, dropped = self._kept.popitem(last=False)
                self._count -= len(dropped.bounds)


def plan(listed: Listed, predicate: Predicate) -> Plan:
    """Return the plan with the files that may hold a row for which `predicate` is true."""
    whole = listed.whole
    if predicate == TRUE:
        return whole
    kept = [i for i, known in enumerate(listed.bounds) if may_match(predicate, known)]
    if len(kept) == len(listed.bounds):
        return whole
    return Plan(
        asset=whole.asset,
        snapshot_id=whole.snapshot_id,
        schema_id=whole.schema_id,
        columns=whole.columns,
        arrow_schema=whole.arrow_schema,
        root=whole.root,
        files=tuple(whole.files[i] for i in kept),
        pruned_files=len(listed.bounds) - len(kept),
        nan_free=_nan_free(whole.columns, [listed.bounds[i] for i in kept]),
    )


def _nan_free(
    columns: tuple[PlanColumn, ...], bounds: list[Mapping[str, Bounds]]
) -> frozenset[int]:
    floats = [c for c in columns if c.type in ("float", "double")]
    return frozenset(
        c.field_id for c in floats if all(b[c.name].nans == 0 or b[c.name].all_null for b in bounds)
    )


def list_files(table: Table | None, version: Version, root: str) -> Listed:
    """Read the manifests of a version.

    Args:
        table: The table; None for an asset without data.
        version: What to read.
        root: Folder or address below which the catalog's files lie.

    Raises:
        SnapshotNotFoundError: The snapshot has expired meanwhile.
        CatalogError: A file that this version cannot read (equality deletes, no field ids).
    """
    columns = version.columns
    arrow = version.schema.serialize().to_pybytes()
    if table is None:
        whole = Plan(version.asset, 0, version.schema_id, columns, arrow, root)
        return Listed(whole, ())
    schema = schema_of(table, version.schema_id)
    if table.snapshot_by_id(version.snapshot_id) is None:
        raise SnapshotNotFoundError(
            f"snapshot `{version.snapshot_id}` of `{version.asset}` has expired",
            hint=f"list its versions with `%govdata versions {version.asset}`",
        )
    tasks = _tasks(table, version)
    files = tuple(_data_file(table, schema, task, version.asset) for task in tasks)
    specs = table.specs()
    bounds = tuple(bounds_of(t.file, schema, specs[t.file.spec_id]) for t in tasks)
    whole = Plan(
        asset=version.asset,
        snapshot_id=version.snapshot_id,
        schema_id=version.schema_id,
        columns=columns,
        arrow_schema=arrow,
        root=root,
        files=files,
        nan_free=_nan_free(columns, list(bounds)),
    )
    return Listed(whole, bounds)


def _tasks(table: Table, version: Version) -> list[FileScanTask]:
    """Return the files in the order in which they were committed and written."""
    snapshot = table.snapshot_by_id(version.snapshot_id)
    assert snapshot is not None
    manifests = snapshot.manifests(table.io)
    entries = [
        entry
        for manifest in manifests
        if manifest.content == ManifestContent.DATA
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    ]
    order = {
        e.data_file.file_path: (e.sequence_number or 0, e.data_file.file_path) for e in entries
    }
    tasks = [FileScanTask(e.data_file) for e in entries]
    if len(manifests) > sum(m.content == ManifestContent.DATA for m in manifests):
        try:
            tasks = list(table.scan(snapshot_id=version.snapshot_id).plan_files())
        except ValueError as exc:
            raise CatalogError(
                f"`{version.asset}` has delete files of a kind that cannot be read",
                hint="rewrite the table with the engine that wrote it",
            ) from exc
    return sorted(tasks, key=lambda task: order[task.file.file_path])


def _data_file(table: Table, schema: Schema, task: FileScanTask, asset: str) -> DataFile:
    file = task.file
    if file.file_format != FileFormat.PARQUET:
        raise CatalogError(f"`{asset}` has data files that are not Parquet")
    return DataFile(
        path=local_path(file.file_path),
        rows=file.record_count,
        size=file.file_size_in_bytes,
        constants=_constants(table, schema, file, asset),
        deleted=_deleted(table.io, task, asset),
    )


def local_path(location: str) -> str:
    """Return the path of a ``file:`` location, any other address as it is."""
    if location.startswith("file://"):
        return location.removeprefix("file://")
    return location.removeprefix("file:") if location.startswith("file:") else location


def _constants(table: Table, schema: Schema, file: IceFile, asset: str) -> Mapping[int, Any]:
    """Return the values of columns that the file lacks but Iceberg knows."""
    spec = table.specs()[file.spec_id]
    known = {
        f.source_id: file.partition[i]
        for i, f in enumerate(spec.fields)
        if isinstance(f.transform, IdentityTransform)
    }
    known |= {f.field_id: f.initial_default for f in schema.fields if f.initial_default is not None}
    held = set(file.column_sizes or ())
    if table.name_mapping() is not None or (known and not held):
        held = _ids_in(table.io, file.file_path, asset)
    lacking = {
        f.field_id: known[f.field_id]
        for f in schema.fields
        if f.field_id in known and f.field_id not in held and f.field_type.is_primitive
    }
    return lacking or NO_CONSTANTS


def _ids_in(io: FileIO, location: str, asset: str) -> set[int]:
    """Return the field ids that a file's own footer names."""
    with io.new_input(location).open() as stream:
        fields = pq.read_schema(stream)
    ids = {int(f.metadata[FIELD_ID]) for f in fields if FIELD_ID in (f.metadata or {})}
    if not ids:
        raise CatalogError(
            f"`{asset}` has data files without field ids", hint="rewrite the table once"
        )
    return ids


def _deleted(io: FileIO, task: FileScanTask, asset: str) -> bytes:
    """Return the deleted positions of a file, as `DataFile.deleted` has them."""
    found: list[np.ndarray[Any, np.dtype[np.int64]]] = []
    for file in task.delete_files:
        if file.file_format != FileFormat.PARQUET:
            raise CatalogError(
                f"`{asset}` has delete files of a kind that cannot be read",
                hint="rewrite the table with the engine that wrote it",
            )
        with io.new_input(file.file_path).open() as stream:
            rows = pq.read_table(stream, columns=["file_path", "pos"])
        here = np.asarray(rows.column("file_path").to_pylist(), dtype=object) == task.file.file_path
        found.append(rows.column("pos").to_numpy()[here])
    if not found:
        return b""
    return np.unique(np.concatenate(found)).astype("<i8").tobytes()


def file_check(predicate: Predicate) -> Callable[[Table, IceFile], bool]:
    """Return the test whether a data file may hold a row of the predicate, now."""

    def check(table: Table, file: IceFile) -> bool:
        spec = table.specs()[file.spec_id]
        return may_match(predicate, bounds_of(file, table.schema(), spec))

    return check
