"""What the gateway says, as JSON for a browser. Runs in the Jupyter server.

Snapshot ids are texts, for a browser's numbers end at 2^53. Texts of producers stay as they are:
they are data, and whoever shows them shows them as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_govdata.model.asset import Snapshot
from jupyter_govdata.model.view import AssetView
from jupyter_govdata.model.wire import to_wire

MAX_CELL = 200
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


def status_json(session: Any, lake: str) -> dict[str, Any]:
    """Return who asks, why, and how strong the wall is."""
    me: Mapping[str, Any] = session.whoami()
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
        "stewards": bool(me.get("can_decide", False)),
        "error": None,
    }
