"""Notebooks with stamps, built as a kernel's outputs build them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from nbformat.v4 import new_code_cell, new_notebook, new_output

from jupyter_govdata.model.stamp import Receipt, Stamp
from jupyter_govdata.stamps.folding import source_digest
from jupyter_govdata.stamps.stamp import make_stamp, stamp_bundle

TABLE = pa.table({"x": [1, 2]})


def receipt(asset: str = "trials.outcomes", snapshot_id: int = 11, **changes: Any) -> Receipt:
    given: dict[str, Any] = {
        "asset": asset,
        "snapshot_id": snapshot_id,
        "schema_id": 0,
        "epoch": 7,
        "principal": "ana",
        "purpose": "research",
        "decision_id": "d" * 64,
        "fragment_digest": "a" * 64,
        "key_id": "k1",
        "signature": "c2ln",
    }
    return Receipt(**{**given, **changes})


def stamp(query: str = "SELECT 1", pins: Mapping[str, int] | None = None, **changes: Any) -> Stamp:
    pins = {"trials.outcomes": 11} if pins is None else pins
    given: dict[str, Any] = {
        "query": query,
        "parameters": {},
        "receipts": [receipt(asset, pin) for asset, pin in pins.items()],
        "table": TABLE,
        "ordered": False,
        "wall": "advisory",
        "pins": pins,
    }
    return make_stamp(**{**given, **changes})


def output(made: Stamp, **volatile: Any) -> Any:
    data, metadata = stamp_bundle(made, {"at": "2026-01-01T00:00:00+00:00", **volatile})
    return new_output("display_data", data=data, metadata=metadata)


def query_cell(query: str = "SELECT 1", *stamps: Stamp, **more: Any) -> Any:
    """A ``%%govsql`` cell as it stands after it ran."""
    source = f"%%govsql\n{query}"
    made = stamps or (stamp(query),)
    outputs = [output(one, source=source_digest(source)) for one in made]
    return new_code_cell(source, outputs=outputs, execution_count=1, **more)


def notebook(*cells: Any) -> Any:
    return new_notebook(cells=list(cells))
