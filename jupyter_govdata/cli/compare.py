"""``jupyter govdata diff``: two stamped notebooks compared. A notebook is untrusted text.

`diff` ends like ``diff``: 0 the results are the same, 1 they differ, 2 it cannot tell.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jupyter_govdata.cli.causal import Experiment, Finding
from jupyter_govdata.cli.counting import RowChange, count_changes
from jupyter_govdata.cli.options import add_session_options, kernel_environment, open_session
from jupyter_govdata.errors import ConfigError, GovDataError
from jupyter_govdata.stamps.differing import (
    DIFFERENT,
    SAME,
    CellDifference,
    NotebookDifference,
    compare_notebooks,
)
from jupyter_govdata.stamps.reading import read_notebook

TROUBLE = 2
_SHOWN_LINES = 12
_COLOURS = {SAME: "green", "different": "red"}
# SECURITY: a notebook of somebody else must not steer the reader's terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def add_commands(commands: Any) -> None:
    """Add the commands of this module."""
    command = commands.add_parser(
        "diff", help="say which results of two stamped notebooks differ, and why"
    )
    command.add_argument("a", type=Path, metavar="A", help="notebook")
    command.add_argument("b", type=Path, metavar="B", help="notebook")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument(
        "--causal",
        action="store_true",
        help="run both, swapping data, code and parameters one at a time, until one explains it",
    )
    command.add_argument("--offline", action="store_true", help="ask no gateway which rows changed")
    add_session_options(command)
    command.set_defaults(run=_diff)


def printable(text: str) -> str:
    """Return text of a notebook without what could steer a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def _diff(options: argparse.Namespace) -> int:
    try:
        found = compare_notebooks(read_notebook(options.a), read_notebook(options.b))
        if not found.cells and not found.problems:
            raise ConfigError(
                "neither notebook has stamps: nothing says what its results were",
                hint="run them with `jupyter govdata rerun`, or as they are with papermill",
            )
        changes = _changes(options, found)
        findings = _findings(options, found) if options.causal else []
    except GovDataError as error:
        print(printable(error.message), file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
        return TROUBLE
    if options.json:
        wire = _wire(options, found, changes)
        if options.causal:
            wire["causal"] = [dataclasses.asdict(finding) for finding in findings]
        print(json.dumps(wire, indent=2))
    else:
        _show(found, changes)
        for finding in findings:
            print(f"  {printable(finding.cell)} differs: {finding.said}")
    return 0 if found.same else 1


def _changes(options: argparse.Namespace, found: NotebookDifference) -> list[RowChange]:
    """Return which rows changed, where a lake is named and another snapshot was read."""
    moved = any(cause.snapshots for cell in found.cells for cause in cell.causes)
    named = ("GOVDATA_GATEWAY", "GOVDATA_LAKE")
    is_named = options.lake or Path("govdata.toml").exists() or any(map(os.environ.get, named))
    if options.offline or not moved or not is_named:
        return []
    with open_session(options) as session:
        return count_changes(session, found)


def _findings(options: argparse.Namespace, found: NotebookDifference) -> list[Finding]:
    """Return why cells differ, found by running both notebooks as today's principal."""
    if not any(cell.verdict == DIFFERENT for cell in found.cells):
        return []
    environment = kernel_environment(options)
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="govdata-") as folder, console.status("") as status:
        experiment = Experiment(
            options.a, options.b, found, Path(folder), environment, status.update
        )
        return list(experiment.findings())


# -- the terminal --------------------------------------------------------------------------------


def _show(found: NotebookDifference, changes: Sequence[RowChange]) -> None:
    table = Table("cell", "result", "what differs", box=None, header_style="bold")
    for cell in found.cells:
        verdict = Text(cell.verdict, style=_COLOURS.get(cell.verdict, "yellow"))
        table.add_row(Text(printable(_name(cell))), verdict, Text(printable(_why(cell))))
    console = Console()
    console.print(table)
    for change in changes:
        console.print(Text(f"  rows you may see of {printable(str(change))}"))
    if found.other_code:
        more = len(found.other_code) - _SHOWN_LINES
        names = ", ".join(found.other_code[:_SHOWN_LINES]) + (
            f" and {more} more" if more > 0 else ""
        )
        console.print(Text(printable(f"  cells without stamps whose code differs: {names}")))
    for problem in found.problems:
        console.print(Text(f"  {printable(problem)}", style="red"))
    same = sum(cell.verdict == SAME for cell in found.cells)
    console.print(Text(f"{same} of {len(found.cells)} results are the same"))


def _name(cell: CellDifference) -> str:
    one, other = cell.a, cell.b
    if one is None or other is None:
        return (one or other).name  # type: ignore[union-attr]  # one of them is there
    return other.name if one.name == other.name else f"{one.name} / {other.name}"


def _why(cell: CellDifference) -> str:
    lines = []
    for cause in cell.causes:
        lines.append(f"{cause.kind}: {cause.said}")
        lines += [f"    {line}" for line in cause.lines[:_SHOWN_LINES]]
        if len(cause.lines) > _SHOWN_LINES:
            lines.append(f"    ... {len(cause.lines) - _SHOWN_LINES} more lines")
    if cell.verdict == SAME and lines:
        lines.append("none of this changed the result")
    if cell.verdict == DIFFERENT and not lines:
        lines.append(
            "nothing that stamps record: think of local tables, Python values and functions "
            "such as `random()`"
        )
    return "\n".join(lines)


def _wire(
    options: argparse.Namespace, found: NotebookDifference, changes: Sequence[RowChange]
) -> dict[str, Any]:
    cells = [
        {
            "a": cell.a.name if cell.a else None,
            "b": cell.b.name if cell.b else None,
            "aligned": cell.aligned,
            "verdict": cell.verdict,
            "causes": [
                {
                    "kind": cause.kind,
                    "said": cause.said,
                    "snapshots": {
                        asset: [[str(v) for v in side] for side in sides]
                        for asset, sides in cause.snapshots.items()
                    },
                    "lines": list(cause.lines),
                }
                for cause in cell.causes
            ],
        }
        for cell in found.cells
    ]
    return {
        "v": 1,
        "a": str(options.a),
        "b": str(options.b),
        "same": found.same,
        "cells": cells,
        "rows": [change.to_wire() for change in changes],
        "other_code": list(found.other_code),
        "problems": list(found.problems),
    }
