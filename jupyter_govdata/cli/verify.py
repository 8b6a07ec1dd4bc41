"""``jupyter govdata verify``: what a notebook's stamps are worth. Runs on the user's side.

Its exit status: 0 nothing wrong, 1 different, 2 wrong usage, 3 not replayable, 4 forged.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jupyter_govdata import rerun as room
from jupyter_govdata.cli.options import (
    add_session_options,
    kernel_environment,
    open_session,
)
from jupyter_govdata.errors import ConfigError, GovDataError, RefusalError
from jupyter_govdata.model.stamp import Stamp
from jupyter_govdata.query.cell import cell_queries
from jupyter_govdata.session import Session
from jupyter_govdata.stamps.reading import read_notebook
from jupyter_govdata.stamps.shown import apart, shown_results
from jupyter_govdata.stamps.verifying import (
    DIFFERENT,
    EXACT,
    EXIT_STATUS,
    FORGED,
    INTACT,
    NOT_GOVERNED,
    NOT_REPLAYABLE,
    WITHIN,
    CheckedCell,
    Keyset,
    check_notebook,
    overall,
)

USAGE = 2
_COLOURS = {DIFFERENT: "yellow", FORGED: "bold red", NOT_REPLAYABLE: "red", NOT_GOVERNED: "dim"}
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def add_commands(commands: Any) -> None:
    """Add the command of this module."""
    command = commands.add_parser("verify", help="check what a notebook's stamps are worth")
    command.add_argument("notebook", type=Path, metavar="NB")
    command.add_argument(
        "--key",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="public keys of the gateway (PEM): check without any access to it",
    )
    command.add_argument("--run", dest="execute", action="store_true", help="run it again")
    command.add_argument(
        "--tolerance", type=float, metavar="T", help="relative, of the numbers shown; with --run"
    )
    command.add_argument("--kernel", metavar="NAME", help="instead of the notebook's own")
    command.add_argument("--timeout", type=int, metavar="SECONDS", help="that a cell may take")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    add_session_options(command)
    command.set_defaults(run=_verify)


def _verify(options: argparse.Namespace) -> int:
    try:
        return _checked(options)
    except GovDataError as error:
        print(error.message, file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
        return USAGE if isinstance(error, ConfigError) else 1


def _checked(options: argparse.Namespace) -> int:
    if options.tolerance is not None and not (options.execute and 0 <= options.tolerance < 1):
        raise ConfigError("`--tolerance` is at least 0, below 1, and goes with `--run`")
    nb = read_notebook(options.notebook, shown=options.tolerance is not None)
    given = [_key(path) for path in options.key]
    if given and not options.execute:
        # A reviewer: the notebook and the keys are all there is.
        cells = check_notebook(nb, Keyset(given), _queries)
    else:
        with open_session(options) as session:
            keys = given or [pem.encode() for pem in session.public_keys]
            cells = check_notebook(nb, Keyset(keys), _queries)
            if not options.execute:
                cells = [_readable(cell, session) for cell in cells]
        if options.execute and any(cell.stamps for cell in cells):
            cells = _run(options, nb, cells)
    if not any(cell.stamps for cell in cells):
        print(f"`{options.notebook}` has no stamps: there is nothing to verify", file=sys.stderr)
    _report(options, cells)
    return EXIT_STATUS[overall(cells)]


def _key(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(1 << 20)
    except OSError as exc:
        raise ConfigError(f"`{path}` cannot be read: {exc.strerror}") from exc


def _queries(source: str) -> Sequence[str]:
    return [query.sql for query in cell_queries(source) if query.is_stamped]


def _readable(cell: CheckedCell, session: Session) -> CheckedCell:
    """Return the cell, not replayable if I may not read now what it read."""
    if cell.verdict != INTACT:
        return cell
    notes = []
    for asset in cell.assets:
        read = {r.snapshot_id for s in cell.stamps for r in s.receipts if r.asset == asset}
        try:
            kept = session.lifetimes(asset)
        except RefusalError as refusal:
            return cell.becomes(NOT_REPLAYABLE, f"permission: {refusal.message}")
        for snapshot_id in sorted(read - set(kept) - {0}):
            return cell.becomes(
                NOT_REPLAYABLE, f"snapshot `{snapshot_id}` of `{asset}` is not kept any more"
            )
    me = str(session.whoami()["principal"])
    others = {r.principal for s in cell.stamps for r in s.receipts} - {me}
    if others:
        who = ", ".join(f"`{name[:100]}`" for name in sorted(others))
        notes.append(f"it was run by {who}: you (`{me}`) may see other rows or values")
    return cell.becomes(INTACT, "", *notes)


# -- running it again --------------------------------------------------------------------------


def _run(
    options: argparse.Namespace, nb: dict[str, Any], cells: list[CheckedCell]
) -> list[CheckedCell]:
    with tempfile.TemporaryDirectory(prefix="govdata-verify-") as folder:
        out = Path(folder) / "rerun.ipynb"
        with Console(stderr=True).status("running the notebook again"):
            report = room.rerun(
                options.notebook,
                out,
                environment=kernel_environment(options),
                kernel=options.kernel,
                timeout=options.timeout,
            )
        after = read_notebook(out, shown=True)["cells"] if options.tolerance is not None else []
    # A run may insert cells (parameters, errors): places move, ids stay.
    found = {cell.cell_id: cell for cell in report.cells}
    found |= {f"#{cell.place}": cell for cell in report.cells}
    made = []
    for cell in cells:
        again = found.get(cell.name)
        if cell.verdict == NOT_GOVERNED and again is not None and _read(again.after):
            made.append(cell.becomes(DIFFERENT, "it reads governed assets, and has no receipt"))
        elif cell.verdict != INTACT:
            made.append(cell)
        elif again is None:
            made.append(cell.becomes(NOT_REPLAYABLE, report.error or "it gave no stamp"))
        else:
            made.append(_again(cell, again, nb["cells"], after, options.tolerance))
    return made


def _again(
    cell: CheckedCell,
    again: Any,
    before: list[dict[str, Any]],
    after: list[dict[str, Any]],
    tolerance: float | None,
) -> CheckedCell:
    causes = ", ".join(again.causes)
    why = f"{causes}: {again.why}" if causes and again.why else causes or again.why
    if again.verdict == "identical":
        if _read(cell.stamps) != _read(again.after):
            return cell.becomes(DIFFERENT, "it read other snapshots or assets than its stamp says")
        walls = {s.wall for s in again.after} - {s.wall for s in cell.stamps}
        notes = [f"the wall is `{wall}` now" for wall in sorted(walls)]
        return cell.becomes(EXACT, "", *([again.why] if again.why else []), *notes)
    if again.verdict != "different":
        return cell.becomes(NOT_REPLAYABLE, why or again.verdict)
    if tolerance is None:
        return cell.becomes(DIFFERENT, why)
    shown = [shown_results(before[cell.place]), shown_results(after[again.place])]
    if any(len(texts) != 1 for texts in shown):
        return cell.becomes(DIFFERENT, why, "tolerance: it does not show one result to compare")
    left = apart(shown[0][0], shown[1][0], tolerance)
    if left:
        return cell.becomes(DIFFERENT, why, f"tolerance: {left}")
    return cell.becomes(WITHIN, f"the numbers shown differ by at most {tolerance:g}", why)


def _read(stamps: Sequence[Stamp]) -> set[tuple[str, int]]:
    return {(r.asset, r.snapshot_id) for s in stamps for r in s.receipts}


# -- reporting ---------------------------------------------------------------------------------


def _report(options: argparse.Namespace, cells: list[CheckedCell]) -> None:
    if options.junit:
        _junit(options.junit, options.notebook, cells)
    if options.json:
        print(json.dumps(_wire(options.notebook, cells), indent=2))
        return
    console = Console(soft_wrap=not sys.stdout.isatty())
    table = Table(box=None, header_style="bold")
    table.add_column("cell", no_wrap=True)
    table.add_column("assets", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    table.add_column("", overflow="fold")
    for cell in cells:
        text = "; ".join(part for part in (cell.why, *cell.notes) if part)
        verdict = Text(cell.verdict, style=_COLOURS.get(cell.verdict, "green"))
        table.add_row(Text(cell.name), Text(", ".join(cell.assets)), verdict, Text(text))
    if cells:
        console.print(table)
    counted = Counter(cell.verdict for cell in cells)
    told = ", ".join(f"{counted[verdict]} {verdict}" for verdict in EXIT_STATUS if counted[verdict])
    console.print(f"{overall(cells)}: {told or 'no code cell'}", highlight=False, markup=False)


def _wire(notebook: Path, cells: list[CheckedCell]) -> dict[str, Any]:
    return {
        "v": 1,
        "notebook": str(notebook),
        "verdict": overall(cells),
        "cells": [
            {
                "cell": cell.name,
                "place": cell.place,
                "verdict": cell.verdict,
                "why": cell.why,
                "notes": list(cell.notes),
                "assets": list(cell.assets),
                "result_digests": [s.result_digest for s in cell.stamps],
            }
            for cell in cells
        ],
    }


def _junit(path: Path, notebook: Path, cells: list[CheckedCell]) -> None:
    counted = Counter(_OUTCOME.get(cell.verdict, "") for cell in cells)
    suite = ElementTree.Element(
        "testsuite",
        name=_clean(str(notebook)),
        tests=str(len(cells)),
        failures=str(counted["failure"]),
        errors=str(counted["error"]),
        skipped=str(counted["skipped"]),
    )
    for cell in cells:
        case = ElementTree.SubElement(
            suite, "testcase", classname=_clean(notebook.stem), name=_clean(f"cell {cell.name}")
        )
        outcome = _OUTCOME.get(cell.verdict)
        if outcome is not None:
            said = _clean(f"{cell.verdict}: {cell.why}" if cell.why else cell.verdict)
            ElementTree.SubElement(case, outcome, message=said).text = _clean("\n".join(cell.notes))
    tree = ElementTree.ElementTree(suite)
    try:
        tree.write(path, encoding="utf-8", xml_declaration=True)
    except OSError as exc:
        raise ConfigError(f"`{path}` cannot be written: {exc.strerror}") from exc


_OUTCOME = {
    DIFFERENT: "failure",
    FORGED: "failure",
    NOT_REPLAYABLE: "error",
    NOT_GOVERNED: "skipped",
}


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
