"""Results and listings as plain text: the face in a terminal, and `text/plain` in a notebook.

Runs in the kernel. Cell values are data: control characters are shown as escapes, so that no
value can move the cursor or recolour the terminal.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from jupyter_govdata.query.result import QueryResult

DEFAULT_ROWS = 20
MAX_CELL = 60
MAX_COLUMNS = 40
NULL = "NULL"


def result_text(result: QueryResult, rows: int = DEFAULT_ROWS) -> str:
    """Return a result as text: at most `rows` rows, then the line of facts."""
    parts = [] if result.changed_rows is not None else [table_text(result, rows)]
    return "\n".join([*parts, facts_line(result), *(f"note: {n}" for n in result.notes)])


def table_text(result: QueryResult, rows: int = DEFAULT_ROWS) -> str:
    """Return the head of the table, with a remark if there is more."""
    table = result.table
    badges = column_badges(result)
    shown = table.slice(0, rows).select(list(range(min(table.num_columns, MAX_COLUMNS))))
    header = [f"{n} [{badges[n]}]" if n in badges else n for n in shown.column_names]
    cells = [[cell_text(value) for value in values_of(column)] for column in shown.columns]
    right = [is_number(f.type) for f in shown.schema]
    lines = grid([visible(h) for h in header], cells, right)
    rest = more_remark(table.num_rows, rows, table.num_columns, shown.num_columns)
    return "\n".join([*lines, *([rest] if rest else [])])


def more_remark(rows: int, shown_rows: int, columns: int, shown_columns: int) -> str:
    """Return what is not shown, or an empty text."""
    parts = []
    if rows > shown_rows:
        parts.append(f"first {shown_rows:,} of {rows:,} rows")
    if columns > shown_columns:
        parts.append(f"first {shown_columns} of {columns} columns")
    return f"({', '.join(parts)})" if parts else ""


def facts_line(result: QueryResult) -> str:
    """Return one line: rows, assets, what was filtered or masked, purpose, wall."""
    return " · ".join(facts(result))


def facts(result: QueryResult) -> list[str]:
    """Return what the line under a result says, part by part."""
    if result.changed_rows is not None:
        parts = [f"{count(result.changed_rows, 'row')} written" if result.changed_rows else "done"]
    else:
        parts = [count(len(result), "row")]
    filtered = {r.asset for r in result.receipts if r.filtered}
    filtered |= {name for name, view in result.views.items() if view.row_filter}
    for asset in result.assets:
        facts_of_asset = [asset]
        if asset in filtered:
            facts_of_asset.append("rows filtered")
        masks = {name for r in result.receipts if r.asset == asset for name in r.masked}
        masks |= set(result.masked.get(asset, {}))
        if masks:
            facts_of_asset.append(f"{count(len(masks), 'column')} masked")
        parts.append(
            facts_of_asset[0]
            if len(facts_of_asset) == 1
            else f"{asset} ({', '.join(facts_of_asset[1:])})"
        )
    if result.assets:
        parts.append(f"purpose {result.purpose}" if result.purpose else "no purpose")
        parts.append(result.wall)
    stamp = result.__dict__.get("stamp")  # showing a result does not compute its digest
    if stamp is not None:
        parts.append(f"digest {stamp.result_digest[:15]}")
    return parts


def column_badges(result: QueryResult) -> dict[str, str]:
    """Return the mask of every result column that carries the name of a masked column.

    A column that the query computed under another name has none: the line under the result says
    which assets were masked.
    """
    masks = {column: "masked" for r in result.receipts for column in r.masked}
    for kinds in result.masked.values():
        masks.update(kinds)
    return {c: kind for c, kind in masks.items() if c in result.table.column_names}


def count(number: int, noun: str) -> str:
    """Return ``1 row``, ``2 rows``, with thousands separated.

    >>> count(1200, "row")
    '1,200 rows'
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def is_number(kind: pa.DataType) -> bool:
    """Return whether values of the type are aligned to the right."""
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def values_of(column: pa.ChunkedArray) -> list[Any]:
    """Return the values for display; one that Python cannot hold (an infinite date) as text."""
    return [_python_value(scalar) for scalar in column]


def _python_value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        try:
            return scalar.cast(pa.string()).as_py()
        except pa.ArrowException:
            return f"<{scalar.type}>"


def cell_text(value: Any, limit: int | None = MAX_CELL) -> str:
    """Return a value on one line, folded to `limit` characters."""
    text = visible(value_text(value))
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"


def value_text(value: Any) -> str:
    """Return a value as text, as SQL users know it."""
    match value:
        case None:
            return NULL
        case bool():
            return "true" if value else "false"
        case float():
            return _float(value)
        case Decimal():
            return f"{value:f}"
        case bytes():
            return f"\\x{value[:32].hex()}" + ("…" if len(value) > 32 else "")
        case dt.datetime():
            return value.isoformat(" ")
        case pa.MonthDayNano():
            rest = dt.timedelta(days=value.days, microseconds=value.nanoseconds // 1000)
            return f"{value.months} months {rest}" if value.months else str(rest)
        case list():
            return f"[{', '.join(value_text(v) for v in value[:100])}]"
        case dict():
            inner = ", ".join(f"{k}: {value_text(v)}" for k, v in list(value.items())[:100])
            return f"{{{inner}}}"
        case _:
            return str(value)


def visible(text: str) -> str:
    r"""Return the text with control and direction characters escaped.

    >>> visible("a\n\x1b[31m")
    'a\\n\\x1b[31m'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c == "\u00a0" else c.encode("unicode_escape").decode() for c in text
    )


def grid(
    header: Sequence[str], columns: Iterable[Sequence[str]], right: Sequence[bool]
) -> list[str]:
    """Return the lines of a table with a rule under its header."""
    columns = list(columns)
    widths = [
        max([_width(h), *(_width(c) for c in column)])
        for h, column in zip(header, columns, strict=True)
    ]
    rows = [list(header), ["─" * w for w in widths], *map(list, zip(*columns, strict=True))]
    return ["  ".join(map(_pad, row, widths, right)).rstrip() for row in rows]


def _pad(text: str, width: int, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(bool(unicodedata.combining(c)) for c in text)


def _float(value: float) -> str:
    text = f"{value:.10g}"
    return text if "." in text or not text.lstrip("-").isdecimal() else f"{text}.0"
