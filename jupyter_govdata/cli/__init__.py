"""``jupyter govdata``: the command line. Runs on the user's side of the wall.

Every command prints what it did or one clear error, and its exit status says which: 0 done,
1 refused or failed, 2 wrong usage, 130 stopped; `rerun` has its own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from jupyter_govdata import __version__
from jupyter_govdata.cli import (
    compare,
    govern,
    lake,
    look,
    prove,
    publishing,
    reporting,
    rerun,
    verify,
)
from jupyter_govdata.errors import GovDataError, PolicyFileError


def parser() -> argparse.ArgumentParser:
    """Return the whole command line."""
    top = argparse.ArgumentParser(
        prog="jupyter govdata",
        description="One governed layer over life-science data.",
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for room in (lake, look, govern, rerun, compare, prove, verify, publishing, reporting):
        room.add_commands(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    options = parser().parse_args(argv)
    try:
        status: int = options.run(options)
    except PolicyFileError as error:
        for line in error.detail.get("problems", [str(error)]):
            print(line, file=sys.stderr)
        return 1
    except GovDataError as error:
        print(error.message, file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return status
