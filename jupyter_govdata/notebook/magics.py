"""``%govdata`` and ``%govsql``. Runs in the kernel; shows what the gateway decides.

SECURITY: the sessions, which hold tokens, stay in an attribute of the magics object; nothing but
results, listings and names that the user assigns gets into the namespace.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.magic import (
    Magics,
    line_cell_magic,
    line_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
)

from jupyter_govdata.notebook.arguments import parse_govdata
from jupyter_govdata.notebook.asking import Asking
from jupyter_govdata.notebook.commands import Commands
from jupyter_govdata.notebook.failures import short_errors
from jupyter_govdata.notebook.state import State
from jupyter_govdata.query.cell import govsql_text, parse_sql_line

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_govdata.session import Session


@magics_class
class GovDataMagics(Magics):
    """The magics of one shell and what is behind them."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._shell = shell
        self.state = State(shell)
        self._commands = Commands(self.state)
        self._asking = Asking(self.state)

    @property
    def session(self) -> Session:
        """The current session; the first one is opened on first use."""
        return self.state.sessions.current()

    @property
    def is_connected(self) -> bool:
        """True while there is a session."""
        return len(self.state.sessions) > 0

    @no_var_expand
    @line_magic
    def govdata(self, line: str) -> Any:
        """Look around: connect, whoami, purpose, ls, search, describe, versions, preview, explain.

        ``%govdata help`` lists the commands.
        """
        with short_errors(self._shell, line):
            return self._commands.run(parse_govdata(line))

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def govsql(
        self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None
    ) -> Any:
        """Run SQL over governed assets: ``%%govsql [NAME <<] [OPTIONS]``.

        Parameters ``$name``, ``:name`` and ``{{ name }}`` take the variables of these names;
        they are bound, never pasted. Frames and Arrow tables are read by their variable's name.
        ``NAME <<`` or ``-o NAME`` assigns the result instead of showing it, a closing ``;``
        shows only the stamp. Options: ``--purpose``, ``--limit``, ``--to``, ``--as-of``,
        ``--session``, ``--dry-run``, ``--stats``, ``--form``, ``--no-progress``.
        """
        with short_errors(self._shell):
            arguments = parse_sql_line(line)
        is_alone = bool(arguments.rest) or cell is None
        first_line = 1 if cell is None else self.state.first_line() + (not is_alone)
        sql = govsql_text(arguments, cell)
        with short_errors(self._shell, sql, first_line=first_line):
            return self._asking.answer(arguments, sql, local_ns or {})


__all__ = ["GovDataMagics"]
