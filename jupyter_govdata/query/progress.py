"""How far a running query is, for whoever waits. Runs in the kernel.

How many rows are still to come is said only where the card tells it anyway: under a row filter it
would count hidden rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jupyter_govdata.model.predicate import TRUE
from jupyter_govdata.model.view import AssetView
from jupyter_govdata.query.reads import OpenScan, Reads


@dataclass(frozen=True, slots=True)
class AssetProgress:
    """What came of one asset.

    Args:
        asset: Name.
        rows: Rows received.
        bytes: Their size in Arrow's memory format.
        total_rows: Rows that come in all, or None where that is not known.
    """

    asset: str
    rows: int
    bytes: int
    total_rows: int | None


@dataclass(frozen=True, slots=True)
class Progress:
    """What came so far.

    Args:
        assets: In the order in which their first scans began.
        seconds: Since the query began.
        done: The query has ended, however it did; nothing comes after this.
    """

    assets: tuple[AssetProgress, ...]
    seconds: float
    done: bool

    @property
    def rows(self) -> int:
        """Rows received of all assets."""
        return sum(a.rows for a in self.assets)

    @property
    def bytes(self) -> int:
        """Bytes received of all assets."""
        return sum(a.bytes for a in self.assets)

    @property
    def total_rows(self) -> int | None:
        """Rows that come in all, or None where that is not known of every asset."""
        totals = [a.total_rows for a in self.assets if a.total_rows is not None]
        return sum(totals) if self.assets and len(totals) == len(self.assets) else None


OnProgress = Callable[[Progress], None]


def progress_of(
    reads: Reads, views: Mapping[str, AssetView], seconds: float, *, done: bool
) -> Progress:
    """Return what came of the scans of a statement."""
    by_asset: dict[str, list[OpenScan]] = {}
    for opened in reads.opened():
        by_asset.setdefault(opened.scan.asset, []).append(opened)
    assets = tuple(
        AssetProgress(
            asset,
            sum(o.rows for o in scans),
            sum(o.bytes for o in scans),
            _total(scans, views.get(asset)),
        )
        for asset, scans in by_asset.items()
    )
    return Progress(assets, seconds, done)


def _total(scans: list[OpenScan], view: AssetView | None) -> int | None:
    if view is None or view.snapshot is None or view.snapshot.total_rows is None:
        return None
    snapshots = {r.snapshot_id for opened in scans for r in opened.stream.receipts}
    narrowed = any(
        o.scan.predicate != TRUE or o.scan.limit is not None or o.scan.summary for o in scans
    )
    if narrowed or snapshots != {view.snapshot.snapshot_id}:
        return None
    return view.snapshot.total_rows * len(scans)
