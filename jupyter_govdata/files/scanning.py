"""Scanning a storage into an inventory, as a session asks for it. Runs in the kernel.

The gateway reads the storage; what it has read is kept, so a scan that breaks off goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jupyter_govdata.client.files import Files
from jupyter_govdata.errors import GatewayError, GatewayUnreachableError, ProtocolError

_TRIES = 5
_WAIT = 0.5


@dataclass(frozen=True, slots=True)
class InventoryScan:
    """What a scan of a storage came to.

    Args:
        asset: The inventory.
        snapshot_id: The new version, or None if nothing changed.
        added: Files that are new.
        changed: Files of another content.
        removed: Files that are not there any more.
        unchanged: Files as they were.
        unreadable: Address and reason of the first files that cannot be read.
    """

    asset: str
    snapshot_id: int | None
    added: int
    changed: int
    removed: int
    unchanged: int
    unreadable: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return (
            f"{self.asset}: {self.added:,} added, {self.changed:,} changed, "
            f"{self.removed:,} removed, {self.unchanged:,} as they were, "
            f"{len(self.unreadable):,} unreadable"
        )


def scanned(
    files: Files,
    asset: str,
    uri: str,
    purpose: str | None,
    on_progress: Callable[[int, int, int], object] | None,
) -> InventoryScan:
    """Scan, and go on after a lost gateway; see `Session.scan_inventory`."""
    lost: GatewayError | None = None
    for _ in range(_TRIES):
        try:
            for told in files.scan(asset, uri, purpose):
                if isinstance(told, dict):
                    return _scan_of(told)
                if on_progress is not None:
                    on_progress(*told)
        except GatewayError as error:
            if type(error) not in (GatewayError, GatewayUnreachableError):
                raise
            lost = error
            threading.Event().wait(_WAIT)
    raise lost or ProtocolError("the scan ended without saying what it came to")


def _scan_of(told: dict[str, Any]) -> InventoryScan:
    try:
        unreadable = tuple((str(name), str(why)) for name, why in told["unreadable"])
        snapshot = None if told["snapshot_id"] is None else int(told["snapshot_id"])
        return InventoryScan(**{**told, "unreadable": unreadable, "snapshot_id": snapshot})
    except (KeyError, TypeError, ValueError) as exc:
        raise ProtocolError("the gateway's answer about a scan does not parse") from exc
