"""``%govdata`` and ``%govsql``. Runs in the kernel; shows what the gateway decides.

SECURITY: the session, which holds a token, stays in an attribute of the magics object; nothing
but results, listings and names that the user assigns gets into the namespace.
"""

from __future__ import annotations

import datetime as dt
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from IPython.core.magic import (
    Magics,
    line_cell_magic,
    line_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
)

from jupyter_govdata.errors import GovDataError, QueryError, StampError
from jupyter_govdata.notebook import lazy, listing
from jupyter_govdata.notebook.arguments import govdata_commands, parse_govdata
from jupyter_govdata.notebook.failures import short_errors
from jupyter_govdata.query.cell import govsql_text, parse_sql_line

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_govdata.query.result import QueryResult
    from jupyter_govdata.session import Session


@magics_class
class GovDataMagics(Magics):
    """The magics of one shell and the session behind them."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._shell = shell
        self._session: Session | None = None

    def close(self) -> None:
        """Close the session, if there is one."""
        if self._session is not None:
            self._session.close()
            self._session = None

    @property
    def session(self) -> Session:
        """The session; the default one is opened on first use."""
        if self._session is None:
            self._session = lazy.session.connect()
        return self._session

    @property
    def is_connected(self) -> bool:
        """True while there is a session."""
        return self._session is not None

    # -- %govdata ----------------------------------------------------------------------------

    @no_var_expand
    @line_magic
    def govdata(self, line: str) -> Any:
        """Look around: connect, whoami, purpose, ls, search, describe, versions, preview, explain.

        ``%govdata help`` lists the commands.
        """
        with short_errors(self._shell, line):
            arguments = parse_govdata(line)
            command: Callable[[Namespace], Any] = getattr(self, f"_{arguments.command}")
            return command(arguments)

    def _connect(self, arguments: Namespace) -> listing.Listing:
        opened = lazy.session.connect(
            arguments.target, user=arguments.user, purpose=arguments.purpose
        )
        self.close()
        self._session = opened
        return self._whoami(arguments)

    def _whoami(self, _arguments: Namespace) -> listing.Listing:
        return listing.whoami_listing(self.session.whoami())

    def _purpose(self, arguments: Namespace) -> str | None:
        if arguments.purpose is not None:
            known = self.session.whoami().get("purposes", ())
            if known and arguments.purpose not in known:
                raise QueryError(
                    f"unknown purpose `{arguments.purpose}`",
                    hint=f"declared purposes: {', '.join(f'`{p}`' for p in known)}",
                )
            self.session.purpose = arguments.purpose
        return self.session.purpose

    def _ls(self, arguments: Namespace) -> listing.Listing:
        return listing.summaries_listing(self.session.catalog.ls(arguments.namespace))

    def _search(self, arguments: Namespace) -> listing.Listing:
        return listing.summaries_listing(self.session.catalog.search(" ".join(arguments.text)))

    def _describe(self, arguments: Namespace) -> listing.Listing:
        return listing.card_listing(self.session.catalog.describe(arguments.asset))

    def _versions(self, arguments: Namespace) -> listing.Listing:
        return listing.versions_listing(self.session.catalog.versions(arguments.asset))

    def _preview(self, arguments: Namespace) -> QueryResult:
        view = self.session.catalog.describe(arguments.asset)
        result = self.session.scan(arguments.asset, limit=arguments.rows)
        result = replace(result, views={view.asset.name: view}, shown_rows=arguments.rows)
        self._show_stamp(result)
        return result

    def _explain(self, arguments: Namespace) -> listing.Listing:
        return listing.explain_listing(self.session.explain(arguments.asset, user=arguments.user))

    def _close(self, _arguments: Namespace) -> None:
        self.close()

    def _help(self, _arguments: Namespace) -> listing.Listing:
        return listing.Listing(("command", ""), tuple(govdata_commands()))

    # -- %govsql -----------------------------------------------------------------------------

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def govsql(
        self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None
    ) -> QueryResult | None:
        """Run SQL over governed assets: ``%%govsql [NAME <<] [--purpose P] [--limit N]``.

        Parameters ``$name``, ``:name`` and ``{{ name }}`` take the variables of these names;
        they are bound, never pasted. Frames and Arrow tables are read by their variable's name.
        ``NAME <<`` assigns the result instead of showing it. A closing ``;`` belongs to the SQL.
        """
        with short_errors(self._shell):
            arguments = parse_sql_line(line)
        is_alone = bool(arguments.rest) or cell is None
        sql = govsql_text(arguments, cell)
        with short_errors(self._shell, sql, first_line=1 if is_alone else 2):
            scope = {**self._shell.user_ns, **(local_ns or {})}
            variables = {k: v for k, v in scope.items() if not k.startswith("__")}
            parameters = {
                name: variables[name] for name in lazy.names.placeholders(sql) if name in variables
            }
            result = self.session.sql(sql, parameters, purpose=arguments.purpose, frames=variables)
            if arguments.limit is not None:
                result = replace(result, shown_rows=arguments.limit)
        result = self._show_stamp(result)
        if arguments.name is None:
            return result
        self._shell.user_ns[arguments.name] = result
        return None

    def _show_stamp(self, result: QueryResult) -> QueryResult:
        """Display the stamp as an output of its own, before the result.

        The bundle's data holds deterministic facts only; times and sizes go to the metadata.
        """
        try:
            stamp = result.stamp
        except StampError as error:
            return replace(result, notes=(*result.notes, f"no stamp: {error.message}"))
        volatile = {
            "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "seconds": round(result.seconds, 4),
            "rows_scanned": result.scanned_rows,
            "bytes": result.scanned_bytes,
        }
        data, metadata = lazy.stamps.stamp_bundle(stamp, volatile)
        self._shell.display_pub.publish(data=data, metadata=metadata)
        return result


__all__ = ["GovDataError", "GovDataMagics"]
