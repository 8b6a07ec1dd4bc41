"""What completion proposes in ``%%govsql``, ``%govsql`` and ``%govdata``. Runs in the kernel.

Imported with the first completion or the first session, whichever comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.notebook.arguments import govdata_parsers
from jupyter_govdata.notebook.facts import NotebookFacts
from jupyter_govdata.notebook.known import Shown, shown_to
from jupyter_govdata.query.cell import CONVERSIONS, SqlArguments, options, parse_sql_line
from jupyter_govdata.query.text.completing import Completed, complete
from jupyter_govdata.query.text.proposals import LIMIT, Proposal

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_OPTION = re.compile(r"(?:^|\s)(-[\w-]*)\Z")
_VALUE = re.compile(r"(?:^|\s)(-o|--[a-z][\w-]*)(?:=|\s+)(\S*)\Z")


# -- %%govsql ------------------------------------------------------------------------------------


def query(shell: InteractiveShell, text: str, at: int, *, is_cell: bool = False) -> Completed:
    """Complete at `at` in what stands behind the name of the magic."""
    head = text.partition("\n")[0]
    typed = text[:at]
    in_head = "\n" not in typed or not is_cell
    if in_head:
        found = _option(shell, typed)
        if found is not None:
            return found
    try:
        arguments = parse_sql_line(typed if in_head else head)
    except ConfigError:
        arguments = SqlArguments("")
    facts = facts_of(shell, arguments)
    start = len(head) + 1
    if arguments.rest or in_head:
        start = len((typed if in_head else head).rstrip()) - len(arguments.rest)
        start = min(start, at)
    found = complete(text[start:], at - start, facts)
    if in_head and not arguments.rest:
        first = [Proposal(o, "option") for o in options() if o.startswith("--")]
        proposals = (*(first if not found.fragment else ()), *found.proposals)
        return Completed(found.fragment, proposals)
    return found


def _option(shell: InteractiveShell, typed: str) -> Completed | None:
    """Complete an option of the head line or its value; None if the cursor is at neither."""
    before = typed
    value, name = _VALUE.search(typed), _OPTION.search(typed)
    if value is not None and options().get(value[1]) is not None:
        before = typed[: value.start()]
    elif name is not None:
        value, before = None, typed[: name.start()]
    else:
        return None
    try:
        given = parse_sql_line(before)
    except ConfigError:
        return None
    if given.rest:
        return None  # SQL: `-- a comment`, `a --b`
    if value is None:
        assert name is not None  # one of the two was found
        known = [o for o in options() if not getattr(given, o.lstrip("-").replace("-", "_"), None)]
        return _starting(name[1], [Proposal(o, "option") for o in known])
    return _starting(value[2], _values(shell, value[1], given))


def _values(shell: InteractiveShell, option: str, given: SqlArguments) -> list[Proposal]:
    if option == "--to":
        return [Proposal(to, "conversion") for to in CONVERSIONS]
    if option == "--session":
        return [Proposal(name, "session") for name in sessions(shell)]
    if option == "--purpose":
        shown = _shown(shell, SqlArguments("", session=given.session))
        return [Proposal(p, "purpose") for p in shown.purposes()] if shown else []
    return []


def _starting(fragment: str, proposals: Iterable[Proposal]) -> Completed:
    found = [p for p in proposals if p.text.lower().startswith(fragment.lower())]
    return Completed(fragment, tuple(found[:LIMIT]))


# -- %govdata ------------------------------------------------------------------------------------


def command(shell: InteractiveShell, typed: str) -> Completed:
    """Complete a command of ``%govdata`` or its arguments."""
    words = typed.split()
    fragment = words.pop() if words and not typed[-1:].isspace() else ""
    parsers = govdata_parsers()
    if not words:
        found = [Proposal(name, "command") for name in parsers]
        return _starting(fragment, found)
    parser = parsers.get(words[0])
    if parser is None:
        return Completed(fragment)
    flags = {o: a for a in parser._actions for o in a.option_strings}
    if fragment.startswith("-"):
        return _starting(fragment, [Proposal(o, "option") for o in flags])
    if words[-1] in flags and flags[words[-1]].nargs != 0:
        return _starting(fragment, _arguments(shell, words[-1].lstrip("-"), fragment))
    given = sum(not w.startswith("-") and b not in flags for b, w in pairwise(words))
    places = [a.dest for a in parser._actions if not a.option_strings]
    if given >= len(places):
        return Completed(fragment)
    return _starting(fragment, _arguments(shell, places[given], fragment))


def _arguments(shell: InteractiveShell, kind: str, fragment: str) -> list[Proposal]:
    if kind in ("session", "name"):
        return [Proposal(name, "session") for name in sessions(shell)]
    shown = _shown(shell, SqlArguments(""))
    if shown is None:
        return []
    if kind == "purpose":
        return [Proposal(p, "purpose") for p in shown.purposes()]
    index = shown.names()
    if kind == "namespace":
        return [Proposal(n, "namespace") for n in index.namespaces]
    if kind != "asset":
        return []
    if not fragment and len(index) > LIMIT:
        return [Proposal(f"{n}.", "namespace") for n in index.namespaces]
    names = index.starting(fragment.lower(), LIMIT)
    access = shown.access(names)
    return [Proposal(n, f"asset · {access[n]}" if n in access else "asset") for n in names]


# -- the notebook --------------------------------------------------------------------------------


def facts_of(shell: InteractiveShell, arguments: SqlArguments) -> NotebookFacts:
    """Return what a query with this head line may name."""
    return NotebookFacts(_shown(shell, arguments), shell.user_ns, shell.user_ns_hidden)


def sessions(shell: InteractiveShell) -> dict[str, Any]:
    """Return the open sessions by name, the current one first."""
    sessions = shell.magics_manager.registry["GovDataMagics"].state.sessions
    return dict(sorted(sessions, key=lambda item: item[0] != sessions.current_name))


def _shown(shell: InteractiveShell, arguments: SqlArguments) -> Shown | None:
    """Return what the query's session was shown, or None: no session, or no answer in time."""
    opened = sessions(shell)
    session = next(iter(opened.values()), None)
    if arguments.session is not None:
        session = opened.get(arguments.session)
    if session is None:
        return None
    shown = shown_to(session, arguments.purpose)
    return shown if shown.begin() else None


def warm(session: Any) -> None:
    """Prepare the first completion of a session in the background."""
    shown_to(session).warm()
