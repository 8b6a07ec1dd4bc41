"""Results and listings as plain text: the face in a terminal, and `text/plain` in a notebook.

Runs in the kernel. Cell values are data: `visible` keeps them from moving the cursor, recolouring
the terminal or turning the text around. No colours, so that a saved notebook holds plain text.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_govdata.query.show.cells import Cell, quoted, value_text
from jupyter_govdata.query.show.page import DEFAULT_ROWS, Page, page_of, result_facts
from jupyter_govdata.query.show.shown import Shown
from jupyter_govdata.query.show.visible import cut, kept_apart, visible, width

MAX_CELL = 60
DEFAULT_WIDTH = 120
_MIN_WIDTH = 20
_NARROW_CELL = 12
_GAP = "  "


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column of a table of text.

    Args:
        header: Its lines, `visible`.
        cells: `visible`, too.
        right: Aligned to the right.
        whole: Cells are not cut: half a number is another number, half a date none.
    """

    header: Sequence[str]
    cells: Sequence[str]
    right: bool = False
    whole: bool = False


def result_text(result: Shown, rows: int = DEFAULT_ROWS, columns: int | None = None) -> str:
    """Return a result as text: at most `rows` rows, `columns` wide, then the facts."""
    columns = columns or terminal_width()
    page = page_of(result, rows) if result.changed_rows is None else None
    lines = [] if page is None else _page_lines(page, columns)
    lines += wrapped([visible(fact.text) for fact in result_facts(result, page)], columns)
    lines += [line for remark in result.notes for line in note(f"note: {remark}", columns)]
    return "\n".join(lines)


def note(remark: str, columns: int) -> list[str]:
    """Return a remark on lines of at most `columns`."""
    return _broken(visible(remark), columns)


def terminal_width() -> int:
    """Return the columns of the terminal; outside of one the same for everybody.

    A notebook's text must not depend on where it was run.
    """
    try:
        if sys.stdout is not None and sys.stdout.isatty():
            return max(os.get_terminal_size(sys.stdout.fileno()).columns, _MIN_WIDTH)
    except (OSError, ValueError):
        pass
    return DEFAULT_WIDTH


def wrapped(parts: Sequence[str], columns: int) -> list[str]:
    """Return parts joined by `` · `` on lines of at most `columns`."""
    lines: list[str] = []
    for part in parts:
        if lines and width(lines[-1]) + width(part) + 3 <= columns:
            lines[-1] += f" · {part}"
        else:
            lines += _broken(part, columns)
    return lines


def _page_lines(page: Page, columns: int) -> list[str]:
    if not page.all_columns:
        return ["(no columns)"]
    shown = [
        TextColumn(
            (
                cut(visible(c.facts.label), MAX_CELL),
                visible(second_line(c.facts.mask, c.facts.unit)),
            ),
            [cell_text(cell) for cell in c.cells],
            c.right,
            c.whole,
        )
        for c in page.columns
    ]
    has_gap = page.left < len(shown)
    lines, left, right = layout(shown, columns, page.left if has_gap else None)
    remarks = [page.rows_remark(), page.columns_remark(left, right)]
    return [*lines, *wrapped([f"({remark})" for remark in remarks if remark], columns)]


def second_line(mask: str, unit: str) -> str:
    """Return the marks of a column: mask and unit."""
    return " ".join(part for part in (f"[{mask}]" if mask else "", unit and f"({unit})") if part)


def cell_text(value: Any, limit: int | None = MAX_CELL) -> str:
    """Return a cell, or a Python value, on one line, in at most `limit` columns of a terminal."""
    text = quoted(value) if isinstance(value, Cell) else value_text(value)
    if limit is None:
        return visible(text)
    shown = cut(visible(text[: limit * 8]), limit)
    cut_off = len(text) > limit * 8 or (isinstance(value, Cell) and value.left_out)
    return shown if not cut_off or shown.endswith("…") else cut(f"{shown}…", limit)


# -- layout --------------------------------------------------------------------------------------


def listing_lines(
    header: Sequence[str], columns: Sequence[Sequence[str]], right: Sequence[bool], limit: int
) -> list[str]:
    """Return the lines of a table whose texts go on below where they do not fit."""
    shown = [TextColumn((h,), c, r, r) for h, c, r in zip(header, columns, right, strict=True)]
    least = [_least(column) for column in shown]
    spare = limit - sum(least) - len(_GAP) * (len(least) - 1)
    widths = _spread(shown, least, max(spare, 0))
    broken = [
        [[text] if column.whole else _broken(text, w) for text in column.cells]
        for column, w in zip(shown, widths, strict=True)
    ]
    heights = [max(map(len, row)) for row in zip(*broken, strict=True)]
    tall = [
        TextColumn(
            c.header,
            [
                line
                for t, h in zip(texts, heights, strict=True)
                for line in [*t, *[""] * (h - len(t))]
            ],
            c.right,
        )
        for c, texts in zip(shown, broken, strict=True)
    ]
    return _lines(tall, widths)


