"""Bytes of granted data files, straight from their store. Runs in the kernel; decides nothing.

SECURITY: addresses and credentials stay in private attributes; no error tells one.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from jupyter_govdata.client.files import Files
from jupyter_govdata.client.objects import ExpiredError, ObjectReader
from jupyter_govdata.client.sigv4 import signed_get
from jupyter_govdata.errors import GatewayUnreachableError, ProtocolError, StorageError
from jupyter_govdata.files.table_layout import DoubtError, Layout
from jupyter_govdata.model.files import FileSession, SignedFile, TableFiles

ATTEMPTS = 4
_SIGNED_AHEAD = 100
_MARGIN = dt.timedelta(seconds=10)
_TAIL = 64 << 10
_LEAST = 12
"""Bytes of the smallest Parquet file."""


class TableAccess:
    """The data files of one grant; thread-safe.

    Args:
        files: Calls of the session's connection.
        objects: Connections to the store.
        granted: By the gateway.
    """

    def __init__(self, files: Files, objects: ObjectReader, granted: TableFiles) -> None:
        self._files = files
        self._objects = objects
        self._grant, self._way = granted.grant, granted.way
        self._lock = threading.Lock()
        self._signed: dict[int, SignedFile] = {}
        self._session: FileSession | None = None

    def __repr__(self) -> str:
        return "TableAccess(...)"

    def read(
        self,
        index: int,
        offset: int,
        length: int,
        expected: Sequence[int],
        stopped: threading.Event,
    ) -> bytes:
        """Return bytes ``[offset, offset + length)`` of a file.

        Args:
            index: Of the file in the grant.
            offset: From 0.
            length: Positive.
            expected: Files that will be read next: they are signed together.
            stopped: Ends the waiting between two attempts.

        Raises:
            RefusalError: The table is no longer seen as it is stored.
            GatewayUnreachableError: The store does not answer.
            StorageError: The file is gone, or the store refuses a fresh address.
        """
        for attempt in range(ATTEMPTS):
            address = self._address(index, expected)
            problem: GatewayUnreachableError | None = None
            try:
                return b"".join(self._objects.read(address, offset, length))
            except ExpiredError:
                self._forget(index, address)
            except GatewayUnreachableError as error:
                problem = error
            if problem is not None and (attempt == ATTEMPTS - 1 or stopped.wait(0.1 * 4**attempt)):
                raise problem
        raise StorageError("the object store refuses a data file", hint="run the query again")

    def _address(self, index: int, expected: Sequence[int]) -> SignedFile:
        now = dt.datetime.now(dt.UTC)
        with self._lock:
            if self._way == "session":
                if self._session is None or self._session.expires_at - _MARGIN <= now:
                    self._session = self._files.session(self._grant)
                if index not in self._session.keys:
                    raise ProtocolError("the gateway gave no address of a data file")
                return signed_get(self._session, index, now)
            known = self._signed.get(index)
            if known is None or known.expires_at - _MARGIN <= now:
                asked = list(dict.fromkeys((index, *expected)))[:_SIGNED_AHEAD]
                told = self._files.sign(self._grant, asked)
                self._signed.update((one.index, one) for one in told)
                known = self._signed.get(index)
            if known is None:
                raise ProtocolError("the gateway gave no address of a data file")
            return known

    def _forget(self, index: int, address: SignedFile) -> None:
        with self._lock:
            if self._signed.get(index) is address:
                del self._signed[index]
            self._session = None


class Layouts:
    """Footers by grant and file, the least recently used ones dropped first; thread-safe."""

    def __init__(self, most: int = 2_048) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[TableAccess, int], Layout] = OrderedDict()
        self._lock = threading.Lock()

    def of(
        self,
        access: TableAccess,
        file: tuple[int, int, int],
        expected: Sequence[int],
        stopped: threading.Event,
    ) -> Layout:
        """Return the footer of a file: index, rows, bytes.

        Raises:
            DoubtError: It is not what the gateway says.
            GovDataError: As `TableAccess.read`.
        """
        index, rows, size = file
        with self._lock:
            found = self._kept.get((access, index))
            if found is not None:
                self._kept.move_to_end((access, index))
                return found
        if size < _LEAST:
            raise DoubtError
        tail = access.read(index, max(0, size - _TAIL), min(size, _TAIL), expected, stopped)
        needed = int.from_bytes(tail[-8:-4], "little") + 8
        if tail[-4:] != b"PAR1" or needed > size:
            raise DoubtError
        if needed > len(tail):
            tail = access.read(index, size - needed, needed, expected, stopped)
        try:
            found = Layout(pq.read_metadata(pa.BufferReader(tail)))
        except (pa.ArrowException, OSError):
            raise DoubtError from None
        if found.metadata.num_rows != rows:
            raise DoubtError
        with self._lock:
            self._kept[access, index] = found
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return found
