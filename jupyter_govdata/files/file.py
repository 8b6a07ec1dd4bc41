"""One governed file, and a reader of it. Runs in the kernel.

The reader is an ordinary binary file: libraries that take an open file take it. It reads ahead
while it is read from front to back, and asks for what is needed where it is not.
"""

from __future__ import annotations

import io
import os
from collections.abc import Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.files.copies import Copies
from jupyter_govdata.files.reading import Granted
from jupyter_govdata.files.words import size_text
from jupyter_govdata.model.files import FileStat

FIRST_WINDOW = 256 << 10
LARGEST_WINDOW = 8 << 20
BUFFER = 64 << 10


class GovernedFile:
    """A file that its row in the inventory permits to open; every read asks the gateway anew.

    Made by a `FileSet`.

    Attributes:
        name: Last part of its address; where the address is masked, a pseudonym with its suffix.
        path: Relative path, unique in its file set; a folder part only where the address is
            visible.
        size: Bytes.
        format: Format, as the inventory has it, else the suffix.
        checksum: SHA-256 (hex), or the store's checksum, or empty.
        version: Names the content: two equal ones are the same bytes.
        row: The visible columns of its row.
    """

    def __init__(
        self,
        granted: Granted,
        position: int,
        stat: FileStat,
        path: str,
        row: Mapping[str, Any],
        copies: Copies,
    ) -> None:
        self.name = stat.name
        self.path = path
        self.size = stat.size
        self.format = stat.format
        self.checksum = stat.checksum
        self.version = stat.version
        self.row = dict(row)
        self._key = stat.key
        self._granted = granted
        self._position = position
        self._copies = copies

    def __repr__(self) -> str:
        kind = f", {self.format}" if self.format else ""
        return f"<GovernedFile {self.path}, {size_text(self.size)}{kind}>"

    def check(self) -> None:
        """Ask the gateway whether the file may be opened at this moment, however its bytes come.

        Raises:
            RefusalError: It may not (any more).
            StorageError: It is gone, or was replaced.
        """
        self._granted.check(self._position)

    def open(self) -> io.BufferedReader:
        """Return the file, open for reading: seekable, with read-ahead.

        Permission is asked when bytes are read, so a consent that is withdrawn in between counts.
        """
        return io.BufferedReader(GovernedReader(self._granted, self._position), BUFFER)

    def read(self) -> bytes:
        """Return all bytes of the file.

        Raises:
            RefusalError: The file may not be opened (any more).
            StorageError: It is gone, was replaced, or cannot be read.
        """
        return self.read_range(0, self.size)

    def read_range(self, offset: int, length: int) -> bytes:
        """Return bytes ``[offset, offset + length)``; fewer at the end of the file.

        Raises:
            RefusalError: The file may not be opened (any more).
            StorageError: It is gone, was replaced, or cannot be read.
        """
        if offset < 0 or length < 0:
            raise ConfigError("offset and length of a range are whole numbers from 0 on")
        return bytes(_fetched(self._granted, self._position, offset, length))

    def _parts(self, offset: int, length: int) -> Generator[memoryview | bytes, None, None]:
        return self._granted.read(self._position, offset, length)

    def download(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the file to a path, or into a folder; go on where an earlier try was stopped.

        The file gets its name when it is whole and its checksum was compared.

        Args:
            path: A file name, or a folder that exists.
            overwrite: Replace a file that holds something else.

        Raises:
            RefusalError: The file may not be opened (any more); nothing of it is left.
            StorageError: It cannot be read or written, or the checksum does not fit.
        """
        return self._copies.download(self, Path(path), overwrite=overwrite)

    def local_path(self) -> Path:
        """Return the path of a private copy, for libraries that need one.

        Made once, readable by you only, gone when the session is closed.

        Raises:
            RefusalError: The file may not be opened (any more).
            StorageError: It cannot be read or written, or the checksum does not fit.
        """
        return self._copies.local_path(self)


class GovernedReader(io.RawIOBase):
    """The bytes of a file by position; wrap it into a buffer, as `GovernedFile.open` does."""

    def __init__(self, granted: Granted, position: int) -> None:
        super().__init__()
        self._granted = granted
        self._position = position
        stat = granted.stat(position)
        self.name = stat.name
        self.size = stat.size
        self._at = 0
        self._window = memoryview(b"")
        self._start = 0
        self._next_size = FIRST_WINDOW
        self._ahead: Future[memoryview] | None = None

    def __repr__(self) -> str:
        return f"<GovernedReader {self.name}>"

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position; nothing is read."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}.get(whence)
        if base is None:
            raise ValueError(f"invalid whence ({whence})")
        if base + offset < 0:
            raise ValueError("negative seek position")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read bytes into a buffer; return how many."""
        self._check_open()
        target = memoryview(buffer).cast("B")
        if not len(target) or self._at >= self.size:
            return 0
        begin = self._at - self._start
        if not 0 <= begin < len(self._window):
            if len(target) >= self._next_size:
                return self._straight(target)
            self._fill()
            begin = 0
        part = self._window[begin : begin + len(target)]
        target[: len(part)] = part
        self._at += len(part)
        return len(part)

    def readall(self) -> bytes:
        """Return everything from the position on."""
        self._check_open()
        found = _fetched(self._granted, self._position, self._at, max(0, self.size - self._at))
        self._at = max(self._at, self.size)
        return bytes(found)

    def close(self) -> None:
        """Let go of what was read ahead."""
        self._window = memoryview(b"")
        if self._ahead is not None:
            self._ahead.cancel()
            self._ahead = None
        super().close()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def _straight(self, target: memoryview) -> int:
        found = _fetched(self._granted, self._position, self._at, len(target))
        target[: len(found)] = found
        self._at += len(found)
        return len(found)

    def _fill(self) -> None:
        """Read the window that begins at the position."""
        is_next = bool(len(self._window)) and self._at == self._start + len(self._window)
        ahead, self._ahead = self._ahead, None
        if is_next:
            self._next_size = min(self._next_size * 2, LARGEST_WINDOW)
        else:
            self._next_size = FIRST_WINDOW
            if ahead is not None:
                ahead.cancel()
                ahead = None
        if ahead is not None:
            self._window = ahead.result()
        else:
            self._window = memoryview(
                _fetched(self._granted, self._position, self._at, self._next_size)
            )
        self._start = self._at
        following = self._start + len(self._window)
        if is_next and following < self.size:
            size = min(self._next_size * 2, LARGEST_WINDOW)
            self._ahead = _pool().submit(self._fetch_ahead, following, size)

    def _fetch_ahead(self, offset: int, size: int) -> memoryview:
        return memoryview(_fetched(self._granted, self._position, offset, size))


@lru_cache(maxsize=1)
def _pool_of(_process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(4, thread_name_prefix="govdata-read-ahead")


def _pool() -> ThreadPoolExecutor:
    # A forked process has the pool of its parent, but none of its threads.
    return _pool_of(os.getpid())


def _fetched(granted: Granted, position: int, offset: int, length: int) -> bytearray:
    found = bytearray()
    with closing(granted.read(position, offset, length)) as parts:
        for part in parts:
            found += part
    return found
