"""`rerun`: a notebook run again on the data it was run on, and compared cell by cell.

Runs in the process that runs the notebook. Data is pinned; permission is that of today.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.engines import papermill_engines
from papermill.exceptions import PapermillExecutionError
from papermill.execute import ERROR_MARKER_TAG, execute_notebook
from papermill.iorw import write_ipynb

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.rerun.client import is_dead_at_start
from jupyter_govdata.rerun.comparing import compare
from jupyter_govdata.rerun.engine import MUST, NO, RunOptions, all_completed
from jupyter_govdata.rerun.entry import GovDataEngine
from jupyter_govdata.rerun.governing import refuse_secrets
from jupyter_govdata.rerun.reading import read_notebook
from jupyter_govdata.rerun.record import OnProgress, Run
from jupyter_govdata.rerun.report import CellReport, RerunReport
from jupyter_govdata.rerun.saving import forget_now
from jupyter_govdata.stamps.folding import stamped_cells

ENGINE = "govdata"


def default_out(nb_path: str | Path) -> Path:
    """Return where a rerun is written if nobody says: ``study.ipynb`` -> ``study.rerun.ipynb``."""
    path = Path(nb_path)
    return path.with_name(f"{path.stem}.rerun.ipynb")


def rerun(
    nb_path: str | Path,
    out: str | Path | None = None,
    *,
    parameters: Mapping[str, Any] | None = None,
    pins: Pins | None = None,
    resume: bool = False,
    on_progress: OnProgress | None = None,
    environment: Mapping[str, str] | None = None,
    kernel: str | None = None,
    timeout: int | None = None,
    cwd: str | Path | None = None,
) -> RerunReport:
    """Run a notebook again and compare what its stamps say with those it had.

    An error in a cell ends the run and is in the report; what is written so far stays.

    Args:
        nb_path: The notebook; it is only read.
        out: The notebook to write, replaced if it exists; see `default_out`.
        parameters: Values for its ``parameters`` cell; `purpose` and `as_of` govern the run.
        pins: What is read; None takes the notebook's stamps, `Pins()` the newest.
        resume: Go on where a run with the same `out` was ended.
        on_progress: Called with the number of cells that ended, and of all.
        environment: Variables for the kernel, such as ``GOVDATA_LAKE``.
        kernel: Name of a kernel instead of the notebook's own.
        timeout: Seconds that a cell may take; any by default.
        cwd: Folder that the kernel works in; this process's by default.

    Raises:
        ConfigError: The notebook cannot be read, `out` is the notebook itself, a parameter is a
            secret, the kernel is not installed, or the run cannot be resumed.
        StorageError: `out` cannot be written.
        KeyboardInterrupt: The user stopped it; `out` tells in which cell.
    """
    started = time.monotonic()
    source = Path(nb_path)
    target = Path(out) if out is not None else default_out(source)
    nb = read_notebook(source)
    if target.exists() and source.samefile(target):
        raise ConfigError(
            f"`{target}` is the notebook itself, and it would be overwritten",
            hint="name another notebook with `-o`",
        )
    refuse_secrets(parameters or {})
    runs: list[Run] = []
    options = RunOptions(
        pins=pins,
        resume=MUST if resume else NO,
        environment=dict(environment or {}),
        on_progress=on_progress,
        on_run=runs.append,
        source=str(source),
    )
    error = _execute(nb, target, dict(parameters or {}), options, kernel, timeout, cwd)
    if not runs:
        raise ConfigError(f"the notebook `{source}` was not run: {error}")
    run = runs[0]
    if error and _ended_well(run, target):
        error = ""
    return RerunReport(
        notebook=source,
        out=target,
        pins=run.pins,
        cells=_cells(run),
        error=error,
        resumed=tuple(run.notes),
        seconds=time.monotonic() - started,
    )


def _execute(
    nb: Any,
    out: Path,
    parameters: dict[str, Any],
    options: RunOptions,
    kernel: str | None,
    timeout: int | None,
    cwd: str | Path | None,
) -> str:
    """Run the notebook; return what ended the run early, or an empty string."""
    papermill_engines.register(ENGINE, GovDataEngine)
    try:
        execute_notebook(
            nb,
            str(out).replace("{", "{{").replace("}", "}}"),  # papermill formats paths
            parameters=parameters,
            engine_name=ENGINE,
            kernel_name=kernel,
            progress_bar=False,
            cwd=None if cwd is None else str(cwd),
            execution_timeout=timeout,
            govdata=options,
        )
    except (PapermillExecutionError, CellTimeoutError, DeadKernelError) as exc:
        return _one_line(exc)
    except RuntimeError as exc:
        if not is_dead_at_start(exc):
            raise
        return f"the kernel did not start: {exc}"
    forget_now()
    return ""


def _ended_well(run: Run, out: Path) -> bool:
    """Return whether every cell ran, and take back what papermill wrote about errors if so.

    papermill reports any error that a cell shows, also one that the cell is tagged to raise.
    """
    kept = [cell for cell in run.nb.cells if ERROR_MARKER_TAG not in cell.metadata.get("tags", [])]
    if not all_completed(kept):
        return False
    run.nb.cells = kept
    write_ipynb(run.nb, str(out))
    return True


def _cells(run: Run) -> tuple[CellReport, ...]:
    now = {cell.place: cell.stamps for cell in stamped_cells(run.nb)}
    reports = (
        compare(
            cell,
            place,
            run.before.get(cell.id, ()),
            now.get(place, ()),
            kept=cell.id in run.kept,
        )
        for place, cell in enumerate(run.nb.cells)
        if cell.cell_type == "code"
    )
    return tuple(report for report in reports if report is not None)


def _one_line(exc: BaseException) -> str:
    if isinstance(exc, PapermillExecutionError):
        return f"{exc.ename}: {str(exc.evalue).splitlines()[0] if exc.evalue else ''}".rstrip(": ")
    if isinstance(exc, DeadKernelError):
        return "the kernel died"
    return "a cell took too long"
