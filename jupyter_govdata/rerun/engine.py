"""The papermill engine `govdata`. Runs in the process that runs the notebook, which is the user's.

It pins what the notebook's stamps name, tells the kernel so by `GOVDATA_PINS`, journals each cell
instead of rewriting the notebook, and leaves every decision about data to the gateway.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from papermill.engines import NBClientEngine
from papermill.log import logger
from papermill.utils import merge_kwargs, remove_args

from jupyter_govdata.config import read_client_settings
from jupyter_govdata.errors import ConfigError
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.rerun.client import RunClient
from jupyter_govdata.rerun.governing import (
    declared,
    pins_in_force,
    purpose_of,
    refuse_secrets,
)
from jupyter_govdata.rerun.journal import Head, Journal, Journalled, cell_digest, parameters_digest
from jupyter_govdata.rerun.reading import read_notebook
from jupyter_govdata.rerun.record import OnProgress, Run, RunRecord
from jupyter_govdata.rerun.resuming import check, pins_of_resumed
from jupyter_govdata.rerun.saving import (
    check_writable,
    forget_later,
    forget_now,
    journal_path,
    local_path,
)
from jupyter_govdata.stamps.folding import pins_of_cells, stamped_cells

INLINE_BYTES = 32_000
"""Pins up to this size go to the kernel in its environment, larger ones in a file."""

NO, IF_ANY, MUST = "no", "if any", "must"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What papermill's command line cannot say.

    Args:
        pins: What is read; None takes the notebook's own stamps.
        resume: ``no``; ``if any``: go on if there is a journal; ``must``: refuse if there is none.
        environment: Variables for the kernel.
        on_progress: Called with the number of cells that ended, and of all.
        on_run: Called once with the run before the kernel starts; it is filled in as it goes.
        source: Path of the notebook, for its metadata.
    """

    pins: Pins | None = None
    resume: str = NO
    environment: Mapping[str, str] = field(default_factory=dict)
    on_progress: OnProgress | None = None
    on_run: Callable[[Run], None] | None = None
    source: str = ""

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> RunOptions:
        """Return the options of ``papermill --engine govdata``.

        Raises:
            ConfigError: `GOVDATA_PINS` is no pin file.
        """
        given = "GOVDATA_PINS" in environ
        return cls(
            pins=read_client_settings(environ).pins if given else None,
            resume=IF_ANY if environ.get("GOVDATA_RESUME", "") not in ("", "0") else NO,
        )


