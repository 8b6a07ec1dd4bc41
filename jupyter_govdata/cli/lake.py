"""Commands that make, serve and fill a lake: init, serve, demo, load."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from jupyter_govdata import demo
from jupyter_govdata.cli.options import add_session_options, open_session, pairs
from jupyter_govdata.errors import GovDataError
from jupyter_govdata.formats import Source, describe_schema
from jupyter_govdata.session import init_lake


def add_commands(commands: Any) -> None:
    """Add the commands of this module."""
    command = commands.add_parser("init", help="make an empty lake")
    command.add_argument("folder", type=Path, metavar="DIR")
    command.add_argument("--governance", type=Path, metavar="DIR", help="start from this folder")
    command.add_argument("--steward", metavar="USER", default=getpass.getuser())
    command.set_defaults(run=_init)

    command = commands.add_parser("serve", help="run a gateway until it is stopped")
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--lake", type=Path, metavar="DIR", help="serve this lake on loopback")
    source.add_argument("--config", type=Path, metavar="FILE", help="serve as this file says")
    command.set_defaults(run=_serve)

    command = commands.add_parser("demo", help="build the demo lake and open the tour")
    command.add_argument("--lake", type=Path, metavar="DIR", default=Path("demo-lake"))
    command.add_argument(
        "--run", dest="run_tour", action="store_true", help="run the tour here and print it"
    )
    command.add_argument("--build", action="store_true", help="build the lake and stop")
    command.set_defaults(run=_demo)

    command = commands.add_parser("load", help="load a file or database table into an asset")
    command.add_argument("source", metavar="SOURCE", help="file, folder or database URL")
    command.add_argument("--into", required=True, metavar="NAMESPACE.NAME")
    command.add_argument("--mode", choices=("create", "append", "overwrite"), default="create")
    command.add_argument("--partition", action="append", default=[], metavar="COL")
    command.add_argument("--tag", action="append", default=[], metavar="K=V")
    command.add_argument("--description", default="", metavar="TEXT")
    command.add_argument("--format", metavar="NAME", help="instead of guessing by name")
    command.add_argument("--delimiter", metavar="C")
    command.add_argument("--encoding", metavar="NAME")
    command.add_argument("--comment", metavar="C", help="lines that start so are skipped")
    command.add_argument("--null", action="append", metavar="TEXT", help="text that means NULL")
    command.add_argument("--type", action="append", default=[], metavar="COL=TYPE")
    command.add_argument("--rename", action="append", default=[], metavar="OLD=NEW")
    command.add_argument("--table", metavar="NAME", help="table of a database URL")
    command.add_argument("--rejects", type=Path, metavar="FILE", help="where bad rows go")
    command.add_argument("--evolve", action="store_true", help="add columns the asset lacks")
    add_session_options(command)
    command.set_defaults(run=_load)


def _init(options: argparse.Namespace) -> int:
    folder = init_lake(options.folder, options.governance, options.steward)
    print(f"made the lake {folder}; its steward is `{options.steward}`")
    print(
        f"  load data:    jupyter govdata load FILE --into NAMESPACE.NAME --lake {options.folder}"
    )
    print(f"  write policy: {options.folder}/governance, then jupyter govdata apply")
    return 0


def _serve(options: argparse.Namespace) -> int:
    where = ["--config", str(options.config)] if options.config else ["--lake", str(options.lake)]
    # The gateway is a process of its own; this one becomes it.
    os.execv(  # noqa: S606
        sys.executable, [sys.executable, "-m", "jupyter_govdata.gateway", "serve", *where]
    )


def _demo(options: argparse.Namespace) -> int:
    console = Console(stderr=True)
    with console.status("building the demo lake") as status:
        demo.build(options.lake, progress=status.update)
    print(f"the demo lake is in {options.lake.resolve()}")
    if options.build:
        return 0
    return demo.run_tour(options.lake) if options.run_tour else demo.open_tour(options.lake)


def _load(options: argparse.Namespace) -> int:
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
    )
    seen: list[Source] = []

    def show(source: Source) -> None:
        seen.append(source)
        print(f"{source.location} ({source.kind})")
        print(describe_schema(source.schema))
        for note in source.notes:
            print(f"  note: {note}")

    with open_session(options) as session, Progress(*columns, console=console) as bar:
        task = bar.add_task(f"loading {options.into}", total=None)

        def move(rows: int, done: int | None, total: int | None) -> None:
            bar.update(task, completed=done or rows, total=total)

        try:
            snapshot = session.load(
                options.source,
                options.into,
                mode=options.mode,
                partition_by=options.partition,
                tags=pairs(options.tag),
                description=options.description,
                evolve=options.evolve,
                on_schema=show,
                on_progress=move,
                **_reading(options),
            )
        except GovDataError:
            bar.stop()
            raise
        bar.update(task, visible=False)
    return _report(options, seen[0], snapshot.added_rows, snapshot.snapshot_id)


def _reading(options: argparse.Namespace) -> dict[str, Any]:
    given = {
        "format": options.format,
        "delimiter": options.delimiter,
        "encoding": options.encoding,
        "comment": options.comment,
        "null_values": options.null,
        "types": pairs(options.type) or None,
        "columns": pairs(options.rename) or None,
        "table": options.table,
        "reject_file": options.rejects,
    }
    return {k: v for k, v in given.items() if v is not None}


def _report(options: argparse.Namespace, source: Source, rows: int | None, snapshot_id: int) -> int:
    rejected = source.reject.count
    loaded = source.rows_read - rejected if rows is None else rows
    print(f"{_counted(loaded)} into {options.into}, snapshot {snapshot_id}")
    if rejected:
        print(f"{_counted(rejected)} did not fit: see {source.reject.path}")
        for reject in source.reject.reasons[:5]:
            print(f"  line {reject.line}, column `{reject.column}`: {reject.reason}")
    return 0


def _counted(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"
