"""Forgetting old snapshots, and the files that only they used.

Runs in the gateway.
"""

from __future__ import annotations

import datetime as dt

from pyiceberg.table import Table

from jupyter_govdata.catalog.files import remove
from jupyter_govdata.catalog.holding import lapsed


def expire(table: Table, older_than: dt.datetime) -> int:
    """Forget the snapshots before a moment and return how many those were.

    What a tag or a hold names stays, until its age is over.
    """
    if over := lapsed(table, dt.datetime.now(dt.UTC)):
        with table.manage_snapshots() as change:
            for name in over:
                change.remove_tag(name)
        table.refresh()
    before = _files_of(table)
    known = {s.snapshot_id for s in table.metadata.snapshots}
    table.maintenance.expire_snapshots().older_than(older_than.astimezone(dt.UTC)).commit()
    table.refresh()
    gone = known - {s.snapshot_id for s in table.metadata.snapshots}
    if gone:
        remove(table.io, sorted(before - _files_of(table)))  # type: ignore[arg-type]
    return len(gone)


def _files_of(table: Table) -> set[str]:
    """Return all files that some snapshot refers to."""
    found: set[str] = set()
    seen: set[str] = set()
    for snapshot in table.metadata.snapshots:
        found.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path in seen:
                continue
            seen.add(manifest.manifest_path)
            found.add(manifest.manifest_path)
            entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
            found.update(e.data_file.file_path for e in entries)
    return found
