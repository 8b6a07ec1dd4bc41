"""``jupyter govdata rerun``: a notebook run again on the data that its stamps name.

Its exit status is the verdict: 0 identical, 1 different, 2 wrong usage, 3 not replayable,
4 failed, 130 stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jupyter_govdata import rerun as room
from jupyter_govdata.cli.options import (
    add_session_options,
    kernel_environment,
    open_session,
)
from jupyter_govdata.errors import ConfigError, GovDataError
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.rerun.choosing import (
    EXPIRED,
    NOT_PERMITTED,
    chosen_pins,
    plan,
    planned_to_wire,
    used,
)
from jupyter_govdata.rerun.reading import read_notebook
from jupyter_govdata.stamps.folding import stamped_cells
from jupyter_govdata.stamps.pinning import pins_of

USAGE, NOT_REPLAYABLE, FAILED = 2, 3, 4
_COLOURS = {
    "identical": "green",
    "first run": "green",
    "different": "yellow",
    "not replayable": "red",
    "failed": "red",
    "not run": "dim",
    "newest": "green",
    "pinned": "green",
    "expired": "red",
    "not permitted": "red",
}


def add_commands(commands: Any) -> None:
    """Add the command of this module."""
    command = commands.add_parser(
        "rerun", help="run a notebook again on the data it was run on, and compare"
    )
    command.add_argument("notebook", metavar="NB")
    command.add_argument("-o", "--out", metavar="OUT", help="notebook to write (NB.rerun.ipynb)")
    command.add_argument(
        *("-p", "--param"),
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="value for the notebook's `parameters` cell",
    )
    command.add_argument(
        "--pins",
        metavar="PINS",
        help="stamped (default), current, as-of=TIMESTAMP, or a pin file",
    )
    command.add_argument(
        "--use",
        action="append",
        default=[],
        metavar="ASSET=SNAPSHOT",
        help="read this asset at another snapshot, tag, or `latest`",
    )
    command.add_argument("--kernel", metavar="NAME", help="instead of the notebook's own")
    command.add_argument("--timeout", type=int, metavar="SECONDS", help="that a cell may take")
    command.add_argument(
        "--dry-run", action="store_true", help="say what would be read; run nothing"
    )
    command.add_argument(
        "--resume", action="store_true", help="go on where an ended run with the same OUT stopped"
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    add_session_options(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    try:
        return _dry_run(options) if options.dry_run else _rerun(options)
    except GovDataError as error:
        print(error.message, file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
        return USAGE if isinstance(error, ConfigError) else FAILED


def _rerun(options: argparse.Namespace) -> int:
    parameters = {name: value_of(text) for name, text in options.param}
    pins, is_stamped = _pins(options, parameters)
    if not is_stamped:
        return _no_stamps(options)
    console = Console(stderr=True)
    with console.status("starting the kernel") as status:

        def on_progress(done: int, of: int) -> None:
            status.update(f"{done} of {of} cells")

        report = room.rerun(
            options.notebook,
            options.out,
            parameters=parameters,
            pins=pins,
            resume=options.resume,
            on_progress=on_progress,
            environment=kernel_environment(options),
            kernel=options.kernel,
            timeout=options.timeout,
        )
    if options.json:
        print(json.dumps(report.to_wire(), indent=2))
    else:
        _show(report)
    return report.exit_status


def _pins(options: argparse.Namespace, parameters: dict[str, Any]) -> tuple[Pins | None, bool]:
    """Return what the command line chooses (None: the stamps), and False if there is nothing."""
    pins = chosen_pins(options.pins or "stamped")
    nb = read_notebook(Path(options.notebook))
    stamped = pins_of(nb)
    own = options.pins is None and bool(parameters.get("as_of"))
    if options.use:
        with open_session(options) as session:
            base = pins if pins is not None else (Pins() if own else stamped)
            return used(base, options.use, session.catalog.versions), True
    if pins is None and not own and not stamped and not options.resume and not _has_stamps(nb):
        return None, False
    return (stamped if options.pins == "stamped" else pins), True


def _has_stamps(nb: Any) -> bool:
    return any(cell.stamps for cell in stamped_cells(nb))


def _no_stamps(options: argparse.Namespace) -> int:
    print(f"`{options.notebook}` has no stamps: nothing says what it read", file=sys.stderr)
    print("  hint: run it on the newest data with `--pins current`", file=sys.stderr)
    return NOT_REPLAYABLE


def value_of(text: str) -> Any:
    """Return a parameter's value as papermill reads it: numbers, True, False, None, else text."""
    if text in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


# -- printing ------------------------------------------------------------------------------------


def _show(report: Any) -> None:
    console = Console()
    table = Table("cell", "assets", "verdict", "", box=None, header_style="bold")
    for cell in report.cells:
        verdict = cell.verdict
        if cell.causes and verdict != "identical":
            verdict = f"{verdict} ({', '.join(cell.causes)})"
        table.add_row(
            Text(cell.cell_id),
            Text(", ".join(cell.assets)),
            Text(verdict, style=_COLOURS.get(cell.verdict, "")),
            Text("; ".join(filter(None, (cell.why, "kept from the journal" if cell.kept else "")))),
        )
    if report.cells:
        console.print(table)
    for note in report.resumed:
        console.print(note, markup=False, highlight=False)
    if report.error:
        console.print(f"ended early: {report.error}", markup=False, highlight=False)
    console.print(f"{report.verdict}: {report.out}", markup=False, highlight=False, soft_wrap=True)


def _dry_run(options: argparse.Namespace) -> int:
    chosen, is_stamped = _pins(options, dict(options.param))
    if not is_stamped:
        return _no_stamps(options)
    pins = pins_of(read_notebook(Path(options.notebook))) if chosen is None else chosen
    with open_session(options) as session:
        rows = plan(pins, session)
    if options.json:
        found = {"v": 1, "pins": pins.to_wire(), "plan": planned_to_wire(rows)}
        print(json.dumps(found, indent=2))
    else:
        _show_plan(pins, rows)
    lost = any(row.state in (EXPIRED, NOT_PERMITTED) for row in rows)
    return NOT_REPLAYABLE if lost else 0


def _show_plan(pins: Pins, rows: Any) -> None:
    console = Console()
    table = Table("asset", "snapshot", "committed", "newer", "state", "cells", box=None)
    for row in rows:
        table.add_row(
            Text(row.asset),
            str(row.snapshot_id),
            f"{row.committed_at:%Y-%m-%d %H:%M:%S} UTC" if row.committed_at else "",
            str(row.newer or ""),
            Text(row.state, style=_COLOURS.get(row.state, "")),
            Text(", ".join(row.cells)),
        )
    if rows:
        console.print(table)
    for row in rows:
        if row.why:
            console.print(f"{row.asset}: {row.why}", markup=False, highlight=False)
    rest = f"as of {pins.as_of.isoformat()}" if pins.as_of else "the newest snapshot"
    console.print(f"any other asset: {rest}; nothing was run", markup=False, highlight=False)
