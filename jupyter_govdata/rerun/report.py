"""What a rerun found, cell by cell. Pure values; the standard library and `model` only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_govdata.model.pins import Pins
from jupyter_govdata.model.stamp import Stamp

IDENTICAL = "identical"
DIFFERENT = "different"
NOT_REPLAYABLE = "not replayable"
FAILED = "failed"
NOT_RUN = "not run"
FIRST_RUN = "first run"

CAUSES = ("data", "code", "parameters", "permission", "environment", "unknown")
"""What two stamps can differ in; `unknown`: in nothing that a stamp records."""

EXIT_STATUS: Mapping[str, int] = {
    IDENTICAL: 0,
    FIRST_RUN: 0,
    DIFFERENT: 1,
    NOT_REPLAYABLE: 3,
    FAILED: 4,
}


@dataclass(frozen=True, slots=True)
class CellReport:
    """A governed cell, as it was and as it is now.

    Args:
        cell_id: Id of the cell in the notebook that was written.
        place: 0-based place there.
        verdict: ``identical``; ``different``; ``not replayable``: the snapshot, the asset, a
            column or the permission is gone, or a result has no digest; ``failed``: any other
            error; ``not run``: an earlier cell ended the run; ``first run``: it had no stamp to
            compare with.
        causes: Of `CAUSES`, in their order: what differs between the two stamps. An identical
            result may have causes too: they did not matter.
        why: One sentence for people; empty where the verdict says all.
        assets: Names of the assets that either stamp names, sorted.
        before: Stamps that the notebook came with.
        after: Stamps of this run.
        kept: A resumed run took this cell's output from its journal.
    """

    cell_id: str
    place: int
    verdict: str
    causes: tuple[str, ...] = ()
    why: str = ""
    assets: tuple[str, ...] = ()
    before: tuple[Stamp, ...] = ()
    after: tuple[Stamp, ...] = ()
    kept: bool = False


@dataclass(frozen=True, slots=True)
class RerunReport:
    """What running a notebook again gave.

    Args:
        notebook: The notebook that was run.
        out: The notebook that was written.
        pins: What the run was pinned to.
        cells: Cells that had a stamp, have one now, or failed; in their order.
        error: What ended the run early, one line; empty if every cell ran.
        resumed: Why cells of a resumed run ran again or were kept, for people.
        seconds: Wall-clock time.
    """

    notebook: Path
    out: Path
    pins: Pins = field(default_factory=Pins)
    cells: tuple[CellReport, ...] = ()
    error: str = ""
    resumed: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """The worst verdict of a cell: failed, not replayable, different, then identical.

        Cells that did not run count as whatever ended the run.
        """
        found = {cell.verdict for cell in self.cells}
        for verdict in (FAILED, NOT_REPLAYABLE):
            if verdict in found:
                return verdict
        if self.error or NOT_RUN in found:
            return FAILED
        for verdict in (DIFFERENT, IDENTICAL):
            if verdict in found:
                return verdict
        return FIRST_RUN

    @property
    def exit_status(self) -> int:
        """0 identical (or nothing to compare), 1 different, 3 not replayable, 4 failed."""
        return EXIT_STATUS[self.verdict]

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form that ``--json`` prints; it holds no row of data."""
        return {
            "v": 1,
            "notebook": str(self.notebook),
            "out": str(self.out),
            "verdict": self.verdict,
            "error": self.error,
            "pins": self.pins.to_wire(),
            "resumed": list(self.resumed),
            "seconds": round(self.seconds, 3),
            "cells": [
                {
                    "cell": cell.cell_id,
                    "place": cell.place,
                    "assets": list(cell.assets),
                    "verdict": cell.verdict,
                    "causes": list(cell.causes),
                    "why": cell.why,
                    "kept": cell.kept,
                }
                for cell in self.cells
            ],
        }
