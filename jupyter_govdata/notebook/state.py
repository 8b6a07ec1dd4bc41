"""What one shell has of us: settings, sessions, history, the running cell. Runs in the kernel.

SECURITY: sessions hold tokens; this object hangs on the magics and never on the user's namespace.
"""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, Any

from traitlets.config import Config

from jupyter_govdata.notebook.history import History
from jupyter_govdata.notebook.progress import ProgressDisplay
from jupyter_govdata.notebook.sessions import Sessions
from jupyter_govdata.notebook.settings import GovSql, user_config
from jupyter_govdata.notebook.stamping import Stamper
from jupyter_govdata.query import answers

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class State:
    """Everything behind the magics of one shell.

    Args:
        shell: The shell that loaded the extension.

    Raises:
        ConfigError: A configuration file fails.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        config: Config = user_config()
        config.merge(shell.config)
        self.settings = GovSql(config=config, parent=shell)
        self.settings.observe(self._set_purpose, "purpose")
        self.sessions = Sessions(self.settings)
        self.history = History()
        self.cell_id: str | None = None
        self.cell_text = ""
        self.progress: ProgressDisplay | None = None
        self._stamper = Stamper(shell)
        self._configurables: list[Any] = shell.configurables

    def start(self) -> None:
        """Listen to the shell's cells and to the queries of this process."""
        self._configurables.append(self.settings)
        self.shell.events.register("pre_run_cell", self._begin_cell)
        self.shell.events.register("post_run_cell", self._end_cell)
        answers.listen(self._answered)
        # Flight's threads must have ended before the interpreter takes their library apart.
        atexit.register(self.sessions.close_all)

    def stop(self) -> None:
        """Undo `start` and close all sessions."""
        atexit.unregister(self.sessions.close_all)
        answers.unlisten(self._answered)
        answers.set_running_cell(None)
        for event, callback in (
            ("pre_run_cell", self._begin_cell),
            ("post_run_cell", self._end_cell),
        ):
            self.shell.events.unregister(event, callback)
        if self.settings in self._configurables:
            self._configurables.remove(self.settings)
        self.sessions.close_all()

    def first_line(self) -> int:
        """Return the line of the running cell that its text starts on."""
        text = self.cell_text
        return text[: len(text) - len(text.lstrip())].count("\n") + 1

    def _begin_cell(self, info: Any = None) -> None:
        # UPSTREAM: IPython has told the cell's id since 8.3, ipykernel since 6.12, if the
        # frontend sends it.
        self.cell_id = getattr(info, "cell_id", None)
        self.cell_text = getattr(info, "raw_cell", "") or ""
        answers.set_running_cell(self.cell_id)

    def _end_cell(self, _result: Any = None) -> None:
        self.cell_id, self.cell_text = None, ""
        answers.set_running_cell(None)

    def _answered(self, answer: answers.Answer) -> None:
        # Sessions opened with `connect()` in Python are answered here like our own.
        session: Any = answer.source
        self.history.add(answer, self.sessions.name_of(session) or "")
        place = None if self.progress is None else self.progress.display_id
        self._stamper.show(answer, place, cell_text=self.cell_text)

    def _set_purpose(self, change: dict[str, Any]) -> None:
        for _, session in self.sessions:
            session.purpose = change["new"] or None
