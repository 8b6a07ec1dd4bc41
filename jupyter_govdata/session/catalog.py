"""The catalog as one session sees it. Runs in the kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jupyter_govdata.model.asset import Snapshot
from jupyter_govdata.model.scan import At
from jupyter_govdata.model.view import AssetSummary, AssetView
from jupyter_govdata.model.wire_browsing import versions_from_wire
from jupyter_govdata.model.wire_views import summary_from_wire
from jupyter_govdata.session.conditions import version


class SessionCatalog:
    """What exists, as this principal may see it."""

    def __init__(
        self,
        act: Callable[[str, dict[str, Any]], Any],
        view: Callable[[str, At | None], AssetView],
    ) -> None:
        self._act = act
        self._view = view

    def names(self, purpose: str | None = None) -> tuple[int, tuple[str, ...]]:
        """Return the epoch and the names of all visible assets, sorted; cheaper than `ls`."""
        answer = self._act("names", _asked(purpose))
        return int(answer["epoch"]), tuple(answer["names"])

    def ls(self, namespace: str | None = None, purpose: str | None = None) -> list[AssetSummary]:
        """List visible assets, sorted by name; under the session's purpose by default."""
        asked = {"namespace": namespace, **_asked(purpose)}
        return [summary_from_wire(s) for s in self._act("ls", asked)]

    def search(self, text: str) -> list[AssetSummary]:
        """List visible assets that hold every word in name, description, tags or columns."""
        return [summary_from_wire(s) for s in self._act("search", {"text": text})]

    def describe(self, asset: str, at: At | int | str | None = None) -> AssetView:
        """Return the card of an asset, now or at a version.

        Raises:
            NotVisibleError: Missing or hidden.
        """
        return self._view(asset, version(at))

    def versions(self, asset: str) -> list[Snapshot]:
        """List snapshots, newest first.

        Raises:
            RefusalError: Not visible, or not readable.
        """
        page = versions_from_wire(self._act("versions", {"asset": asset}))
        return [version.snapshot for version in page.versions]

    def tag(self, asset: str, tag: str, snapshot_id: int) -> None:
        """Name a snapshot.

        Raises:
            AccessDeniedError: `manage` is not permitted.
        """
        self._act("tag", {"asset": asset, "tag": tag, "snapshot_id": str(snapshot_id)})

    def rename_column(self, asset: str, old: str, new: str) -> None:
        """Rename a column; old snapshots keep the old name.

        Raises:
            AccessDeniedError: `manage` is not permitted.
        """
        self._act("rename_column", {"asset": asset, "old": old, "new": new})


def _asked(purpose: str | None) -> dict[str, Any]:
    return {} if purpose is None else {"purpose": purpose}
