"""Completion in ``%%govsql``, ``%govsql`` and ``%govdata``. Runs in the kernel.

Only what the gateway showed this principal is proposed, and what is in the notebook itself.
Completion opens no session and shows no error: where anything fails, there are fewer proposals.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher
from IPython.core.getipython import get_ipython

from jupyter_govdata.notebook.lazy import proposing

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_govdata.query.text.completing import Completed

COMPLETER_ID = "jupyter_govdata"
_BEFORE_OTHERS = 1000.0  # whoever comes first may spare the others their work: Jedi takes long

_log = logging.getLogger(__name__)

_CELL = re.compile(r"\s*(?:%%(?:time|capture|prun)\b[^\n]*\n\s*)*%%govsql(?=\s|\Z)")
_LINE = re.compile(r"(?:^|=)\s*%govsql(?=\s)")
_GOVDATA = re.compile(r"^\s*%govdata\s+(?P<words>.*)\Z", re.DOTALL)


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
    cell = _CELL.match(text)
    line = _LINE.search(context.text_until_cursor)
    found: Completed | None = None
    if command is not None:
        found = proposing.command(shell, command["words"])
    elif cell is not None and at > cell.end():
        found = proposing.query(shell, text[cell.end() :], at - cell.end(), is_cell=True)
    elif cell is None and line is not None:
        rest = lines[context.cursor_line][line.end() :]
        found = proposing.query(shell, rest, context.cursor_position - line.end())
    return found


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
        opened = self._shell.magics_manager.registry["GovDataMagics"].state.sessions
        for _, session in opened:
            key = (id(session), session.purpose)
            if key not in self._warmed:
                self._warmed.add(key)
                proposing.warm(session)
