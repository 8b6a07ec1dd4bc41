"""Which versions data was made from. Runs in the gateway.

What is kept was checked by the caller: a `receipt` was signed by this lake for the loader, and a
`declared` origin is one that the loader may know of. Who may see an edge is the caller's question.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import insert, or_, select

from jupyter_govdata.ledger.records import timestamp, utc_now, visible
from jupyter_govdata.ledger.schema import lineage
from jupyter_govdata.ledger.store import Store

_PART = 500


@dataclass(frozen=True, slots=True)
class Origin:
    """What a snapshot was made from.

    Args:
        asset: Asset name.
        snapshot_id: Version that was read, None if the loader did not say.
        proof: ``receipt`` or ``declared``.
    """

    asset: str
    snapshot_id: int | None
    proof: Literal["receipt", "declared"]


@dataclass(frozen=True, slots=True)
class Edge:
    """A snapshot of an asset and one of its origins.

    Args:
        asset: Asset that was loaded.
        snapshot_id: Snapshot that the load made.
        origin: What it was made from.
        by: Principal id.
    """

    asset: str
    snapshot_id: int
    origin: Origin
    by: str


class LineageEdges:
    """The edges of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(self, asset: str, snapshot_id: int, origins: Iterable[Origin], by: str) -> None:
        """Keep what a snapshot was made from."""
        now = timestamp(utc_now())
        rows = [
            {
                "asset": asset,
                "snapshot_id": snapshot_id,
                "origin": origin.asset,
                "origin_snapshot_id": origin.snapshot_id,
                "proof": origin.proof,
                "by": visible(by),
                "when": now,
            }
            for origin in origins
        ]
        if rows:
            with self._store.write() as conn:
                conn.execute(insert(lineage), rows)

    def touching(self, assets: Collection[str]) -> tuple[Edge, ...]:
        """Return all edges into or out of any of these assets, newest first."""
        names = sorted(assets)
        found: dict[int, Edge] = {}
        with self._store.read() as conn:
            for start in range(0, len(names), _PART):
                part = names[start : start + _PART]
                where = or_(lineage.c.asset.in_(part), lineage.c.origin.in_(part))
                for row in conn.execute(select(lineage).where(where)).mappings():
                    origin = Origin(row["origin"], row["origin_snapshot_id"], row["proof"])
                    found[row["id"]] = Edge(row["asset"], row["snapshot_id"], origin, row["by"])
        return tuple(found[number] for number in sorted(found, reverse=True))
