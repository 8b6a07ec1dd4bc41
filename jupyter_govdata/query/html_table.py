"""Results and listings as HTML. Runs in the kernel.

SECURITY: names, comments and cell values are text of strangers; everything is escaped. Colours
come from the page (`currentColor`), so that light and dark themes both work; no script, no class,
no external resource.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from jupyter_govdata.query.text_table import (
    MAX_CELL,
    MAX_COLUMNS,
    NULL,
    column_badges,
    facts_line,
    is_number,
    more_remark,
    value_text,
    values_of,
    visible,
)

if TYPE_CHECKING:
    from jupyter_govdata.query.result import QueryResult

_RULE = "1px solid rgba(128,128,128,.35)"
_CELL = f"padding:2px 10px;border-bottom:{_RULE};vertical-align:top;"
_LEFT = f"{_CELL}text-align:left;"
_RIGHT = f"{_CELL}text-align:right;font-variant-numeric:tabular-nums;"
_BADGE = (
    "border:1px solid currentColor;border-radius:3px;padding:0 4px;margin-left:5px;"
    "opacity:.75;font-size:85%;font-weight:normal"
)
_TABLE = "border-collapse:collapse"
_FAINT = "opacity:.7;font-size:90%;padding:3px 0"
_MAX_FOLDED = 10_000


def result_html(result: QueryResult, rows: int) -> str:
    """Return a result as HTML: at most `rows` rows, then the line of facts."""
    table = "" if result.changed_rows is not None else _result_table(result, rows)
    notes = "".join(_line(f"note: {note}") for note in result.notes)
    return f"<div>{table}{_line(facts_line(result))}{notes}</div>"


def listing_html(
    header: Sequence[str], rows: Iterable[Sequence[Any]], notes: Sequence[str] = ()
) -> str:
    """Return a small table of texts and numbers as HTML."""
    body = "".join(
        f"<tr>{''.join(_cell(v, isinstance(v, int) and not isinstance(v, bool)) for v in row)}</tr>"
        for row in rows
    )
    head = "".join(f'<th style="{_LEFT}">{text(h)}</th>' for h in header)
    return f"<div>{_table(head, body)}{''.join(map(_line, notes))}</div>"


def text(value: str) -> str:
    """Return text as HTML: escaped, with control characters visible."""
    return escape(visible(value))


def _result_table(result: QueryResult, rows: int) -> str:
    table = result.table
    shown = table.slice(0, rows).select(list(range(min(table.num_columns, MAX_COLUMNS))))
    badges = column_badges(result)
    right = [is_number(field.type) for field in shown.schema]
    head = "".join(
        _header(name, badges.get(name), r)
        for name, r in zip(shown.column_names, right, strict=True)
    )
    columns = [values_of(column) for column in shown.columns]
    body = "".join(
        f"<tr>{''.join(map(_cell, row, right))}</tr>" for row in zip(*columns, strict=True)
    )
    rest = more_remark(table.num_rows, rows, table.num_columns, shown.num_columns)
    return f'<div style="overflow-x:auto">{_table(head, body)}</div>{_line(rest) if rest else ""}'


def _table(head: str, body: str) -> str:
    return f'<table style="{_TABLE}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _header(name: str, badge: str | None, right: bool) -> str:
    mark = (
        f'<span style="{_BADGE}" title="shown through a mask">{text(badge)}</span>' if badge else ""
    )
    return f'<th style="{_RIGHT if right else _LEFT}">{text(name)}{mark}</th>'


def _cell(value: Any, right: bool) -> str:
    return f'<td style="{_RIGHT if right else _LEFT}">{_value(value)}</td>'


def _value(value: Any) -> str:
    if value is None:
        return f'<span style="opacity:.5;font-style:italic">{NULL}</span>'
    whole = value_text(value)
    if len(whole) <= MAX_CELL:
        return text(whole)
    head = text(whole[: MAX_CELL - 1])
    rest = text(whole[:_MAX_FOLDED]) + ("…" if len(whole) > _MAX_FOLDED else "")
    return (
        f'<details><summary style="cursor:pointer">{head}…</summary>'
        f'<div style="white-space:pre-wrap;max-width:60em">{rest}</div></details>'
    )


def _line(line: str) -> str:
    return f'<div style="{_FAINT}">{text(line)}</div>'
