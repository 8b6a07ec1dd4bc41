"""The command `manifest`: what a model is trained on, signed; and what of it must be dropped."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from jupyter_govdata.cli.options import add_session_options, open_session
from jupyter_govdata.model.wire import to_wire

DIFFERS = 3


def add_commands(commands: Any) -> None:
    """Add the command of this module."""
    top = commands.add_parser("manifest", help="sign, check and compare lists of training files")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    verb = verbs.add_parser("make", help="have the gateway sign what you may open now")
    verb.add_argument("asset", metavar="ASSET")
    verb.add_argument("--where", metavar="SQL", help="a condition on the inventory's columns")
    verb.add_argument("-o", "--out", type=Path, required=True, metavar="FILE")
    add_session_options(verb)
    verb.set_defaults(run=_make)

    verb = verbs.add_parser("verify", help="check that the gateway signed it as it stands")
    _add_file(verb, _verify)

    verb = verbs.add_parser(
        "diff", help="name what must be dropped, what changed, and what is new; exit status 3"
    )
    verb.add_argument("--json", action="store_true", help="print JSON")
    _add_file(verb, _diff)


def _add_file(verb: argparse.ArgumentParser, run: Any) -> None:
    verb.add_argument("file", type=Path, metavar="FILE")
    add_session_options(verb)
    verb.set_defaults(run=run)


def _make(options: argparse.Namespace) -> int:
    with open_session(options) as session:
        manifest = session.manifest(options.asset, options.where)
        manifest.save(options.out)
    print(f"{manifest.text}: {options.out}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    with open_session(options) as session:
        print(f"{session.read_manifest(options.file).text}: whole, signed by this lake's gateway")
    return 0


def _diff(options: argparse.Namespace) -> int:
    with open_session(options) as session:
        found = session.compare_manifest(options.file)
    print(json.dumps(to_wire(found), sort_keys=True) if options.json else found)
    return DIFFERS if found else 0
