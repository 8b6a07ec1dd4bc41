"""Holding snapshots against expiry, as one session does it. Runs in the kernel."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_govdata.errors import ConfigError

_LENGTH = re.compile(r"([1-9][0-9]{0,4})\s*(d|w|m|y)")
_DAYS = {"d": 1, "w": 7}
_MONTHS = {"m": 1, "y": 12}


@dataclass(frozen=True, slots=True)
class Held:
    """A snapshot that is held.

    Args:
        asset: Asset name.
        name: Of the hold.
        snapshot_id: What is held.
        until: When the hold lapses.
    """

    asset: str
    name: str
    snapshot_id: int
    until: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Kept:
    """Until when a snapshot is kept.

    Args:
        why: ``newest``, ``tagged``, ``held``, ``retention``, or ``open``: until somebody expires
            it.
        until: The moment, or None where `why` says no moment.
    """

    why: str
    until: dt.datetime | None


class HoldingMixin:
    """What a session may do about the lifetime of snapshots."""

    def _act(self, action: str, data: dict[str, Any]) -> Any:
        raise NotImplementedError

    def hold(
        self,
        asset: str,
        snapshot_id: int,
        *,
        name: str,
        until: dt.datetime | str,
        purpose: str | None = None,
    ) -> Held:
        """Keep a snapshot from expiring; a hold of the same name on it gets the new end.

        Args:
            asset: ``namespace.name``.
            snapshot_id: The snapshot.
            name: To release it by.
            until: Aware moment, or a length of time from now: ``90d``, ``6m``, ``5y``.
            purpose: Instead of the session's.

        Raises:
            RefusalError: Not visible, or `hold` is not permitted.
            SnapshotNotFoundError: No such snapshot.
        """
        moment = end_of(until, dt.datetime.now(dt.UTC)) if isinstance(until, str) else until
        if moment.tzinfo is None:
            raise ConfigError("the end of a hold needs a time zone")
        data = {
            "asset": asset,
            "snapshot_id": str(snapshot_id),
            "name": name,
            "until": moment.isoformat(),
        }
        return _held(asset, self._act("hold", data | asked(purpose)))

    def release(
        self, name: str, *, asset: str | None = None, holder: str | None = None
    ) -> list[Held]:
        """Let go of everything held under a name, and return it.

        Args:
            name: As given to `hold`.
            asset: Of this asset only; otherwise of all that are visible.
            holder: Somebody else's holds; needs `manage` on the asset.

        Raises:
            RefusalError: `asset` is not visible, or `manage` is needed and not permitted.
        """
        data = {"name": name, "asset": asset, "holder": holder}
        return [_held(h["asset"], h) for h in self._act("release", data)["released"]]

    def holds(self, asset: str) -> list[Held]:
        """List your holds of an asset.

        Raises:
            RefusalError: Not visible, or not readable.
        """
        return [_held(asset, h) for h in self._act("holds", {"asset": asset})["holds"]]

    def lifetimes(self, asset: str, *, purpose: str | None = None) -> Mapping[int, Kept]:
        """Return until when each snapshot of an asset is kept.

        Args:
            asset: ``namespace.name``.
            purpose: Instead of the session's.

        Raises:
            RefusalError: Not visible, or not readable.
        """
        found = self._act("holds", {"asset": asset} | asked(purpose))["snapshots"]
        return {int(s["snapshot_id"]): Kept(str(s["why"]), _moment(s["until"])) for s in found}


def end_of(length: str, start: dt.datetime) -> dt.datetime:
    """Return the moment a length of time after another: ``90d``, ``2w``, ``6m``, ``5y``.

    Raises:
        ConfigError: Not a length of time, or beyond the calendar.
    """
    match = _LENGTH.fullmatch(length.strip().lower())
    if match is None:
        raise ConfigError(
            f"`{length[:50]}` is not a length of time", hint="write `90d`, `2w`, `6m` or `5y`"
        )
    count, unit = int(match[1]), match[2]
    try:
        if unit in _DAYS:
            return start + dt.timedelta(days=count * _DAYS[unit])
        months = start.year * 12 + start.month - 1 + count * _MONTHS[unit]
        first = start.replace(year=months // 12, month=months % 12 + 1, day=1)
        # The day of the month, or the month's last one: 31 January and a month is 28 February.
        following = (first.replace(day=28) + dt.timedelta(days=4)).replace(day=1)
        return min(first + dt.timedelta(days=start.day - 1), following - dt.timedelta(days=1))
    except (ValueError, OverflowError) as exc:
        raise ConfigError(f"`{length[:50]}` is beyond the calendar") from exc


def asked(purpose: str | None) -> dict[str, Any]:
    """Return a purpose as a field of a message; None leaves it to the session."""
    return {} if purpose is None else {"purpose": purpose}


def _held(asset: str, data: Mapping[str, Any]) -> Held:
    return Held(asset, str(data["name"]), int(data["snapshot_id"]), _moment(data["until"]))


def _moment(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text)
