"""The command `inventory`: what lies in a storage becomes governed rows."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from jupyter_govdata.cli.options import add_session_options, open_session
from jupyter_govdata.files.words import size_text
from jupyter_govdata.model.wire import to_wire


def add_commands(commands: Any) -> None:
    """Add the command of this module."""
    top = commands.add_parser("inventory", help="make an inventory of the files in a storage")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    verb = verbs.add_parser("scan", help="scan a folder or bucket, or what changed in it")
    verb.add_argument("uri", metavar="URI")
    verb.add_argument("--into", required=True, metavar="ASSET")
    verb.add_argument("--json", action="store_true", help="print JSON")
    add_session_options(verb)
    verb.set_defaults(run=_scan)


def _scan(options: argparse.Namespace) -> int:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with (
        open_session(options) as session,
        Progress(*columns, console=console, transient=True) as bar,
    ):
        task = bar.add_task("scanning", total=None)

        def show(files: int, size: int, unreadable: int) -> None:
            told = f", {unreadable:,} unreadable" if unreadable else ""
            bar.update(task, description=f"{files:,} files, {size_text(size)}{told}")

        found = session.scan_inventory(options.uri, options.into, on_progress=show)
    print(json.dumps(to_wire(found), sort_keys=True) if options.json else found)
    for name, why in found.unreadable:
        print(f"  unreadable: {name}: {why}", file=sys.stderr)
    return 0