class Engine(NBClientEngine):
    """Runs a notebook on the data it names, and can go on where a run was killed."""

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        """Return the name of the kernel to run in.

        Raises:
            ConfigError: Neither the notebook nor the caller names one that is installed.
        """
        found = name or nb.metadata.get("kernelspec", {}).get("name")
        if not found:
            raise ConfigError("the notebook names no kernel", hint="name one with `--kernel`")
        try:
            KernelSpecManager().get_kernel_spec(found)
        except NoSuchKernel as exc:
            known = ", ".join(f"`{k}`" for k in sorted(KernelSpecManager().find_kernel_specs()))
            raise ConfigError(
                f"the kernel `{found}` is not installed",
                hint=f"choose one with `--kernel`: {known or 'none is installed'}",
            ) from exc
        return str(found)

    @classmethod
    def execute_notebook(
        cls,
        nb: Any,
        kernel_name: str,
        output_path: str | None = None,
        progress_bar: Any = True,
        log_output: bool = False,
        autosave_cell_every: int = 30,
        govdata: RunOptions | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run a notebook, as papermill asks.

        Nothing is run and nothing is written before everything is known to fit.

        Args:
            nb: With its parameters injected; its outputs are still those of the last run.
            kernel_name: Of an installed kernel.
            output_path: Where it is written while it runs; None writes nothing.
            progress_bar: True, False, or options of tqdm.
            log_output: Log what cells print.
            autosave_cell_every: Seconds between writes of the notebook; 0 for none.
            govdata: See there; by default what the environment says.
            **kwargs: Of papermill's own engine.

        Raises:
            ConfigError: A parameter is a secret, or the run cannot be resumed.
            StorageError: The notebook cannot be written.
        """
        options = govdata or RunOptions.of_environment(os.environ)
        forget_now()
        with ExitStack() as stack:
            run = _prepare(nb, kernel_name, output_path, options, stack)
            record = RunRecord(
                run,
                options.on_progress,
                output_path=output_path,
                progress_bar=progress_bar,
                log_output=log_output,
                autosave_cell_every=autosave_cell_every,
            )
            record.notebook_start()
            try:
                if run.past is not None and _is_whole(run.past, nb):
                    _take_over(run.past, record)
                else:
                    cls.execute_managed_notebook(record, kernel_name, log_output, **kwargs)
            finally:
                record.cleanup_pbar()
                # UPSTREAM: `papermill.execute_notebook` alone names the input; it writes the
                # notebook as soon as this returns.
                well = (
                    run.journal is not None and "input_path" in kwargs and all_completed(nb.cells)
                )
                record.notebook_complete(is_written_by_caller=well)
            if run.journal is not None and all_completed(nb.cells):
                run.journal.finish()
                forget_later(run.journal.path)
        return record.nb

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: RunRecord,
        kernel_name: str,
        log_output: bool = False,
        stdout_file: Any = None,
        stderr_file: Any = None,
        start_timeout: int = 60,
        execution_timeout: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run the cells in a kernel that knows pins and purpose by its environment."""
        kwargs = remove_args(["input_path"], **kwargs)
        safe = remove_args(["timeout", "startup_timeout"], **kwargs)
        settings = merge_kwargs(
            safe,
            timeout=execution_timeout or kwargs.get("timeout"),
            startup_timeout=start_timeout,
            kernel_name=kernel_name,
            log=logger,
            log_output=log_output,
            stdout_file=stdout_file,
            stderr_file=stderr_file,
        )
        run = nb_man.run
        with _pins_for_kernel(run.pins) as told:
            environment = {**os.environ, **run.environment, "GOVDATA_PINS": told}
            return RunClient(nb_man, **settings).execute(env=environment)


def _prepare(
    nb: Any, kernel_name: str, output: str | None, options: RunOptions, stack: ExitStack
) -> Run:
    """Read what the outputs hold before they are cleared; open the journal."""
    _name_cells(nb)
    parameters = dict(nb.metadata.papermill.get("parameters") or {})
    refuse_secrets(parameters)
    if options.source:
        nb.metadata.papermill["input_path"] = options.source
    cells = stamped_cells(nb)
    values = declared(nb)
    purpose = purpose_of(values)
    pins = pins_in_force(options.pins, pins_of_cells(cells), parameters, values)
    run = Run(
        nb=nb,
        pins=pins,
        before={str(nb.cells[c.place].id): c.stamps for c in cells if c.stamps},
        environment=dict(options.environment) | ({"GOVDATA_PURPOSE": purpose} if purpose else {}),
    )
    head = Head(
        cells=tuple(cell_digest(cell) for cell in nb.cells),
        parameters=parameters_digest(parameters),
        pins=pins,
        purpose=purpose,
        kernel=kernel_name,
    )
    if output is not None:
        check_writable(output)
        run.journal = Journal(journal_path(output))
        stack.callback(run.journal.close)
        _begin_or_resume(run, head, options.resume, output)
    elif options.resume == MUST:
        raise ConfigError("a run that writes nothing cannot be resumed")
    logger.info(_told(run.pins, is_chosen=options.pins is not None))
    if options.on_run is not None:
        options.on_run(run)
    return run


def _begin_or_resume(run: Run, head: Head, resume: str, output: str) -> None:
    assert run.journal is not None
    past = run.journal.read() if resume != NO else None
    if past is not None and resume == IF_ANY and (past.head is None or _is_delivered(past, output)):
        past = None
    if past is None:
        run.journal.begin(head)
        return
    check(past, head)
    run.past = past
    run.pins = pins_of_resumed(past, run.nb)


def _is_delivered(past: Journalled, output: str) -> bool:
    """Return whether the run of the journal has ended well and its notebook is there."""
    path = local_path(output)
    if not past.finished or path is None:
        return False
    try:
        return all_completed(read_notebook(path).cells)
    except ConfigError:
        return False


def _is_whole(past: Journalled, nb: Any) -> bool:
    return past.finished and past.last_good + 1 == len(nb.cells)


def _take_over(past: Journalled, record: RunRecord) -> None:
    """Write a notebook of which only the last write is missing."""
    for place, cell in enumerate(record.nb.cells):
        record.cell_kept(cell, place, past.entries[place])


def _name_cells(nb: Any) -> None:
    """Give every cell an id of its own; the first of two keeps what they share."""
    seen: set[str] = set()
    for place, cell in enumerate(nb.cells):
        name = str(cell.get("id") or f"cell-{place}")
        while name in seen:
            name = f"{name[:50]}-{place}"
        seen.add(name)
        cell["id"] = name


def all_completed(cells: Iterable[Any]) -> bool:
    """Return whether every cell ran to its end."""
    told = (cell.metadata.get("papermill", {}).get("status") for cell in cells)
    return all(status == "completed" for status in told)


def _told(pins: Pins, *, is_chosen: bool) -> str:
    if not pins:
        return "Data: the newest snapshots"
    source = "as chosen" if is_chosen else "as its stamps say"
    count = len(set(pins.assets).union(*pins.cells.values()))
    moment = f", others as of {pins.as_of.isoformat()}" if pins.as_of else ""
    hint = "" if is_chosen else "; GOVDATA_PINS='{\"v\": 1}' reads the newest"
    return f"Data: {count} assets pinned {source}{moment}{hint}"


@contextmanager
def _pins_for_kernel(pins: Pins) -> Iterator[str]:
    """Yield the value of ``GOVDATA_PINS``: the pins, or a file of this user's own with them."""
    text = json.dumps(pins.to_wire(), separators=(",", ":"))
    if len(text) <= INLINE_BYTES:
        yield text
        return
    folder = Path(tempfile.mkdtemp(prefix="govdata-pins-"))
    try:
        file = folder / "pins.json"
        file.write_text(text, encoding="utf-8")
        yield str(file)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
