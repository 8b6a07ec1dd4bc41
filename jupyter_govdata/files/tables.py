"""Scans of large tables, read from their data files where the gateway grants them.

Runs in the kernel; decides nothing. The gateway decides, records and signs such a scan like any
other. On any doubt before the first row, the scan comes as a stream: it was planned as one, too.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from jupyter_govdata.client.connection import Connection
from jupyter_govdata.client.files import Files
from jupyter_govdata.client.objects import ObjectReader
from jupyter_govdata.client.scan import FlightScan
from jupyter_govdata.errors import (
    GatewayError,
    GatewayUnreachableError,
    GovDataError,
    GrantError,
    RefusalError,
    StaleDecisionError,
    StorageError,
)
from jupyter_govdata.files.table_access import Layouts, TableAccess
from jupyter_govdata.files.table_layout import DoubtError, Reading, reading_of
from jupyter_govdata.model.files import TableFiles
from jupyter_govdata.model.scan import FlatScan, ScanRequest, flatten

BATCH_ROWS = 65_536
WORKERS = 8
FIRST_BYTES = 2 << 20
AHEAD_BYTES = 48 << 20
"""Bytes that are fetched before they are decoded, at first and at most; one row group always."""
CONNECT_SECONDS = 3.0
STREAMED_SECONDS = 300.0
"""For so long all scans are streams after a store could not be reached."""
_GRANTS = 64


class TableScans:
    """Opens the scans of one session.

    Args:
        connection: Of the session.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._objects = ObjectReader(CONNECT_SECONDS)
        self._access: OrderedDict[str, TableAccess] = OrderedDict()
        self._lock = threading.Lock()
        self._streamed_until = 0.0
        self.layouts = Layouts()

    def __repr__(self) -> str:
        return "TableScans(...)"

    def open(self, request: ScanRequest) -> FlightScan | FileScan:
        """Start a scan; its rows may come from data files.

        Raises:
            GovDataError: Whatever the gateway answers.
        """
        is_reachable = time.monotonic() >= self._streamed_until
        scan = FlightScan(self._connection, replace(request, files=is_reachable))
        if scan.files is None:
            return scan
        return FileScan(self, scan, scan.files, flatten(request.fragment))

    def access(self, granted: TableFiles) -> TableAccess:
        """Return what reads the files of a grant."""
        with self._lock:
            found = self._access.get(granted.grant)
            if found is None:
                files = Files(self._connection)
                found = self._access[granted.grant] = TableAccess(files, self._objects, granted)
                while len(self._access) > _GRANTS:
                    self._access.popitem(last=False)
            self._access.move_to_end(granted.grant)
            return found

    def note(self, problem: BaseException) -> None:
        """Have scans come as streams for a while, if the store is not within reach."""
        if isinstance(problem, GatewayUnreachableError):
            self._streamed_until = time.monotonic() + STREAMED_SECONDS

    def close(self) -> None:
        """Close the connections to stores."""
        self._objects.close()
        self._access.clear()


class FileScan:
    """A scan whose rows come from data files, or else from its stream."""

    def __init__(
        self, scans: TableScans, scan: FlightScan, granted: TableFiles, flat: FlatScan
    ) -> None:
        self.schema: pa.Schema = scan.schema
        self.receipts = scan.receipts
        self.tag = scan.tag
        self.same = False
        self.is_direct = True
        """False once the rows come as a stream."""
        self._scans = scans
        self._scan = scan
        self._granted = granted
        self._flat = flat
        self._stopped = threading.Event()
        self._ended = threading.Event()

    def reader(self) -> pa.RecordBatchReader:
        """Return the batches as one stream; call it once."""
        return pa.RecordBatchReader.from_batches(self.schema, self._batches())

    def cancel(self) -> None:
        """Stop reading; harmless afterwards."""
        self._stopped.set()
        self._ended.set()
        self._scan.cancel()

    def _batches(self) -> Iterator[pa.RecordBatch]:
        found = self._from_files()
        began = False
        while True:
            problem: BaseException | None = None
            try:
                batch = next(found, None)
            except (DoubtError, GovDataError, pa.ArrowException, OSError) as exc:
                problem = exc
            if self._stopped.is_set() or (problem is None and batch is None):
                found.close()
                return
            if problem is not None:
                break
            began = True
            yield batch
        self._scans.note(problem)
        if began:
            raise _told(problem, self._flat.asset) from None
        self.is_direct = False
        with self._scan.reader() as reader:
            yield from reader

    def _from_files(self) -> Generator[pa.RecordBatch, None, None]:
        access = self._scans.access(self._granted)
        pool = ThreadPoolExecutor(WORKERS, "govdata-files")
        try:
            yield from _Run(self._scans, access, pool, self._ended).batches(
                self._granted, self.schema, self._flat
            )
        finally:
            self._ended.set()
            pool.shutdown(wait=False, cancel_futures=True)


