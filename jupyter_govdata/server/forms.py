"""What the gateway says, as JSON for a browser. Runs in the Jupyter server.

Snapshot ids are texts, for a browser's numbers end at 2^53. Texts of producers stay as they are:
they are data, and whoever shows them shows them as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_govdata.errors import GovDataError
from jupyter_govdata.model.asset import Snapshot
from jupyter_govdata.model.browsing import AssetVersion, ColumnChange, Comparison, Lineage
from jupyter_govdata.model.view import AssetView
from jupyter_govdata.model.wire import to_wire

_NOT_SHOWN = ("asset", "columns", "snapshot", "arrow_schema")


def snapshot_json(snapshot: Snapshot) -> dict[str, Any]:
    """Return a version."""
    told: dict[str, Any] = to_wire(snapshot)
    return {**told, "snapshot_id": str(snapshot.snapshot_id)}


def card_json(view: AssetView) -> dict[str, Any]:
    """Return a card: the asset's fields and those of the decision side by side."""
    asset: dict[str, Any] = to_wire(view.asset)
    rest = {k: v for k, v in to_wire(view).items() if k not in _NOT_SHOWN}
    shown = {column.column: column for column in view.columns}
    columns = [
        {
            **{k: column[k] for k in ("name", "type", "unit", "description", "tags")},
            "mask": shown[column["name"]].mask if column["name"] in shown else None,
            "policy": shown[column["name"]].policy if column["name"] in shown else "",
        }
        for column in asset.pop("columns")
    ]
    asset.pop("subject")
    return {
        **asset,
        **rest,
        "namespace": view.asset.name.split(".", 1)[0],
        "columns": columns,
        "snapshot": snapshot_json(view.snapshot) if view.snapshot else None,
    }


def version_json(version: AssetVersion) -> dict[str, Any]:
    """Return a version and what it changed."""
    return {**snapshot_json(version.snapshot), "schema": [_change(c) for c in version.schema]}


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return what lies between two versions."""
    return {
        "asset": comparison.asset,
        "from": str(comparison.older),
        "to": str(comparison.newer),
        "added_rows": comparison.added_rows,
        "removed_rows": comparison.removed_rows,
        "schema": [_change(c) for c in comparison.schema],
    }


def _change(change: ColumnChange) -> dict[str, Any]:
    return {
        "column": change.column,
        "change": change.change,
        "from": change.before,
        "to": change.after,
    }


def lineage_json(graph: Lineage) -> dict[str, Any]:
    """Return a graph; all of its nodes are visible."""
    return {
        "nodes": to_wire(graph.nodes),
        "edges": [
            {
                "from": edge.origin,
                "to": edge.target,
                "snapshot_id": _id(edge.snapshot_id),
                "from_snapshot_id": _id(edge.origin_snapshot_id),
                "by": edge.by,
                "proof": edge.proof,
            }
            for edge in graph.edges
        ],
        "complete": graph.complete,
    }


def _id(snapshot_id: int | None) -> str | None:
    return None if snapshot_id is None else str(snapshot_id)


def status_json(session: Any, lake: str) -> dict[str, Any]:
    """Return who asks, why, and how strong the wall is."""
    me: Mapping[str, Any] = session.whoami()
    to_decide, decides = _inbox(session)
    return {
        "state": "ready",
        "principal": me["principal"],
        "name": me["name"],
        "groups": sorted(me["groups"]),
        "purpose": me["purpose"],
        "purposes": me["purposes"],
        "wall": me["wall"],
        "epoch": me["epoch"],
        "lake": lake,
        "version": me["version"],
        "stewards": decides,
        "to_decide": to_decide,
        "error": None,
    }


def _inbox(session: Any) -> tuple[int, bool]:
    """Return how many requests wait for the principal, and whether there can be any."""
    try:
        page = session.requests("inbox", state="open", limit=1)
    except GovDataError:
        # Who one is does not depend on it, and an older gateway knows no requests.
        return 0, False
    return page.to_decide, page.decides
