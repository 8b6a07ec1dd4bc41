"""SQL over governed assets: the user's own DuckDB, fed by governed scans. Runs in the kernel.

Nothing here is a security boundary: rows were filtered and masked before they arrive, and the
user owns this process. What is promised: exact answers, one snapshot per asset and query, errors
that point into the user's text, and an interrupt that ends within a second.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from jupyter_govdata.errors import GovDataError
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.model.scan import ScanRequest
from jupyter_govdata.model.view import AssetView
from jupyter_govdata.model.wire import request_to_wire
from jupyter_govdata.query.account import account_of, purpose_of
from jupyter_govdata.query.answers import Answer, answering
from jupyter_govdata.query.assets import AssetTables
from jupyter_govdata.query.dryrun import DryRun, dry_run_of
from jupyter_govdata.query.handover import Handover
from jupyter_govdata.query.parameters import bind
from jupyter_govdata.query.progress import OnProgress, progress_of
from jupyter_govdata.query.reads import Reads, StoppedError
from jupyter_govdata.query.result import QueryResult
from jupyter_govdata.query.reuse import ReusingSource, ScanCache
from jupyter_govdata.query.rows import Rows
from jupyter_govdata.query.run import Run
from jupyter_govdata.query.source import AssetSource
from jupyter_govdata.query.tail import Tail, lost
from jupyter_govdata.query.text.names import analyse
from jupyter_govdata.query.worker import Job, Tick, interrupts_in_one_line

T = TypeVar("T")

DEFAULT_SCAN_CACHE = 256_000_000

_NO_PINS = Pins()

_SETTINGS = (
    "SET errors_as_json = true",  # with positions
    "SET python_enable_replacements = false",  # see `frames`
    "SET TimeZone = 'UTC'",  # the same answer on every machine
)


class QueryEngine:
    """Runs queries of one session, one at a time; safe to call from any thread.

    Args:
        source: What the principal may see and read.
        scan_cache: Bytes of finished scans that are held for the next query; 0 holds none.
    """

    def __init__(self, source: AssetSource, *, scan_cache: int = DEFAULT_SCAN_CACHE) -> None:
        self._session = source
        self._cache = ScanCache(scan_cache)
        self._source = ReusingSource(source, self._cache)
        self._lock = threading.RLock()
        self._job: Job[Any] | None = None
        self._reads = Reads(self._source, None)
        self._tail: tuple[Tail, weakref.ref[Rows]] | None = None
        self._kept: list[Tail] = []
        # SECURITY: DuckDB spills governed rows there; its own default is a folder that every
        # user of the machine may read, next to the notebook.
        self._spill = tempfile.mkdtemp(prefix="govdata-")
        self._clean_up = weakref.finalize(self, shutil.rmtree, self._spill, ignore_errors=True)
        self._open()

    def _open(self) -> None:
        self._connection = duckdb.connect(":memory:", config={"temp_directory": self._spill})
        for setting in _SETTINGS:
            self._connection.execute(setting)
        _without_its_own_progress(self._connection)
        self._assets = AssetTables(self._connection, self._source, lambda: self._reads)
        self._handover = Handover(self._connection, self._assets)

    def run(
        self,
        sql: str,
        params: Mapping[str, Any] | None = None,
        *,
        purpose: str | None = None,
        frames: Mapping[str, Any] | None = None,
        pins: Pins = _NO_PINS,
        on_progress: OnProgress | None = None,
    ) -> QueryResult:
        """Run SQL and return the result of its last statement.

        Args:
            sql: Any SQL of DuckDB; assets are ``namespace.name``, with
                ``AT (VERSION => id | TIMESTAMP => 'time' | TAG => 'name')`` for a version.
            params: Values of ``$name``, ``:name`` and ``{{ name }}``; bound, never pasted.
            purpose: Of this query; None takes the principal's own.
            frames: Local tables by name; those that the SQL names are read.
            pins: What is read at which snapshot where the SQL names no version.
            on_progress: Called in the calling thread, at most ten times a second, and once more
                when the query has ended, however it did.

        Raises:
            QueryError: The SQL or a parameter is wrong; with line and column where known.
            RefusalError: The gateway refuses.
            SnapshotNotFoundError: A version or a pin that there is not (any more).
            KeyboardInterrupt: The user interrupted; the session stays usable.
        """
        reads = Reads(self._source, purpose, pins)
        begun: list[Reads] = []
        views: dict[str, AssetView] = {}

        def work() -> QueryResult:
            started = time.perf_counter()
            run = Run(
                connection=self._connection,
                assets=self._assets,
                handover=self._handover,
                source=self._source,
                analysis=analysis,
                values=values,
                purpose=purpose,
                frames=frames or {},
                pins=pins,
                begin=partial(self._begin, begun),
                finish=self._finish,
                views=views,
            )
            self._settle(_rows_of(frames or {}, analysis.words))
            try:
                result = run.result()
            finally:
                if run.tail is None:
                    run.close()
                if run.broken:
                    self._reopen()
            if run.tail is not None:
                self._tail = run.tail, weakref.ref(result.rows)
            return replace(result, seconds=time.perf_counter() - started)

        answer = Answer(self._session, sql, purpose=purpose or "")
        with interrupts_in_one_line(), answering(answer, lambda: self._known(begun)):
            analysis = analyse(sql)
            answer.parameters = values = bind(analysis, params or {})
            tick = _ticking(on_progress, begun, views)
            answer.result = result = self._in_thread(work, reads, tick)
        self._announce()
        return result

    def dry_run(
        self,
        sql: str,
        params: Mapping[str, Any] | None = None,
        *,
        purpose: str | None = None,
        frames: Mapping[str, Any] | None = None,
        pins: Pins = _NO_PINS,
    ) -> DryRun:
        """Return what SQL would read; the arguments are those of `run`, and nothing is run.

        Raises:
            QueryError: The SQL or a parameter is wrong; with line and column where known.
            RefusalError: The gateway would refuse.
        """
        analysis = analyse(sql)
        values = bind(analysis, params or {})

        def work() -> DryRun:
            run = Run(
                connection=self._connection,
                assets=self._assets,
                handover=self._handover,
                source=self._source,
                analysis=analysis,
                values=values,
                purpose=purpose,
                frames=frames or {},
                pins=pins,
                begin=partial(self._begin, []),
                finish=self._finish,
            )
            self._settle(_rows_of(frames or {}, analysis.words))
            try:
                return dry_run_of(run, self._assets, analysis, self._source.wall)
            finally:
                run.close()

        with interrupts_in_one_line():
            return self._in_thread(work, Reads(self._source, purpose, pins))

    def scan(self, request: ScanRequest, pins: Pins = _NO_PINS) -> QueryResult:
        """Read one governed scan without SQL, at its pin if it names no version.

        Raises:
            RefusalError: The gateway refuses.
            SnapshotNotFoundError: A version or a pin that there is not (any more).
        """
        query = request_to_wire(request).decode()
        begun: list[Reads] = []

        def work() -> QueryResult:
            started = time.perf_counter()
            reads = self._begin(begun, Reads(self._source, request.purpose, pins))
            opened = reads.open(request)
            schema = opened.stream.schema
            table = pa.Table.from_batches(
                list(reads.batches(opened, schema.names, schema, ())), schema
            )
            return QueryResult(
                rows=Rows(table, account_of([reads])),
                query=query,
                purpose=purpose_of([reads], {}, request.purpose),
                wall=self._source.wall,
                seconds=time.perf_counter() - started,
            )

        answer = Answer(self._session, query, purpose=request.purpose or "")
        with interrupts_in_one_line(), answering(answer, lambda: self._known(begun)):
            reads = Reads(self._source, request.purpose, pins)
            answer.result = result = self._in_thread(work, reads)
        return result

    def close(self) -> None:
        """Close the connection; local tables are gone."""
        self._lose("the session is closed")
        self._cache.clear()
        self._assets.close()
        self._connection.close()
        self._clean_up()

    def _begin(self, begun: list[Reads], reads: Reads) -> Reads:
        """Make `reads` those of the running statement, unless the user has interrupted."""
        if self._reads.stopped:
            reads.stop()
        self._reads = reads
        begun.append(reads)
        return reads

    def _known(self, begun: list[Reads]) -> Mapping[str, Any]:
        """Return what a query that did not end well has read, as far as the gateway signed it."""
        known = account_of(begun)
        return {"receipts": known.receipts, "pins": known.pins}

    # -- the open end of the last result ---------------------------------------------------------

    def _finish(self, tail: Tail) -> None:
        """Read a result to its end.

        Raises:
            GovDataError: What hinders it.
        """

        def work() -> None:
            if not tail.ended and not tail.is_open:
                self._settle(frozenset())
            try:
                tail.read()
            finally:
                if tail.origin.broken:
                    self._reopen()

        with interrupts_in_one_line():
            self._in_thread(work, tail.reads if tail.is_open else Reads(self._source, None))
        self._announce(tail)

    def _settle(self, needed: frozenset[Rows]) -> None:
        """Free the connection of the open end of an earlier result, without losing its rows.

        Args:
            needed: Results that the next statement reads.
        """
        if self._tail is None:
            return
        (tail, held), self._tail = self._tail, None
        if not tail.is_open:
            return
        if not tail.wanted or (held() not in needed and tail.origin.is_repeatable()):
            tail.close()
            return
        self._reads = tail.reads
        try:
            tail.read()
        except GovDataError as error:
            tail.lose(error)
        except StoppedError:
            tail.lose(lost("reading it was interrupted"))
            raise
        else:
            self._kept.append(tail)

    def _lose(self, reason: str) -> None:
        if self._tail is not None:
            tail, self._tail = self._tail[0], None
            tail.lose(lost(reason))

    def _announce(self, *finished: Tail) -> None:
        """Say that results are complete, in the thread that asked."""
        kept, self._kept = self._kept, []
        for tail in (*kept, *finished):
            called, tail.on_complete[:] = tuple(tail.on_complete), []
            for call in called:
                call()

    # -- threads ---------------------------------------------------------------------------------

    def _in_thread(self, work: Callable[[], T], reads: Reads, tick: Tick | None = None) -> T:
        job = self._job
        if job is not None and job.is_current:
            return self._nested(work, reads)  # a statement reads a result that has an open end
        with self._lock:
            if self._job is not None:
                self._job.join()  # an interrupted query that did not end in time
            self._reads = reads
            self._job = started = Job(work, self._stop, tick)
            try:
                return started.wait()
            finally:
                if started.done:
                    self._job = None  # it holds the result

    def _nested(self, work: Callable[[], T], reads: Reads) -> T:
        before, self._reads = self._reads, reads
        try:
            return work()
        finally:
            if reads.stopped:
                before.stop()
            self._reads = before

    def _stop(self) -> None:
        self._connection.interrupt()
        self._reads.stop()

    def _reopen(self) -> None:
        self._lose("DuckDB failed inside")
        self._connection.close()
        self._open()


def _without_its_own_progress(connection: duckdb.DuckDBPyConnection) -> None:
    """Switch off DuckDB's progress bar, a widget that stays in the notebook.

    UPSTREAM: without ipywidgets it is off in a kernel, and may not even be switched off.
    """
    row = connection.execute("SELECT current_setting('enable_progress_bar')").fetchone()
    if row is not None and row[0]:
        connection.execute("SET enable_progress_bar = false")


def _ticking(
    on_progress: OnProgress | None, begun: list[Reads], views: Mapping[str, AssetView]
) -> Tick | None:
    if on_progress is None:
        return None
    started = time.perf_counter()

    def tick(*, done: bool) -> None:
        if begun:
            seconds = time.perf_counter() - started
            on_progress(progress_of(begun[-1], views, seconds, done=done))

    return tick


def _rows_of(frames: Mapping[str, Any], words: frozenset[str]) -> frozenset[Rows]:
    """Return the rows of the results that a query names."""
    named = (frames[word] for word in words if word in frames)
    return frozenset(frame.rows for frame in named if isinstance(frame, QueryResult))
