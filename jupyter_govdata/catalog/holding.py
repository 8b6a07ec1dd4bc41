"""Holding snapshots against expiry, by Iceberg tags of a limited age; and how long each lives.

Runs in the gateway. A hold is a tag that users can neither make nor name: it starts with ``+``.
Its age counts from the snapshot, as the Iceberg specification says, so that other engines that
expire snapshots of the table keep to it too.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from pyiceberg.catalog import Catalog as IceCatalog
from pyiceberg.table import Table
from pyiceberg.table.refs import SnapshotRef, SnapshotRefType

from jupyter_govdata.catalog.committing import commit_lock
from jupyter_govdata.catalog.errors import catalog_errors
from jupyter_govdata.errors import CatalogError, LimitError, SnapshotNotFoundError
from jupyter_govdata.model.asset import asset_name

MAX_HOLDS = 500
"""Of one asset: every tag makes the table's metadata longer."""

_HOLD = re.compile(r"\+hold\.([0-9a-f]{16})\.([A-Za-z0-9][A-Za-z0-9._-]{0,63})\.([0-9]{1,19})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_AGE = "history.expire.max-snapshot-age-ms"
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Hold:
    """One snapshot that somebody holds.

    Args:
        name: As its holder named it.
        snapshot_id: What is held.
        until: When it lapses, or None: the tag was made without an age, by another tool.
    """

    name: str
    snapshot_id: int
    until: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Until when a snapshot is kept.

    Args:
        snapshot_id: The snapshot.
        why: ``newest``: while it is the newest; ``tagged``: while its tag is; ``held``: a hold
            keeps it; ``retention``: by the table's retention; ``open``: until somebody expires it.
        until: The moment, or None where `why` says no moment.
    """

    snapshot_id: int
    why: str
    until: dt.datetime | None


def is_hold(tag: str) -> bool:
    """Return whether a tag is a hold."""
    return tag.startswith("+hold.")


def lapsed(table: Table, now: dt.datetime) -> list[str]:
    """Return the tags of a table whose age is over."""
    return [
        name
        for name, ref in table.refs().items()
        if ref.snapshot_ref_type == SnapshotRefType.TAG
        and (until := _until(table, ref)) is not None
        and until <= now
    ]


class Holds:
    """Holds of the assets of one catalog. Thread-safe.

    Args:
        ice: The pyiceberg catalog.
        load: Returns a table for reading.
    """

    def __init__(self, ice: IceCatalog, load: Callable[[str], Table]) -> None:
        self._ice = ice
        self._load = load

    def hold(
        self, asset: str, snapshot_id: int, holder: str, name: str, until: dt.datetime
    ) -> Hold:
        """Hold a snapshot; a hold of the same name on it gets the new moment.

        Raises:
            CatalogError: Not a name, or the moment is before the snapshot.
            SnapshotNotFoundError: No such snapshot.
            LimitError: The asset has too many holds.
        """
        if not _NAME.fullmatch(name):
            raise CatalogError(
                f"`{name[:200]}` is not the name of a hold",
                hint="use letters, digits, `.`, `-` and `_`, at most 64",
            )
        ref = f"+hold.{_hash(holder)}.{name}.{snapshot_id}"
        with catalog_errors(asset_name(asset)), commit_lock(asset):
            table = self._ice.load_table(asset)
            snapshot = table.snapshot_by_id(snapshot_id)
            if snapshot is None:
                raise SnapshotNotFoundError(
                    f"`{asset}` has no snapshot `{snapshot_id}`",
                    hint=f"list its versions with `%govdata versions {asset}`",
                )
            held = {tag for tag in table.refs() if is_hold(tag)}
            if len(held | {ref}) > MAX_HOLDS:
                raise LimitError(
                    f"`{asset}` has {MAX_HOLDS} holds already", hint="release some of them"
                )
            age = (until - _EPOCH) // _MILLISECOND - snapshot.timestamp_ms
            if age <= 0:
                raise CatalogError("a hold ends after the snapshot was made")
            with table.manage_snapshots() as change:
                change.create_tag(snapshot_id, ref, max_ref_age_ms=age)
        return Hold(name, snapshot_id, _moment(snapshot.timestamp_ms + age))

    def release(self, asset: str, holder: str, name: str) -> list[Hold]:
        """Let go of a holder's snapshots under a name, and return what was held."""
        with catalog_errors(asset_name(asset)):
            if not _held(self._load(asset), holder, name):
                return []
            with commit_lock(asset):
                table = self._ice.load_table(asset)
                found = _held(table, holder, name)
                if found:
                    with table.manage_snapshots() as change:
                        for tag in found:
                            change.remove_tag(tag)
        return list(found.values())

    def of(self, asset: str, holder: str) -> list[Hold]:
        """Return what a holder holds of an asset, by name."""
        with catalog_errors(asset_name(asset)):
            found = _held(self._load(asset), holder, None).values()
        return sorted(found, key=lambda hold: (hold.name, hold.snapshot_id))

    def lifetimes(self, asset: str) -> list[Lifetime]:
        """Return until when each snapshot is kept, oldest first."""
        with catalog_errors(asset_name(asset)):
            table = self._load(asset)
            retention = _retention(table)
            kept = sorted(table.metadata.snapshots, key=lambda s: s.timestamp_ms)
            refs: dict[int, list[SnapshotRef]] = {}
            for ref in table.refs().values():
                refs.setdefault(ref.snapshot_id, []).append(ref)
            return [
                _lifetime(table, s.snapshot_id, s.timestamp_ms, refs.get(s.snapshot_id, []))
                if retention is None or s.snapshot_id in refs
                else Lifetime(s.snapshot_id, "retention", _moment(s.timestamp_ms + retention))
                for s in kept
            ]


def _lifetime(table: Table, snapshot_id: int, made: int, refs: list[SnapshotRef]) -> Lifetime:
    if any(ref.snapshot_ref_type == SnapshotRefType.BRANCH for ref in refs):
        return Lifetime(snapshot_id, "newest", None)
    ends = [_until(table, ref) for ref in refs]
    if any(end is None for end in ends):
        return Lifetime(snapshot_id, "tagged", None)
    moments = [end for end in ends if end is not None]
    retention = _retention(table)
    if moments:
        if retention is not None:
            moments.append(_moment(made + retention))
        return Lifetime(snapshot_id, "held", max(moments))
    return Lifetime(snapshot_id, "open", None)


def _retention(table: Table) -> int | None:
    told = table.properties.get(_AGE, "")
    return int(told) if told.isdecimal() and len(told) < 16 else None


def _until(table: Table, ref: SnapshotRef) -> dt.datetime | None:
    snapshot = table.snapshot_by_id(ref.snapshot_id)
    if ref.max_ref_age_ms is None or snapshot is None:
        return None
    return _moment(snapshot.timestamp_ms + ref.max_ref_age_ms)


def _held(table: Table, holder: str, name: str | None) -> dict[str, Hold]:
    """Return a holder's holds by tag; None means of every name."""
    found = {}
    for tag, ref in table.refs().items():
        match = _HOLD.fullmatch(tag)
        if match and match[1] == _hash(holder) and name in (None, match[2]):
            found[tag] = Hold(match[2], ref.snapshot_id, _until(table, ref))
    return found


def _hash(holder: str) -> str:
    # Tags are seen by every tool on the catalog: no principal's id stands in one.
    return hashlib.sha256(holder.encode(errors="surrogatepass")).hexdigest()[:16]


def _moment(milliseconds: int) -> dt.datetime:
    try:
        return _EPOCH + milliseconds * _MILLISECOND
    except OverflowError:
        return dt.datetime.max.replace(tzinfo=dt.UTC)
