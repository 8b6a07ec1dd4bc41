"""Looking around in the catalog, as one session does it. Runs in the kernel or a surface's server.

Everything here is what the gateway told this principal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jupyter_govdata.model.browsing import CatalogPage, Citation, Comparison, Lineage, VersionPage
from jupyter_govdata.model.scan import At
from jupyter_govdata.model.wire import at_to_wire
from jupyter_govdata.model.wire_browsing import (
    catalog_page_from_wire,
    citation_from_wire,
    comparison_from_wire,
    lineage_from_wire,
    versions_from_wire,
)
from jupyter_govdata.session.conditions import version
from jupyter_govdata.session.holding import asked


class BrowsingMixin:
    """What a session may ask about assets and their versions."""

    def _act(self, action: str, data: dict[str, Any]) -> Any:
        raise NotImplementedError

    def browse(
        self,
        text: str = "",
        *,
        namespace: str = "",
        modality: Sequence[str] = (),
        tag: Sequence[str] = (),
        owner: Sequence[str] = (),
        readable: bool = False,
        grouped: bool = False,
        offset: int = 0,
        limit: int = 50,
        purpose: str | None = None,
    ) -> CatalogPage:
        """Return a page of the visible assets, with counts by namespace, modality, tag and owner.

        Args:
            text: Words that all have to occur in name, description, tags or visible columns.
            namespace: Only of this namespace.
            modality: Any of these values of the tag `modality`.
            tag: All of these tags, ``key`` or ``key=value``.
            owner: Any of these owners.
            readable: Only what you may read.
            grouped: Sort by namespace first.
            offset: First entry of the page, from 0.
            limit: Entries of the page, at most 500.
            purpose: Instead of the session's.

        Raises:
            PurposeError: A purpose that the lake does not know.
        """
        data = {
            "text": text,
            "namespace": namespace,
            "modality": list(modality),
            "tag": list(tag),
            "owner": list(owner),
            "readable": readable,
            "grouped": grouped,
            "offset": offset,
            "limit": limit,
        }
        return catalog_page_from_wire(self._act("browse", data | asked(purpose)))

    def versions(
        self, asset: str, *, offset: int = 0, limit: int = 50, purpose: str | None = None
    ) -> VersionPage:
        """Return a page of an asset's versions, newest first, with changes of columns.

        Raises:
            RefusalError: Not visible, or not readable.
        """
        data = {"asset": asset, "offset": offset, "limit": limit}
        return versions_from_wire(self._act("versions", data | asked(purpose)))

    def compare_versions(
        self, asset: str, older: int, newer: int, *, purpose: str | None = None
    ) -> Comparison:
        """Return the rows and columns that changed from one version to another.

        Raises:
            RefusalError: Not visible, or not readable.
            SnapshotNotFoundError: No such version.
        """
        data = {"asset": asset, "from": str(older), "to": str(newer)}
        return comparison_from_wire(self._act("compare_versions", data | asked(purpose)))

    def lineage(self, asset: str, *, depth: int = 3, purpose: str | None = None) -> Lineage:
        """Return what an asset was made from, and what was made from it, `depth` steps far.

        Raises:
            NotVisibleError: Missing or hidden.
        """
        data = {"asset": asset, "depth": depth}
        return lineage_from_wire(self._act("lineage", data | asked(purpose)))

    def citation(
        self, asset: str, at: At | int | str | None = None, *, purpose: str | None = None
    ) -> Citation:
        """Return how to cite an asset, now or at a version.

        Raises:
            RefusalError: Not visible, or not readable.
            SnapshotNotFoundError: No such version, or there is no data yet.
        """
        data = {"asset": asset, "at": at_to_wire(version(at))}
        return citation_from_wire(self._act("citation", data | asked(purpose)))
