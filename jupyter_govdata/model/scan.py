"""What a kernel may ask the gateway to read: a small relational fragment over one asset.

The fragment is a tree so that it can grow without a new message. It has one of three forms, which
`flatten`, the only reader of the tree, knows:

* ``Limit?(Project?(Filter*(Scan)))``: rows;
* ``Aggregate(Filter*(Scan))``: aggregates of them;
* ``First(Project?(Filter*(Scan)))``: the first ones by an order.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from jupyter_govdata.errors import ProtocolError
from jupyter_govdata.model.predicate import PUSHABLE, TRUE, Predicate, all_of, walk
from jupyter_govdata.model.summary import Aggregation, Summary, Top

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


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Aggregates of the rows of `input`."""

    input: Fragment
    aggregation: Aggregation


@dataclass(frozen=True, slots=True)
class First:
    """The first rows of `input` by an order; columns to sort by need not be projected."""

    input: Fragment
    top: Top


Fragment = Scan | Filter | Project | Limit | Aggregate | First


@dataclass(frozen=True, slots=True)
class FlatScan:
    """A fragment, flattened.

    `columns` None means all visible columns; `predicate` reads masked values. The columns of an
    aggregation are those that it reads.
    """

    asset: str
    at: At | None
    predicate: Predicate
    columns: tuple[str, ...] | None
    limit: int | None
    summary: Summary | None = None


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
    """Return the flat form of a fragment.

    Raises:
        ProtocolError: The nodes do not have one of the three forms.
    """
    node = fragment
    limit: int | None = None
    columns: tuple[str, ...] | None = None
    summary: Summary | None = None
    predicate: Predicate = TRUE
    match node:
        case Limit():
            if node.rows < 0:
                raise ProtocolError("a limit cannot be negative")
            limit, node = node.rows, node.input
        case Aggregate():
            summary, node = node.aggregation, node.input
            columns = summary.columns
        case First():
            summary, node = node.top, node.input
        case _:
            pass
    if isinstance(node, Project) and columns is None:
        columns, node = node.columns, node.input
        if len(set(columns)) != len(columns):
            raise ProtocolError("a scan names a column twice")
    while isinstance(node, Filter):
        require_pushable(node.predicate)
        predicate, node = all_of(node.predicate, predicate), node.input
    if not isinstance(node, Scan):
        raise ProtocolError(
            "a scan is `Limit?(Project?(Filter*(Scan)))`, `Aggregate(Filter*(Scan))` or "
            "`First(Project?(Filter*(Scan)))`, in this order"
        )
    return FlatScan(node.asset, node.at, predicate, columns, limit, summary)
