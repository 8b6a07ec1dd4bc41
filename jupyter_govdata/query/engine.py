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

from jupyter_govdata.model.pins import Pins
from jupyter_govdata.model.scan import ScanRequest
from jupyter_govdata.model.wire import request_to_wire
from jupyter_govdata.query.answers import Answer, answering
from jupyter_govdata.query.assets import AssetTables
from jupyter_govdata.query.names import analyse
from jupyter_govdata.query.parameters import bind
from jupyter_govdata.query.reads import Reads
from jupyter_govdata.query.result import QueryResult
from jupyter_govdata.query.run import Run, summary
from jupyter_govdata.query.source import AssetSource
from jupyter_govdata.query.worker import Job

T = TypeVar("T")

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
    """

    def __init__(self, source: AssetSource) -> None:
        self._source = source
        self._lock = threading.RLock()
        self._job: Job[Any] | None = None
        self._reads = Reads(source, None)
        # SECURITY: DuckDB spills governed rows there; its own default is a folder that every
        # user of the machine may read, next to the notebook.
        self._spill = tempfile.mkdtemp(prefix="govdata-")
        self._clean_up = weakref.finalize(self, shutil.rmtree, self._spill, ignore_errors=True)
        self._open()

    def _open(self) -> None:
        self._connection = duckdb.connect(":memory:", config={"temp_directory": self._spill})
        for setting in _SETTINGS:
            self._connection.execute(setting)
        self._assets = AssetTables(self._connection, self._source, lambda: self._reads)

    def run(
        self,
        sql: str,
        params: Mapping[str, Any] | None = None,
        *,
        purpose: str | None = None,
        frames: Mapping[str, Any] | None = None,
        pins: Pins = _NO_PINS,
    ) -> QueryResult:
        """Run SQL and return the result of its last statement.

        Args:
            sql: Any SQL of DuckDB; assets are ``namespace.name``, with
                ``AT (VERSION => id | TIMESTAMP => 'time' | TAG => 'name')`` for a version.
            params: Values of ``$name``, ``:name`` and ``{{ name }}``; bound, never pasted.
            purpose: Of this query; None takes the principal's own.
            frames: Local tables by name; those that the SQL names are read.
            pins: What is read at which snapshot where the SQL names no version.

        Raises:
            QueryError: The SQL or a parameter is wrong; with line and column where known.
            RefusalError: The gateway refuses.
            SnapshotNotFoundError: A version or a pin that there is not (any more).
            KeyboardInterrupt: The user interrupted; the session stays usable.
        """
        reads = Reads(self._source, purpose, pins)
        begun: list[Reads] = []

        def work() -> QueryResult:
            started = time.perf_counter()
            run = Run(
                connection=self._connection,
                assets=self._assets,
                source=self._source,
                analysis=analysis,
                values=values,
                purpose=purpose,
                frames=frames or {},
                pins=pins,
                begin=partial(self._begin, begun),
            )
            try:
                with run:
                    result = run.result()
            finally:
                if run.broken:
                    self._reopen()
            return replace(result, seconds=time.perf_counter() - started)

        answer = Answer(self._source, sql, purpose=purpose or "")
        with answering(answer, lambda: self._known(begun)):
            analysis = analyse(sql)
            answer.parameters = values = bind(analysis, params or {})
            answer.result = result = self._in_thread(work, reads)
        return result

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
            stream = reads.open(request)
            batches = list(reads.batches(stream, stream.schema, ()))
            return QueryResult(
                table=pa.Table.from_batches(batches, stream.schema),
                query=query,
                seconds=time.perf_counter() - started,
                **summary(self._source, [reads], {}, request.purpose, ()),
            )

        answer = Answer(self._source, query, purpose=request.purpose or "")
        with answering(answer, lambda: self._known(begun)):
            reads = Reads(self._source, request.purpose, pins)
            answer.result = result = self._in_thread(work, reads)
        return result

    def close(self) -> None:
        """Close the connection; local tables are gone."""
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
        return summary(self._source, tuple(begun), {}, None, ())

    def _in_thread(self, work: Callable[[], T], reads: Reads) -> T:
        with self._lock:
            if self._job is not None:
                self._job.join()  # an interrupted query that did not end in time
            self._reads = reads
            self._job = job = Job(work, self._stop)
            try:
                return job.wait()
            finally:
                if job.done:
                    self._job = None  # it holds the result

    def _stop(self) -> None:
        self._connection.interrupt()
        self._reads.stop()

    def _reopen(self) -> None:
        self._connection.close()
        self._open()
