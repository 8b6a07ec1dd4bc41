"""Commands of stewards: apply, consent, audit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from jupyter_govdata.cli.options import add_session_options, open_session
from jupyter_govdata.errors import ConfigError


def add_commands(commands: Any) -> None:
    """Add the commands of this module."""
    command = commands.add_parser("apply", help="check a governance folder and make it count")
    command.add_argument(
        "folder", type=Path, nargs="?", metavar="DIR", help="governance folder, or its lake"
    )
    command.add_argument("--dry-run", action="store_true", help="check only")
    add_session_options(command)
    command.set_defaults(run=_apply)

    command = commands.add_parser("consent", help="record a consent given or withdrawn")
    command.add_argument("status", choices=("given", "withdrawn"))
    command.add_argument("domain", metavar="DOMAIN", help="for example TCGA-LAML:tcga_patient")
    command.add_argument("subject", metavar="ID")
    command.add_argument("--for", dest="covers", required=True, metavar="PURPOSE")
    command.add_argument("--source", default="", metavar="TEXT", help="form, letter, ticket ...")
    add_session_options(command)
    command.set_defaults(run=_consent)

    command = commands.add_parser("audit", help="print the newest audit records")
    command.add_argument("--limit", type=int, default=50, metavar="N")
    add_session_options(command)
    command.set_defaults(run=_audit)


def _apply(options: argparse.Namespace) -> int:
    folder = options.folder or Path(options.lake or ".")
    if (folder / "govdata.toml").exists():
        options.lake = options.lake or str(folder)
        folder /= "governance"
    elif (folder.parent / "govdata.toml").exists():
        options.lake = options.lake or str(folder.parent)
    if not folder.is_dir():
        raise ConfigError(f"`{folder}` is not a folder")
    with open_session(options) as session:
        done = session.apply(folder, dry_run=options.dry_run)
    for change in done["changes"]:
        print(change)
    print("no problem found" if options.dry_run else f"epoch {done['epoch']}")
    return 0


def _consent(options: argparse.Namespace) -> int:
    with open_session(options) as session:
        epoch = session.consent(
            options.domain, options.subject, options.covers, options.status, source=options.source
        )
    print(f"{options.status}; epoch {epoch}")
    return 0


def _audit(options: argparse.Namespace) -> int:
    with open_session(options) as session:
        found = session.audit(options.limit)
    for line in reversed(found["lines"]):
        print(line)
    chain = found["chain"]
    if chain["ok"]:
        print(f"the chain of {chain['entries']} records is whole")
        return 0
    print(f"THE CHAIN IS BROKEN: {chain['message']}")
    return 1
