"""The command `requests`: ask for access, and decide what others ask."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from contextlib import suppress
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jupyter_govdata.cli.options import add_session_options, open_session
from jupyter_govdata.model.request import REQUEST_STATES, AccessRequest
from jupyter_govdata.model.wire import to_wire


def add_commands(commands: Any) -> None:
    """Add the command of this module."""
    top = commands.add_parser("requests", help="ask for access, and decide what others ask")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    verb = verbs.add_parser("list", help="your requests, or those that you may decide")
    verb.add_argument("--inbox", action="store_true", help="those that you may decide")
    verb.add_argument("--state", choices=REQUEST_STATES)
    _finish(verb, _list)

    verb = verbs.add_parser("ask", help="ask for access to an asset")
    verb.add_argument("asset", metavar="ASSET")
    _add_end(verb, "what the access is for, in your words")
    _finish(verb, _ask)

    verb = verbs.add_parser("approve", help="approve a request of somebody else")
    verb.add_argument("id", metavar="ID")
    _add_end(verb, "for the requester")
    _finish(verb, _approve)

    verb = verbs.add_parser("refuse", help="refuse a request, or take an approval back at once")
    verb.add_argument("id", metavar="ID")
    verb.add_argument("--reason", required=True, metavar="TEXT", help="for the requester")
    _finish(verb, _refuse)

    verb = verbs.add_parser("withdraw", help="take back a request of yours, or give access up")
    verb.add_argument("id", metavar="ID")
    _finish(verb, _withdraw)


def _add_end(verb: argparse.ArgumentParser, reason: str) -> None:
    verb.add_argument("--scope", default="", metavar="NAME", help="which request template")
    verb.add_argument("--until", metavar="TIME", help="a date, or a length of time: 90d, 6m")
    verb.add_argument("--reason", default="", metavar="TEXT", help=reason)


def _finish(verb: argparse.ArgumentParser, run: Any) -> None:
    verb.add_argument("--json", action="store_true", help="print JSON")
    add_session_options(verb)
    verb.set_defaults(run=run)


def _list(options: argparse.Namespace) -> int:
    with open_session(options) as session:
        page = session.requests("inbox" if options.inbox else "mine", state=options.state)
    if options.json:
        print(json.dumps(to_wire(page), indent=2, ensure_ascii=False))
        return 0
    table = Table(box=None, header_style="bold")
    for heading in ("request", "asset", "who", "purpose", "state", "until", "reason", "answer"):
        # A request's id is copied from here: it is never cut.
        table.add_column(heading, overflow="fold", no_wrap=heading == "request")
    for found in page.requests:
        # SECURITY: reasons are texts of strangers: no markup is read in them.
        cells = (
            found.id,
            found.asset,
            found.principal,
            found.purpose,
            found.state,
            f"{found.until:%Y-%m-%d}" if found.until else "",
            found.reason,
            "; ".join(filter(None, (found.decision_reason, found.note))),
        )
        table.add_row(*(Text(cell) for cell in cells))
    Console(soft_wrap=not sys.stdout.isatty()).print(table)
    if page.total > len(page.requests):
        print(f"the newest {len(page.requests)} of {page.total}")
    if page.to_decide and not options.inbox:
        print(f"{page.to_decide} for you to decide: jupyter govdata requests list --inbox")
    return 0


def _ask(options: argparse.Namespace) -> int:
    with open_session(options) as session:
        made = session.request_access(
            options.asset,
            scope=options.scope,
            reason=options.reason,
            until=_end(options.until),
        )
    return _told(options, made)


def _approve(options: argparse.Namespace) -> int:
    with open_session(options) as session:
        done = session.approve(
            options.id, reason=options.reason, scope=options.scope, until=_end(options.until)
        )
    return _told(options, done)


def _refuse(options: argparse.Namespace) -> int:
    with open_session(options) as session:
        return _told(options, session.refuse(options.id, reason=options.reason))


def _withdraw(options: argparse.Namespace) -> int:
    with open_session(options) as session:
        return _told(options, session.withdraw_request(options.id))


def _told(options: argparse.Namespace, request: AccessRequest) -> int:
    if options.json:
        print(json.dumps(to_wire(request), indent=2, ensure_ascii=False))
        return 0
    end = f" until {request.until:%Y-%m-%d %H:%M} UTC" if request.until else ""
    print(
        f"request {request.id} of {request.principal} for {request.asset}"
        f" ({request.purpose}): {request.state}{end}"
    )
    return 0


def _end(text: str | None) -> dt.datetime | str | None:
    with suppress(ValueError):
        moment = dt.datetime.fromisoformat(text or "")
        return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return text
