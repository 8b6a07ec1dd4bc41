"""`jupyter govdata export`: what a stamped notebook read and ran, in the words of others."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

from jupyter_govdata.errors import ConfigError, StorageError
from jupyter_govdata.query.cell import cell_queries
from jupyter_govdata.stamps.export import openlineage, prov, rocrate
from jupyter_govdata.stamps.export.record import NotebookRun, record
from jupyter_govdata.stamps.reading import read_notebook

RO_CRATE, OPENLINEAGE, PROV = "ro-crate", "openlineage", "prov"


def add_commands(commands: Any) -> None:
    """Add the command of this module."""
    command = commands.add_parser(
        "export", help="write what a stamped notebook read and ran as RO-Crate, OpenLineage or PROV"
    )
    command.add_argument("notebook", type=Path, metavar="NB")
    command.add_argument("--to", required=True, choices=(RO_CRATE, OPENLINEAGE, PROV))
    command.add_argument(
        "-o", "--out", type=Path, metavar="OUT", help="file, or folder of a crate; else printed"
    )
    command.add_argument("--licence", default="", metavar="URL", help="of the notebook, in a crate")
    command.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> int:
    run = record(
        read_notebook(options.notebook),
        options.notebook.name,
        queries_of=lambda source: [query.sql for query in cell_queries(source) if query.is_stamped],
    )
    try:
        _FORMS[options.to](options, run)
    except OSError as exc:
        raise StorageError(f"`{options.out}` cannot be written: {exc.strerror}") from exc
    missing = sum(query.sql is None for query in run.queries)
    if missing:
        print(f"{missing} queries without their text: the cells do not hold it", file=sys.stderr)
    return 0


def _ro_crate(options: argparse.Namespace, run: NotebookRun) -> None:
    if options.out is None:
        raise ConfigError("a crate is a folder", hint="name one with `-o FOLDER`")
    published = run.ended.date() if run.ended else dt.datetime.now(dt.UTC).date()
    crate = rocrate.crate(run, published=published, licence=options.licence)
    if options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        raise ConfigError(f"`{options.out}` is not an empty folder")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / run.name).write_bytes(run.code)
    _write(options.out / rocrate.METADATA, json.dumps(crate, indent=2, ensure_ascii=False))


def _openlineage(options: argparse.Namespace, run: NotebookRun) -> None:
    events, missing = openlineage.events(run)
    if missing:
        print(
            f"left out, for only a copy without times is left: {', '.join(missing)}",
            file=sys.stderr,
        )
    lines = (json.dumps(event, ensure_ascii=False, separators=(",", ":")) for event in events)
    _write(options.out, "\n".join(lines))


def _prov(options: argparse.Namespace, run: NotebookRun) -> None:
    _write(options.out, json.dumps(prov.document(run), indent=2, ensure_ascii=False))


def _write(out: Path | None, text: str) -> None:
    if out is None:
        print(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")


_FORMS = {RO_CRATE: _ro_crate, OPENLINEAGE: _openlineage, PROV: _prov}