def _broken(text: str, columns: int) -> list[str]:
    """Return text on lines of at most `columns`, broken between words where there are any."""
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if width(longer) <= columns:
            line = longer
            continue
        lines += [line] if line else []
        line = word
        while width(line) > columns:
            head = cut(line, columns + 1).removesuffix("…") or line[:1]
            lines.append(head)
            line = line[len(head) :]
    return [*lines, line]


def layout(
    columns: Sequence[TextColumn], limit: int, gap: int | None = None
) -> tuple[list[str], int, int]:
    """Return the lines of a table that is at most `limit` wide, and what of it is shown.

    Text gives way first; then columns in the middle are folded.

    Args:
        columns: At least one.
        limit: In columns of a terminal.
        gap: Where columns were left out before; None if nowhere.

    Returns:
        Lines, and how many columns are shown before and behind the gap.
    """
    least = [_least(column) for column in columns]
    total = sum(least) + len(_GAP) * (len(columns) - 1)
    if gap is None and total <= limit:
        widths = _spread(columns, least, limit - total)
        return _lines(columns, widths), len(columns), 0
    left, right = _ends(least, limit, gap)
    first = columns[0]
    fold = [TextColumn(["…", *[""] * (len(first.header) - 1)], ["…"] * len(first.cells))]
    is_folded = gap is not None or left + right < len(columns)
    kept = [*columns[:left], *(fold if is_folded else []), *columns[len(columns) - right :]]
    least = [min(_least(column), limit) for column in kept]
    spare = limit - sum(least) - len(_GAP) * (len(kept) - 1)
    return _lines(kept, _spread(kept, least, max(spare, 0))), left, right


def _ends(least: Sequence[int], limit: int, gap: int | None) -> tuple[int, int]:
    """Return how many of the first and of the last columns have room beside a gap."""
    most_left = len(least) if gap is None else gap
    most_right = len(least) - (1 if gap is None else gap)
    room = limit - 1 - len(_GAP) - least[0]
    left, right = 1, 0
    while left < most_left or right < most_right:
        goes_left = right >= most_right or (left < most_left and left <= right)
        room -= least[left if goes_left else len(least) - 1 - right] + len(_GAP)
        if room < 0:
            break
        left, right = (left + 1, right) if goes_left else (left, right + 1)
    return left, right


def _spread(columns: Sequence[TextColumn], least: Sequence[int], spare: int) -> list[int]:
    """Return widths: the least, and the spare columns shared out, evenly, to who needs them."""
    widths = list(least)
    wanted = [_natural(column) for column in columns]
    while spare > 0:
        hungry = [i for i in range(len(widths)) if widths[i] < wanted[i]]
        if not hungry:
            break
        smallest = min(widths[i] for i in hungry)
        for i in hungry:
            if widths[i] == smallest and spare > 0:
                widths[i] += 1
                spare -= 1
    return widths


def _natural(column: TextColumn) -> int:
    return max(map(width, (*column.header, *column.cells)), default=0)


def _least(column: TextColumn) -> int:
    """Return the width that a column may be cut to: numbers are not cut, text to a few words."""
    cells = max(map(width, column.cells), default=0)
    marks = max(map(width, column.header[1:]), default=0)
    name = width(column.header[0])
    if column.whole:
        return max(cells, marks, min(name, _NARROW_CELL))
    return max(min(max(cells, name), _NARROW_CELL), marks)


def _lines(columns: Sequence[TextColumn], widths: Sequence[int]) -> list[str]:
    headers = [row for row in zip(*(c.header for c in columns), strict=True) if any(row)]
    rows = [
        *headers,
        tuple("─" * w for w in widths),
        *zip(*(c.cells for c in columns), strict=True),
    ]
    right = [c.right for c in columns]
    return [_GAP.join(map(_pad, row, widths, right)).rstrip() for row in rows]


def _pad(text: str, columns: int, right: bool) -> str:
    text = cut(text, columns) if columns else ""
    space = " " * (columns - width(text))
    return space + kept_apart(text) if right else kept_apart(text) + space
