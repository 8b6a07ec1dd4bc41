"""One call of the engine: its statements, their retries and their errors. Runs in the kernel,
in the engine's worker thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

import duckdb
import pyarrow as pa

from jupyter_govdata.errors import (
    ColumnNotFoundError,
    GovDataError,
    NotVisibleError,
    QueryError,
    StaleDecisionError,
)
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.model.view import AssetView
from jupyter_govdata.query.assets import AssetTables
from jupyter_govdata.query.expression import UnreadableFilterError
from jupyter_govdata.query.faults import (
    Fault,
    fault_of,
    limit_error,
    located,
    query_error,
    suggestion,
)
from jupyter_govdata.query.frames import is_frame, registered
from jupyter_govdata.query.names import Analysis, Reference, rewrite
from jupyter_govdata.query.reads import Reads, StoppedError
from jupyter_govdata.query.result import QueryResult
from jupyter_govdata.query.source import AssetSource

_FAILURES = (duckdb.Error, RuntimeError, GovDataError, UnreadableFilterError, StoppedError)
# UPSTREAM: DuckDB 1.5 fails when it hands over IS DISTINCT FROM inside OR, and it needs pytz to
# hand over a set of timestamps with zones.
_CANNOT_PUSH = ("Arrow Scan Pushdown Filter", "for NaN values", "module 'pytz'")
_NO_PUSHDOWN = "filter_pushdown,join_filter_pushdown"


class Run:
    """Runs the statements of one text, in order.

    Args:
        connection: The session's connection.
        assets: The session's assets.
        source: What the principal may see and read.
        analysis: Of the user's text.
        values: Of its parameters.
        purpose: Of this call.
        frames: Local tables by name.
        pins: What is read at which snapshot where the text names no version.
        begin: Takes the reads of each statement before it starts.
    """

    def __init__(
        self,
        *,
        connection: duckdb.DuckDBPyConnection,
        assets: AssetTables,
        source: AssetSource,
        analysis: Analysis,
        values: Mapping[str, Any],
        purpose: str | None,
        frames: Mapping[str, Any],
        pins: Pins,
        begin: Callable[[Reads], Reads],
    ) -> None:
        self._connection = connection
        self._assets = assets
        self._source = source
        self._analysis = analysis
        self._values = values
        self._purpose = purpose
        self._frames = frames
        self._pins = pins
        self._begin = begin
        self._rewrite = rewrite(analysis, {})
        self._views: dict[str, AssetView] = {}
        self._done: list[Reads] = []
        self._open = ExitStack()
        self._retried: set[str] = set()
        self._pushdown = True
        self.broken = False
        """DuckDB failed inside: the connection cannot be used any more."""

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def result(self) -> QueryResult:
        """Run everything; return the result of the last statement."""
        tables, self._views = self._assets.resolve(self._analysis, self._values, self._purpose)
        self._rewrite = rewrite(self._analysis, tables)
        self._use_frames(self._analysis.words)
        try:
            statements = self._connection.extract_statements(self._rewrite.text)
        except duckdb.Error as error:
            raise query_error(fault_of(error), self._rewrite) from None
        if not statements:
            raise QueryError("the query is empty")
        for statement in statements[:-1]:
            self._run(statement)
        table = self._run(statements[-1])
        if self._policy_moved():
            self._refresh()
        changed = _changed_rows(statements[-1], table)
        return QueryResult(
            table=table if changed is None else pa.table({}),
            query=self._analysis.text,
            parameters=dict(self._values),
            ordered=self._analysis.ordered,
            changed_rows=changed,
            **summary(self._source, self._done, self._views, self._purpose, self._analysis.notes),
        )

    def _run(self, statement: duckdb.Statement) -> pa.Table:
        self._retried.clear()
        self._pushdown = True
        while True:
            reads = self._begin(Reads(self._source, self._purpose, self._pins))
            try:
                if reads.stopped:
                    raise StoppedError
                table = self._execute(statement)
                reads.close()
                self._check_one_snapshot(reads)
            except _FAILURES as error:
                reads.close()
                self._repair(error, reads)  # or raise
            else:
                self._done.append(reads)
                return table

    def _execute(self, statement: duckdb.Statement) -> pa.Table:
        values = {name: self._values[name] for name in statement.named_parameters}
        if self._pushdown:
            return self._connection.execute(statement, values or None).to_arrow_table()
        with _setting(self._connection, "disabled_optimizers", _NO_PUSHDOWN):
            return self._connection.execute(statement, values or None).to_arrow_table()

    def _use_frames(self, names: Sequence[str] | frozenset[str]) -> tuple[str, ...]:
        return self._open.enter_context(registered(self._connection, names, self._frames))

    # -- after a failure -------------------------------------------------------------------

    def _repair(self, error: BaseException, reads: Reads) -> None:
        """Return if the statement may be tried again, else raise what the user gets."""
        if reads.stopped:
            raise StoppedError from None
        failure = error if isinstance(error, GovDataError) else reads.failure
        if failure is not None:
            outdated = isinstance(failure, StaleDecisionError | ColumnNotFoundError)
            if not outdated or not self._first("stale"):
                raise failure from failure.__cause__
            self._refresh()
            return
        cannot_push = reads.unreadable is not None or any(t in str(error) for t in _CANNOT_PUSH)
        if cannot_push and self._pushdown:
            self._pushdown = False
            return
        if not isinstance(error, duckdb.Error):
            raise QueryError("DuckDB stopped the query") from error
        fault = fault_of(error)
        if fault.missing_column and self._first("column") and self._refresh():
            return  # a new snapshot brought it
        missing = fault.missing_table
        if missing is not None and self._first(f"missing {missing}") and self._find(missing):
            return
        self._raise(error, fault)

    def _policy_moved(self) -> bool:
        """Return whether something was read under another policy state than its card is of."""
        read = [receipt for reads in self._done for receipt, _ in reads.receipts()]
        cards = self._views
        return any(r.asset in cards and r.epoch != cards[r.asset].epoch for r in read)

    def _refresh(self) -> bool:
        changed = self._assets.refresh()
        _, self._views = self._assets.resolve(self._analysis, self._values, self._purpose)
        return changed

    def _first(self, reason: str) -> bool:
        is_first = reason not in self._retried
        self._retried.add(reason)
        return is_first

    def _find(self, missing: str) -> bool:
        """Make a table readable that only a view of the user's names; False if there is none."""
        if missing in self._frames and self._use_frames([missing]):
            return True
        row = self._connection.execute("SELECT current_schema()").fetchone()
        schema = str(row[0]) if row else ""
        return self._assets.recover(missing, schema, self._analysis, self._purpose)

    def _raise(self, error: duckdb.Error, fault: Fault) -> NoReturn:
        if isinstance(error, duckdb.InternalException | duckdb.FatalException):
            self.broken = True
            raise QueryError(
                "DuckDB failed inside; the tables and views you made in this session are gone",
                hint="run the cells that make them again",
            ) from None
        if fault.missing_table is not None:
            raise self._missing(fault, fault.missing_table) from None
        limit = limit_error(fault)
        if limit is not None:
            raise limit from None
        columns = [c.column for view in self._views.values() for c in view.columns]
        raise query_error(fault, self._rewrite, columns) from None

    def _missing(self, fault: Fault, name: str) -> GovDataError:
        reference = self._reference(fault, name)
        if reference is not None:
            error = NotVisibleError.for_asset(reference.name)
            return self._assets.not_visible(error, reference, self._analysis.text)
        value = self._frames.get(name)
        if value is not None and not is_frame(value):
            hint = f"`{name}` is a `{type(value).__name__}`; a query reads frames and Arrow tables"
        else:
            assets = self._assets.names()
            full = [a for a in sorted(assets) if a.rpartition(".")[2] == name.lower()]
            tables = [n for n in self._frames if is_frame(self._frames[n])]
            hint = (
                f"did you mean {' or '.join(f'`{a}`' for a in full)}?"
                if full
                else suggestion(name, sorted(assets), tables, fault.candidates)
            ) or "list what you may see with `%govdata ls`"
        return located(
            QueryError(f"table `{name}` does not exist", hint=hint), fault, self._rewrite
        )

    def _reference(self, fault: Fault, name: str) -> Reference | None:
        """Return the `namespace.asset` that DuckDB did not find, or None for a plain table."""
        same = [
            r
            for r in self._analysis.references
            if not r.deeper and name.lower() in (r.name, r.name.rpartition(".")[2])
        ]
        if fault.position is None:
            return same[0] if same else None
        offset = self._rewrite.source_offset_of_byte(fault.position)
        return next((r for r in same if r.start <= offset < r.end), None)

    def _check_one_snapshot(self, reads: Reads) -> None:
        """Check that an asset read twice was read at one snapshot (a commit may come between).

        Raises:
            StaleDecisionError: Running the statement again gets one.
        """
        seen: dict[str, int] = {}
        for receipt, at in reads.receipts():
            if at is None and seen.setdefault(receipt.asset, receipt.snapshot_id) != (
                receipt.snapshot_id
            ):
                raise StaleDecisionError(
                    f"`{receipt.asset}` changed while the query read it twice",
                    hint="run it again, or pin it with `AT (VERSION => ...)`",
                )


