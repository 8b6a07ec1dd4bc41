"""Governed scans that the session holds already. Runs in the kernel.

The gateway decides every scan anew and puts it on record. Where its answer would be one that is
held here (same snapshot, same decision, same consents), it says so instead of sending the rows.
Nothing here can make a row visible: what is held was sent to this very session before.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from jupyter_govdata.model.scan import At, ScanRequest
from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.model.view import AssetView
from jupyter_govdata.model.wire import request_to_wire
from jupyter_govdata.query.source import AssetSource, ScanStream

_EACH = 2_000
"""Bytes that a held scan takes beside its rows, roughly."""
BEGINNING_BYTES = 4_000_000
"""Bytes of a scan that are held while nobody reads it on."""


@dataclass(frozen=True, slots=True)
class Held:
    """The whole answer to a scan."""

    tag: str
    epoch: int
    batches: tuple[pa.RecordBatch, ...]
    bytes: int


class ScanCache:
    """Whole answers by request, the least recently used ones dropped first; thread-safe.

    Args:
        limit: Bytes held at most; 0 holds nothing.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._held: OrderedDict[bytes, Held] = OrderedDict()
        # The collector may end a stream of this very thread.
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, request: ScanRequest) -> Held | None:
        """Return what is held for a request, or None."""
        with self._lock:
            key = request_to_wire(request)
            held = self._held.get(key)
            if held is not None:
                self._held.move_to_end(key)
            return held

    def put(self, request: ScanRequest, held: Held) -> None:
        """Hold an answer, if it is not too large."""
        key = request_to_wire(request)
        with self._lock:
            self._drop(key)
            if held.bytes > self.limit:
                return
            self._held[key] = held
            self.bytes += held.bytes
            while self.bytes > self.limit:
                self._drop(next(iter(self._held)))

    def keep_epoch(self, epoch: int) -> None:
        """Drop what was decided under another policy state: it is never asked for again."""
        with self._lock:
            for key in [k for k, held in self._held.items() if held.epoch != epoch]:
                self._drop(key)

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._held.clear()
            self.bytes = 0

    def _drop(self, key: bytes) -> None:
        held = self._held.pop(key, None)
        if held is not None:
            self.bytes -= held.bytes


class ReusingSource:
    """A source that asks the gateway for rows only if it does not hold them.

    Args:
        source: What the principal may see and read.
        cache: Of one session, so of one principal.
    """

    def __init__(self, source: AssetSource, cache: ScanCache) -> None:
        self._source = source
        self._cache = cache

    @property
    def wall(self) -> str:
        """``enforced`` or ``advisory``."""
        return self._source.wall

    def namespaces(self) -> tuple[str, ...]:
        """Return the visible namespaces."""
        return self._source.namespaces()

    def names(self) -> tuple[str, ...]:
        """Return the names of the visible assets."""
        return self._source.names()

    def view(self, asset: str, at: At | None, purpose: str | None) -> AssetView:
        """Return the governed card of an asset."""
        return self._source.view(asset, at, purpose)

    def open_scan(self, request: ScanRequest) -> ScanStream:
        """Start a governed scan, or return the rows that are held.

        Raises:
            GovDataError: The gateway's answer; it decides in both cases.
        """
        if not self._cache.limit:
            return self._source.open_scan(request)
        held = self._cache.get(request)
        known = replace(request, known=held.tag) if held is not None else request
        stream = self._source.open_scan(known)
        self._cache.keep_epoch(stream.receipts[0].epoch)
        if held is not None and stream.same:
            return _HeldStream(stream, held)
        return _KeepingStream(stream, request, self._cache) if stream.tag else stream


class _HeldStream:
    """A scan whose rows are held."""

    def __init__(self, answer: ScanStream, held: Held) -> None:
        self.schema: pa.Schema = answer.schema
        self.receipts: Sequence[Receipt] = answer.receipts
        self.tag = held.tag
        self.same = True
        self._answer = answer
        self._held = held
        self._stopped = threading.Event()

    def reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self.schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        with self._answer.reader() as reader:
            yield from reader  # no rows: but the gateway's word is only good with its end
        for batch in self._held.batches:
            if self._stopped.is_set():
                return
            yield batch

    def cancel(self) -> None:
        self._stopped.set()
        self._answer.cancel()


class _KeepingStream:
    """A scan whose rows are held once its end has come."""

    def __init__(self, stream: ScanStream, request: ScanRequest, cache: ScanCache) -> None:
        self.schema: pa.Schema = stream.schema
        self.receipts: Sequence[Receipt] = stream.receipts
        self.tag = stream.tag
        self.same = False
        self._stream = stream
        self._request = request
        self._cache = cache
        self._stopped = threading.Event()
        self._kept: list[pa.RecordBatch] | None = []
        self._size = _EACH

    def reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self.schema, self._batches())

    def pause(self) -> None:
        if self._size > BEGINNING_BYTES:
            self._kept = None

    def _batches(self) -> Iterator[pa.RecordBatch]:
        with self._stream.reader() as reader:
            for batch in reader:
                # Of the buffers as they are held, which may be larger than what is shown of them.
                self._size += batch.get_total_buffer_size()
                if self._size > self._cache.limit:
                    self._kept = None
                kept = self._kept
                if kept is not None:
                    kept.append(batch)
                yield batch
        kept, self._kept = self._kept, None
        # INVARIANT: a stream that was stopped ends without an error, and is no whole answer.
        if kept is not None and not self._stopped.is_set():
            held = Held(self.tag, self.receipts[0].epoch, tuple(kept), self._size)
            self._cache.put(self._request, held)

    def cancel(self) -> None:
        self._stopped.set()
        self._stream.cancel()
