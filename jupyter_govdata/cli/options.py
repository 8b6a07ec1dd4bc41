"""Options that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.session import Session, connect


def add_session_options(command: argparse.ArgumentParser) -> None:
    """Add the options that say where the lake is and who asks."""
    command.add_argument(
        "--lake",
        metavar="TARGET",
        help="lake folder or gateway address (default: GOVDATA_LAKE, GOVDATA_GATEWAY, "
        "the current folder if it is a lake, else your own lake)",
    )
    command.add_argument("--user", metavar="USER", help="principal of an embedded session")
    command.add_argument("--purpose", metavar="P", help="what the data is used for")


def open_session(options: argparse.Namespace) -> Session:
    """Open the session that the options describe."""
    target = options.lake
    if target is None and Path("govdata.toml").exists():
        target = Path.cwd()
    return connect(target, user=options.user, purpose=options.purpose)


def kernel_environment(options: argparse.Namespace) -> dict[str, str]:
    """Return the variables that give a kernel the session that the options describe."""
    found = {"GOVDATA_USER": options.user, "GOVDATA_PURPOSE": options.purpose}
    lake = options.lake
    if lake is None and Path("govdata.toml").exists():
        lake = str(Path.cwd())
    if lake is not None and "://" in lake:
        found["GOVDATA_GATEWAY"] = lake
    elif lake is not None:
        # GOVDATA_GATEWAY comes first, and the command line names a lake.
        found |= {"GOVDATA_LAKE": str(Path(lake).expanduser().absolute()), "GOVDATA_GATEWAY": ""}
    return {name: value for name, value in found.items() if value is not None}


def pairs(values: list[str]) -> dict[str, str]:
    """Return ``["k=v"]`` as a mapping.

    Raises:
        ConfigError: A value without ``=``.
    """
    found = {}
    for value in values:
        key, sign, rest = value.partition("=")
        if not sign or not key:
            raise ConfigError(f"`{value}` is not KEY=VALUE")
        found[key] = rest
    return found