def summary(
    source: AssetSource,
    done: Sequence[Reads],
    views: Mapping[str, AssetView],
    purpose: str | None,
    notes: Sequence[str],
) -> dict[str, Any]:
    """Return the fields of a `QueryResult` that tell what was read."""
    receipts = sorted(
        {receipt for reads in done for receipt, _ in reads.receipts()},
        key=lambda r: (r.asset, r.snapshot_id, r.fragment_digest),
    )
    decided = [r.purpose for r in receipts] + [v.purpose for v in views.values()]
    return {
        "receipts": tuple(receipts),
        "views": dict(views),
        "purpose": next(filter(None, decided), purpose or ""),
        "wall": source.wall,
        "pins": {
            receipt.asset: receipt.snapshot_id
            for reads in done
            for receipt, at in reads.receipts()
            if at is None
        },
        "scanned_rows": sum(reads.rows for reads in done),
        "scanned_bytes": sum(reads.bytes for reads in done),
        "notes": tuple(notes),
    }


def _changed_rows(statement: duckdb.Statement, table: pa.Table) -> int | None:
    expected = statement.expected_result_type
    if table.column_names == ["Count"] and duckdb.ExpectedResultType.CHANGED_ROWS in expected:
        return int(table.column(0)[0].as_py()) if table.num_rows else 0
    if table.column_names == ["Success"] and not table.num_rows:
        return 0
    return None


@contextmanager
def _setting(connection: duckdb.DuckDBPyConnection, name: str, value: str) -> Iterator[None]:
    row = connection.execute("SELECT current_setting(?)", [name]).fetchone()
    connection.execute(f"SET {name} = '{value}'")
    try:
        yield
    finally:
        before = str(row[0]).replace("'", "''") if row else ""
        connection.execute(f"SET {name} = '{before}'")
