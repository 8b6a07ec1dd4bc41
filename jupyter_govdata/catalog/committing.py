"""One change of one table: staged, committed as one snapshot, or undone.

Runs in the gateway. Between processes the catalog decides (optimistic commits, retried); inside
this process a lock per table keeps writers from losing against each other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from pyiceberg.catalog import Catalog as IceCatalog
from pyiceberg.exceptions import CommitStateUnknownException
from pyiceberg.table import Table, Transaction

from jupyter_govdata.catalog.errors import FOREIGN, is_conflict, mapped
from jupyter_govdata.catalog.files import recorded, remove

PREFIX = "govdata."
ATTEMPTS = 5
TABLE_PROPERTIES = {
    "commit.retry.num-retries": "8",
    "commit.retry.min-wait-ms": "20",
    "commit.manifest-merge.enabled": "true",
    "write.parquet.compression-codec": "zstd",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "10",
}

_LOCKS: dict[str, threading.RLock] = {}
_LOCKS_GUARD = threading.Lock()

Change = Callable[[Table, Transaction], int | None]
"""Stages a change and returns the id of the snapshot that it will make, None if it makes none."""


def summary(provenance: Mapping[str, str]) -> dict[str, str]:
    """Return provenance as snapshot summary properties."""
    return {f"{PREFIX}{key}": str(value) for key, value in provenance.items()}


class _UnknownOutcomeError(Exception):
    """The commit may have landed, or may land yet: what it wrote must stay."""


def commit_lock(asset: str) -> threading.RLock:
    """Return the lock that this process's writers of an asset take turns with."""
    with _LOCKS_GUARD:
        return _LOCKS.setdefault(asset, threading.RLock())


def commit(
    catalog: IceCatalog, asset: str, change: Change, discard: Callable[[], None] = lambda: None
) -> tuple[Table, int | None]:
    """Apply `change` to the current table until it lands, and return table and snapshot id.

    Args:
        catalog: Where the table is.
        asset: Its name.
        change: Called again on the newest table after a conflict.
        discard: Called when nothing was committed.

    Raises:
        CatalogError: Another writer won every time.
        StorageError: Storage failed; nothing was committed.
    """
    try:
        with commit_lock(asset):
            return _until_landed(catalog, asset, change)
    except _UnknownOutcomeError as exc:
        cause = exc.__cause__
        assert isinstance(cause, Exception)
        raise mapped(cause, asset) from cause
    except BaseException as exc:
        discard()
        if isinstance(exc, FOREIGN) and isinstance(exc, Exception):
            raise mapped(exc, asset) from exc
        raise


def _until_landed(catalog: IceCatalog, asset: str, change: Change) -> tuple[Table, int | None]:
    attempt = 0
    while True:
        attempt += 1
        try:
            return _attempt(catalog.load_table(asset), change)
        except FOREIGN as exc:
            if not is_conflict(exc) or attempt == ATTEMPTS:
                raise


def _attempt(table: Table, change: Change) -> tuple[Table, int | None]:
    with recorded(table.location()) as written:
        transaction = table.transaction()
        snapshot_id: int | None = None
        try:
            snapshot_id = change(table, transaction)
            done = transaction.commit_transaction()
        except FOREIGN as exc:
            done = _looked_up(table, snapshot_id, exc)
            if snapshot_id is None or done.snapshot_by_id(snapshot_id) is None:
                _undo(done, written)
                raise
        _tidy(done, written)
        return done, snapshot_id


def _looked_up(table: Table, snapshot_id: int | None, failure: Exception) -> Table:
    """Return the table as it is now: the outcome of a failed commit is never assumed."""
    try:
        fresh = table.refresh()
    except FOREIGN:
        raise _UnknownOutcomeError from failure
    landed = snapshot_id is not None and fresh.snapshot_by_id(snapshot_id) is not None
    if isinstance(failure, CommitStateUnknownException) and not landed:
        raise _UnknownOutcomeError from failure
    return fresh


def _undo(table: Table, written: list[str]) -> None:
    """Remove what the attempt wrote; the current metadata does not refer to it."""
    remove(table.io, [p for p in written if p != table.metadata_location])  # type: ignore[arg-type]


def _tidy(table: Table, written: list[str]) -> None:
    """Remove the table metadata of attempts that lost."""
    kept = {table.metadata_location} | {e.metadata_file for e in table.metadata.metadata_log}
    lost = [p for p in written if p.endswith(".metadata.json") and p not in kept]
    remove(table.io, lost)  # type: ignore[arg-type]
