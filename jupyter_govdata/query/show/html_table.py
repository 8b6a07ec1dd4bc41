"""Results and listings as HTML. Runs in the kernel.

SECURITY: names, descriptions and cell values are text of strangers; everything is escaped, and
what does not show as what it is (direction overrides, zero-width characters) is an escape. No
script, no identifier, no outside resource.

Colours are the page's: JupyterLab's and VS Code's variables where they exist, else shades of the
text colour itself. Where a viewer drops styles, alignment stays as an attribute, NULL and masks
are words, and long text still unfolds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

from jupyter_govdata.query.show.cells import NULL, Cell, quoted, value_text
from jupyter_govdata.query.show.page import (
    MASKS,
    Column,
    ColumnFacts,
    Fact,
    Page,
    page_of,
    result_facts,
)
from jupyter_govdata.query.show.shown import Shown
from jupyter_govdata.query.show.visible import is_right_to_left, pieces, visible

FOLD = 60
_CLASS = "govdata-1"  # raised with the style: outputs of several versions share a page
_RULE = "var(--jp-border-color2,var(--vscode-panel-border,rgba(128,128,128,.4)))"
_STYLE = (
    "<style>"
    ".C{color:var(--jp-content-font-color1,var(--vscode-foreground,inherit));line-height:1.4}"
    ".C .scroll{overflow-x:auto;max-width:100%}"
    ".C table{border-collapse:collapse;border:0;margin:0;font-size:inherit;table-layout:auto}"
    f".C th,.C td{{padding:3px 10px;border:0;border-bottom:1px solid {_RULE};"
    "vertical-align:top;white-space:pre;max-width:none}"
    ".C th{vertical-align:bottom;font-weight:600;border-bottom-width:2px}"
    ".C tbody th{vertical-align:top;border-bottom-width:1px}"
    ".C th small{font-weight:400;font-size:85%;opacity:.8}"
    ".C td{font-variant-numeric:tabular-nums}"
    ".C i{opacity:.75;font-style:italic}"
    ".C i.null{font-size:85%}"
    ".C td.masked{text-decoration:underline dotted;text-underline-offset:3px}"
    ".C td.wide{white-space:pre-wrap;min-width:12em;max-width:48em}"
    ".C summary{cursor:pointer}.C summary small{opacity:.8;margin-left:.5em}"
    ".C details>div{white-space:pre-wrap;overflow-wrap:anywhere;max-width:48em;max-height:24em;"
    f"overflow:auto;margin-top:3px;padding:4px 8px;border-left:3px solid {_RULE}}}"
    ".C caption{caption-side:top;text-align:left;padding:0 10px 3px;font-size:90%;opacity:.85;"
    "white-space:nowrap;color:inherit}"
    ".C .facts{font-size:90%;opacity:.85;padding:5px 10px 2px}"
    ".C .facts span[title]{text-decoration:underline dotted;text-underline-offset:3px;cursor:help}"
    ".C svg{vertical-align:middle;overflow:visible}"
    "</style>"
).replace(".C", f".{_CLASS}")
ALIGN = {True: ' align="right" style="text-align:right"', False: ' style="text-align:left"'}


def result_html(result: Shown, rows: int) -> str:
    """Return a result as HTML: at most `rows` rows, then the facts."""
    page = page_of(result, rows) if result.changed_rows is None else None
    table = "" if page is None else _result_table(page)
    return framed(table + _facts_line(result_facts(result, page)) + notes_html(result.notes, True))


def listing_html(
    header: Sequence[str], rows: Iterable[Sequence[Any]], notes: Sequence[str] = ()
) -> str:
    """Return a small table of texts and numbers as HTML."""
    table = list(rows)
    right = [bool(table) and all(_is_integer(row[i]) for row in table) for i in range(len(header))]
    body = "".join(f"<tr>{''.join(map(_listing_cell, row, right))}</tr>" for row in table)
    head = "".join(header_cell(text(h), r) for h, r in zip(header, right, strict=True))
    return framed(table_html(head, body) + notes_html(notes))


def framed(inner: str) -> str:
    """Return HTML with its style around it."""
    return f'<div class="{_CLASS}">{_STYLE}{inner}</div>'


def table_html(head: str, body: str, caption: str = "") -> str:
    """Return a table that scrolls sideways where it is too wide, also by keyboard."""
    label = visible(caption) or "table"
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}"><table>'
        f"{f'<caption{ALIGN[False]}>{text(caption)}</caption>' if caption else ''}"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def header_cell(inner: str, right: bool, title: str = "") -> str:
    """Return the head of a column; `inner` is HTML, `title` text."""
    hover = f' title="{escape(visible(title))}"' if title else ""
    return f'<th scope="col"{ALIGN[right]}{hover}>{inner}</th>'


def notes_html(notes: Iterable[str], marked: bool = False) -> str:
    """Return lines below a table."""
    return "".join(
        f'<div class="facts">{"note: " if marked else ""}{text(note)}</div>' for note in notes
    )


def text(value: str) -> str:
    """Return text as HTML: escaped, with what cannot be seen as escapes in italics."""
    shown = "".join(
        f"<i>{escape(piece)}</i>" if is_escape else escape(piece)
        for piece, is_escape in pieces(value)
    )
    return f"<bdi>{shown}</bdi>" if is_right_to_left(value) else shown


# -- results -------------------------------------------------------------------------------------


def _result_table(page: Page) -> str:
    if not page.all_columns:
        return '<div class="facts">(no columns)</div>'
    left = page.left
    shown = [_column(c) for c in page.columns]
    if left < len(shown):
        hidden = page.all_columns - len(shown)
        gap = header_cell("…", False, f"{hidden:,} columns are not shown")
        shown.insert(left, (gap, ["<td>…</td>"] * page.rows))
    head = "".join(header for header, _ in shown)
    body = "".join(
        f"<tr>{''.join(row)}</tr>" for row in zip(*(cells for _, cells in shown), strict=True)
    )
    remarks = [page.rows_remark(), page.columns_remark(left, len(page.columns) - left)]
    return table_html(head, body, "; ".join(filter(None, remarks)))


def _column(column: Column) -> tuple[str, list[str]]:
    facts = column.facts
    header = header_cell(name_html(facts), column.right, facts_text(facts))
    return header, [_td(cell, column.right, facts.mask) for cell in column.cells]


def name_html(facts: ColumnFacts) -> str:
    """Return the name of a column, with its mask and unit below."""
    marks = [f"[{facts.mask}]"] if facts.mask else []
    marks += [f"({facts.unit})"] if facts.unit else []
    second = f"<br><small>{text(' '.join(marks))}</small>" if marks else ""
    return text(facts.label) + second


def facts_text(facts: ColumnFacts) -> str:
    """Return what is known about a column as lines of text."""
    known = [f"{facts.name}: {facts.type}"]
    known += [facts.description] if facts.description else []
    known += [f"unit: {facts.unit}"] if facts.unit else []
    known += [f"masked ({facts.mask}): {MASKS.get(facts.mask, '')}"] if facts.mask else []
    known += [f"column of {', '.join(facts.assets)}"] if facts.assets else []
    # Lines are joined after each is made safe: a name must not begin a line of its own.
    return " · ".join(known)


def _td(cell: Cell, right: bool, mask: str) -> str:
    titles = [f"masked ({mask}): {MASKS.get(mask, '')}"] if mask else []
    titles += [f"exactly {cell.exact}"] if cell.exact else []
    attributes = ' class="masked"' if mask else ""
    attributes += f' title="{escape("; ".join(titles))}"' if titles else ""
    return f"<td{ALIGN[right]}{attributes}>{_inner(cell)}</td>"


def _inner(cell: Cell) -> str:
    if cell.kind == "null":
        return f'<i class="null">{NULL}</i>'
    whole = quoted(cell)
    if len(whole) <= FOLD and not cell.left_out:
        return text(whole)
    head = text(whole[: FOLD - 1])
    return (
        f"<details><summary>{head}…<small>{_length(cell)}</small></summary>"
        f"<div>{''.join(_lines(cell))}</div></details>"
    )


def _length(cell: Cell) -> str:
    if cell.kind == "text":
        return f"{len(cell.text) + cell.left_out:,} characters"
    return f"{cell.left_out:,} more bytes" if cell.left_out else ""


def _lines(cell: Cell) -> Iterator[str]:
    """Yield the unfolded text, with its own lines."""
    for i, line in enumerate(cell.text.split("\n")):
        yield ("<br>" if i else "") + text(line)
    if cell.left_out and cell.kind == "text":
        yield f"<br><i>… {cell.left_out:,} more characters</i>"


def _facts_line(facts: Sequence[Fact]) -> str:
    parts = [
        f'<span title="{escape(visible(f.meaning))}">{text(f.text)}</span>'
        if f.meaning
        else text(f.text)
        for f in facts
    ]
    return f'<div class="facts">{" · ".join(parts)}</div>'


# -- listings ------------------------------------------------------------------------------------


def _listing_cell(value: Any, right: bool) -> str:
    shown = "" if value is None else value_text(value)
    wide = ' class="wide"' if len(shown) > FOLD else ""
    return f"<td{ALIGN[right]}{wide}>{text(shown)}</td>"


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