class _Run:
    """Reads the files of one scan, fetching ahead of what is decoded."""

    def __init__(
        self,
        scans: TableScans,
        access: TableAccess,
        pool: ThreadPoolExecutor,
        ended: threading.Event,
    ) -> None:
        self._layouts = scans.layouts
        self._access = access
        self._pool = pool
        self._ended = ended

    def batches(
        self, granted: TableFiles, schema: pa.Schema, flat: FlatScan
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of all files.

        Raises:
            DoubtError: A file is not plain; nothing was yielded yet.
        """
        indexes = [index for index, _, _ in granted.files]
        layouts = list(
            self._pool.map(
                lambda place: self._layouts.of(
                    self._access, granted.files[place], indexes[place:], self._ended
                ),
                range(len(indexes)),
            )
        )
        readings = [
            reading_of(layout, schema, flat.predicate, granted.columns) for layout in layouts
        ]
        groups = (
            (place, reading, group)
            for place, reading in enumerate(readings)
            for group in reading.groups
        )
        waiting: deque[tuple[Reading, int, list[Future[tuple[int, bytes]]], int]] = deque()
        held, ahead = 0, FIRST_BYTES
        for place, reading, group in groups:
            ranges = reading.ranges(group)
            size = sum(length for _, length in ranges)
            while waiting and held + size > ahead:
                held -= waiting[0][3]
                yield from _decoded(*waiting.popleft()[:3])
                ahead = min(AHEAD_BYTES, 2 * ahead)
            parts = [self._fetch(indexes, place, *one) for one in ranges]
            waiting.append((reading, group, parts, size))
            held += size
        while waiting:
            yield from _decoded(*waiting.popleft()[:3])

    def _fetch(
        self, indexes: Sequence[int], place: int, offset: int, length: int
    ) -> Future[tuple[int, bytes]]:
        def fetch() -> tuple[int, bytes]:
            if self._ended.is_set():
                raise GatewayError("the scan has ended")
            expected = indexes[place:]
            read = self._access.read(indexes[place], offset, length, expected, self._ended)
            return offset, read

        return self._pool.submit(fetch)


def _decoded(
    reading: Reading, group: int, parts: Sequence[Future[tuple[int, bytes]]]
) -> Iterator[pa.RecordBatch]:
    """Yield the matching rows of a row group."""
    source = _Fetched([part.result() for part in parts])
    with pq.ParquetFile(
        pa.PythonFile(cast("IO[Any]", source), "r"),
        metadata=reading.layout.metadata,
        pre_buffer=False,
    ) as file:
        rows = 0
        for batch in file.iter_batches(BATCH_ROWS, [group], reading.columns):
            rows += batch.num_rows
            shown = reading.shown(batch)
            if shown.num_rows:
                yield shown
    if rows != reading.layout.metadata.row_group(group).num_rows:
        raise StorageError("a data file is not what its footer says", hint="run the query again")


class _Fetched:
    """The fetched ranges of a file, as a file."""

    def __init__(self, parts: Sequence[tuple[int, bytes]]) -> None:
        self._parts = sorted(parts)
        self._at = 0
        self.closed = False

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 1:
            offset += self._at
        elif whence == 2:
            offset += self.size
        self._at = offset
        return offset

    def tell(self) -> int:
        return self._at

    @property
    def size(self) -> int:
        offset, part = self._parts[-1]
        return offset + len(part)

    def read(self, count: int = -1) -> bytes | memoryview:
        start, end = self._at, self.size if count < 0 else self._at + count
        found: list[memoryview] = []
        for offset, part in self._parts:
            if offset <= start < offset + len(part):
                found.append(memoryview(part)[start - offset : end - offset])
                start += len(found[-1])
                if start >= end:
                    break
        self._at = start
        return found[0] if len(found) == 1 else b"".join(found)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


def _told(problem: BaseException, asset: str) -> GovDataError:
    """Return the error for a scan that failed after its first rows."""
    if isinstance(problem, RefusalError | GrantError):
        return StaleDecisionError(
            f"policy or consent for `{asset}` changed while it was read",
            hint="run the query again to get what is permitted now",
        )
    if isinstance(problem, GovDataError):
        return problem
    # SECURITY: texts of libraries may hold more than they should.
    return StorageError(f"a data file of `{asset}` cannot be read", hint="run the query again")
