"""The governed scans of one statement. Runs in the kernel; DuckDB's threads enter here.

DuckDB turns an exception in a reader into text, so the original is kept here and raised by the
engine instead. Streams are cancelled here when the user interrupts.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from jupyter_govdata.errors import GatewayError, GovDataError, SnapshotNotFoundError
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.model.scan import At, FlatScan, ScanRequest, flatten
from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.query.pinned import name_pin, with_pins
from jupyter_govdata.query.source import AssetSource, KeepingStream, ScanStream
from jupyter_govdata.query.split.conditions import Condition
from jupyter_govdata.query.split.expression import UnreadableFilterError
from jupyter_govdata.query.split.local_filter import keep


class StoppedError(Exception):
    """The user interrupted: makes DuckDB fail, and never leaves this room."""


@dataclass(eq=False, slots=True)
class OpenScan:
    """A scan that a statement reads.

    Args:
        stream: Where its batches come from.
        scan: As the statement asked for it.
        rows: Rows that came.
        bytes: Their size in Arrow's memory format.
    """

    stream: ScanStream
    scan: FlatScan
    rows: int = 0
    bytes: int = 0


@dataclass
class Reads:
    """What a running statement reads, and why it failed.

    Args:
        source: Where scans come from.
        purpose: Purpose of the statement; None takes the principal's own.
        pins: What is read at which snapshot where the statement names no version.
    """

    source: AssetSource
    purpose: str | None
    pins: Pins = field(default_factory=Pins)
    failure: GovDataError | None = None
    unreadable: UnreadableFilterError | None = None
    _opened: list[OpenScan] = field(default_factory=list)
    _stopped: bool = False
    # The collector may stop an abandoned statement in a thread that is in here.
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def open(self, request: ScanRequest) -> OpenScan:
        """Start a scan, at the pinned version if it names none.

        Raises:
            GovDataError: The gateway's answer; it is kept as `failure`, too.
            StoppedError: The statement was interrupted.
        """
        scan = flatten(request.fragment)
        pinned = ScanRequest(with_pins(request.fragment, self.pins), request.purpose)
        try:
            stream = self.source.open_scan(pinned)
        except GovDataError as error:
            if isinstance(error, SnapshotNotFoundError) and scan.at is None:
                error = name_pin(error, scan.asset, self.pins)
            self.fail(error)
            raise error from None
        opened = OpenScan(stream, scan)
        with self._lock:
            self._opened.append(opened)
            stopped = self._stopped
        if stopped:
            stream.cancel()
            raise StoppedError
        return opened

    def batches(
        self,
        opened: OpenScan,
        columns: Sequence[str],
        schema: pa.Schema,
        conditions: Sequence[Condition],
    ) -> Iterator[pa.RecordBatch]:
        """Yield the batches of a scan that meet `conditions`: `columns`, called as in `schema`."""
        stream = opened.stream
        try:
            with stream.reader() as reader:
                for batch in reader:
                    opened.rows += batch.num_rows
                    opened.bytes += batch.nbytes
                    kept = keep(batch, conditions)
                    if kept.num_rows:
                        yield _shaped(kept, columns, schema)
        except GovDataError as error:
            self.fail(error)
            raise
        except Exception as exc:
            # DuckDB would show it as text, with a Python traceback inside.
            failure = GatewayError("reading a scan failed", hint="run the query again")
            self.fail(failure)
            raise failure from exc
        finally:
            stream.cancel()
        if self._stopped:
            # INVARIANT: a cancelled stream ends early without an error; what it delivered must
            # never pass for the whole scan (think of CREATE TABLE AS).
            raise StoppedError

    def fail(self, error: GovDataError) -> None:
        """Keep the first failure."""
        with self._lock:
            if self.failure is None:
                self.failure = error

    def stop(self) -> None:
        """Cancel everything, now and for scans that start later."""
        with self._lock:
            self._stopped = True
        self.close()

    @property
    def stopped(self) -> bool:
        """True after `stop`."""
        return self._stopped

    def close(self) -> None:
        """End all streams, so that their receipts are complete."""
        for opened in self.opened():
            opened.stream.cancel()

    def pause(self) -> None:
        """Hold few batches of these scans: a large result that is not read on should be small."""
        for opened in self.opened():
            if isinstance(opened.stream, KeepingStream):
                opened.stream.pause()

    def opened(self) -> tuple[OpenScan, ...]:
        """Return the scans so far, in order."""
        with self._lock:
            return tuple(self._opened)

    @property
    def rows(self) -> int:
        """Rows that the gateway sent."""
        return sum(o.rows for o in self.opened() if not o.stream.same)

    @property
    def bytes(self) -> int:
        """Their size in Arrow's memory format."""
        return sum(o.bytes for o in self.opened() if not o.stream.same)

    def receipts(self) -> list[tuple[Receipt, At | None]]:
        """Return the receipts of all scans, each with the version that the query asked for.

        A read at a pin asked for none: `None`.
        """
        return [(r, o.scan.at) for o in self.opened() for r in o.stream.receipts]


def _shaped(batch: pa.RecordBatch, columns: Sequence[str], schema: pa.Schema) -> pa.RecordBatch:
    arrays = [_plain(batch.column(c), f.type) for c, f in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _plain(values: pa.Array, kind: pa.DataType) -> pa.Array:
    return values if values.type == kind else values.cast(kind)
