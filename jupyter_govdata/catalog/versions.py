"""Snapshots of a table: what there is, and which one a version names.

Runs in the gateway.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pyarrow as pa
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.refs import SnapshotRefType
from pyiceberg.table.snapshots import Snapshot as IceSnapshot

from jupyter_govdata.catalog.committing import PREFIX
from jupyter_govdata.catalog.holding import is_hold
from jupyter_govdata.catalog.types import arrow_schema
from jupyter_govdata.errors import SnapshotNotFoundError
from jupyter_govdata.model.asset import Snapshot
from jupyter_govdata.model.plan import PlanColumn
from jupyter_govdata.model.scan import At


@dataclass(frozen=True, slots=True)
class Version:
    """An asset at one moment.

    Args:
        asset: Asset name.
        snapshot_id: Iceberg snapshot id; 0 for an asset without data.
        schema_id: Iceberg schema id that rows are read under.
        columns: Of that schema, in order.
        schema: The same as Arrow, with ``PARQUET:field_id`` metadata.
        committed_at: UTC, or None for an asset without data.
    """

    asset: str
    snapshot_id: int
    schema_id: int
    columns: tuple[PlanColumn, ...]
    schema: pa.Schema
    committed_at: dt.datetime | None


def _moment(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, tz=dt.UTC)


def _missing(asset: str, what: str) -> SnapshotNotFoundError:
    return SnapshotNotFoundError(
        f"`{asset}` has no {what}", hint=f"list its versions with `%govdata versions {asset}`"
    )


def schema_of(table: Table, schema_id: int) -> Schema:
    """Return the table's schema of that id."""
    return table.schemas()[schema_id]


def resolve(table: Table, asset: str, at: At | None) -> Version:
    """Return the version that `at` names.

    A read of now takes the current schema, a read of the past the schema of its snapshot.

    Raises:
        SnapshotNotFoundError: Unknown or expired.
    """
    if at is None:
        current = table.current_snapshot()
        if current is None:
            return _version(asset, table.schema(), None)
        return _version(asset, table.schema(), current)
    if at.snapshot_id == 0:
        first = min(table.schemas())
        return _version(asset, schema_of(table, first), None)
    snapshot = _find(table, asset, at)
    schema_id = snapshot.schema_id
    if schema_id is None or schema_id not in table.schemas():
        return _version(asset, table.schema(), snapshot)
    return _version(asset, schema_of(table, schema_id), snapshot)


def _version(asset: str, schema: Schema, snapshot: IceSnapshot | None) -> Version:
    return Version(
        asset=asset,
        snapshot_id=snapshot.snapshot_id if snapshot else 0,
        schema_id=schema.schema_id,
        columns=tuple(PlanColumn(f.field_id, f.name, str(f.field_type)) for f in schema.fields),
        schema=arrow_schema(schema),
        committed_at=_moment(snapshot.timestamp_ms) if snapshot else None,
    )


def _find(table: Table, asset: str, at: At) -> IceSnapshot:
    found: IceSnapshot | None
    if at.snapshot_id is not None:
        found = table.snapshot_by_id(at.snapshot_id)
        what = f"snapshot `{at.snapshot_id}`"
    elif at.tag is not None:
        ref = table.refs().get(at.tag)
        # A hold names a snapshot for its holder only: it is no tag that others may read at.
        is_tag = ref is not None and ref.snapshot_ref_type == SnapshotRefType.TAG
        is_tag = is_tag and not is_hold(at.tag)
        found = table.snapshot_by_id(ref.snapshot_id) if ref is not None and is_tag else None
        what = f"tag `{at.tag[:200]}`"
    else:
        assert at.timestamp is not None
        moment = at.timestamp.astimezone(dt.UTC)
        found = table.snapshot_as_of_timestamp(_milliseconds(moment), inclusive=True)
        what = f"version at or before `{moment.isoformat()}`"
    if found is None:
        raise _missing(asset, what)
    return found


def _milliseconds(moment: dt.datetime) -> int:
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (moment - epoch) // dt.timedelta(milliseconds=1)


def _number(snapshot: IceSnapshot, key: str) -> int | None:
    text = snapshot.summary[key] if snapshot.summary is not None else None
    return int(text) if text is not None and text.isdigit() else None


def described(table: Table, snapshot: IceSnapshot) -> Snapshot:
    """Return our description of an Iceberg snapshot."""
    told = dict(snapshot.summary.additional_properties) if snapshot.summary is not None else {}
    tags = sorted(
        name
        for name, ref in table.refs().items()
        if ref.snapshot_id == snapshot.snapshot_id
        and ref.snapshot_ref_type == SnapshotRefType.TAG
        and not is_hold(name)
    )
    total = _number(snapshot, "total-records")
    gone = _number(snapshot, "total-position-deletes") or 0
    return Snapshot(
        snapshot_id=snapshot.snapshot_id,
        schema_id=snapshot.schema_id if snapshot.schema_id is not None else 0,
        committed_at=_moment(snapshot.timestamp_ms),
        operation=snapshot.summary.operation.value if snapshot.summary is not None else "append",
        added_rows=_number(snapshot, "added-records") or 0,
        removed_rows=_number(snapshot, "deleted-records") or 0,
        total_rows=None if total is None else total - gone,
        tags=tuple(tags),
        provenance={
            key.removeprefix(PREFIX): value for key, value in told.items() if key.startswith(PREFIX)
        },
    )


@dataclass(frozen=True, slots=True)
class Step:
    """A snapshot, its columns, and those of the kept snapshot before it (None: it is the first)."""

    snapshot: Snapshot
    columns: tuple[PlanColumn, ...]
    before: tuple[PlanColumn, ...] | None


def _kept(table: Table) -> list[IceSnapshot]:
    return sorted(table.metadata.snapshots, key=lambda s: (s.timestamp_ms, s.sequence_number or 0))


def versions(table: Table) -> list[Snapshot]:
    """Return all snapshots that are kept, oldest first."""
    return [described(table, s) for s in _kept(table)]


def history(table: Table, offset: int, limit: int | None) -> tuple[int, list[Step]]:
    """Return how many snapshots are kept, and a page of them, newest first."""
    kept = _kept(table)[::-1]
    end = len(kept) if limit is None else offset + limit
    page = kept[offset : end + 1]
    columns = [_columns(table, snapshot) for snapshot in page]
    steps = [
        Step(described(table, snapshot), columns[i], columns[i + 1] if i + 1 < len(page) else None)
        for i, snapshot in enumerate(page[: end - offset])
    ]
    return len(kept), steps


def _columns(table: Table, snapshot: IceSnapshot) -> tuple[PlanColumn, ...]:
    known = table.schemas()
    schema = (
        known.get(snapshot.schema_id, table.schema())
        if snapshot.schema_id is not None
        else (table.schema())
    )
    return tuple(PlanColumn(f.field_id, f.name, str(f.field_type)) for f in schema.fields)
