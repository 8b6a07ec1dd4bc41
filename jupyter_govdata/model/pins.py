"""Pins: assets fixed to snapshots. Frozen values; the JSON form is that of a pin file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_govdata.errors import ConfigError

PIN_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Pins:
    """Which snapshot an asset is read at where the query names no version itself.

    What a cell read comes first, then what the notebook read, then `as_of`, then the newest
    snapshot. A pin fixes data only: permission is decided as of today (invariant 3).

    Args:
        assets: Asset name -> snapshot id, for the whole notebook.
        cells: Cell id -> asset name -> snapshot id, where cells read different snapshots.
        as_of: Every other asset is read as it was at this moment (aware).
    """

    assets: Mapping[str, int] = field(default_factory=dict)
    cells: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    as_of: dt.datetime | None = None

    def __bool__(self) -> bool:
        return bool(self.assets or self.cells or self.as_of)

    def for_cell(self, cell_id: str | None) -> Pins:
        """Return the pins that hold in one cell, without those of other cells."""
        own = self.cells.get(cell_id or "", {})
        return Pins({**self.assets, **own}, {}, self.as_of)

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form; snapshot ids are text, for JavaScript would change them."""
        return {
            "v": PIN_FORMAT,
            "assets": {name: str(pin) for name, pin in sorted(self.assets.items())},
            "cells": {
                cell: {name: str(pin) for name, pin in sorted(pins.items())}
                for cell, pins in self.cells.items()
            },
            "as_of": self.as_of.isoformat() if self.as_of else None,
        }

    @classmethod
    def from_wire(cls, data: Any) -> Pins:
        """Reverse `to_wire`; `cells` and `as_of` may be left out.

        Raises:
            ConfigError: Not a pin file, or one of a newer version.
        """
        if not isinstance(data, Mapping) or data.get("v") != PIN_FORMAT:
            raise ConfigError(
                "this is not a pin file",
                hint='it looks like {"v": 1, "assets": {"trials.outcomes": "123"}}',
            )
        try:
            as_of = data.get("as_of")
            moment = None if as_of is None else dt.datetime.fromisoformat(as_of)
            return cls(
                _snapshots(data.get("assets", {})),
                {str(cell): _snapshots(pins) for cell, pins in data.get("cells", {}).items()},
                moment if moment is None or moment.tzinfo else moment.replace(tzinfo=dt.UTC),
            )
        except (AttributeError, TypeError, ValueError) as exc:
            raise ConfigError(
                "a pin file maps asset names to snapshot ids",
                hint="`as_of` is an ISO time, UTC unless it says otherwise",
            ) from exc


def _snapshots(data: Mapping[str, Any]) -> dict[str, int]:
    if any(isinstance(pin, bool | float) for pin in data.values()):
        raise TypeError
    return {str(name): int(pin) for name, pin in data.items()}
