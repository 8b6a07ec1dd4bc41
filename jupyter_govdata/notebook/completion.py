"""Completion in ``%%govsql``, ``%govsql`` and ``%govdata``. Runs in the kernel.

Only what the gateway showed this principal is proposed, and what is in the notebook itself.
Completion opens no session and shows no error: where anything fails, there are fewer proposals.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher
from IPython.core.getipython import get_ipython

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.notebook.arguments import govdata_parsers
from jupyter_govdata.notebook.facts import NotebookFacts
from jupyter_govdata.notebook.known import Shown, shown_to
from jupyter_govdata.query.cell import CONVERSIONS, SqlArguments, options, parse_sql_line
from jupyter_govdata.query.completing import Completed, complete
from jupyter_govdata.query.proposals import LIMIT, Proposal

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

COMPLETER_ID = "jupyter_govdata"
_BEFORE_OTHERS = 1000.0  # whoever comes first may spare the others their work: Jedi takes long

_log = logging.getLogger(__name__)

_CELL = re.compile(r"\s*(?:%%(?:time|capture|prun)\b[^\n]*\n\s*)*%%govsql(?=\s|\Z)")
_LINE = re.compile(r"(?:^|=)\s*%govsql(?=\s)")
_GOVDATA = re.compile(r"^\s*%govdata\s+(?P<words>.*)\Z", re.DOTALL)
_OPTION = re.compile(r"(?:^|\s)(-[\w-]*)\Z")
_VALUE = re.compile(r"(?:^|\s)(-o|--[a-z][\w-]*)(?:=|\s+)(\S*)\Z")


class _Silence(list[SimpleCompletion]):
    """No proposals, and none of Python's either: this is not Python."""

    def __len__(self) -> int:
        return 1


@context_matcher(identifier=COMPLETER_ID, priority=_BEFORE_OTHERS)  # type: ignore[untyped-decorator]
def govsql_matcher(context: CompletionContext) -> dict[str, Any]:
    """Complete the SQL of ``%%govsql`` and ``%govsql``, their options, and ``%govdata``."""
    nothing: dict[str, Any] = {"completions": [], "matched_fragment": ""}
    shell = get_ipython()
    if shell is None or "GovDataMagics" not in shell.magics_manager.registry:
        return nothing
    try:
        completed = _completed(shell, context)
    except Exception:  # noqa: BLE001  # IPython would print the traceback where the user types
        _log.debug("completion failed", exc_info=True)
        return nothing
    if completed is None:
        return nothing
    # JupyterLab breaks a kind at its blanks and prints the lines over one another.
    kinds = ((p.text, p.kind.replace(" ", "\u00a0")) for p in completed.proposals)
    completions = [SimpleCompletion(text=text, type=kind) for text, kind in kinds]
    return {
        "completions": completions or _Silence(),
        "matched_fragment": completed.fragment,
        "suppress": True,
        "ordered": True,
    }


def _completed(shell: InteractiveShell, context: CompletionContext) -> Completed | None:
    text = context.full_text
    lines = text.split("\n")
    at = sum(len(line) + 1 for line in lines[: context.cursor_line]) + context.cursor_position
    command = _GOVDATA.match(context.text_until_cursor)
    if command is not None:
        return _command(shell, command["words"])
    cell = _CELL.match(text)
    if cell is not None and at > cell.end():
        return _query(shell, text[cell.end() :], at - cell.end(), is_cell=True)
    line = _LINE.search(context.text_until_cursor)
    if cell is None and line is not None:
        column = context.cursor_position
        return _query(shell, lines[context.cursor_line][line.end() :], column - line.end())
    return None


# -- %%govsql ------------------------------------------------------------------------------------


def _query(shell: InteractiveShell, text: str, at: int, *, is_cell: bool = False) -> Completed:
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
        return [Proposal(name, "session") for name in _sessions(shell)]
    if option == "--purpose":
        shown = _shown(shell, SqlArguments("", session=given.session))
        return [Proposal(p, "purpose") for p in shown.purposes()] if shown else []
    return []


def _starting(fragment: str, proposals: Iterable[Proposal]) -> Completed:
    found = [p for p in proposals if p.text.lower().startswith(fragment.lower())]
    return Completed(fragment, tuple(found[:LIMIT]))


# -- %govdata ------------------------------------------------------------------------------------


def _command(shell: InteractiveShell, typed: str) -> Completed:
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
        return [Proposal(name, "session") for name in _sessions(shell)]
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


def _sessions(shell: InteractiveShell) -> dict[str, Any]:
    """Return the open sessions by name, the current one first."""
    sessions = shell.magics_manager.registry["GovDataMagics"].state.sessions
    return dict(sorted(sessions, key=lambda item: item[0] != sessions.current_name))


def _shown(shell: InteractiveShell, arguments: SqlArguments) -> Shown | None:
    """Return what the query's session was shown, or None: no session, or no answer in time."""
    opened = _sessions(shell)
    session = next(iter(opened.values()), None)
    if arguments.session is not None:
        session = opened.get(arguments.session)
    if session is None:
        return None
    shown = shown_to(session, arguments.purpose)
    return shown if shown.begin() else None


class Completion:
    """Completion in one shell.

    Args:
        shell: The shell that loaded the extension.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._warmed: set[tuple[int, str | None]] = set()

    def start(self) -> None:
        """Take part in the shell's completion."""
        completer = getattr(self._shell, "Completer", None)
        if completer is not None:
            completer.custom_matchers.append(govsql_matcher)
            self._shell.events.register("post_run_cell", self._warm)

    def stop(self) -> None:
        """Undo `start`."""
        completer = getattr(self._shell, "Completer", None)
        if completer is not None and govsql_matcher in completer.custom_matchers:
            completer.custom_matchers.remove(govsql_matcher)
            self._shell.events.unregister("post_run_cell", self._warm)

    def _warm(self, _result: Any = None) -> None:
        """Prepare the first completion of every session in the background."""
        for session in _sessions(self._shell).values():
            key = (id(session), session.purpose)
            if key not in self._warmed:
                self._warmed.add(key)
                shown_to(session).warm()
