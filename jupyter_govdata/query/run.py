"""One call of the engine: its statements, their retries and their errors. Runs in the kernel,
in the engine's worker thread.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from typing import Any, NoReturn

import duckdb
import pyarrow as pa

from jupyter_govdata.errors import (
    AccessDeniedError,
    ColumnNotFoundError,
    GovDataError,
    NotVisibleError,
    PurposeError,
    QueryError,
    StaleDecisionError,
)
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.model.view import AssetView
from jupyter_govdata.query.account import (
    Account,
    account_of,
    check_one_snapshot,
    check_same_read,
    purpose_of,
)
from jupyter_govdata.query.assets import AssetTables
from jupyter_govdata.query.faults import (
    Fault,
    fault_of,
    limit_error,
    query_error,
)
from jupyter_govdata.query.frames import registered, results_read
from jupyter_govdata.query.handover import Handover
from jupyter_govdata.query.missing import missing_table
from jupyter_govdata.query.pushdown import CANNOT_PUSH, without_pushdown
from jupyter_govdata.query.reads import Reads, StoppedError
from jupyter_govdata.query.repeat import EXPLAIN, Plan, is_repeatable, plan_of, scanned_whole
from jupyter_govdata.query.result import QueryResult
from jupyter_govdata.query.rows import Rows
from jupyter_govdata.query.source import AssetSource
from jupyter_govdata.query.split.expression import UnreadableFilterError
from jupyter_govdata.query.tail import BATCH_ROWS, Opened, Tail, opened_from
from jupyter_govdata.query.text.names import Analysis, rewrite

_FAILURES = (
    *(duckdb.Error, RuntimeError, GovDataError, UnreadableFilterError, StoppedError),
    *(OSError, pa.ArrowException),  # DuckDB's, out of its stream
)

_DECIDED = (AccessDeniedError, NotVisibleError, PurposeError, StaleDecisionError)
"""Answers that are the same for whoever asks for the rows, so nobody asks twice."""


class Run:
    """Runs the statements of one text, in order.

    Args:
        connection: The session's connection.
        assets: The session's assets.
        handover: What of a statement the gateway does.
        source: What the principal may see and read.
        analysis: Of the user's text.
        values: Of its parameters.
        purpose: Of this call.
        frames: Local tables by name.
        pins: What is read at which snapshot where the text names no version.
        begin: Takes the reads of each statement before it starts.
        finish: Reads an open end in the engine's thread.
        views: Takes the cards of the assets that are read.
    """

    def __init__(
        self,
        *,
        connection: duckdb.DuckDBPyConnection,
        assets: AssetTables,
        handover: Handover,
        source: AssetSource,
        analysis: Analysis,
        values: Mapping[str, Any],
        purpose: str | None,
        frames: Mapping[str, Any],
        pins: Pins,
        begin: Callable[[Reads], Reads],
        finish: Callable[[Tail], None],
        views: dict[str, AssetView] | None = None,
    ) -> None:
        self._arguments: dict[str, Any] = {
            "connection": connection,
            "assets": assets,
            "handover": handover,
            "source": source,
            "analysis": analysis,
            "values": values,
            "purpose": purpose,
            "frames": frames,
            "pins": pins,
            "begin": begin,
            "finish": finish,
        }
        self._connection = connection
        self._assets = assets
        self._handover = handover
        self._source = source
        self._analysis = analysis
        self._values = values
        self._purpose = purpose
        self._frames = frames
        self._pins = pins
        self._begin = begin
        self._finish = finish
        self._rewrite = rewrite(analysis, {})
        self._views: dict[str, AssetView] = {} if views is None else views
        self._results: dict[str, QueryResult] = {}
        self._done: list[Reads] = []
        self._open = ExitStack()
        self._retried: set[str] = set()
        self._pushdown = True
        self._help = True
        self._helped = False
        self.tail: Tail | None = None
        self.broken = False
        """DuckDB failed inside: the connection cannot be used any more."""

    def result(self) -> QueryResult:
        """Run everything; return the result of the last statement.

        A large one is not read to its end: then `tail` reads the rest.
        """
        statements = self._statements()
        for statement in statements[:-1]:
            self._run(statement, whole=True)
        last = statements[-1]
        opened = self._run(last, whole=last.type != duckdb.StatementType.SELECT)
        if self._policy_moved():
            self._refresh()
        changed = _changed_rows(last, opened.table) if opened.rest is None else None
        earlier = results_read(self._connection, (s.query for s in statements), self._results)
        return QueryResult(
            rows=Rows(pa.table({}) if changed is not None else opened.table, *self._end(opened)),
            query=self._analysis.text,
            parameters=dict(self._values),
            ordered=self._analysis.ordered,
            changed_rows=changed,
            views={name: v for r in earlier for name, v in r.views.items()} | self._views,
            inherited=tuple(receipt for r in earlier for receipt in r.receipts),
            purpose=purpose_of(self._done, self._views, self._purpose)
            or next((r.purpose for r in earlier if r.purpose), ""),
            wall=self._source.wall,
            notes=self._analysis.notes,
        )

    def _end(self, opened: Opened) -> tuple[Account, Tail | None]:
        if opened.rest is None:
            return account_of(self._done), None
        self.tail = Tail(opened, done=self._done, origin=self, finish=self._finish)
        self.tail.total = self._total()
        self._done[-1].pause()
        return self.tail.account, self.tail

    def _total(self) -> int | None:
        """Return the number of rows of the last statement where the card of its asset tells it."""
        receipts = [receipt for receipt, _ in self._done[-1].receipts()]
        if len(receipts) != 1 or not scanned_whole(self.plan()):
            return None
        view = self._views.get(receipts[0].asset)
        if view is None or view.snapshot is None:
            return None
        same = view.snapshot.snapshot_id == receipts[0].snapshot_id
        return view.snapshot.total_rows if same else None

    def explain(self) -> Iterator[tuple[int, Plan | GovDataError]]:
        """Yield DuckDB's plan of each statement with its number; nothing is run.

        One that needs what a statement before it makes has an error instead.
        """
        for number, statement in enumerate(self._statements(EXPLAIN), 1):
            if statement.type != duckdb.StatementType.EXPLAIN:
                continue  # what PIVOT does first, to find the columns of its result
            try:
                table = self._run(statement, whole=True).table
            except (QueryError, NotVisibleError) as error:
                if number == 1:
                    raise
                yield number, error
            else:
                for plan in json.loads(table.column(1)[0].as_py()):
                    yield number, plan

    @property
    def views(self) -> Mapping[str, AssetView]:
        """The cards of the assets that the text names."""
        return self._views

    def again(self, done: Sequence[Reads]) -> tuple[pa.Table, Sequence[Reads]]:
        """Run the last statement once more, to its end, at the snapshots that `done` read.

        Raises:
            StaleDecisionError: Another policy state, or another snapshot under a tag.
        """
        pins = replace(self._pins, assets={**self._pins.assets, **account_of(done).pins})
        run = Run(**{**self._arguments, "pins": pins})
        try:
            opened = run._run(run._statements()[-1], whole=True)
        finally:
            run.close()
            self.broken = run.broken
        check_same_read(done, run._done)
        return opened.table, [*done[:-1], *run._done]

    def plan(self) -> Plan | None:
        """Return DuckDB's plan of the last statement, or None where it has none of its own."""
        cursor = self._connection.cursor()
        try:
            last = cursor.extract_statements(self._rewrite.text)[-1]
            return plan_of(cursor, last.query, self._bound(last))
        finally:
            cursor.close()

    def is_repeatable(self) -> bool:
        """Return whether `again` would give the same rows."""
        cursor = self._connection.cursor()
        try:
            names = self._assets.names()
            return is_repeatable(cursor, self.plan(), self._rewrite.text, names)
        finally:
            cursor.close()

    def close(self) -> None:
        """Let go of the frames."""
        self._open.close()

    def _statements(self, before: str = "") -> list[duckdb.Statement]:
        tables, views = self._assets.resolve(self._analysis, self._values, self._purpose)
        self._keep(views)
        self._rewrite = rewrite(self._analysis, tables, before)
        self._use_frames(self._analysis.words)
        try:
            statements = self._connection.extract_statements(self._rewrite.text)
        except duckdb.Error as error:
            raise query_error(fault_of(error), self._rewrite) from None
        if not statements:
            raise QueryError("the query is empty")
        return statements

    def _keep(self, views: Mapping[str, AssetView]) -> None:
        self._views.clear()
        self._views.update(views)

    def _run(self, statement: duckdb.Statement, *, whole: bool) -> Opened:
        self._retried.clear()
        self._pushdown = self._help = True
        while True:
            reads = self._begin(Reads(self._source, self._purpose, self._pins))
            try:
                if reads.stopped:
                    raise StoppedError
                opened = self._opened(statement, reads, whole=whole)
                if opened.rest is None:
                    reads.close()
                self._handover.note(statement)
                check_one_snapshot(reads)
            except _FAILURES as error:
                reads.close()
                if not self._may_retry(error, reads):
                    self.fail(error, reads)
            else:
                self._done.append(reads)
                return opened

    def _opened(self, statement: duckdb.Statement, reads: Reads, *, whole: bool) -> Opened:
        """Run the statement, as far as the gateway does not do it."""
        self._helped = False
        if self._help and self._views and statement.type == duckdb.StatementType.SELECT:
            self._helped = True
            rows = self._handover.rows(statement.query, self._values, reads, whole=whole)
            if rows is not None:
                return rows
            rest = self._handover.rest(statement.query, self._values, reads, self._open)
            self._helped = rest is not None
            if rest is not None:
                (statement,) = self._connection.extract_statements(rest)
        return self._execute(statement, whole=whole)

    def _execute(self, statement: duckdb.Statement, *, whole: bool) -> Opened:
        values = self._bound(statement)
        with nullcontext() if self._pushdown else without_pushdown(self._connection):
            found = self._connection.execute(statement, values)
        reader = found.to_arrow_reader(BATCH_ROWS)
        return opened_from(reader.schema, reader, whole=whole)

    def _bound(self, statement: duckdb.Statement) -> dict[str, Any] | None:
        return {name: self._values[name] for name in statement.named_parameters} or None

    def _use_frames(self, names: Sequence[str] | frozenset[str]) -> tuple[str, ...]:
        used = self._open.enter_context(registered(self._connection, names, self._frames))
        found = {name: self._frames[name] for name in used}
        self._results |= {n: f for n, f in found.items() if isinstance(f, QueryResult)}
        return used

    # -- after a failure -------------------------------------------------------------------

    def _may_retry(self, error: BaseException, reads: Reads) -> bool:
        """Return whether the statement may be tried again, after a remedy."""
        if reads.stopped:
            return False
        failure = error if isinstance(error, GovDataError) else reads.failure
        if self._helped and not isinstance(failure, _DECIDED):
            self._help = False  # whatever it was: DuckDB tells it better
            return True
        if failure is not None:
            outdated = isinstance(failure, StaleDecisionError | ColumnNotFoundError)
            if not outdated or not self._first("stale"):
                return False
            self._refresh()
            return True
        cannot_push = reads.unreadable is not None or any(t in str(error) for t in CANNOT_PUSH)
        if cannot_push and self._pushdown:
            self._pushdown = False
            return True
        fault = fault_of(error)
        if fault.missing_column and self._first("column") and self._refresh():
            return True  # a new snapshot brought it
        missing = fault.missing_table
        return missing is not None and self._first(f"missing {missing}") and self._find(missing)

    def fail(self, error: BaseException, reads: Reads) -> NoReturn:
        """Raise what the user gets for an error of a statement, or of a stream that it opened."""
        if reads.stopped:
            raise StoppedError from None
        failure = error if isinstance(error, GovDataError) else reads.failure
        if failure is not None:
            raise failure from failure.__cause__
        if not isinstance(error, _FAILURES):
            raise error
        fault = fault_of(error)
        if not isinstance(error, duckdb.Error) and not fault.kind:
            raise QueryError("DuckDB stopped the query") from error
        self._raise(fault)

    def _policy_moved(self) -> bool:
        """Return whether something was read under another policy state than its card is of."""
        read = [receipt for reads in self._done for receipt, _ in reads.receipts()]
        cards = self._views
        return any(r.asset in cards and r.epoch != cards[r.asset].epoch for r in read)

    def _refresh(self) -> bool:
        changed = self._assets.refresh()
        _, views = self._assets.resolve(self._analysis, self._values, self._purpose)
        self._keep(views)
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

    def _raise(self, fault: Fault) -> NoReturn:
        if fault.kind.upper() in ("INTERNAL", "FATAL"):
            self.broken = True
            raise QueryError(
                "DuckDB failed inside; the tables and views you made in this session are gone",
                hint="run the cells that make them again",
            ) from None
        if fault.missing_table is not None:
            missing = missing_table(
                fault, self._analysis, self._rewrite, self._frames, self._assets
            )
            raise missing from None
        limit = limit_error(fault)
        if limit is not None:
            raise limit from None
        columns = [c.column for view in self._views.values() for c in view.columns]
        raise query_error(fault, self._rewrite, columns) from None


def _changed_rows(statement: duckdb.Statement, table: pa.Table) -> int | None:
    expected = statement.expected_result_type
    if table.column_names == ["Count"] and duckdb.ExpectedResultType.CHANGED_ROWS in expected:
        return int(table.column(0)[0].as_py()) if table.num_rows else 0
    if table.column_names == ["Success"] and not table.num_rows:
        return 0
    return None
