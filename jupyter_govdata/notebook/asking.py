"""What a call of ``%govsql`` does: ask the session, show the answer as it was asked for.

Runs in the kernel.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.notebook import lazy
from jupyter_govdata.notebook.showing import converted, shown
from jupyter_govdata.notebook.state import State
from jupyter_govdata.query.cell import SqlArguments
from jupyter_govdata.query.tokens import tokenize

if TYPE_CHECKING:
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
        result = self._ask(session, arguments, sql, variables)
        rows = state.settings.rows if arguments.limit is None else arguments.limit
        notes = (*result.notes, *_hidden_tables(result, variables))
        result = shown(result, shown_rows=rows, notes=notes)
        answer = converted(result, arguments.to or state.settings.to)
        if arguments.name is not None:
            state.shell.user_ns[arguments.name] = answer
            return None
        return None if is_silenced(sql) else answer

    def _ask(
        self, session: Session, arguments: SqlArguments, sql: str, variables: Mapping[str, Any]
    ) -> QueryResult:
        names = lazy.names.placeholders(sql)
        return session.sql(
            sql,
            {name: variables[name] for name in names if name in variables},
            purpose=arguments.purpose,
            frames=variables,
            pins=session.pins.for_cell(self._state.cell_id),
            as_of=moment(arguments.as_of),
        )


def is_silenced(sql: str) -> bool:
    """Return whether the text ends in a semicolon; comments may follow."""
    if ";" not in sql:
        return False
    tokens = tokenize(sql)
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
