"""Rows that differ between two snapshots of an asset, as far as the principal may see them.

Runs on the user's side of the wall: both snapshots are read through governed scans, under the
permission of today. What is hidden is in no count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jupyter_govdata.errors import GovDataError
from jupyter_govdata.model.scan import At
from jupyter_govdata.session import Session
from jupyter_govdata.stamps.differing import NotebookDifference


@dataclass(frozen=True, slots=True)
class RowChange:
    """What one may see to have changed from one snapshot to another.

    Args:
        asset: Its name.
        was: The first snapshot.
        now: The second.
        added: Rows of the second that the first lacks; without keys, a changed row counts as
            one added and one removed. -1: not counted.
        removed: Rows of the first that the second lacks; -1: not counted.
        columns: Columns that only one of them shows, sorted; they are left out of the count.
        why_not: Why nothing was counted, or empty.
    """

    asset: str
    was: int
    now: int
    added: int = -1
    removed: int = -1
    columns: tuple[str, ...] = ()
    why_not: str = ""

    def __str__(self) -> str:
        pair = f"{self.asset}, {self.was} to {self.now}"
        if self.why_not:
            return f"{pair}: not counted: {self.why_not}"
        columns = f"; columns of one only: {', '.join(self.columns)}" if self.columns else ""
        return f"{pair}: {self.added:,} rows added, {self.removed:,} removed{columns}"

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form; snapshot ids are text, for JavaScript would change them."""
        pair = {"asset": self.asset, "was": str(self.was), "now": str(self.now)}
        if self.why_not:
            return {**pair, "why_not": self.why_not}
        counts = {"added": self.added, "removed": self.removed}
        return {**pair, **counts, "columns": list(self.columns)}


def count_changes(session: Session, found: NotebookDifference) -> list[RowChange]:
    """Return what changed between the snapshots that the cells of two notebooks read.

    Each pair of snapshots is counted once; a refusal is told beside the pair that it holds for.
    """
    pairs: dict[tuple[str, int, int, str], None] = {}
    for cell in found.cells:
        receipts = cell.b.stamps[-1].receipts if cell.b else ()
        purposes = {r.asset: r.purpose for r in receipts}
        for cause in cell.causes:
            for asset, (was, now) in cause.snapshots.items():
                for one, other in zip(was, now, strict=False):
                    if one != other:
                        pairs[asset, one, other, purposes.get(asset, "")] = None
    return [_counted(session, *pair) for pair in sorted(pairs)]


def _counted(session: Session, asset: str, was: int, now: int, purpose: str) -> RowChange:
    try:
        views = [session.view(asset, At(v), purpose or None) for v in (was, now)]
        shown = [[c.name for c in view.asset.columns] for view in views]
        both = [name for name in shown[0] if name in shown[1]]
        if not both:
            return RowChange(asset, was, now, why_not="you may see no column of both")
        added = _only_in(session, asset, both, now, was, purpose)
        removed = _only_in(session, asset, both, was, now, purpose)
    except GovDataError as error:
        return RowChange(asset, was, now, why_not=error.message)
    only = tuple(sorted(set(shown[0]) ^ set(shown[1])))
    return RowChange(asset, was, now, added, removed, only)


def _only_in(
    session: Session, asset: str, columns: Iterable[str], one: int, other: int, purpose: str
) -> int:
    """Return the rows of a snapshot that another lacks, each as often as it lacks them."""
    quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in columns)
    name = ".".join(f'"{part}"' for part in asset.split(".", 1))
    reads = [f"SELECT {quoted} FROM {name} AT (VERSION => {v})" for v in (one, other)]
    answer = session.sql(
        f"SELECT count(*) AS n FROM ({reads[0]} EXCEPT ALL {reads[1]})", purpose=purpose or None
    )
    return int(next(iter(answer))["n"])
