"""What the statements of a query read, and whether it fits together. Runs in the kernel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from jupyter_govdata.errors import StaleDecisionError
from jupyter_govdata.model.predicate import columns_of
from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.model.view import AssetView
from jupyter_govdata.query.reads import OpenScan, Reads


@dataclass(frozen=True, slots=True)
class Account:
    """What was read so far.

    Args:
        receipts: Of the governed scans, sorted, equal ones once.
        pins: Asset name -> snapshot id of what was read without a version in the query's text.
        scanned_rows: Rows that the gateway sent.
        scanned_bytes: Their size in Arrow's memory format.
        columns: Asset name -> columns that were read or filtered by, sorted.
    """

    receipts: tuple[Receipt, ...] = ()
    pins: Mapping[str, int] = field(default_factory=dict)
    scanned_rows: int = 0
    scanned_bytes: int = 0
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def in_order(receipts: Iterable[Receipt]) -> tuple[Receipt, ...]:
    """Return the receipts sorted, equal ones once."""
    return tuple(sorted(set(receipts), key=lambda r: (r.asset, r.snapshot_id, r.fragment_digest)))


def account_of(done: Sequence[Reads]) -> Account:
    """Return what these statements read."""
    read = [pair for reads in done for pair in reads.receipts()]
    return Account(
        receipts=in_order(receipt for receipt, _ in read),
        pins={receipt.asset: receipt.snapshot_id for receipt, at in read if at is None},
        scanned_rows=sum(reads.rows for reads in done),
        scanned_bytes=sum(reads.bytes for reads in done),
        columns=_columns(opened for reads in done for opened in reads.opened()),
    )


def _columns(scans: Iterable[OpenScan]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for opened in scans:
        scan = opened.scan
        shown = opened.stream.schema.names if scan.columns is None else scan.columns
        found.setdefault(scan.asset, set()).update(shown, columns_of(scan.predicate))
    return {asset: tuple(sorted(names)) for asset, names in sorted(found.items())}


def purpose_of(done: Sequence[Reads], views: Mapping[str, AssetView], declared: str | None) -> str:
    """Return the purpose that was decided on, or empty."""
    receipts = [receipt.purpose for receipt in account_of(done).receipts]
    return next(filter(None, [*receipts, *(v.purpose for v in views.values())]), declared or "")


def check_one_snapshot(reads: Reads) -> None:
    """Check that an asset read twice was read at one snapshot (a commit may come between).

    Raises:
        StaleDecisionError: Running the statement again gets one.
    """
    seen: dict[str, int] = {}
    for receipt, at in reads.receipts():
        if at is None and seen.setdefault(receipt.asset, receipt.snapshot_id) != (
            receipt.snapshot_id
        ):
            raise StaleDecisionError(
                f"`{receipt.asset}` changed while the query read it twice",
                hint="run it again, or pin it with `AT (VERSION => ...)`",
            )


def check_same_read(before: Sequence[Reads], after: Sequence[Reads]) -> None:
    """Check that a statement that was run again read what it read before, as permitted before.

    Raises:
        StaleDecisionError: The policy state, or what a tag or a time names, is another one.
    """
    first = [pair for reads in before for pair in reads.receipts()]
    second = [pair for reads in after for pair in reads.receipts()]
    known = {(receipt.asset, at): receipt.snapshot_id for receipt, at in first}
    epochs = {receipt.epoch for receipt, _ in first}
    for receipt, at in second:
        if epochs and receipt.epoch not in epochs:
            raise StaleDecisionError(
                "policy or consent changed after the first rows of this result were read",
                hint="run the query again to get what is permitted now",
            )
        if known.get((receipt.asset, at), receipt.snapshot_id) != receipt.snapshot_id:
            raise StaleDecisionError(
                f"a version of `{receipt.asset}` that the query names was moved",
                hint="run the query again",
            )
