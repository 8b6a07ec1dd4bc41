"""The record of a running notebook: what papermill writes about cells, and the journal.

Runs in the process that runs the notebook. Papermill's own record rewrites the whole notebook
twice per cell and marks cells completed that never ran; this one appends a line per cell.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import nbformat
from papermill.engines import NotebookExecutionManager

from jupyter_govdata.model.pins import Pins
from jupyter_govdata.model.stamp import Stamp
from jupyter_govdata.rerun.journal import Entry, Journal, Journalled
from jupyter_govdata.rerun.saving import write
from jupyter_govdata.stamps.folding import NAMESPACE, fold_stamps

OnProgress = Callable[[int, int], None]


@dataclass
class Run:
    """One run of a notebook, as it goes.

    Args:
        nb: The notebook, written into.
        pins: What it is pinned to.
        before: Stamps that it came with, by cell id.
        environment: Variables for the kernel beside those of this process.
        journal: None if nothing is written while cells run.
        past: What the journal of the run that is resumed tells, or None.
        kept: Ids of the cells whose outputs were taken from the journal.
        notes: Why cells of a resumed run ran again.
    """

    nb: Any
    pins: Pins
    before: dict[str, tuple[Stamp, ...]]
    environment: dict[str, str] = field(default_factory=dict)
    journal: Journal | None = None
    past: Journalled | None = None
    kept: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


class RunRecord(NotebookExecutionManager):
    """Papermill's callbacks; a cell that ends is a line in the journal."""

    def __init__(self, run: Run, on_progress: OnProgress | None = None, **options: Any) -> None:
        super().__init__(run.nb, **options)
        self.run = run
        self._on_progress = on_progress
        self._is_held = False

    @contextmanager
    def _held(self) -> Iterator[None]:
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False

    def save(self, **_options: Any) -> None:
        """Write the notebook with its stamps folded in; not once per cell, which calls here too."""
        if self._is_held:
            return
        if self.output_path:
            fold_stamps(self.nb)
            write(self.nb, self.output_path)
        self.last_save_time = self.now()

    def cell_start(self, cell: Any, cell_index: int | None = None, **_options: Any) -> None:
        """Note that a cell runs; what its metadata keeps of an earlier run is not of this one."""
        cell.metadata.pop(NAMESPACE, None)
        folded = self.nb.metadata.get(NAMESPACE)
        if isinstance(folded, dict) and isinstance(folded.get("cells"), dict):
            folded["cells"].pop(cell.id, None)
        with self._held():
            super().cell_start(cell, cell_index)

    def cell_ended(self, cell: Any, error: str, text: str) -> None:
        """Note that a cell was ended from outside: the kernel died, or it took too long."""
        self.cell_exception(cell)
        output = nbformat.v4.new_output("error", ename=error, evalue=text, traceback=[text])
        cell.setdefault("outputs", []).append(output)

    def cell_complete(self, cell: Any, cell_index: int | None = None, **_options: Any) -> None:
        """Note how a cell ended, first of all in the journal."""
        told = cell.metadata.papermill
        # UPSTREAM: papermill reads its own time back by `dateutil`, the dearest step of a cell.
        started, told["start_time"] = told["start_time"], None
        with self._held():
            super().cell_complete(cell, cell_index)
        if started:
            begun, ended = map(dt.datetime.fromisoformat, (started, told["end_time"]))
            told["duration"] = (ended - begun).total_seconds()
            told["start_time"] = started
        self._ended(cell, cell_index)

    def cell_kept(self, cell: Any, cell_index: int, entry: Entry) -> None:
        """Take a cell as the journal has it."""
        self.run.kept.add(cell.id)
        cell.outputs = nbformat.from_dict(entry.outputs)
        cell.execution_count = entry.execution_count
        cell.metadata.papermill = nbformat.from_dict(dict(entry.papermill))
        if self.pbar:
            self.pbar.update(1)
        self._ended(cell, cell_index)

    def _ended(self, cell: Any, place: int | None) -> None:
        assert place is not None
        self.journal(cell, place)
        if self._on_progress is not None:
            self._on_progress(place + 1, len(self.nb.cells))

    def journal(self, cell: Any, place: int) -> None:
        """Write a cell that has ended into the journal, as it is now."""
        if self.run.journal is None:
            return
        told = dict(cell.metadata.papermill)
        self.run.journal.cell(
            Entry(
                place=place,
                status=str(told.get("status")),
                outputs=cell.get("outputs", []),
                execution_count=cell.get("execution_count"),
                papermill=told,
            )
        )

    def notebook_complete(self, *, is_written_by_caller: bool = False, **_options: Any) -> None:
        """Write the notebook; cells that never ran stay ``pending``.

        Args:
            is_written_by_caller: Papermill writes it next; until then the journal has it.
        """
        unrun = [c for c in self.nb.cells if c.metadata.papermill["status"] == self.PENDING]
        with self._held():
            super().notebook_complete()
        for cell in unrun:
            cell.metadata.papermill["status"] = self.PENDING
        if is_written_by_caller:
            fold_stamps(self.nb)
        else:
            self.save()
