"""A few rows of an asset as texts. Runs in a thread of the Jupyter server.

The rows are a governed scan like any other: decided, recorded and masked in the gateway. They are
not checked here, only written down.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from jupyter_govdata.errors import GatewayError
from jupyter_govdata.model.scan import At, Fragment, Limit, Project, Scan, ScanRequest
from jupyter_govdata.server.work import Stop

MAX_ROWS = 100
MAX_COLUMNS = 200
MAX_CELL = 200
"""Characters of a cell."""


def preview(
    session: Any, asset: str, at: At | None, purpose: str | None, rows: int, stop: Stop
) -> dict[str, Any]:
    """Return the first rows of an asset as display texts; NULL is None.

    Raises:
        GovDataError: What the gateway answers, or that nobody waits for it any more.
    """
    view = session.view(asset, at, purpose)
    if view.snapshot is not None:
        # What was described is what is read, whatever is loaded in between.
        at = At(snapshot_id=view.snapshot.snapshot_id)
    names = [column.column for column in view.columns]
    fragment: Fragment = Scan(asset, at)
    if len(names) > MAX_COLUMNS:
        fragment = Project(fragment, tuple(names[:MAX_COLUMNS]))
    if stop.stopped:
        raise GatewayError("the preview was stopped")  # before it is a scan on record
    scan = session.open_scan(ScanRequest(Limit(fragment, rows), purpose or session.purpose))
    stop.then(scan.cancel)
    table = scan.reader().read_all()
    masks = view.masked
    return {
        "asset": asset,
        "snapshot_id": str(view.snapshot.snapshot_id) if view.snapshot else None,
        "purpose": view.purpose,
        "epoch": view.epoch,
        "row_count": view.snapshot.total_rows if view.snapshot else None,
        "column_count": len(names),
        "columns": [
            {"name": field.name, "type": str(field.type), "mask": masks.get(field.name)}
            for field in table.schema
        ],
        "rows": _rows(table.slice(0, rows)),
    }


def _rows(table: Any) -> list[list[str | None]]:
    cells_of = import_module("jupyter_govdata.query.show.cells").cells_of
    columns = [[_text(cell) for cell in cells_of(column)] for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _text(cell: Any) -> str | None:
    if cell.kind == "null":
        return None
    text: str = cell.text
    is_cut = len(text) > MAX_CELL or cell.left_out
    return f"{text[: MAX_CELL - 1]}…" if is_cut else text
