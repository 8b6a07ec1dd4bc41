"""The versions of an asset: pages, comparisons, citations. Runs in the gateway.

SECURITY: row counts are told only to those who see all rows, and a column only where today's
card knows it and today's decision shows it (invariants 2, 3 and 5).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from jupyter_govdata.catalog import Catalog, Step
from jupyter_govdata.errors import NotVisibleError, SnapshotNotFoundError
from jupyter_govdata.gateway.access import Access
from jupyter_govdata.model.asset import Asset, Snapshot
from jupyter_govdata.model.browsing import (
    AssetVersion,
    Citation,
    ColumnChange,
    Comparison,
    VersionPage,
)
from jupyter_govdata.model.decision import Decision
from jupyter_govdata.model.plan import PlanColumn
from jupyter_govdata.model.predicate import TRUE
from jupyter_govdata.model.scan import At


def told(snapshot: Snapshot, decision: Decision) -> Snapshot:
    """Return a snapshot without what would count hidden rows (T31)."""
    if decision.row_filter == TRUE:
        return snapshot
    return replace(snapshot, added_rows=None, removed_rows=None, total_rows=None, provenance={})


class Versions:
    """Answers questions about versions for one principal at a time."""

    def __init__(self, access: Access, catalog: Catalog) -> None:
        self._access = access
        self._catalog = catalog

    def page(
        self, principal: str, asset: str, declared: str | None, offset: int, limit: int | None
    ) -> VersionPage:
        """List an asset's versions, newest first.

        Row counts are shown only to those who see all rows: under a row filter they would count
        hidden rows.

        Raises:
            RefusalError: Not visible, or `select` is not permitted.
        """
        state, _, decision = self._access.select(principal, asset, declared)
        shown = _shown(state.assets[asset], decision)
        try:
            total, steps = self._catalog.history(asset, offset, limit)
        except NotVisibleError:
            return VersionPage(0, ())  # a card without data yet
        return VersionPage(
            total,
            tuple(
                AssetVersion(told(step.snapshot, decision), _since(step, decision, shown))
                for step in steps
            ),
        )

    def compare(
        self, principal: str, asset: str, declared: str | None, older: int, newer: int
    ) -> Comparison:
        """Return what lies between two versions.

        Raises:
            RefusalError: Not visible, or `select` is not permitted.
            SnapshotNotFoundError: No such version.
        """
        state, _, decision = self._access.select(principal, asset, declared)
        first = self._catalog.resolve(asset, At(snapshot_id=older))
        second = self._catalog.resolve(asset, At(snapshot_id=newer))
        added, removed = self._rows(asset, older, newer, decision)
        shown = _shown(state.assets[asset], decision)
        changes = _changes(first.columns, second.columns, shown)
        return Comparison(asset, older, newer, added, removed, changes)

    def _rows(
        self, asset: str, older: int, newer: int, decision: Decision
    ) -> tuple[int | None, int | None]:
        if decision.row_filter != TRUE:
            return None, None
        _, steps = self._catalog.history(asset)
        kept = [step.snapshot for step in reversed(steps)]
        at = {snapshot.snapshot_id: i for i, snapshot in enumerate(kept)}
        start, end = at.get(older, -1), at.get(newer, -1)
        between = kept[min(start, end) + 1 : max(start, end) + 1]
        added = _sum(s.added_rows for s in between)
        removed = _sum(s.removed_rows for s in between)
        return (added, removed) if start <= end else (removed, added)

    def cite(self, principal: str, asset: str, declared: str | None, at: At | None) -> Citation:
        """Return how to cite a version of an asset.

        Raises:
            RefusalError: Not visible, or `select` is not permitted.
            SnapshotNotFoundError: No such version, or there is no data yet.
        """
        state, _, _ = self._access.select(principal, asset, declared)
        try:
            version = self._catalog.resolve(asset, at)
        except NotVisibleError as exc:
            raise SnapshotNotFoundError(f"`{asset}` has no data yet") from exc
        return citation(state.assets[asset], version.snapshot_id, version.committed_at)


def _sum(counts: Iterable[int | None]) -> int | None:
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total


def _shown(card: Asset, decision: Decision) -> dict[int, str]:
    """Return field id -> shown type (empty: as stored) of the columns that may be seen."""
    return {
        c.field_id: "masked" if c.name in decision.masks else ""
        for c in card.columns
        if c.field_id and c.name not in decision.hidden
    }


def _since(step: Step, decision: Decision, shown: dict[int, str]) -> tuple[ColumnChange, ...]:
    del decision
    return () if step.before is None else _changes(step.before, step.columns, shown)


def _changes(
    before: Sequence[PlanColumn], after: Sequence[PlanColumn], shown: dict[int, str]
) -> tuple[ColumnChange, ...]:
    old = {c.field_id: c for c in before if c.field_id in shown}
    new = {c.field_id: c for c in after if c.field_id in shown}
    found: list[ColumnChange] = []
    for key, column in new.items():
        if key not in old:
            found.append(ColumnChange(column.name, "added", "", _type(column, shown)))
            continue
        if old[key].name != column.name:
            found.append(ColumnChange(column.name, "renamed", old[key].name, column.name))
        if old[key].type != column.type and not shown[key]:
            found.append(ColumnChange(column.name, "retyped", old[key].type, column.type))
    found += [
        ColumnChange(c.name, "removed", _type(c, shown), "") for k, c in old.items() if k not in new
    ]
    return tuple(found)


def _type(column: PlanColumn, shown: dict[int, str]) -> str:
    return shown[column.field_id] or column.type


def citation(card: Asset, snapshot_id: int, committed_at: dt.datetime | None) -> Citation:
    """Return how to cite a version: who, when, what, which, under which terms."""
    year = str(committed_at.year) if committed_at is not None else "n.d."
    date = committed_at.date().isoformat() if committed_at is not None else ""
    author = card.source.rstrip(". ") or card.owner or card.steward
    facts = {
        "author": author,
        "year": year,
        "title": card.name,
        "version": str(snapshot_id),
        "date": date,
        "licence": card.licence,
        "description": card.description,
    }
    parts = [f"{author} ({year})", f"{card.name} [dataset]", f"version {snapshot_id}"]
    text = ". ".join(parts) + (f", {date}." if date else ".")
    text += f" Licence: {card.licence.rstrip('.')}." if card.licence else ""
    fields = {
        "author": f"{{{_tex(author)}}}",
        "title": f"{{{_tex(card.name)}}}",
        "year": _tex(year),
        "version": str(snapshot_id),
        "date": date,
        "note": _tex(f"Licence: {card.licence}") if card.licence else "",
    }
    key = re.sub(r"[^A-Za-z0-9]+", "_", card.name) + f"_{snapshot_id}"
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    bibtex = "\n".join([f"@misc{{{key},", *lines, "}"])
    return Citation(text, bibtex, {k: v for k, v in facts.items() if v})


_TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def _tex(text: str) -> str:
    return "".join(_TEX.get(char, char) for char in " ".join(text.split()))
