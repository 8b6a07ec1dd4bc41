"""What a notebook read, beside what the lake has now. Runs in a thread of the Jupyter server.

The notebook is untrusted text; what is said about the lake is what the gateway tells whoever asks.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from jupyter_govdata.errors import GatewayUnreachableError, GovDataError, LimitError
from jupyter_govdata.server.work import Stop
from jupyter_govdata.stamps.folding import StampedCell, stamped_cells
from jupyter_govdata.stamps.verifying import Keyset, check_notebook, overall

MAX_ASSETS = 200
"""Snapshots of one notebook that are compared with the lake."""
PAGE = 500

EXPIRED, REFUSED, NOT_COMPARED = "expired", "refused", "not compared"


@dataclass(slots=True)
class Read:
    """A snapshot that a notebook read.

    Args:
        asset: Asset name, as the notebook says.
        snapshot_id: Its id; 0 for an asset without data.
        cells: Cells that read it.
    """

    asset: str
    snapshot_id: int
    cells: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return what the notebook alone says."""
        return {
            "asset": self.asset,
            "snapshot_id": str(self.snapshot_id),
            "cells": self.cells,
            "committed_at": None,
            "newer": None,
            "newest_snapshot_id": None,
            "until": None,
            "why": NOT_COMPARED,
        }


def look(nb: Mapping[str, Any], session: Any, purpose: str | None, stop: Stop) -> dict[str, Any]:
    """Return cells, assets and verification of a notebook; without a session, what it says itself.

    Raises:
        GatewayUnreachableError: The gateway does not answer.
    """
    cells = [cell for cell in stamped_cells(nb) if cell.stamps or cell.problems]
    found = reads(cells)
    purposes = sorted({r.purpose for c in cells for s in c.stamps for r in s.receipts})
    return {
        "purpose": ", ".join(purposes),
        "purposes": purposes,
        "cells": [_cell(cell) for cell in cells],
        "assets": list(_beside(found, session, purpose, stop))
        if session is not None
        else [read.to_json() for read in found],
        "verification": _verification(nb, session) if cells and session is not None else None,
    }


def reads(cells: list[StampedCell]) -> list[Read]:
    """Return the snapshots that cells read, sorted by asset."""
    found: dict[tuple[str, int], Read] = {}
    for cell in cells:
        for asset, snapshot_id in _of_cell(cell):
            read = found.setdefault((asset, snapshot_id), Read(asset, snapshot_id))
            read.cells.append(cell.name)
    return [found[key] for key in sorted(found)]


def _of_cell(cell: StampedCell) -> list[tuple[str, int]]:
    return sorted({(r.asset, r.snapshot_id) for stamp in cell.stamps for r in stamp.receipts})


def _cell(cell: StampedCell) -> dict[str, Any]:
    return {
        "cell_id": cell.name,
        "index": cell.place,
        "status": cell.state,
        "assets": [{"asset": a, "snapshot_id": str(s)} for a, s in _of_cell(cell)],
        "problems": list(cell.problems),
    }


# -- beside the lake ---------------------------------------------------------------------------


def _beside(
    found: list[Read], session: Any, purpose: str | None, stop: Stop
) -> Iterator[dict[str, Any]]:
    known: dict[str, tuple[list[Any], Mapping[int, Any]] | GovDataError] = {}
    for place, read in enumerate(found):
        if place >= MAX_ASSETS or stop.stopped:
            yield read.to_json()
            continue
        if read.asset not in known:
            known[read.asset] = _of_asset(session, read.asset, purpose)
        told = known[read.asset]
        if isinstance(told, GovDataError):
            yield {**read.to_json(), "why": REFUSED}
        else:
            yield {**read.to_json(), **_compared(read.snapshot_id, *told)}


def _of_asset(
    session: Any, asset: str, purpose: str | None
) -> tuple[list[Any], Mapping[int, Any]] | GovDataError:
    try:
        versions: list[Any] = []
        while True:
            page = session.versions(asset, offset=len(versions), limit=PAGE, purpose=purpose)
            versions += [version.snapshot for version in page.versions]
            if len(versions) >= page.total or not page.versions:
                return versions, session.lifetimes(asset, purpose=purpose)
    except (GatewayUnreachableError, LimitError):
        raise
    except GovDataError as error:
        return error


def _compared(snapshot_id: int, versions: list[Any], lives: Mapping[int, Any]) -> dict[str, Any]:
    newest = str(versions[0].snapshot_id) if versions else None
    place = next((i for i, v in enumerate(versions) if v.snapshot_id == snapshot_id), None)
    if place is None:
        gone = EXPIRED if snapshot_id else ""
        return {"newer": len(versions), "newest_snapshot_id": newest, "why": gone}
    life = lives.get(snapshot_id)
    return {
        "committed_at": versions[place].committed_at.isoformat(),
        # Newest first, so what stands before it came after it.
        "newer": place,
        "newest_snapshot_id": newest,
        "until": life.until.isoformat() if life and life.until else None,
        "why": life.why if life else "",
    }


def _verification(nb: Mapping[str, Any], session: Any) -> dict[str, Any]:
    """Return what the signatures are worth; nothing is run."""
    queries = import_module("jupyter_govdata.query.cell").cell_queries
    keys = Keyset(pem.encode() for pem in session.public_keys)
    cells = check_notebook(nb, keys, lambda text: [q.sql for q in queries(text) if q.is_stamped])
    return {
        "status": overall(cells),
        "cells": [
            {
                "cell_id": cell.name,
                "status": cell.verdict,
                "why": "; ".join(part for part in (cell.why, *cell.notes) if part),
            }
            for cell in cells
        ],
    }


# -- holding -----------------------------------------------------------------------------------


def hold_all(
    nb: Mapping[str, Any],
    session: Any,
    name: str,
    until: dt.datetime | str,
    purpose: str | None,
    stop: Stop,
) -> dict[str, Any]:
    """Hold every snapshot that a notebook read; return what is held and what is refused.

    Raises:
        ConfigError: `until` is no time, and nothing was held.
        GatewayUnreachableError: The gateway does not answer.
    """
    end_of = import_module("jupyter_govdata.session.holding").end_of
    moment = end_of(until, dt.datetime.now(dt.UTC)) if isinstance(until, str) else until
    held, refused = [], []
    for read in reads(stamped_cells(nb)):
        if not read.snapshot_id:
            continue  # an asset without data has nothing to hold
        if stop.stopped:
            break
        told = {"asset": read.asset, "snapshot_id": str(read.snapshot_id)}
        try:
            made = session.hold(
                read.asset, read.snapshot_id, name=name, until=moment, purpose=purpose
            )
            held.append({**told, "until": made.until.isoformat() if made.until else None})
        except GatewayUnreachableError:
            raise
        except GovDataError as error:
            refused.append({**told, "code": error.code, "message": error.message})
    return {"held": held, "refused": refused}
