"""Questions about the catalog and their answers: pages, versions, lineage, citations.

Runs everywhere. Answers are made in the gateway and hold nothing that the principal may not see;
no number in them counts a hidden asset, column or row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from jupyter_govdata.model.asset import Snapshot
from jupyter_govdata.model.view import AssetSummary

MAX_PAGE = 500
"""Most entries of one page."""
MAX_DEPTH = 10
"""Most steps of a lineage graph."""

ColumnChangeKind = Literal["added", "removed", "renamed", "retyped"]
EdgeProof = Literal["receipt", "declared", "load"]


@dataclass(frozen=True, slots=True)
class Browse:
    """What to look for; empty fields ask for everything.

    Args:
        text: Words that all have to occur in name, description, tags or visible columns.
        namespace: Only of this namespace.
        modality: Any of these values of the tag `modality`.
        tag: All of these tags: ``key`` or ``key=value``.
        owner: Any of these owners.
        readable: Only where `select` is permitted.
        grouped: Sort by namespace first, as a tree shows them.
        offset: First entry of the page, from 0.
        limit: Entries of the page, at most `MAX_PAGE`.
    """

    text: str = ""
    namespace: str = ""
    modality: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    owner: tuple[str, ...] = ()
    readable: bool = False
    grouped: bool = False
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True)
class NamespaceCount:
    """How many of the assets that were found a namespace holds."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class FacetCount:
    """How many of the assets that were found have a value."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class CatalogPage:
    """A page of the assets that were found.

    Args:
        epoch: Version of the policy state.
        total: Assets found, on all pages.
        namespaces: Of what would be found in all namespaces, by name.
        facets: ``modality``, ``tag`` and ``owner``: values by falling count. The counts of
            `modality` and `owner` leave their own choice out.
        assets: Those of the page; whose names match first (in their namespace, where that was
            asked for), then by name.
    """

    epoch: int
    total: int
    namespaces: tuple[NamespaceCount, ...]
    facets: Mapping[str, tuple[FacetCount, ...]]
    assets: tuple[AssetSummary, ...]


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """What happened to a column between two versions.

    Args:
        column: Its name now; of a removed one its last name.
        change: What happened.
        before: Name before (renamed), type before (retyped, removed), or empty.
        after: Name after (renamed), type after (retyped, added), or empty.
    """

    column: str
    change: ColumnChangeKind
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class AssetVersion:
    """A snapshot and what it did to the columns since the one before it."""

    snapshot: Snapshot
    schema: tuple[ColumnChange, ...] = ()


@dataclass(frozen=True, slots=True)
class VersionPage:
    """A page of versions, newest first; `total` counts all pages."""

    total: int
    versions: tuple[AssetVersion, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What lies between two versions of an asset.

    Args:
        asset: Asset name.
        older: Snapshot id.
        newer: Snapshot id.
        added_rows: Rows written from `older` to `newer`; None where a row filter applies, or
            where a version between them is gone.
        removed_rows: Rows removed, or None alike.
        schema: Changes of columns, in the order of the newer schema.
    """

    asset: str
    older: int
    newer: int
    added_rows: int | None
    removed_rows: int | None
    schema: tuple[ColumnChange, ...]


@dataclass(frozen=True, slots=True)
class LineageNode:
    """An asset, or what was loaded from outside the lake (kind ``source``)."""

    id: str
    name: str
    kind: str
    visible: bool = True


@dataclass(frozen=True, slots=True)
class LineageEdge:
    """Data went from one node to another.

    Args:
        origin: Node id.
        target: Node id.
        snapshot_id: Version of the target that was made, or None where it is not to be told.
        origin_snapshot_id: Version of the origin that was read, or None alike.
        by: Principal who loaded it, or empty where it is not to be told.
        proof: ``receipt``: the gateway signed what was read; ``declared``: the loader said so;
            ``load``: the loader named a source outside the lake.
    """

    origin: str
    target: str
    snapshot_id: int | None = None
    origin_snapshot_id: int | None = None
    by: str = ""
    proof: EdgeProof = "load"


@dataclass(frozen=True, slots=True)
class Lineage:
    """A graph around an asset; what is hidden is not in it.

    Args:
        nodes: The asset first, then by distance and name.
        edges: Between these nodes.
        complete: False if the graph goes on beyond what was asked for.
    """

    nodes: tuple[LineageNode, ...] = ()
    edges: tuple[LineageEdge, ...] = ()
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Citation:
    """How to cite a version of an asset."""

    text: str
    bibtex: str
    facts: Mapping[str, str] = field(default_factory=dict)
