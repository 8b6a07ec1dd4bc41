"""JSON forms of catalog questions and answers. Runs everywhere, trusts nothing.

Snapshot ids travel as texts: they have 64 bits, and a browser's numbers do not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jupyter_govdata.errors import ProtocolError
from jupyter_govdata.model.asset import Snapshot
from jupyter_govdata.model.browsing import (
    MAX_PAGE,
    AssetVersion,
    Browse,
    CatalogPage,
    Citation,
    ColumnChange,
    Comparison,
    FacetCount,
    Lineage,
    LineageEdge,
    LineageNode,
    NamespaceCount,
    VersionPage,
)
from jupyter_govdata.model.wire import snapshot_from_wire, to_wire
from jupyter_govdata.model.wire_views import summary_from_wire

MAX_TEXT = 500
MAX_CHOICES = 100
_NUMBER = re.compile(r"-?[0-9]{1,19}")


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise ProtocolError(f"`{key}` must be a text of at most {MAX_TEXT} characters")
    return value


def _texts(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = data.get(key) or []
    if (
        not isinstance(value, list)
        or len(value) > MAX_CHOICES
        or not all(isinstance(v, str) and len(v) <= MAX_TEXT for v in value)
    ):
        raise ProtocolError(f"`{key}` is a list of at most {MAX_CHOICES} texts")
    return tuple(value)


def _flag(data: Mapping[str, Any], key: str) -> bool:
    value = data.get(key, False)
    if not isinstance(value, bool):
        raise ProtocolError(f"`{key}` is true or false")
    return value


def whole_number(data: Mapping[str, Any], key: str, low: int, high: int, otherwise: int) -> int:
    """Return a number of a message, within bounds.

    Raises:
        ProtocolError: Not a whole number, or out of bounds.
    """
    value = data.get(key)
    if value is None:
        return otherwise
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ProtocolError(f"`{key}` is a whole number from {low} to {high}")
    return value


def page_of(data: Mapping[str, Any]) -> tuple[int, int]:
    """Return `offset` and `limit` of a message.

    Raises:
        ProtocolError: Not whole numbers, or out of bounds.
    """
    offset = whole_number(data, "offset", 0, 10**9, 0)
    return offset, whole_number(data, "limit", 0, MAX_PAGE, 50)


def browse_from_wire(data: Mapping[str, Any]) -> Browse:
    """Return the question of a `browse` message.

    Raises:
        ProtocolError: Malformed.
    """
    offset, limit = page_of(data)
    return Browse(
        text=_text(data, "text"),
        namespace=_text(data, "namespace"),
        modality=_texts(data, "modality"),
        tag=_texts(data, "tag"),
        owner=_texts(data, "owner"),
        readable=_flag(data, "readable"),
        grouped=_flag(data, "grouped"),
        offset=offset,
        limit=limit,
    )


def catalog_page_from_wire(data: Mapping[str, Any]) -> CatalogPage:
    """Reverse `to_wire` for a `CatalogPage`."""
    return CatalogPage(
        epoch=data["epoch"],
        total=data["total"],
        namespaces=tuple(NamespaceCount(**n) for n in data["namespaces"]),
        facets={
            name: tuple(FacetCount(**value) for value in values)
            for name, values in data["facets"].items()
        },
        assets=tuple(summary_from_wire(s) for s in data["assets"]),
    )


def _id(snapshot_id: int | None) -> str | None:
    return None if snapshot_id is None else str(snapshot_id)


def _from_id(data: Any) -> int | None:
    if data is None:
        return None
    if not isinstance(data, str) or not _NUMBER.fullmatch(data):
        raise ProtocolError("a snapshot id is a whole number as text")
    return int(data)


def snapshot_id_of(data: Mapping[str, Any], key: str) -> int:
    """Return a snapshot id of a message.

    Raises:
        ProtocolError: Not a whole number as text.
    """
    found = _from_id(data.get(key))
    if found is None:
        raise ProtocolError(f"`{key}` is the id of a snapshot")
    return found


def _change_to_wire(change: ColumnChange) -> dict[str, Any]:
    return {
        "column": change.column,
        "change": change.change,
        "from": change.before,
        "to": change.after,
    }


def _changes_from_wire(data: Any) -> tuple[ColumnChange, ...]:
    return tuple(ColumnChange(c["column"], c["change"], c["from"], c["to"]) for c in data)


def snapshot_to_text(snapshot: Snapshot) -> dict[str, Any]:
    """Return the JSON form of a snapshot with its id as text."""
    wire: dict[str, Any] = to_wire(snapshot)
    return {**wire, "snapshot_id": str(snapshot.snapshot_id)}


def versions_to_wire(page: VersionPage) -> dict[str, Any]:
    """Return the JSON form of a page of versions: snapshots, each with its `schema` changes."""
    return {
        "total": page.total,
        "versions": [
            {**snapshot_to_text(v.snapshot), "schema": [_change_to_wire(c) for c in v.schema]}
            for v in page.versions
        ],
    }


def versions_from_wire(data: Mapping[str, Any]) -> VersionPage:
    """Reverse `versions_to_wire`."""
    found = []
    for version in data["versions"]:
        fields = {k: v for k, v in version.items() if k != "schema"}
        fields["snapshot_id"] = _from_id(fields["snapshot_id"])
        changes = _changes_from_wire(version["schema"])
        found.append(AssetVersion(snapshot_from_wire(fields), changes))
    return VersionPage(data["total"], tuple(found))


def comparison_to_wire(found: Comparison) -> dict[str, Any]:
    """Return the JSON form of a comparison."""
    return {
        "asset": found.asset,
        "from": _id(found.older),
        "to": _id(found.newer),
        "added_rows": found.added_rows,
        "removed_rows": found.removed_rows,
        "schema": [_change_to_wire(c) for c in found.schema],
    }


def comparison_from_wire(data: Mapping[str, Any]) -> Comparison:
    """Reverse `comparison_to_wire`."""
    return Comparison(
        asset=data["asset"],
        older=snapshot_id_of(data, "from"),
        newer=snapshot_id_of(data, "to"),
        added_rows=data["added_rows"],
        removed_rows=data["removed_rows"],
        schema=_changes_from_wire(data["schema"]),
    )


def lineage_to_wire(graph: Lineage) -> dict[str, Any]:
    """Return the JSON form of a lineage graph."""
    return {
        "nodes": [to_wire(node) for node in graph.nodes],
        "edges": [
            {
                "from": edge.origin,
                "to": edge.target,
                "snapshot_id": _id(edge.snapshot_id),
                "from_snapshot_id": _id(edge.origin_snapshot_id),
                "by": edge.by,
                "proof": edge.proof,
            }
            for edge in graph.edges
        ],
        "complete": graph.complete,
    }


def lineage_from_wire(data: Mapping[str, Any]) -> Lineage:
    """Reverse `lineage_to_wire`."""
    return Lineage(
        nodes=tuple(LineageNode(**node) for node in data["nodes"]),
        edges=tuple(
            LineageEdge(
                edge["from"],
                edge["to"],
                _from_id(edge["snapshot_id"]),
                _from_id(edge["from_snapshot_id"]),
                edge["by"],
                edge["proof"],
            )
            for edge in data["edges"]
        ),
        complete=data["complete"],
    )


def citation_from_wire(data: Mapping[str, Any]) -> Citation:
    """Reverse `to_wire` for a `Citation`."""
    return Citation(data["text"], data["bibtex"], dict(data["facts"]))
