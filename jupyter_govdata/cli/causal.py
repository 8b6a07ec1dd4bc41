"""``diff --causal``: which factor made a result differ, found by runs with one swapped at a time.

Runs notebooks, in kernels of their own, with the permission and the environment of today: these
two cannot be swapped, so what they explain is what is left.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from jupyter_govdata import rerun as room
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.rerun.reading import read_notebook
from jupyter_govdata.stamps.differing import (
    CODE,
    DATA,
    DIFFERENT,
    ENVIRONMENT,
    PARAMETERS,
    PERMISSION,
    CellDifference,
    NotebookDifference,
)
from jupyter_govdata.stamps.folding import stamped_cells
from jupyter_govdata.stamps.pinning import pins_of

FACTORS = (DATA, CODE, PARAMETERS)
TODAY = "today"
"""Cause of what permission and environment explain together."""

UNSTABLE = "unstable"
"""Cause of a result that is another one at every run."""

Digests = tuple[str, ...]
OnStep = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """Why one cell differs.

    Args:
        cell: Its name in the second notebook.
        causes: Of `FACTORS`, all of which are needed; or `TODAY`, or `UNSTABLE`, alone.
        said: One sentence.
    """

    cell: str
    causes: tuple[str, ...]
    said: str


@dataclass
class _Side:
    nb: Any
    pins: Pins
    parameters: Mapping[str, Any]

    @property
    def code(self) -> list[str]:
        return [c.source for c in self.nb.cells if c.cell_type == "code"]


@dataclass
class Experiment:
    """Two notebooks, and the runs that were made of them.

    Args:
        a: The first notebook.
        b: The second.
        found: What comparing their stamps gave.
        folder: Where runs are written.
        environment: Variables of the kernels.
        on_step: Called with what is run next.
    """

    a: Path
    b: Path
    found: NotebookDifference
    folder: Path
    environment: Mapping[str, str]
    on_step: OnStep
    _runs: dict[frozenset[str], Mapping[str, Digests]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._sides = (_side(self.a), _side(self.b))
        pairs = [(c.a, c.b) for c in self.found.cells if c.a and c.b]
        self._names = [(_id(a.place), _id(b.place)) for a, b in pairs]

    def findings(self) -> Iterator[Finding]:
        """Yield why each cell differs whose result does.

        Raises:
            GovDataError: A notebook cannot be run.
        """
        for cell in self.found.cells:
            if cell.verdict == DIFFERENT and cell.a and cell.b:
                yield self._finding(cell)

    def _factors(self) -> list[str]:
        one, other = self._sides
        differs = {
            DATA: one.pins != self._pins(other.pins, is_b=True, for_b=False),
            CODE: one.code != other.code,
            PARAMETERS: dict(one.parameters) != dict(other.parameters),
        }
        return [factor for factor in FACTORS if differs[factor]]

    def _finding(self, cell: CellDifference) -> Finding:
        assert cell.a is not None
        assert cell.b is not None
        ours, theirs, name = _id(cell.a.place), _id(cell.b.place), cell.b.name
        factors = self._factors()
        # What is the same in both is taken from A; so are the names of cells, if the code is.
        whole = theirs if CODE in factors else ours
        base, goal = self._digests(ours, set()), self._digests(whole, set(factors))
        told = [c.kind for c in cell.causes if c.kind in (PERMISSION, ENVIRONMENT)]
        if not goal or not base:
            said = "it cannot be run again: `jupyter govdata rerun` says why"
            return Finding(name, (UNSTABLE,), said)
        if not factors and not told:
            said = "nothing that a stamp records differs: the result is another one at every run"
            return Finding(name, (UNSTABLE,), said)
        if base == goal:
            what = " or ".join(told) or "something that no stamp records"
            said = f"run today, both give the same result: the difference came from {what}"
            return Finding(name, (TODAY,), said)
        if base != _stamped(cell.a.stamps) and not told:
            said = "the first notebook gives another result at every run: nothing can be isolated"
            return Finding(name, (UNSTABLE,), said)
        for size in range(1, len(factors) + 1):
            for chosen in combinations(factors, size):
                there = theirs if CODE in chosen else ours
                if self._digests(there, set(chosen)) == goal:
                    return Finding(name, chosen, _sentence(chosen))
        return Finding(name, (UNSTABLE,), "the second notebook gives another result at every run")

    def _digests(self, name: str, from_b: set[str]) -> Digests:
        """Return the results of a cell with these factors taken from the second notebook."""
        key = frozenset(from_b)
        if key not in self._runs:
            self._runs[key] = self._run(key)
        return self._runs[key].get(name, ())

    def _run(self, from_b: frozenset[str]) -> Mapping[str, Digests]:
        number = len(self._runs)
        what = f"B's {', '.join(f for f in FACTORS if f in from_b)}" if from_b else "A as it is"
        self.on_step(f"run {number + 1}: {what}")
        code, data, parameters = (self._sides[f in from_b] for f in (CODE, DATA, PARAMETERS))
        source = self.folder / f"{number}.ipynb"
        source.write_text(json.dumps(code.nb), encoding="utf-8")
        report = room.rerun(
            source,
            self.folder / f"{number}.out.ipynb",
            parameters=parameters.parameters,
            pins=self._pins(data.pins, is_b=data is self._sides[1], for_b=code is self._sides[1]),
            environment=self.environment,
        )
        cells = stamped_cells(read_notebook(report.out))
        return {cell.name: _stamped(cell.stamps) for cell in cells}

    def _pins(self, pins: Pins, *, is_b: bool, for_b: bool) -> Pins:
        """Return pins of one notebook for the cells of the other, named as they are there."""
        if is_b == for_b:
            return pins
        names = dict(self._names) if for_b else {b: a for a, b in self._names}
        return Pins(pins.assets, {names.get(c, c): p for c, p in pins.cells.items()}, pins.as_of)


def _side(path: Path) -> _Side:
    nb = read_notebook(path)
    for place, cell in enumerate(nb.cells):
        cell["id"] = _id(place)  # old notebooks have none, and some have one twice
    pins = pins_of(nb)
    given = nb.metadata.get("papermill", {}).get("parameters", {})
    injected = "injected-parameters"
    # The values are given anew in every run; the cell that held them would come first.
    nb.cells = [c for c in nb.cells if injected not in c.get("metadata", {}).get("tags", [])]
    return _Side(nb, pins, given)


def _id(place: int) -> str:
    return f"c{place}"


def _stamped(stamps: Any) -> Digests:
    return tuple(stamp.result_digest for stamp in stamps)


def _sentence(causes: tuple[str, ...]) -> str:
    what = " and ".join(causes)
    if len(causes) == 1:
        return f"because of the {what}: with the {what} of B alone, A gives the result of B"
    return f"because of {what} together: A gives the result of B only with both of B's"
