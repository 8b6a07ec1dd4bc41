"""What a call of ``%govsql`` does: ask the session, show the answer as it was asked for.

Runs in the kernel.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from IPython.display import display

from jupyter_govdata.errors import ConfigError, QueryError
from jupyter_govdata.notebook import lazy
from jupyter_govdata.notebook.progress import ProgressDisplay
from jupyter_govdata.notebook.showing import converted, shown
from jupyter_govdata.notebook.state import State
from jupyter_govdata.query.cell import SqlArguments

if TYPE_CHECKING:
    from jupyter_govdata.query.progress import OnProgress
    from jupyter_govdata.query.result import QueryResult
    from jupyter_govdata.session import Session


class Asking:
    """Runs the queries of one shell.

    Args:
        state: Of the shell.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def answer(self, arguments: SqlArguments, sql: str, local_ns: Mapping[str, Any]) -> Any:
        """Run a query; return what the cell shows, None if that is nothing but the stamp.

        Raises:
            GovDataError: Whatever the session raises.
        """
        state = self._state
        session = state.sessions.named(arguments.session)
        scope = {**state.shell.user_ns, **local_ns}
        variables = {k: v for k, v in scope.items() if not k.startswith("__")}
        names = _parameters(sql)
        values = {name: variables[name] for name in names if name in variables}
        if arguments.form:
            return lazy.widgets.Form(
                names,
                values,
                lambda inputs: self._answer(session, arguments, sql, variables, inputs),
            ).box
        answer = self._answer(session, arguments, sql, variables, values)
        is_silent = arguments.name is not None or is_silenced(sql)
        return answer if arguments.dry_run or not is_silent else None

    def _answer(
        self,
        session: Session,
        arguments: SqlArguments,
        sql: str,
        variables: Mapping[str, Any],
        values: Mapping[str, Any],
    ) -> Any:
        state = self._state
        question: dict[str, Any] = {
            "purpose": arguments.purpose,
            "frames": variables,
            "pins": session.pins.for_cell(state.cell_id),
            "as_of": moment(arguments.as_of),
        }
        if arguments.dry_run:
            return session.dry_run(sql, values, **question)
        with self._progress(arguments) as on_progress:
            result = session.sql(sql, values, on_progress=on_progress, **question)
        rows = state.settings.rows if arguments.limit is None else arguments.limit
        notes = (*result.notes, *_hidden_tables(result, variables))
        result = shown(result, shown_rows=rows, notes=notes)
        if arguments.stats or state.settings.summary:
            display(result.summary())  # type: ignore[no-untyped-call]
        answer = converted(result, arguments.to or state.settings.to)
        if arguments.name is not None:
            state.shell.user_ns[arguments.name] = answer
        return answer

    @contextmanager
    def _progress(self, arguments: SqlArguments) -> Iterator[OnProgress | None]:
        """Show the progress of the query in the block; its stamp takes the place of it."""
        state = self._state
        if arguments.no_progress or not state.settings.progress:
            yield None
            return
        state.progress = display = ProgressDisplay(state.shell)
        try:
            yield display.show
        finally:
            display.close()
            state.progress = None


def _parameters(sql: str) -> tuple[str, ...]:
    try:
        names: tuple[str, ...] = lazy.names.placeholders(sql)
    except QueryError:
        return ()  # the session says what is wrong, and the query is stamped as failed
    return names


def is_silenced(sql: str) -> bool:
    """Return whether the text ends in a semicolon; comments may follow."""
    if ";" not in sql:
        return False
    tokens = lazy.tokens.tokenize(sql)
    return bool(tokens) and tokens[-1].is_symbol(";")


def moment(text: str | None) -> dt.datetime | None:
    """Return the moment that ``--as-of`` names; UTC unless it says otherwise.

    Raises:
        ConfigError: Not an ISO date or time.
    """
    if text is None:
        return None
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"`--as-of` takes a date or a time, not `{text}`",
            hint="`--as-of 2026-01-31` or `--as-of '2026-01-31 18:00+01:00'`",
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _hidden_tables(result: QueryResult, variables: Mapping[str, Any]) -> Iterator[str]:
    """Say where an asset was read although a local table has a name that fits, too."""
    for asset in result.assets:
        namespace = asset.partition(".")[0]
        if namespace in variables and lazy.frames.is_frame(variables[namespace]):
            yield f"`{asset}` is the asset, not a column of the local table `{namespace}`"
