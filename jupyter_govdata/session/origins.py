"""What a load was made from, as the kernel knows it. Runs in the kernel; proves nothing itself.

The gateway checks every receipt that is sent along.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jupyter_govdata.errors import LoadError
from jupyter_govdata.model.asset import asset_name
from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.model.wire import to_wire
from jupyter_govdata.query.made_from import receipts_behind
from jupyter_govdata.query.result import QueryResult


def origins(source: Any, inputs: Iterable[Any]) -> tuple[Any, dict[str, Any]]:
    """Return what is loaded as a table, and `receipts` and `inputs` of the load request.

    Args:
        source: What is loaded.
        inputs: Results, frames made from them, and names of assets.

    Raises:
        LoadError: Something of `inputs` is none of these.
        CatalogError: A text that is not the name of an asset.
    """
    table = source.table if isinstance(source, QueryResult) else source
    found: dict[Receipt, None] = dict.fromkeys(_receipts(source))
    names: dict[str, None] = {}
    for each in inputs:
        if isinstance(each, str):
            names[asset_name(each)] = None
            continue
        receipts = _receipts(each)
        if not receipts:
            raise LoadError(
                "an input is not known to come from a governed query",
                hint="give the result, the frame it was turned into, or the name of an asset",
            )
        found.update(dict.fromkeys(receipts))
    return table, {"receipts": [to_wire(receipt) for receipt in found], "inputs": list(names)}


def _receipts(value: Any) -> tuple[Receipt, ...]:
    return value.receipts if isinstance(value, QueryResult) else receipts_behind(value)


def load_command(
    into: str,
    mode: str,
    partition_by: Sequence[str],
    tags: Mapping[str, str] | None,
    description: str,
    evolve: bool,
) -> dict[str, Any]:
    """Return what a load request says of its target."""
    return {
        "v": 1,
        "asset": into,
        "mode": mode,
        "partition_by": list(partition_by),
        "tags": dict(tags or {}),
        "description": description,
        "evolve": evolve,
    }
