"""What a kernel may ask the gateway to read: a small relational fragment over one asset.

The fragment is a tree so that it can grow (aggregates, top-N) without a new message. Version 1
knows ``Limit?(Project?(Filter*(Scan)))``; `flatten` is the only reader of the tree.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from jupyter_govdata.errors import ProtocolError
from jupyter_govdata.model.predicate import PUSHABLE, TRUE, Predicate, all_of, walk

MAX_PREDICATE_NODES = 10_000


@dataclass(frozen=True, slots=True)
class At:
    """Which version of an asset: exactly one of the three is set.

    Args:
        snapshot_id: Iceberg snapshot id.
        timestamp: Aware; the last version committed at or before this moment.
        tag: Name of an Iceberg tag.
    """

    snapshot_id: int | None = None
    timestamp: dt.datetime | None = None
    tag: str | None = None

    def __post_init__(self) -> None:
        if sum(x is not None for x in (self.snapshot_id, self.timestamp, self.tag)) != 1:
            raise ProtocolError("a version is named by a snapshot id, a timestamp or a tag")
        if self.timestamp is not None and self.timestamp.tzinfo is None:
            raise ProtocolError("a timestamp needs a time zone")


@dataclass(frozen=True, slots=True)
class Scan:
    """The governed rows of an asset, all columns that may be seen. `at` None means now."""

    asset: str
    at: At | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Rows of `input` for which the predicate holds, on masked values."""

    input: Fragment
    predicate: Predicate


@dataclass(frozen=True, slots=True)
class Project:
    """These columns of `input`, in this order. No column is allowed: rows are then counted."""

    input: Fragment
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `rows` rows of `input`, whichever come first."""

    input: Fragment
    rows: int


Fragment = Scan | Filter | Project | Limit


@dataclass(frozen=True, slots=True)
class FlatScan:
    """A fragment of version 1, flattened.

    `columns` None means all visible columns; `predicate` reads masked values.
    """

    asset: str
    at: At | None
    predicate: Predicate
    columns: tuple[str, ...] | None
    limit: int | None


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """A fragment and the purpose it is read for.

    Args:
        fragment: What to read.
        purpose: None takes the principal's own purpose.
        known: Tag of an answer that the client holds; if the answer would be the same one, the
            gateway says so and sends no rows.
        files: The client can read data files from a store: where it may read them as they are
            stored, the gateway may grant them beside the tickets.
    """

    fragment: Fragment
    purpose: str | None = None
    known: str = ""
    files: bool = False


def require_pushable(predicate: Predicate) -> None:
    """Check that a predicate holds only what users may push (invariant 1).

    Raises:
        ProtocolError: A node type that only policies may use, or too many nodes.
    """
    for count, node in enumerate(walk(predicate)):
        if not isinstance(node, PUSHABLE):
            raise ProtocolError(f"a scan predicate cannot hold `{type(node).__name__}`")
        if count > MAX_PREDICATE_NODES:
            raise ProtocolError("the scan predicate has too many conditions")


def flatten(fragment: Fragment) -> FlatScan:
    """Return the flat form of a fragment of version 1.

    Raises:
        ProtocolError: The nodes do not follow ``Limit?(Project?(Filter*(Scan)))``.
    """
    node = fragment
    limit: int | None = None
    columns: tuple[str, ...] | None = None
    predicate: Predicate = TRUE
    if isinstance(node, Limit):
        if node.rows < 0:
            raise ProtocolError("a limit cannot be negative")
        limit, node = node.rows, node.input
    if isinstance(node, Project):
        columns, node = node.columns, node.input
        if len(set(columns)) != len(columns):
            raise ProtocolError("a scan names a column twice")
    while isinstance(node, Filter):
        require_pushable(node.predicate)
        predicate, node = all_of(node.predicate, predicate), node.input
    if not isinstance(node, Scan):
        raise ProtocolError("a scan is `Limit?(Project?(Filter*(Scan)))`, in this order")
    return FlatScan(node.asset, node.at, predicate, columns, limit)
