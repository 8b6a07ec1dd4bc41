"""The commands of ``%govdata``. Runs in the kernel; shows what the gateway decides."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jupyter_govdata.errors import ConfigError, GovDataError, QueryError
from jupyter_govdata.notebook import files, lazy, listing, requesting
from jupyter_govdata.notebook.arguments import govdata_commands
from jupyter_govdata.notebook.showing import shown
from jupyter_govdata.notebook.state import State

if TYPE_CHECKING:
    from jupyter_govdata.query.result import QueryResult
    from jupyter_govdata.session import Session


class Commands:
    """What ``%govdata COMMAND`` does; a method for every command.

    Args:
        state: Of the shell.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def run(self, arguments: Namespace) -> Any:
        """Run the command that `arguments` names; return what the cell shows."""
        command: Callable[[Namespace], Any] = getattr(self, f"_{arguments.command}")
        return command(arguments)

    @property
    def _session(self) -> Session:
        return self._state.sessions.current()

    # -- sessions --------------------------------------------------------------------------------

    def _connect(self, arguments: Namespace) -> listing.Listing:
        self._state.sessions.open(
            arguments.target, arguments.name, user=arguments.user, purpose=arguments.purpose
        )
        return self._whoami(arguments)

    def _sessions(self, _arguments: Namespace) -> listing.Listing:
        sessions = self._state.sessions
        rows = [
            ("→" if name == sessions.current_name else "", name, *_facts(session))
            for name, session in sessions
        ]
        note = (
            "no session is open; the first query opens one"
            if not rows
            else (
                "`%govdata use NAME` changes the current one, `%%govsql --session NAME` one query"
            )
        )
        return listing.Listing(
            ("", "session", "principal", "purpose", "wall"), tuple(rows), (note,)
        )

    def _use(self, arguments: Namespace) -> listing.Listing:
        self._state.sessions.use(arguments.name)
        return self._whoami(arguments)

    def _close(self, arguments: Namespace) -> None:
        self._state.sessions.close(arguments.name)

    def _whoami(self, _arguments: Namespace) -> listing.Listing:
        return listing.whoami_listing(self._session.whoami())

    def _purpose(self, arguments: Namespace) -> str | None:
        if arguments.purpose is not None:
            known = self._session.whoami().get("purposes", ())
            if known and arguments.purpose not in known:
                raise QueryError(
                    f"unknown purpose `{arguments.purpose}`",
                    hint=f"declared purposes: {', '.join(f'`{p}`' for p in known)}",
                )
            self._session.purpose = arguments.purpose
        return self._session.purpose

    # -- looking around --------------------------------------------------------------------------

    def _ls(self, arguments: Namespace) -> listing.Listing:
        return listing.summaries_listing(self._session.catalog.ls(arguments.namespace))

    def _search(self, arguments: Namespace) -> listing.Listing:
        return listing.summaries_listing(self._session.catalog.search(" ".join(arguments.text)))

    def _describe(self, arguments: Namespace) -> listing.Listing:
        return listing.card_listing(self._session.catalog.describe(arguments.asset))

    def _versions(self, arguments: Namespace) -> listing.Listing:
        return listing.versions_listing(self._session.catalog.versions(arguments.asset))

    def _preview(self, arguments: Namespace) -> QueryResult:
        if arguments.rows < 0:
            raise ConfigError("`--rows` takes a number of rows", hint="`--rows 20`")
        view = self._session.catalog.describe(arguments.asset)
        result = self._session.scan(arguments.asset, limit=arguments.rows)
        return shown(result, views={view.asset.name: view}, shown_rows=arguments.rows)

    def _explain(self, arguments: Namespace) -> listing.Listing:
        return listing.explain_listing(self._session.explain(arguments.asset, user=arguments.user))

    def _browse(self, _arguments: Namespace) -> Any:
        return lazy.widgets.Browser(self._session).box

    # -- access ----------------------------------------------------------------------------------

    def _files(self, arguments: Namespace) -> Any:
        return files.files(self._session, self._state.shell, arguments)

    def _request(self, arguments: Namespace) -> listing.Listing:
        return requesting.ask(self._session, arguments)

    def _requests(self, arguments: Namespace) -> listing.Listing:
        return requesting.look(self._session, arguments)

    def _approve(self, arguments: Namespace) -> listing.Listing:
        return requesting.approve(self._session, arguments)

    def _refuse(self, arguments: Namespace) -> listing.Listing:
        return requesting.refuse(self._session, arguments)

    # -- the notebook ----------------------------------------------------------------------------

    def _history(self, arguments: Namespace) -> listing.Listing | None:
        history = self._state.history
        if arguments.insert is None:
            return history.listing(arguments.count)
        # The query is put into a cell instead of run here: what runs stands in the notebook, so
        # that its stamp can be checked against the text beside it.
        cell = history.entry(arguments.insert).cell(self._state.sessions.current_name)
        self._state.shell.set_next_input(cell, replace=False)
        return None

    def _help(self, _arguments: Namespace) -> listing.Listing:
        return listing.Listing(("command", ""), tuple(govdata_commands()))


def _facts(session: Session) -> tuple[str, str, str]:
    try:
        me = session.whoami()
    except GovDataError as error:
        return f"({error.message})", "", ""
    return str(me["principal"]), str(me["purpose"] or ""), str(me["wall"])
