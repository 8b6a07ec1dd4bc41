"""What stands behind ``%govdata``. Runs in the kernel."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import NoReturn, cast

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.model.request import REQUEST_STATES


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(message, hint=self.usage_line)

    @property
    def usage_line(self) -> str:
        """How to call it, on one line."""
        return " ".join(self.format_usage().split()).removeprefix("usage: ")


def govdata_commands() -> list[tuple[str, str]]:
    """Return every command of ``%govdata`` as usage and what it does."""
    parsers = govdata_parsers().values()
    return [(parser.usage_line, parser.description or "") for parser in parsers]


def govdata_parsers() -> dict[str, _Parser]:
    """Return the parser of every command of ``%govdata``."""
    (commands,) = (a for a in _govdata_parser()._actions if a.choices)
    return dict(cast("Mapping[str, _Parser]", commands.choices or {}))


def _govdata_parser() -> _Parser:
    parser = _Parser(prog="%govdata", add_help=False)
    commands = parser.add_subparsers(dest="command", parser_class=_Parser, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, description=text, add_help=False)

    connect = command("connect", "open a session: a lake folder, an address, or the default")
    connect.add_argument("target", nargs="?")
    connect.add_argument("--as", dest="user", metavar="USER")
    connect.add_argument("--purpose")
    connect.add_argument("--name")
    command("sessions", "the open sessions")
    command("use", "make a session the current one").add_argument("name")
    close = command("close", "close a session, the current one by default")
    close.add_argument("name", nargs="?")
    command("whoami", "who you are, and how strong the wall is")
    command("purpose", "show or declare the purpose").add_argument("purpose", nargs="?")
    command("ls", "visible assets").add_argument("namespace", nargs="?")
    command("search", "visible assets that hold all words").add_argument("text", nargs="+")
    command("describe", "the card of an asset").add_argument("asset")
    command("versions", "the versions of an asset").add_argument("asset")
    preview = command("preview", "the first rows of an asset")
    preview.add_argument("asset")
    preview.add_argument("--rows", type=int, default=20)
    explain = command("explain", "what you may see of an asset, and why")
    explain.add_argument("asset")
    explain.add_argument("--as", dest="user", metavar="USER")
    _files_command(command)
    _request_commands(command)
    command("browse", "assets to click through (needs `ipywidgets`)")
    history = command("history", "the last queries of this kernel, or one into the next cell")
    history.add_argument("count", nargs="?", type=int, default=20)
    history.add_argument("--insert", type=int, metavar="N")
    command("help", "this list")
    return parser


def _files_command(command: Callable[[str, str], argparse.ArgumentParser]) -> None:
    files = command("files", "files of an inventory that you may open; --to downloads them")
    files.add_argument("asset", nargs="?")
    files.add_argument("where", nargs="*", help="a condition, in quotation marks")
    files.add_argument("--to", metavar="FOLDER")
    files.add_argument("--parallel", type=int, default=4, metavar="N")
    files.add_argument("--manifest", metavar="FILE")


def _request_commands(command: Callable[[str, str], argparse.ArgumentParser]) -> None:
    def ends(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--scope", default="", metavar="NAME")
        parser.add_argument("--until", metavar="TIME")
        parser.add_argument("--reason", default="", metavar="TEXT")

    request = command("request", "ask for access to an asset, for a purpose")
    request.add_argument("asset")
    request.add_argument("--purpose")
    ends(request)
    requests = command(
        "requests", "your requests, the inbox of those to decide, what can be asked for"
    )
    boxes = ("mine", "inbox", "scopes", "withdraw")
    requests.add_argument("box", nargs="?", choices=boxes, default="mine")
    requests.add_argument("id", nargs="?")
    requests.add_argument("--state", choices=REQUEST_STATES)
    approve = command("approve", "approve a request of somebody else")
    approve.add_argument("id")
    ends(approve)
    refuse = command("refuse", "refuse a request, or take an approval back at once")
    refuse.add_argument("id")
    refuse.add_argument("--reason", required=True, metavar="TEXT")


def parse_govdata(line: str) -> argparse.Namespace:
    """Parse the arguments of ``%govdata``.

    Raises:
        ConfigError: An unknown command or a wrong argument.
    """
    try:
        words = shlex.split(line)
    except ValueError as exc:
        raise ConfigError("a quotation mark is not closed") from exc
    if words and words[0] not in _COMMANDS:
        close = get_close_matches(words[0], _COMMANDS, n=1)
        raise ConfigError(
            f"unknown command `{words[0]}`",
            hint=f"did you mean `%govdata {close[0]}`?" if close else "`%govdata help`",
        )
    return _govdata_parser().parse_args(words or ["help"])


_COMMANDS = tuple(usage.split()[1] for usage, _ in govdata_commands())
