"""What became of a governed cell, and why, as far as two stamps tell. Pure.

Stamps are untrusted text until their signatures are checked (`jupyter_govdata.stamps.verify`);
here they only say what to tell the user.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from jupyter_govdata.model.stamp import Receipt, Stamp
from jupyter_govdata.rerun.report import (
    CAUSES,
    DIFFERENT,
    FAILED,
    FIRST_RUN,
    IDENTICAL,
    NOT_REPLAYABLE,
    NOT_RUN,
    CellReport,
)

_GONE: Mapping[str, tuple[str, str]] = {
    # name of the error: (cause, what to tell)
    "SnapshotNotFoundError": ("data", "the snapshot is not kept any more"),
    "ColumnNotFoundError": ("data", "a column is gone, or not shown to you"),
    "NotVisibleError": ("permission", "an asset is gone, or not visible to you any more"),
    "AccessDeniedError": ("permission", "the access is not permitted any more"),
    "PurposeError": ("permission", "the purpose is not declared any more"),
}
_COMPLETE, _FAILED = "complete", "failed"


def compare(
    cell: Mapping[str, Any],
    place: int,
    before: tuple[Stamp, ...],
    after: tuple[Stamp, ...],
    *,
    kept: bool = False,
) -> CellReport | None:
    """Return what became of a cell; None for one that is not governed and did not fail.

    Args:
        cell: As it stands in the notebook that was written.
        place: Its 0-based place there.
        before: Stamps that it came with.
        after: Stamps that it has now.
        kept: Its output was taken from the journal.
    """
    status = cell.get("metadata", {}).get("papermill", {}).get("status")
    error = _error(cell)
    if not before and not after and error is None:
        return None
    verdict, causes, why = _verdict(status, error, before, after)
    receipts = (r for stamp in (*before, *after) for r in stamp.receipts)
    return CellReport(
        cell_id=str(cell.get("id", f"#{place}")),
        place=place,
        verdict=verdict,
        causes=causes,
        why=why,
        assets=tuple(sorted({r.asset for r in receipts})),
        before=before,
        after=after,
        kept=kept,
    )


def _verdict(
    status: str | None,
    error: tuple[str, str] | None,
    before: tuple[Stamp, ...],
    after: tuple[Stamp, ...],
) -> tuple[str, tuple[str, ...], str]:
    if error is not None:
        name, text = error
        if before and name in _GONE:
            cause, why = _GONE[name]
            return NOT_REPLAYABLE, (cause,), f"{why}: {text}" if text else why
        return FAILED, (), f"{name}: {text}" if text else name
    if status != "completed":
        return NOT_RUN, (), "an earlier cell ended the run"
    if not before:
        return FIRST_RUN, (), ""
    causes = _causes(before, after)
    if len(before) == len(after) and all(map(_same_result, before, after)):
        return IDENTICAL, causes, f"although the {_listed(causes)} differs" if causes else ""
    if len(before) != len(after):
        return DIFFERENT, causes, f"{len(before)} stamped queries before, {len(after)} now"
    pairs = [pair for pair in zip(before, after, strict=True) if not _same_result(*pair)]
    if all("partial" in (old.status, new.status) for old, new in pairs):
        return NOT_REPLAYABLE, causes, "a result was not read to its end, so it has no digest"
    if any(stamp.status != _COMPLETE for stamp in (*before, *after)):
        was, now = (", ".join(map(_ending, side)) for side in zip(*pairs, strict=True))
        return DIFFERENT, causes, f"when it was stamped the query {was}, now it {now}"
    return DIFFERENT, causes or ("unknown",), _told(causes, before, after)


def _same_result(before: Stamp, after: Stamp) -> bool:
    if before.status != after.status:
        return False
    if before.status == _FAILED:
        return before.error == after.error  # a cell that shows a refusal still shows it
    return before.status == _COMPLETE and before.result_digest == after.result_digest


def _ending(stamp: Stamp) -> str:
    if stamp.status == _FAILED:
        return f"failed (`{stamp.error}`)"
    return {"complete": "ended", "partial": "was not read to its end"}.get(
        stamp.status, "was interrupted"
    )


def _causes(before: Sequence[Stamp], after: Sequence[Stamp]) -> tuple[str, ...]:
    """Return what differs between the facts of two rows of stamps, in the order of `CAUSES`."""
    found: set[str] = set()
    for old, new in zip_longest(before, after):
        if old is None or new is None:
            found.add("code")
            continue
        if old.query_digest != new.query_digest:
            found.add("code")
        if old.parameters_digest != new.parameters_digest:
            found.add("parameters")
        if dict(old.versions) != dict(new.versions):
            found.add("environment")
        found |= _differences(old.receipts, new.receipts)
    return tuple(cause for cause in CAUSES if cause in found)


def _differences(old: Iterable[Receipt], new: Iterable[Receipt]) -> set[str]:
    """Compare by asset: how a query is split into scans depends on code and engine."""
    was, now = _by_asset(old), _by_asset(new)
    found = set()
    for asset in was.keys() & now.keys():
        if was[asset][0] != now[asset][0]:
            found.add("data")
        if was[asset][1] != now[asset][1]:
            found.add("permission")
    return found


def _by_asset(receipts: Iterable[Receipt]) -> dict[str, tuple[set[Any], set[Any]]]:
    found: dict[str, tuple[set[Any], set[Any]]] = {}
    for r in receipts:
        data, permission = found.setdefault(r.asset, (set(), set()))
        data.add((r.snapshot_id, r.schema_id))
        # INVARIANT: a withdrawn consent changes no decision, only the epoch. Without the epoch
        # here, rows could go missing with nothing to tell of it.
        permission.add((r.principal, r.purpose, r.epoch, r.decision_id, r.filtered, r.masked))
    return found


def _told(causes: tuple[str, ...], before: Sequence[Stamp], after: Sequence[Stamp]) -> str:
    if not causes:
        return (
            "nothing that a stamp records differs: think of rows that tie in ORDER BY with LIMIT, "
            "local tables, Python values and functions such as `random()`"
        )
    parts = [_TELL[cause] for cause in causes if cause in _TELL]
    if "permission" in causes:
        was = {(r.principal, r.purpose) for s in before for r in s.receipts}
        now = {(r.principal, r.purpose) for s in after for r in s.receipts}
        if was != now:
            parts[causes.index("permission")] = "another principal or purpose asks"
    return "; ".join(parts)


_TELL = {
    "data": "another snapshot was read",
    "code": "the query was edited since it was stamped",
    "parameters": "other parameters",
    "permission": "policy or consent changed: rows or values may be shown to you differently",
    "environment": "other versions of packages",
}


def _listed(causes: tuple[str, ...]) -> str:
    return ", ".join(causes)


def _error(cell: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return name and text of the error that ended a cell; not of one that it was to raise."""
    ours = cell.get("metadata", {}).get("papermill", {})
    if ours.get("status") != "failed" and not ours.get("exception"):
        return None
    for output in reversed(cell.get("outputs", [])):
        if output.get("output_type") == "error":
            text = str(output.get("evalue", "")).split("\n", 1)[0]
            return str(output.get("ename", "Error")), text
    return "Error", ""
