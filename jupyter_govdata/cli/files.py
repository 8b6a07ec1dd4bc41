"""The commands `files` and `manifest`: governed files on the command line."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from jupyter_govdata.cli.options import add_session_options, open_session
from jupyter_govdata.files.download import FilesProgress, OnProgress
from jupyter_govdata.files.fileset import FileSet
from jupyter_govdata.files.show import sum_text
from jupyter_govdata.session import Session


def add_commands(commands: Any) -> None:
    """Add the command of this module."""
    top = commands.add_parser("files", help="list or download the files that you may open")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    verb = verbs.add_parser("ls", help="list the files of an inventory that you may open")
    _add_choice(verb)
    verb.add_argument("--json", action="store_true", help="print JSON lines, one a file")
    add_session_options(verb)
    verb.set_defaults(run=_ls)

    verb = verbs.add_parser("get", help="download them; call it again to go on after a stop")
    _add_choice(verb)
    verb.add_argument("--to", required=True, type=Path, metavar="FOLDER")
    verb.add_argument("--parallel", type=int, default=4, metavar="N", help="files at a time")
    verb.add_argument("--overwrite", action="store_true", help="replace files of other content")
    add_session_options(verb)
    verb.set_defaults(run=_get)


def _add_choice(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("asset", metavar="ASSET", nargs="?")
    verb.add_argument("--where", metavar="SQL", help="a condition on the inventory's columns")
    verb.add_argument("--manifest", type=Path, metavar="FILE", help="the files of a manifest")


def chosen(session: Session, options: argparse.Namespace) -> FileSet:
    """Return the files that the options choose; say what of a manifest is dropped.

    Raises:
        GovDataError: Whatever the gateway answers.
    """
    files = session.files(options.asset, options.where, manifest=options.manifest)
    for name in files.dropped:
        print(f"permitted no more: {name}", file=sys.stderr)
    return files


def _ls(options: argparse.Namespace) -> int:
    with open_session(options) as session:
        files = chosen(session, options)
        if options.json:
            for file in files:
                facts = {k: v for k, v in vars(file).items() if not k.startswith("_")}
                print(json.dumps({**facts, "row": None}, sort_keys=True, ensure_ascii=False))
            return 0
        # Sizes that the inventory does not know cost a call each; who needs them takes `--json`.
        for path, size, _, kind in files.listing():
            print(f"{'?' if size is None else f'{size:,}':>14}  {kind:<8} {path}")
        print(sum_text(files), file=sys.stderr)
    return 0


def _get(options: argparse.Namespace) -> int:
    with open_session(options) as session:
        files = chosen(session, options)
        with shown_progress() as on_progress:
            paths = files.download(
                options.to,
                parallel=options.parallel,
                overwrite=options.overwrite,
                on_progress=on_progress,
            )
    print(f"{len(paths):,} files in {options.to}")
    return 0


@contextmanager
def shown_progress() -> Iterator[OnProgress]:
    """Show a download on stderr while it runs; one line at the end where that is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("files", total=None)

        def show(progress: FilesProgress) -> None:
            done = f"{progress.files_done:,} of {progress.files:,} files"
            missing = f", {progress.missing:,} refused or unreadable" if progress.missing else ""
            bar.update(
                task,
                description=done + missing,
                completed=progress.bytes_done,
                total=progress.bytes,
            )

        yield show
