"""A lake with what a sidebar has to cope with, and the people who look at it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa

from jupyter_govdata.session import connect, init_lake
from tests.gateway.world import FILES, PATIENTS, consent_table
from tests.server import pictures

EVIL = "<img src=x onerror=alert(1)> \"'&\u202e ünï\n</script>"
"""What a producer may write into any text."""
HIDDEN = "unseen.assay"
HIDDEN_WORDS = ("unseen", "assay", "cryptic")
"""In its name, its description, its tag and its column."""

CARDS = """
assets:
  trials.evil:
    owner: dina
    steward: stewards
    description: {evil}
    source: {evil}
    tags: {{modality: text}}
    columns:
      text: {{description: {evil}, unit: {evil}}}
  trials.types:
    owner: dina
    steward: stewards
    description: All types.
    tags: {{modality: omics}}
  trials.asked:
    owner: dina
    steward: stewards
    description: On request only.
  trials.growing:
    owner: dina
    steward: stewards
    description: Gets new rows.
  unseen.assay:
    owner: dina
    steward: stewards
    description: A cryptic assay.
    tags: {{modality: cryptic}}
    columns:
      cryptic_column: {{description: cryptic}}
"""
POLICIES = """
@id("anybody-evil")
permit (principal, action in [Action::"discover", Action::"select", Action::"reveal"],
        resource in Asset::"trials.evil");

@id("anybody-types")
permit (principal, action in [Action::"discover", Action::"select", Action::"reveal"],
        resource in Asset::"trials.types");

@id("anybody-growing")
permit (principal, action in [Action::"discover", Action::"select", Action::"reveal"],
        resource in Asset::"trials.growing");

@id("found-by-all")
permit (principal, action == Action::"discover", resource in Asset::"trials.asked");

@id("rows-on-request") @request("read") @description("all rows, on request")
permit (principal == ?principal, action in [Action::"select", Action::"reveal"],
        resource in ?resource);
"""
TAGS = """
tags:
  identifier: {scope: [column], values: [direct, quasi]}
  register: {scope: [asset], values: [consent, crosswalk]}
  sensitivity: {scope: [column], values: [secret]}
  modality: {scope: [asset], values: [text, omics, cryptic]}
"""
MOMENT = dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC)
TYPES = pa.table(
    {
        "nothing": pa.array([None, None], pa.int32()),
        "long": pa.array(["x" * 5_000, "short"]),
        "bytes": pa.array([b"\x00\xff" * 500, None], pa.binary()),
        "nested": pa.array([[{"a": 1, "b": "y"}] * 200, []]),
        "big": pa.array([2**62 + 1, None], pa.int64()),
        "number": pa.array([float("nan"), 1.5]),
        "moment": pa.array(
            [dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC), None], pa.timestamp("us", "UTC")
        ),
        "word": pa.array(["NULL", ""]),
    }
)
GROWTH = pa.table({"n": pa.array([1, 2, 3], pa.int64())})


def build(folder: Path) -> Path:
    """Make the lake the way a steward does."""
    evil = '"' + EVIL.replace('"', '\\"').replace("\n", "\\n") + '"'
    files = FILES | {
        "tags.yaml": TAGS,
        "assets/more.yaml": CARDS.format(evil=evil),
        "policies/more.cedar": POLICIES,
        "assets/images.yaml": pictures.CARDS,
        "policies/images.cedar": pictures.POLICIES,
    }
    for name, text in files.items():
        target = folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    lake = init_lake(folder / "lake", folder / "source", "dina")
    images = pictures.write(lake)
    loads: dict[str, Any] = {
        "trials.patients": PATIENTS,
        "trials.evil": pa.table({"text": [EVIL]}),
        "trials.types": TYPES,
        "trials.asked": GROWTH,
        "trials.growing": GROWTH,
        pictures.INVENTORY: images,
        "governance.consent": pa.concat_tables([consent_table(), pictures.given()]),
        HIDDEN: pa.table({"cryptic_column": [1]}),
    }
    with connect(lake, user="dina") as dina:
        for asset, table in loads.items():
            dina.load(table, asset)
    return lake
