"""What is shown of a result, before it has a face: columns, rows, facts. Runs in the kernel.

Text and HTML show the same. What is said about a result's column (mask, unit, description) is
what the governed card says of the column of that name; a query may compute what it likes under
such a name, so the asset is named beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from jupyter_govdata.query.show.cells import Cell, cells_of, is_number, is_time, quoted
from jupyter_govdata.query.show.shown import Shown
from jupyter_govdata.query.text.tokens import tokenize

DEFAULT_ROWS = 20
MAX_COLUMNS = 40
_PSEUDONYM = re.compile(r"p_[a-z2-7]{20}")

MASKS = {
    "pseudonym": "a stand-in for the identifier, the same one wherever your purpose meets it",
    "null": "values are withheld and shown as NULL",
    "constant": "one text stands for every value",
    "last": "the last characters only",
    "year": "the year only",
    "round": "rounded",
    "masked": "not as stored",
}
WALLS = {
    "advisory": "the gateway runs under your own user: it guides and records, but is no wall",
    "enforced": "the gateway runs under another user or host",
}


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What is known about a column of a result.

    Args:
        name: Its name there.
        type: Its Arrow type, as text.
        mask: Kind of its mask, or empty.
        unit: Unit of measurement, or empty.
        description: As the card has it, or empty.
        assets: Assets read that have a column of that name.
    """

    name: str
    type: str
    mask: str = ""
    unit: str = ""
    description: str = ""
    assets: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The name, in quotes if it would look like none."""
        return quoted(Cell(self.name, "text")) if self.name != self.name.strip() else self.name


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is shown.

    Args:
        facts: What is known about it.
        cells: Its cells.
        right: It is aligned to the right: numbers.
        whole: Its cells are not cut: numbers, dates, times.
    """

    facts: ColumnFacts
    cells: list[Cell]
    right: bool
    whole: bool


@dataclass(frozen=True, slots=True)
class Page:
    """The head of a result.

    Args:
        columns: Those that are shown: all, or the first and the last.
        left: How many of them stand before the gap.
        all_columns: How many there are.
        rows: How many rows are shown.
        all_rows: How many there are, or None while that is not known.
        more: There are more rows than are shown.
    """

    columns: tuple[Column, ...]
    left: int
    all_columns: int
    rows: int
    all_rows: int | None
    more: bool

    def rows_remark(self) -> str:
        """Return ``first 20 of 24 rows``, or empty when all are shown."""
        if not self.more:
            return ""
        if self.all_rows is None:
            return f"first {count(self.rows, 'row')}; more exist"
        return f"first {self.rows:,} of {count(self.all_rows, 'row')}"

    def columns_remark(self, left: int, right: int) -> str:
        """Return which columns are not shown when the first `left` and last `right` are."""
        hidden = self.all_columns - left - right
        if hidden <= 0:
            return ""
        which = (
            f"column {left + 1:,}" if hidden == 1 else f"columns {left + 1:,} to {left + hidden:,}"
        )
        return f"{which} of {self.all_columns:,} not shown: `.columns` has the names"


