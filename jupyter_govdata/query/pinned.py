"""Reads at pinned snapshots. Runs in the kernel.

A pin says which data is read where the query names no version; what may be seen of it, the gateway
decides as of today (invariant 3).
"""

from __future__ import annotations

from dataclasses import replace

from jupyter_govdata.errors import SnapshotNotFoundError
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.model.scan import At, Fragment, Scan


def pinned_at(pins: Pins, asset: str) -> At | None:
    """Return the version that the pins fix for an asset, or None for the newest one."""
    snapshot_id = pins.assets.get(asset)
    if snapshot_id is not None:
        return At(snapshot_id=snapshot_id)
    return None if pins.as_of is None else At(timestamp=pins.as_of)


def with_pins(fragment: Fragment, pins: Pins) -> Fragment:
    """Return the fragment with a pinned version, if it names none itself."""
    if not isinstance(fragment, Scan):
        return replace(fragment, input=with_pins(fragment.input, pins))
    return (
        fragment
        if fragment.at is not None
        else Scan(fragment.asset, pinned_at(pins, fragment.asset))
    )


def name_pin(error: SnapshotNotFoundError, asset: str, pins: Pins) -> SnapshotNotFoundError:
    """Return the gateway's answer for a version that only a pin names, with the pin in its hint."""
    if asset in pins.assets:
        pin = f"the pin `{asset}` = `{pins.assets[asset]}`"
    elif pins.as_of is not None:
        pin = f"`as_of` `{pins.as_of.isoformat()}`"
    else:
        return error
    hint = f"{pin} asks for it; see `%govdata versions {asset}`, then pin another snapshot or none"
    return SnapshotNotFoundError(error.message, hint=hint, detail=error.detail)
