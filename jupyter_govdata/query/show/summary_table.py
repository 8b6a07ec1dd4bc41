"""The summary and the description of a result, in text and HTML. Runs in the kernel.

Both are answers of their own: they show themselves in a notebook and in a terminal, and give
their facts as an Arrow table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import pyarrow as pa

from jupyter_govdata.query.profile import ColumnSummary
from jupyter_govdata.query.show.cells import cell_of
from jupyter_govdata.query.show.html_table import (
    ALIGN,
    facts_text,
    framed,
    header_cell,
    listing_html,
    name_html,
    notes_html,
    table_html,
    text,
)
from jupyter_govdata.query.show.page import MASKS, ColumnFacts, count
from jupyter_govdata.query.show.text_table import (
    TextColumn,
    cell_text,
    layout,
    listing_lines,
    note,
    second_line,
    terminal_width,
)
from jupyter_govdata.query.show.visible import cut, visible

_BLOCKS = "▁▂▃▄▅▆▇█"
_SHOWN = 60
_MAX_VALUE = 25
_WITH_TYPE, _WITH_VALUES = 100, 60
_BAR, _HEIGHT = 6, 22

_SCHEMA = pa.schema(
    [
        ("column", pa.string()),
        ("type", pa.string()),
        ("unit", pa.string()),
        ("mask", pa.string()),
        ("rows", pa.int64()),
        ("nulls", pa.int64()),
        ("not_finite", pa.int64()),
        ("distinct", pa.int64()),
        ("distinct_exact", pa.bool_()),
        ("min", pa.string()),
        ("median", pa.string()),
        ("median_exact", pa.bool_()),
        ("max", pa.string()),
        ("top", pa.list_(pa.struct([("value", pa.string()), ("count", pa.int64())]))),
        ("bins", pa.list_(pa.int64())),
    ]
)


@dataclass(frozen=True, slots=True)
class Summary:
    """The columns of a result in numbers.

    Args:
        columns: One entry a column, in order.
        facts: What the cards say of them.
        rows: Rows of the result.
    """

    columns: tuple[ColumnSummary, ...]
    facts: tuple[ColumnFacts, ...]
    rows: int

    def __len__(self) -> int:
        return len(self.columns)

    def __repr__(self) -> str:
        return summary_text(self, terminal_width())

    def _repr_html_(self) -> str:
        return _summary_html(self)

    def arrow(self) -> pa.Table:
        """Return one row a column; smallest, middle and largest value are text."""
        rows = [
            {
                "column": s.name,
                "type": f.type,
                "unit": f.unit,
                "mask": f.mask,
                "rows": s.rows,
                "nulls": s.nulls,
                "not_finite": s.nans,
                "distinct": s.distinct,
                "distinct_exact": s.distinct_exact,
                "min": _exact(s.least),
                "median": _exact(s.median),
                "median_exact": s.median_exact,
                "max": _exact(s.greatest),
                "top": [{"value": _exact(v), "count": n} for v, n in s.top],
                "bins": list(s.bins),
            }
            for s, f in zip(self.columns, self.facts, strict=True)
        ]
        return pa.Table.from_pylist(rows, schema=_SCHEMA)


@dataclass(frozen=True, slots=True)
class Description:
    """What the cards say of the columns of a result.

    Args:
        columns: One entry a column, in order.
    """

    columns: tuple[ColumnFacts, ...]

    def __len__(self) -> int:
        return len(self.columns)

    def __repr__(self) -> str:
        table = list(zip(*self._rows(), strict=True)) or [()] * len(_DESCRIBED)
        cells = [[visible(value) for value in column] for column in table]
        lines = listing_lines(_DESCRIBED, cells, [False] * len(cells), terminal_width())
        return "\n".join([*lines, *note(_DESCRIBED_NOTE, terminal_width())])

    def _repr_html_(self) -> str:
        return listing_html(_DESCRIBED, self._rows(), [_DESCRIBED_NOTE])

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                c.label,
                c.type,
                c.unit,
                f"{c.mask}: {MASKS.get(c.mask, '')}" if c.mask else "",
                c.description,
                ", ".join(c.assets),
            )
            for c in self.columns
        ]


_DESCRIBED = ("column", "type", "unit", "masked", "description", "as in")
_DESCRIBED_NOTE = "found by name: a query may compute something else under the name of a column"


# -- text ----------------------------------------------------------------------------------------


def summary_text(summary: Summary, columns: int) -> str:
    """Return the summary as text of at most `columns`."""
    shown, remark = _shown(summary)
    pairs = [(summary.columns[i], summary.facts[i]) for i in shown]
    table = [
        TextColumn(("column",), [_name(f) for _, f in pairs]),
        TextColumn(("type",), [visible(cut(f.type, _MAX_VALUE)) for _, f in pairs]),
        TextColumn(("NULL",), [_nulls(s) for s, _ in pairs], right=True, whole=True),
        TextColumn(("distinct",), [_distinct(s) for s, _ in pairs], right=True, whole=True),
        TextColumn(("values",), [_values(s) for s, _ in pairs]),
        TextColumn(("distribution",), [sparkline(s.bins) for s, _ in pairs]),
    ]
    if columns < _WITH_TYPE:
        del table[1]
    if columns < _WITH_VALUES:
        del table[-2]
    lines = layout(table, columns)[0] if pairs else ["(no columns)"]
    about = [f"{count(summary.rows, 'row')}, {count(len(summary), 'column')}", *remark]
    return "\n".join([*lines, *(line for a in about for line in note(a, columns))])


def sparkline(bins: Sequence[int]) -> str:
    """Return counts as bars of text; none as a blank.

    >>> sparkline([1, 0, 8])
    '▁ █'
    """
    most = max(bins, default=0)
    return "".join(_BLOCKS[(n * len(_BLOCKS) - 1) // most] if n else " " for n in bins)


def _shown(summary: Summary) -> tuple[list[int], list[str]]:
    total = len(summary)
    if total <= _SHOWN:
        return list(range(total)), []
    half = _SHOWN // 2
    remark = f"columns {half + 1:,} to {total - half:,} not shown: `.arrow()` has all"
    return [*range(half), *range(total - half, total)], [remark]


def _name(facts: ColumnFacts) -> str:
    marks = second_line(facts.mask, facts.unit)
    return visible(f"{cut(visible(facts.label), _MAX_VALUE)} {marks}".rstrip())


def _nulls(summary: ColumnSummary) -> str:
    if not summary.nulls:
        return "0"
    return f"{summary.nulls:,} ({_share(summary.nulls, summary.rows)})"


def _share(part: int, whole: int) -> str:
    """Return a percentage that says 0 or 100 for nothing and everything only."""
    if part == whole:
        return "100%"
    return f"{min(max(part / whole, 0.001), 0.999):.1%}"


def _distinct(summary: ColumnSummary) -> str:
    if summary.distinct is None:
        return ""
    return f"{'' if summary.distinct_exact else '~'}{summary.distinct:,}"


def _values(summary: ColumnSummary) -> str:
    parts = []
    if summary.least is not None:
        parts.append(" … ".join(filter(None, _range(summary))))
        if summary.kind == "list":
            parts[0] = f"lengths {parts[0]}"
    return "; ".join([*parts, *_frequent(summary)])


def _frequent(summary: ColumnSummary) -> list[str]:
    parts = [", ".join(f"{_short(v)} ×{n:,}" for v, n in summary.top)] if summary.top else []
    if summary.kind == "text" and 1 < summary.rows - summary.nulls == summary.distinct:
        parts.append("all different" if summary.distinct_exact else "~all different")
    return [*parts, *([f"{summary.nans:,} not finite"] if summary.nans else [])]


def _range(summary: ColumnSummary) -> tuple[str, str, str]:
    """Return least, middle and greatest value; a middle that is not exact has a ``~``."""
    least, greatest = _short(summary.least), _short(summary.greatest)
    if least == greatest:
        return least, "", ""
    middle = _short(summary.median)
    return least, middle if summary.median_exact else f"~{middle}", greatest


def _short(value: pa.Scalar | None) -> str:
    if value is None:
        return ""
    cell = cell_of(value)
    return cell_text(cell._replace(text=cell.text.removesuffix(".0")), _MAX_VALUE)


def _exact(value: pa.Scalar | None) -> str | None:
    if value is None:
        return None
    cell = cell_of(value)
    return cell.exact or cell.text


# -- HTML ----------------------------------------------------------------------------------------


def _summary_html(summary: Summary) -> str:
    shown, remark = _shown(summary)
    header = ("column", "type", "NULL", "distinct", "distribution", "min", "median", "max")
    right = (False, False, True, True, False, True, True, True)
    head = "".join(header_cell(h, r) for h, r in zip(header, right, strict=True))
    head += header_cell("most frequent", False)
    body = "".join(_row(summary.columns[i], summary.facts[i]) for i in shown)
    caption = f"{count(summary.rows, 'row')}, {count(len(summary), 'column')}"
    notes = [*remark]
    if any(not (s.distinct_exact and s.median_exact) for s in summary.columns):
        notes.append("~ is an estimate")
    return framed(table_html(head, body, caption) + notes_html(notes))


def _row(summary: ColumnSummary, facts: ColumnFacts) -> str:
    least, middle, greatest = _range(summary) if summary.least is not None else ("", "", "")
    if summary.kind == "list" and least:
        least = f"length {least}"
    left, right = ALIGN[False], ALIGN[True]
    cells = [
        f"<td{left}>{text(cut(facts.type, _MAX_VALUE))}</td>",
        *(f"<td{right}>{text(number)}</td>" for number in (_nulls(summary), _distinct(summary))),
        f"<td{left}>{_bars(summary.bins)}</td>",
        *(f"<td{right}>{text(number)}</td>" for number in (least, middle, greatest)),
        f'<td{left} class="wide">{text("; ".join(_frequent(summary)))}</td>',
    ]
    title = escape(visible(facts_text(facts)))
    head = f'<th scope="row"{left} title="{title}">{name_html(facts)}</th>'
    return f"<tr>{head}{''.join(cells)}</tr>"


def _bars(bins: Sequence[int]) -> str:
    """Return counts as an image of bars in the colour of the text."""
    if not bins:
        return ""
    most = max(bins)
    heights = [max(round(n / most * _HEIGHT, 1), 1) if n else 0 for n in bins]
    bars = "".join(
        f'<rect x="{i * (_BAR + 1)}" y="{_HEIGHT - h}" width="{_BAR}" height="{h}"/>'
        for i, h in enumerate(heights)
    )
    wide = len(bins) * (_BAR + 1) - 1
    # Where a viewer drops images, their title is what remains.
    label = f"distribution: {', '.join(f'{n:,}' for n in bins)}"
    return (
        f'<svg role="img" aria-label="{label}" width="{wide}" height="{_HEIGHT}" '
        f'viewBox="0 0 {wide} {_HEIGHT}" fill="currentColor" opacity=".75">'
        f"<title>{sparkline(bins)}</title>{bars}</svg>"
    )
