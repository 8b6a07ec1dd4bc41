"""``jupyter govdata``: the command line. Runs on the user's side of the wall.

Every command prints what it did or one clear error, and its exit status says which: 0 done,
1 refused or failed, 2 wrong usage, 130 stopped; `rerun` has its own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

from jupyter_govdata import __version__
from jupyter_govdata.errors import GovDataError, PolicyFileError

COMMANDS: Mapping[str, tuple[str, ...]] = {
    # module: its commands; a command does not wait for what the others import
    "lake": ("init", "serve", "demo", "load"),
    "look": ("ls", "describe", "versions", "explain", "sql"),
    "files": ("files",),
    "manifest": ("manifest",),
    "inventory": ("inventory",),
    "govern": ("apply", "consent", "audit"),
    "requests": ("requests",),
    "rerun": ("rerun",),
    "compare": ("diff",),
    "prove": ("stamp", "pins", "hold", "release"),
    "verify": ("verify",),
    "publishing": ("export",),
    "reporting": ("report",),
}


def parser(*modules: str) -> argparse.ArgumentParser:
    """Return the command line of some modules, by default of all."""
    top = argparse.ArgumentParser(
        prog="jupyter govdata",
        description="One governed layer over life-science data.",
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in modules or COMMANDS:
        import_module(f"{__name__}.{module}").add_commands(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words == ["--version"]:
        print(__version__)
        return 0
    asked = (module for module, commands in COMMANDS.items() if words and words[0] in commands)
    options = parser(*asked).parse_args(words)
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
