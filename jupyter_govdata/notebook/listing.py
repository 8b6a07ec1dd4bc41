"""Small tables that ``%govdata`` answers with. Runs in the kernel.

Everything shown is what the gateway told this principal; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_govdata.model.asset import Asset, Snapshot
from jupyter_govdata.model.view import AssetSummary, AssetView
from jupyter_govdata.notebook.lazy import LazyModule

_html = LazyModule("jupyter_govdata.query.show.html_table")
_text = LazyModule("jupyter_govdata.query.show.text_table")


@dataclass(frozen=True, slots=True)
class Listing:
    """A table of facts; `rows` is what it shows, for use in Python.

    Args:
        header: Names of the columns.
        rows: Texts, numbers and None.
        notes: Lines below the table.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        width = _text.terminal_width()
        right = [
            bool(self.rows) and all(isinstance(row[i], int) for row in self.rows)
            for i in range(len(self.header))
        ]
        cells = [
            ["" if row[i] is None else _text.cell_text(row[i], None) for row in self.rows]
            for i in range(len(self.header))
        ]
        lines = _text.listing_lines(self.header, cells, right, width)
        return "\n".join([*lines, *(line for n in self.notes for line in _text.note(n, width))])

    def _repr_html_(self) -> str:
        html: str = _html.listing_html(self.header, self.rows, self.notes)
        return html


def whoami_listing(me: Mapping[str, Any]) -> Listing:
    """Return who the session is, as ``name value`` rows."""
    rows = [(key, _plain(value)) for key, value in me.items() if value not in (None, "", {}, [])]
    return Listing(("", "value"), tuple(rows), (_wall_note(str(me.get("wall", ""))),))


def summaries_listing(found: Sequence[AssetSummary]) -> Listing:
    """Return one row an asset."""
    rows = [(s.name, s.kind, s.access, _tags(s.tags), s.description) for s in found]
    note = "nothing is visible to you here" if not rows else f"{len(rows)} visible to you"
    return Listing(("asset", "kind", "access", "tags", "description"), tuple(rows), (note,))


def card_listing(view: AssetView) -> Listing:
    """Return the card of an asset: one row a column, facts below."""
    by_name = {c.name: c for c in view.asset.columns}
    rows = []
    for access in view.columns:
        column = by_name.get(access.column)
        rows.append(
            (
                access.column,
                column.type if column else "",
                f"masked: {access.mask}" if access.mask else "",
                column.unit if column else "",
                _tags(column.tags) if column else "",
                column.description if column else "",
            )
        )
    header = ("column", "type", "shown", "unit", "tags", "description")
    return Listing(header, tuple(rows), tuple(_card_notes(view)))


def explain_listing(view: AssetView) -> Listing:
    """Return what one may see of an asset and why."""
    rows = [("access", _ACCESS[view.access])]
    if view.row_filter:
        rows.append(("rows", view.row_filter))
    rows += [
        (f"column {c.column}", f"masked: {c.mask}" + (f" (policy {c.policy})" if c.policy else ""))
        for c in view.columns
        if c.mask
    ]
    rows += [("why", sentence) for sentence in view.why]
    rows.append(("purpose", view.purpose or "none declared"))
    rows.append(("policy epoch", str(view.epoch)))
    return Listing((view.asset.name, ""), tuple(rows))


def versions_listing(found: Sequence[Snapshot]) -> Listing:
    """Return one row a snapshot."""
    rows = [
        (
            str(s.snapshot_id),
            s.committed_at.isoformat(" ", "seconds"),
            s.operation,
            s.added_rows,
            s.removed_rows,
            s.total_rows,
            ", ".join(s.tags),
            s.provenance.get("source", ""),
        )
        for s in found
    ]
    header = ("version", "committed", "operation", "added", "removed", "rows", "tags", "source")
    return Listing(header, tuple(rows), ("read one with `FROM asset AT (VERSION => ...)`",))


_ACCESS = {
    "all": "everything",
    "filtered": "some rows",
    "masked": "some columns are masked",
    "none": "the card only; `select` is refused",
}


def _card_notes(view: AssetView) -> list[str]:
    asset: Asset = view.asset
    facts = [
        ("", asset.description),
        ("access: ", _ACCESS[view.access]),
        ("rows shown: ", view.row_filter),
        ("owner: ", asset.owner),
        ("steward: ", asset.steward),
        ("tags: ", _tags(asset.tags)),
        ("licence: ", asset.licence),
        ("source: ", asset.source),
        *((f"{name}: ", text) for name, text in facts_of(asset)),
        ("purpose: ", view.purpose),
    ]
    if view.snapshot is not None:
        when = view.snapshot.committed_at.isoformat(" ", "seconds")
        facts.append(("version: ", f"{view.snapshot.snapshot_id}, {when}"))
    facts.append(("not on the card yet: ", ", ".join(map(_spoken, view.completeness.missing))))
    return [f"{name}{value}" for name, value in facts if value]


def facts_of(asset: Asset) -> list[tuple[str, str]]:
    """Return what a card says of how the data came to be and what it is for."""
    facts = (
        ("generated by", asset.generated_by),
        ("transformations", asset.transformations),
        ("quality", " / ".join(asset.quality)),
        ("suitable for", asset.suitable_for),
        ("limitations", asset.limitations),
        ("intended use", asset.intended_use),
        ("risk class", asset.risk_class),
    )
    return [(name, text) for name, text in facts if text]


def _spoken(key: str) -> str:
    return key.replace("_", " ")


def _tags(tags: Mapping[str, str]) -> str:
    return ", ".join(f"{k}={v}" if v else k for k, v in sorted(tags.items()))


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k}={_plain(v)}" for k, v in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _wall_note(wall: str) -> str:
    if wall == "advisory":
        return (
            "advisory: the gateway runs under your own user, so it guides and records, "
            "but cannot keep you from the files"
        )
    return "enforced: the gateway runs under another user or host"
