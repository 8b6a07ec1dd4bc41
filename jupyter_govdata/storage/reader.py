"""The stream of one scan's part, and how it is stopped. Runs in the gateway."""

from __future__ import annotations

import threading
from collections.abc import Generator

import duckdb
import pyarrow as pa

from jupyter_govdata.errors import LimitError
from jupyter_govdata.model.plan import Plan
from jupyter_govdata.storage.engine import cursor, give_back
from jupyter_govdata.storage.errors import FOREIGN, mapped


class ScanReader:
    """The batches of one part of a scan; iterate once, then `close`.

    Args:
        asset: Asset name.
        schema: Of every batch.
        batches: The batches; closing them frees what they hold.
        stop: Interrupts and frees the engine's connection.
    """

    def __init__(
        self,
        asset: str,
        schema: pa.Schema,
        batches: Generator[pa.RecordBatch, None, None],
        stop: Stop,
    ) -> None:
        self.schema = schema
        self._asset = asset
        self._batches = batches
        self._stop = stop

    def __iter__(self) -> ScanReader:
        return self

    def __next__(self) -> pa.RecordBatch:
        """Return the next batch, never an empty one.

        Raises:
            StorageError: A file is missing or damaged.
            LimitError: Cancelled, or out of memory.
        """
        self._stop.check()
        try:
            return next(self._batches)
        except FOREIGN as exc:
            self._stop.close()
            self._stop.check()
            raise mapped(exc, self._asset) from exc

    def cancel(self) -> None:
        """Stop the engine's work; reading on raises. Safe from any thread."""
        self._stop.cancel()

    def close(self) -> None:
        """Stop reading and free what the scan holds; more than once is fine."""
        self._stop.cancel()
        try:
            self._batches.close()
        except ValueError:
            return  # another thread is inside; it ends at the interruption and frees all itself
        self._stop.close()


class Stop:
    """A scan's connections, and whether it was cancelled.

    Args:
        plan: What is read.
        engine: Name of the engine; those of different names share no memory.
        memory_limit: Of the engine.
        threads: Of the engine.
    """

    def __init__(self, plan: Plan, engine: str, memory_limit: str, threads: int) -> None:
        self._asset = plan.asset
        self._cancelled = self._closed = False
        self._lock = threading.Lock()
        self._engine = engine, plan.root, memory_limit, threads
        self.clean = False
        """All is read and the connection holds nothing of the scan any more."""
        self._connection: duckdb.DuckDBPyConnection | None = None

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The scan's connection to the engine, opened when it is first needed."""
        with self._lock:
            if self._connection is None:
                self._connection = cursor(*self._engine)
            return self._connection

    def check(self) -> None:
        """Raise `LimitError` if the scan was cancelled."""
        if self._cancelled:
            raise LimitError(f"the scan of `{self._asset}` was cancelled")

    def cancel(self) -> None:
        """Interrupt the engine; safe from any thread."""
        self._cancelled = True
        with self._lock:
            if self._connection is not None and not self._closed:
                self._connection.interrupt()

    def close(self) -> None:
        """Give the connection back, or close it; more than once is fine."""
        with self._lock:
            if self._connection is not None and not self._closed:
                if self.clean:
                    give_back(*self._engine[:3], self._connection)
                else:
                    self._connection.close()
            self._closed = True
