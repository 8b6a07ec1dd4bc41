"""`Source`: a thing that can be loaded, whatever its format. Runs in the client process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from jupyter_govdata.errors import LoadError
from jupyter_govdata.formats.opening import existing, sha256_of
from jupyter_govdata.formats.rejects import RejectReport

Progress = Callable[[int, int, int | None], None]
"""Called with rows read so far, bytes read so far, bytes in all (None if unknown)."""

BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for, handed to a reader.

    Args:
        source: Path, database URL, or a table in memory.
        format: Name of the format as it was given or found out.
        delimiter: Of a text table; None to find out.
        encoding: Of a text; None to find out.
        comment: Prefix of lines that are no data; None to find out.
        null_values: Texts that mean *missing*; None for the usual ones in typed columns.
        types: Column -> Iceberg type name.
        table: Table of a database.
        columns: Column -> new name.
        reject_file: Where rows that do not fit are written.
    """

    source: Any
    format: str = ""
    delimiter: str | None = None
    encoding: str | None = None
    comment: str | None = None
    null_values: tuple[str, ...] | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    table: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    reject_file: Path | None = None
    on_progress: Progress | None = None

    @property
    def path(self) -> Path:
        """The source as a path."""
        return Path(self.source)


class Source(ABC):
    """A thing that can be loaded into a lake.

    Attributes:
        kind: Name of the format.
        location: Where it is, for people; without any password.
        schema: Of the batches; metadata of a field may hold `description`, `unit`, `format`.
        bytes: Size of the file, or None if unknown.
        notes: What the reader found or decided that the user should know.
        reject: What was set aside; complete once `batches` is read to its end.
        rows_read: Rows of the source read so far, those set aside included.
        on_progress: Called after each batch; may be set at any time.
    """

    kind: str = ""
    schema: pa.Schema
    bytes: int | None = None

    def __init__(self, request: Request, location: str) -> None:
        self.location = location
        self.notes: list[str] = []
        self.reject = RejectReport(request.reject_file)
        self.rows_read = 0
        self.on_progress = request.on_progress
        self._bytes_done = 0
        self._stored: Path | None = None
        self._sha256: str | None = None

    @property
    def sha256(self) -> str | None:
        """SHA-256 (hex) of the file as it is stored, or None if the source is not a file.

        Where the reader has gone through the whole file, it is the digest of what it read.
        """
        if self._sha256 is None and self._stored is not None:
            self._sha256 = sha256_of(self._stored)
        return self._sha256

    def _one_file(self, request: Request) -> Path:
        """Note that the source is one file, and return its path.

        Raises:
            LoadError: There is no such file.
        """
        path = self._stored = existing(request.path)
        if path.is_dir():
            raise LoadError(f"`{path.name}` is a folder", hint="name one file")
        self.bytes = path.stat().st_size
        return path

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows that fit, in the order of the source, as batches of `schema`.

        Memory is bounded: batches have at most `BATCH_ROWS` rows. May be called again, which
        reads the source again, unless the class says that it can be read once.

        Raises:
            LoadError: The source cannot be read to its end.
        """
        self.reject.start()
        self.rows_read = 0
        self._bytes_done = 0
        try:
            for batch in self._read():
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    yield batch.slice(start, BATCH_ROWS)
                if self.on_progress is not None:
                    self.on_progress(self.rows_read, self._bytes_done, self.bytes)
        finally:
            self.reject.close()

    @abstractmethod
    def _read(self) -> Iterator[pa.RecordBatch]:
        """Yield batches of `schema`; keep `rows_read`, `_bytes_done` and `reject` up to date."""
