"""Reads one governed scan: all parts in parallel, the receipt last. Runs in the kernel."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
from pyarrow import flight

from jupyter_govdata.client.connection import Connection, raised
from jupyter_govdata.errors import GovDataError, ProtocolError
from jupyter_govdata.model.scan import ScanRequest
from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.model.wire import receipt_from_wire

QUEUED_BATCHES = 4
_END = object()


class FlightScan:
    """A planned scan whose batches have not been read yet.

    `tag` names the answer: two scans with one tag, not empty, have the same rows. With
    `ScanRequest.known` the gateway may say that it is the `same` answer; then no rows come.

    `receipts` is there from the start, so that a scan that is stopped early has its own; a part
    that is read to its end must end with the same receipt.
    """

    def __init__(self, connection: Connection, request: ScanRequest) -> None:
        self._connection = connection
        self._request = request
        opened = connection.open(request)
        self.schema: pa.Schema = opened.schema
        self.receipts: list[Receipt] = [opened.receipt]
        self.tag = opened.tag
        self.same = opened.same
        self.files = opened.files
        """Data files that may be read instead of `reader`."""
        first = () if opened.stream is None else (opened.stream,)
        self._parts: tuple[flight.FlightStreamReader | flight.Ticket, ...] = (
            *first,
            *opened.tickets,
        )
        self._batches = opened.batches
        self.rows = 0
        self.bytes = 0
        self._streams: list[flight.FlightStreamReader] = [*first]
        self._stopped = threading.Event()
        self._lock = threading.Lock()

    def reader(self) -> pa.RecordBatchReader:
        """Return the batches as one stream; call it once."""
        if self._batches is not None:
            batches = self._whole(self._batches)
        else:
            batches = self._part(self._parts[0]) if len(self._parts) == 1 else self._parallel()
        return pa.RecordBatchReader.from_batches(self.schema, batches)

    def cancel(self) -> None:
        """Stop reading and tell the gateway; harmless afterwards."""
        self._stopped.set()
        with self._lock:
            for stream in self._streams:
                stream.cancel()

    def _part(self, part: flight.FlightStreamReader | flight.Ticket) -> Iterator[pa.RecordBatch]:
        stream = part
        if isinstance(part, flight.Ticket):
            stream = self._connection.get(part)
            with self._lock:
                self._streams.append(stream)
        complete = False
        try:
            while not self._stopped.is_set():
                try:
                    chunk = stream.read_chunk()
                except StopIteration:
                    if not complete:
                        raise ProtocolError("a scan ended without its receipt") from None
                    if len(self._parts) == 1:
                        self._connection.note(self._request, self.rows, self.bytes)
                    return
                except pa.ArrowException as exc:
                    if self._stopped.is_set():
                        return
                    raise raised(exc) from None
                if chunk.app_metadata is not None:
                    last = receipt_from_wire(json.loads(chunk.app_metadata.to_pybytes()))
                    if last not in self.receipts:
                        raise ProtocolError("a scan ended with the receipt of another one")
                    complete = True
                if chunk.data is not None and chunk.data.num_rows:
                    self.rows += chunk.data.num_rows
                    self.bytes += chunk.data.nbytes
                    yield chunk.data
        finally:
            if not complete:
                stream.cancel()

    def _whole(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if self._stopped.is_set():
                return
            self.rows += batch.num_rows
            self.bytes += batch.nbytes
            yield batch

    def _parallel(self) -> Iterator[pa.RecordBatch]:
        batches: queue.Queue[Any] = queue.Queue(QUEUED_BATCHES * len(self._parts))

        def put(item: Any) -> None:
            while not self._stopped.is_set():
                try:
                    batches.put(item, timeout=0.1)
                except queue.Full:
                    continue
                return

        def pump(part: flight.FlightStreamReader | flight.Ticket) -> None:
            try:
                for batch in self._part(part):
                    put(batch)
            except GovDataError as error:
                put(error)
            finally:
                put(_END)

        threads = [threading.Thread(target=pump, args=(part,), daemon=True) for part in self._parts]
        for thread in threads:
            thread.start()
        open_parts = len(threads)
        try:
            while open_parts and not self._stopped.is_set():
                try:
                    item = batches.get(timeout=0.1)
                except queue.Empty:
                    continue
                if item is _END:
                    open_parts -= 1
                elif isinstance(item, GovDataError):
                    raise item
                else:
                    yield item
        finally:
            self.cancel()
