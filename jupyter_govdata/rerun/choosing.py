"""Which data a rerun reads: ``--pins``, ``--use``, and what that means today.

Runs in the process that runs the notebook; asks the gateway as whoever runs it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_govdata.errors import (
    CatalogError,
    ConfigError,
    RefusalError,
    SnapshotNotFoundError,
)
from jupyter_govdata.model.asset import Snapshot, asset_name
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.rerun.governing import as_of
from jupyter_govdata.session import Session

LATEST = "latest"
_AS_OF = "as-of="

NEWEST, PINNED, EXPIRED, NOT_PERMITTED = "newest", "pinned", "expired", "not permitted"


@dataclass(frozen=True, slots=True)
class Planned:
    """What a rerun would read of one asset.

    Args:
        asset: Asset name.
        snapshot_id: What it is pinned to.
        cells: Ids of the cells that this pin is for; empty if it is for the notebook.
        state: ``newest``; ``pinned``: there are newer ones; ``expired``; ``not permitted``.
        committed_at: Of the pinned snapshot, if it is kept.
        newer: How many snapshots came after it.
        why: What the gateway says where it refuses.
    """

    asset: str
    snapshot_id: int
    cells: tuple[str, ...]
    state: str
    committed_at: dt.datetime | None = None
    newer: int = 0
    why: str = ""


def chosen_pins(text: str) -> Pins | None:
    """Return what ``--pins`` names; None stands for the notebook's own stamps.

    Args:
        text: ``stamped``, ``current``, ``as-of=TIMESTAMP`` or the path of a pin file.

    Raises:
        ConfigError: The file cannot be read or is no pin file, or the time does not parse.
    """
    if text == "stamped":
        return None
    if text == "current":
        return Pins()
    if text.startswith(_AS_OF):
        return Pins(as_of=as_of(text.removeprefix(_AS_OF)))
    try:
        return Pins.from_wire(json.loads(Path(text).expanduser().read_text(encoding="utf-8")))
    except OSError as exc:
        raise ConfigError(
            f"the pin file `{text}` cannot be read",
            hint="`--pins` takes stamped, current, as-of=TIMESTAMP or a file",
        ) from exc
    except ValueError as exc:
        raise ConfigError(f"the pin file `{text}` does not parse") from exc


def used(pins: Pins, uses: Sequence[str], versions: Any) -> Pins:
    """Return pins in which ``--use ASSET=SNAPSHOT|latest`` overrides what was pinned.

    Args:
        pins: What is read otherwise.
        uses: Each ``ASSET=`` and a snapshot id, a tag, or ``latest``.
        versions: Function from an asset's name to its `Snapshot`s, newest first.

    Raises:
        ConfigError: One is not of this form.
        SnapshotNotFoundError: The asset has no such tag, or no snapshot at all.
        RefusalError: The versions may not be listed.
    """
    assets = dict(pins.assets)
    cells = {cell: dict(own) for cell, own in pins.cells.items()}
    for use in uses:
        asset, sign, text = use.partition("=")
        if not sign or not text:
            raise ConfigError(
                f"`{use}` is not ASSET=SNAPSHOT", hint="`--use trials.outcomes=latest`"
            )
        asset_name(asset)
        assets[asset] = int(text) if text.isdecimal() else _named(asset, text, versions(asset))
        for own in cells.values():
            own.pop(asset, None)
    return Pins(assets, {cell: own for cell, own in cells.items() if own}, pins.as_of)


def _named(asset: str, name: str, versions: Sequence[Snapshot]) -> int:
    # `latest` becomes an id: the whole run reads one snapshot, also if somebody loads meanwhile.
    for snapshot in versions:
        if name == LATEST or name in snapshot.tags:
            return snapshot.snapshot_id
    what = "snapshot" if name == LATEST else f"tag `{name}`"
    raise SnapshotNotFoundError(
        f"`{asset}` has no {what}", hint=f"list its versions: `jupyter govdata versions {asset}`"
    )


def plan(pins: Pins, session: Session) -> list[Planned]:
    """Return what a rerun would read of each pinned asset, as the session's principal today."""
    wanted: dict[tuple[str, int], list[str]] = {(a, p): [] for a, p in pins.assets.items()}
    for cell, own in pins.cells.items():
        for asset, pin in own.items():
            if pins.assets.get(asset) != pin:
                wanted.setdefault((asset, pin), []).append(cell)
    told: dict[str, Sequence[Snapshot] | str] = {}
    for asset, _ in wanted:
        if asset not in told:
            told[asset] = _versions(session, asset)
    return [
        _planned(asset, pin, tuple(cells), told[asset])
        for (asset, pin), cells in sorted(wanted.items())
    ]


def _versions(session: Session, asset: str) -> Sequence[Snapshot] | str:
    try:
        return session.catalog.versions(asset)
    except (RefusalError, CatalogError) as error:
        return error.message


def _planned(
    asset: str, pin: int, cells: tuple[str, ...], found: Sequence[Snapshot] | str
) -> Planned:
    if isinstance(found, str):
        return Planned(asset, pin, cells, NOT_PERMITTED, why=found)
    for newer, snapshot in enumerate(found):
        if snapshot.snapshot_id == pin:
            state = PINNED if newer else NEWEST
            return Planned(asset, pin, cells, state, snapshot.committed_at, newer)
    if pin == 0:
        return Planned(asset, pin, cells, PINNED if found else NEWEST, None, len(found))
    return Planned(asset, pin, cells, EXPIRED, None, len(found))


def planned_to_wire(rows: Sequence[Planned]) -> list[Mapping[str, Any]]:
    """Return the JSON form of a plan; snapshot ids are text."""
    return [
        {
            "asset": row.asset,
            "snapshot_id": str(row.snapshot_id),
            "cells": list(row.cells),
            "state": row.state,
            "committed_at": row.committed_at.isoformat() if row.committed_at else None,
            "newer": row.newer,
            "why": row.why,
        }
        for row in rows
    ]
