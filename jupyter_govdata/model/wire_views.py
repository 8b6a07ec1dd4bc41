"""What the gateway tells of assets, read from its JSON form. Runs in the kernel."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from jupyter_govdata.model.view import AssetSummary, AssetView, ColumnAccess, Completeness
from jupyter_govdata.model.wire import asset_from_wire, snapshot_from_wire


def summary_from_wire(data: Mapping[str, Any]) -> AssetSummary:
    """Reverse `to_wire` for an `AssetSummary`."""
    return AssetSummary(**{**data, "matched": tuple(data.get("matched", ()))})


def view_from_wire(data: Mapping[str, Any]) -> AssetView:
    """Reverse `to_wire` for an `AssetView`."""
    fields = dict(data)
    fields["asset"] = asset_from_wire(data["asset"])
    fields["columns"] = tuple(ColumnAccess(**c) for c in data["columns"])
    fields["why"] = tuple(data["why"])
    fields["policies"] = tuple(data["policies"])
    fields["snapshot"] = snapshot_from_wire(data["snapshot"]) if data["snapshot"] else None
    fields["arrow_schema"] = base64.b64decode(data["arrow_schema"])
    told = data["completeness"]
    fields["completeness"] = Completeness(
        tuple(told["filled"]), tuple(told["missing"]), told["share"]
    )
    return AssetView(**fields)