def page_of(result: Shown, rows: int) -> Page:
    """Return the first rows of a result, of at most `MAX_COLUMNS` columns."""
    head = result.head.slice(0, rows)
    all_rows = result.row_count
    width = head.num_columns
    left = width if width <= MAX_COLUMNS else MAX_COLUMNS // 2
    kept = [*range(left), *range(width - MAX_COLUMNS // 2 if left < width else width, width)]
    fields = [head.schema.field(i) for i in kept]
    has_pseudonyms = any("pseudonym" in kinds.values() for kinds in result.masked.values())
    columns = []
    for i, facts in zip(kept, facts_of(result, fields), strict=True):
        cells = cells_of(head.column(i))
        is_pseudonym = has_pseudonyms and not facts.mask and _are_pseudonyms(cells)
        known = replace(facts, mask="pseudonym") if is_pseudonym else facts
        kind = head.schema.field(i).type
        columns.append(Column(known, cells, is_number(kind), is_number(kind) or is_time(kind)))
    return Page(tuple(columns), left, width, head.num_rows, all_rows, all_rows != head.num_rows)


def facts_of(result: Shown, fields: Sequence[pa.Field]) -> list[ColumnFacts]:
    """Return what is known about columns of a result."""
    masks = column_masks(result)
    schemas: dict[str, pa.Schema] = {}
    return [_facts(result, field, masks.get(field.name, ""), schemas) for field in fields]


def _facts(result: Shown, field: pa.Field, mask: str, schemas: dict[str, pa.Schema]) -> ColumnFacts:
    units, descriptions, assets = set(), set(), []
    for name, view in sorted(result.views.items()):
        column = view.asset.column(field.name)
        if column is None:
            continue
        assets.append(name)
        descriptions.add(column.description)
        if column.unit and name not in schemas:
            schemas[name] = pa.ipc.read_schema(pa.py_buffer(view.arrow_schema))
        # Days divided into years are another type: no unit is better than a wrong one.
        is_same = column.unit and _is_same(schemas[name], field)
        units.add(column.unit if is_same else "")
    return ColumnFacts(
        name=field.name,
        type=str(field.type),
        mask=mask,
        unit=units.pop() if len(units) == 1 else "",
        description=descriptions.pop() if len(descriptions) == 1 else "",
        assets=tuple(assets),
    )


def _is_same(schema: pa.Schema, field: pa.Field) -> bool:
    index = schema.get_field_index(field.name)
    return bool(index >= 0 and schema.field(index).type == field.type)


# -- masks ---------------------------------------------------------------------------------------


def column_masks(result: Shown) -> dict[str, str]:
    """Return the kind of mask by column name: of masked columns and of what they are renamed to.

    Marked too much is better than too little: a name that any asset read masks is marked.
    """
    masks = {column: "masked" for r in result.receipts for column in r.masked}
    for kinds in result.masked.values():
        masks.update(kinds)
    return {**_renamed(result.query, masks), **masks} if masks else {}


def _renamed(sql: str, masks: Mapping[str, str]) -> dict[str, str]:
    """Return what stands behind ``column AS``, with the mask of the column."""
    tokens = tokenize(sql)
    by_name = {name.lower(): kind for name, kind in masks.items()}
    return {
        new.name: by_name[old.name.lower()]
        for old, word, new in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if old.name and new.name and word.value.lower() == "as" and old.name.lower() in by_name
    }


def _are_pseudonyms(cells: Sequence[Cell]) -> bool:
    texts = [cell.text for cell in cells if cell.kind != "null"]
    return bool(texts) and all(_PSEUDONYM.fullmatch(text) for text in texts)


# -- the line below ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fact:
    """One part of the line under a result, and what it means where that is not plain."""

    text: str
    meaning: str = ""


def result_facts(result: Shown, page: Page | None) -> list[Fact]:
    """Return rows, assets with versions, what was filtered or masked, purpose, wall, duration."""
    facts = [Fact(_rows_fact(result, page))]
    facts += [_asset_fact(result, asset) for asset in result.assets]
    if result.assets:
        facts.append(Fact(f"purpose {result.purpose}" if result.purpose else "no purpose"))
        facts.append(Fact(result.wall, WALLS.get(result.wall, "")))
    if result.seconds and page is not None:
        facts.append(Fact(seconds(result.seconds)))
    if result.known_digest:
        facts.append(Fact(f"digest {result.known_digest[:15]}", "of the whole result"))
    return facts


def _rows_fact(result: Shown, page: Page | None) -> str:
    if result.changed_rows is not None:
        return f"{count(result.changed_rows, 'row')} written" if result.changed_rows else "done"
    assert page is not None
    if page.all_rows is None:
        return f"more than {count(page.rows, 'row')}"
    return count(page.all_rows, "row")


def _asset_fact(result: Shown, asset: str) -> Fact:
    receipts = [r for r in result.receipts if r.asset == asset]
    view = result.views.get(asset)
    versions = sorted({r.snapshot_id for r in receipts})
    if not versions and view is not None and view.snapshot is not None:
        versions = [view.snapshot.snapshot_id]
    notes, meanings = [], []
    if any(r.filtered for r in receipts) or (view is not None and view.row_filter):
        notes.append("rows filtered")
        meanings += [f"rows shown: {view.row_filter}"] if view and view.row_filter else []
    kinds = {name: "masked" for r in receipts for name in r.masked}
    kinds.update(result.masked.get(asset, {}))
    if kinds:
        notes.append(f"{count(len(kinds), 'column')} masked")
        meanings.append(", ".join(f"{name}: {kind}" for name, kind in sorted(kinds.items())))
    text = f"{asset} @ {', '.join(map(str, versions))}" if versions else asset
    return Fact(f"{text} ({', '.join(notes)})" if notes else text, "; ".join(meanings))


def count(number: int, noun: str) -> str:
    """Return ``1 row``, ``2 rows``, with thousands separated.

    >>> count(1200, "row")
    '1,200 rows'
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def seconds(number: float) -> str:
    """Return a duration for people.

    >>> seconds(0.0042), seconds(3.14159), seconds(312)
    ('4 ms', '3.1 s', '5 min 12 s')
    """
    if number < 0.9995:
        return f"{max(number * 1000, 1):.0f} ms"
    if number < 59.95:
        return f"{number:.1f} s"
    return f"{round(number) // 60} min {round(number) % 60} s"
