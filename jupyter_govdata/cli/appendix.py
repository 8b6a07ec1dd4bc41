"""The appendix of a report: for every governed query, what it read, for what, and who said so.

Pure. All text comes from a notebook of anybody, so every word of it is escaped.
"""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Iterable, Mapping
from typing import Any

from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.stamps.export.record import NotebookRun, QueryRun
from jupyter_govdata.stamps.verifying import CheckedCell

STYLE = """
.govdata-provenance { max-width: 60rem; margin: 3rem auto 2rem; padding: 0 1rem;
  font: 14px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; }
.govdata-provenance h1 { font-size: 1.5rem; border-top: 2px solid #1a1a1a; padding-top: 1rem; }
.govdata-provenance h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
.govdata-provenance section { break-inside: avoid; }
.govdata-provenance table { border-collapse: collapse; width: 100%; margin: .4rem 0; }
.govdata-provenance th, .govdata-provenance td { text-align: left; vertical-align: top;
  padding: .2rem .6rem .2rem 0; border-bottom: 1px solid #ddd; overflow-wrap: anywhere; }
.govdata-provenance th { font-weight: 600; }
.govdata-provenance dl { display: grid; grid-template-columns: 9rem 1fr; gap: .1rem .8rem;
  margin: 0; }
.govdata-provenance dt { color: #555; }
.govdata-provenance dd { margin: 0; overflow-wrap: anywhere; }
.govdata-provenance code { font: .92em/1.4 ui-monospace, monospace; }
.govdata-provenance .good { color: #1a7f37; } .govdata-provenance .bad { color: #b42318; }
.jp-RenderedHTMLCommon table { font-size: 12px; }
.jp-RenderedHTMLCommon th { font-weight: 600; }
@media print {
  @page { margin: 18mm 16mm; }
  .govdata-provenance { max-width: none; margin: 0; padding: 0; font-size: 10pt;
    break-before: page; }
  .jp-Cell { break-inside: avoid; }
}
"""

Committed = Mapping[tuple[str, int], dt.datetime]
Checked = Mapping[str, CheckedCell]

_GOOD = ("intact", "exact", "within tolerance")


def appendix(run: NotebookRun, checked: Checked, committed: Committed) -> str:
    """Return the HTML of the appendix.

    Args:
        run: What the stamps tell.
        checked: By cell, what checking the signatures gave; empty if nobody checked.
        committed: When snapshots were committed, as far as somebody could ask.
    """
    sections = "".join(_query(q, checked.get(q.cell), committed) for q in run.queries)
    return (
        '<div class="govdata-provenance"><h1>Provenance</h1>'
        f"{_summary(run, checked)}{sections}{_again(run)}</div>"
    )


def _e(value: Any) -> str:
    return html.escape(str(value), quote=True)


def _code(value: Any) -> str:
    return f"<code>{_e(value)}</code>"


def _list(pairs: Iterable[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{_e(k)}</dt><dd>{v}</dd>" for k, v in pairs if v) + "</dl>"


def _time(moment: dt.datetime | None) -> str:
    return _e(f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC") if moment else ""


def _summary(run: NotebookRun, checked: Checked) -> str:
    receipts = [r for q in run.queries for r in q.stamp.receipts]
    versions = {f"{n} {v}" for q in run.queries for n, v in q.stamp.versions.items()}
    state = "not checked: no public key was at hand"
    if checked:
        bad = sorted({q.cell for q in run.queries if checked[q.cell].verdict not in _GOOD})
        state = f"see the cells {', '.join(bad)}" if bad else "all hold, and the code is theirs"
    return _list(
        (
            ("notebook", _e(run.name)),
            ("queries", _e(len(run.queries))),
            ("last run", _time(run.ended)),
            ("principal", _e(", ".join(sorted({r.principal for r in receipts})))),
            ("purpose", _e(", ".join(sorted({r.purpose for r in receipts})))),
            ("wall", _e(", ".join(sorted({q.stamp.wall for q in run.queries})))),
            ("environment", _e(", ".join(sorted(versions)))),
            ("signatures", _e(state)),
        )
    )


def _query(query: QueryRun, checked: CheckedCell | None, committed: Committed) -> str:
    stamp = query.stamp
    pins = ", ".join(f"{asset} @ {pin}" for asset, pin in sorted(stamp.pins.items()))
    rows = "".join(_receipt(r, committed) for r in stamp.receipts)
    table = (
        "<table><tr><th>asset</th><th>snapshot</th><th>purpose</th><th>decision</th>"
        f"<th>shown</th></tr>{rows}</table>"
    )
    return (
        f"<section><h2>Cell {_code(query.name)}</h2>{table if rows else ''}"
        + _list(
            (
                ("status", _e(f"{stamp.status} {stamp.error}".strip())),
                ("ended", _time(query.ended)),
                ("stamp", _checked(checked)),
                ("result digest", _code(stamp.result_digest) if stamp.result_digest else ""),
                ("query digest", _code(stamp.query_digest)),
                ("parameters", _code(stamp.parameters_digest)),
                ("pins", _e(pins) or "none: the query names its versions, or read no asset"),
            )
        )
        + "</section>"
    )


def _checked(cell: CheckedCell | None) -> str:
    if cell is None:
        return "not checked"
    kind = "good" if cell.verdict in _GOOD else "bad"
    said = "; ".join(part for part in (cell.verdict, cell.why, *cell.notes) if part)
    return f'<span class="{kind}">{_e(said)}</span>'


def _receipt(receipt: Receipt, committed: Committed) -> str:
    at = committed.get((receipt.asset, receipt.snapshot_id))
    snapshot = _code(receipt.snapshot_id) + (f"<br>{_time(at)}" if at else "")
    shown = [f"masked: {', '.join(receipt.masked)}"] if receipt.masked else []
    shown += ["rows filtered"] if receipt.filtered else []
    decision = f"{_code(receipt.decision_id[:16])}<br>epoch {_e(receipt.epoch)}"
    cells = (
        _e(receipt.asset),
        snapshot,
        _e(receipt.purpose),
        decision,
        _e("; ".join(shown) or "as stored"),
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _again(run: NotebookRun) -> str:
    name = run.name if run.name.replace(".", "").replace("_", "").isalnum() else f"'{run.name}'"
    return (
        "<section><h2>How to check it and run it again</h2>"
        "<p>Data is that of the snapshots above; permission is that of the day you run it.</p>"
        f"<p>{_code(f'jupyter govdata verify {name}')}<br>{_code(f'jupyter govdata rerun {name}')}"
        "</p></section>"
    )
