"""Calls about files: grants, their rows, bytes through the gateway. Runs in the kernel.

A grant is a handle that the gateway holds; addresses and credentials are in private attributes of
whoever uses them, and in no `repr`, error or log.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import Any

import pyarrow as pa

from jupyter_govdata.client.connection import Connection, raised
from jupyter_govdata.errors import ProtocolError
from jupyter_govdata.model.files import (
    MAX_SIGN,
    FileRead,
    FileSession,
    FilesGrant,
    FilesRequest,
    FileStat,
    SignedFile,
)
from jupyter_govdata.model.manifest import ManifestHeader, header_from_wire
from jupyter_govdata.model.wire_files import (
    files_request_to_wire,
    grant_from_wire,
    read_ticket,
    rows_ticket,
    scan_ticket,
    session_from_wire,
    signed_from_wire,
    stat_from_wire,
)

FILE_FIELDS = ("index", "name", "format", "size", "checksum", "version", "key")
"""The first columns of the rows of a grant; the columns of the inventory follow."""


class Files:
    """The files of a gateway, as one connection may ask for them; thread-safe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __repr__(self) -> str:
        return "Files(...)"

    def grant(self, request: FilesRequest) -> FilesGrant:
        """Ask for leave to open files.

        Raises:
            RefusalError: Not visible, or `open` is not permitted.
            GovDataError: Whatever else the gateway answers.
        """
        return grant_from_wire(self._connection.act("files_grant", files_request_to_wire(request)))

    def rows(self, grant: str, offset: int = 0, limit: int | None = None) -> pa.Table:
        """Return rows of a grant: `FILE_FIELDS`, then the visible columns of the inventory.

        Raises:
            GovDataError: Whatever the gateway answers.
        """
        stream, chunk = self._connection.read(rows_ticket(grant, offset, limit))
        batches: list[pa.RecordBatch] = []
        with closing(_chunks(stream, chunk)) as found:
            batches.extend(found)
        table = pa.Table.from_batches(batches, stream.schema)
        if tuple(table.column_names[: len(FILE_FIELDS)]) != FILE_FIELDS:
            raise ProtocolError("the gateway's answer about files does not parse")
        return table

    def read(self, read: FileRead) -> Generator[memoryview, None, None]:
        """Yield the bytes of a file through the gateway; closing the iterator stops the stream.

        Raises:
            GovDataError: Whatever the gateway answers.
        """
        stream, chunk = self._connection.read(read_ticket(read))
        with closing(_chunks(stream, chunk)) as batches:
            for batch in batches:
                for value in batch.column(0):
                    yield memoryview(value.as_buffer())

    def stat(self, grant: str, index: int) -> FileStat:
        """Return what is known of a file, as it is stored now.

        Raises:
            GovDataError: Whatever the gateway answers.
        """
        return stat_from_wire(
            self._connection.act("files_stat", {"grant": grant, "index": int(index)})
        )

    def sign(self, grant: str, indexes: Sequence[int]) -> list[SignedFile]:
        """Return short-lived addresses of at most `MAX_SIGN` files.

        Raises:
            GovDataError: Whatever the gateway answers.
        """
        asked = {"grant": grant, "indexes": [int(i) for i in indexes[:MAX_SIGN]]}
        return [signed_from_wire(one) for one in self._connection.act("files_sign", asked)]

    def session(self, grant: str) -> FileSession:
        """Return credentials that read the granted files.

        Raises:
            GovDataError: Whatever the gateway answers.
        """
        return session_from_wire(self._connection.act("files_session", {"grant": grant}))

    def scan(
        self, asset: str, address: str, purpose: str | None
    ) -> Generator[tuple[int, int, int] | dict[str, Any], None, None]:
        """Scan a storage into an inventory: yield files, bytes and unreadable files so far.

        The last value is what it came to. A scan that breaks off goes on when it is asked again.

        Raises:
            GovDataError: Whatever the gateway answers.
        """
        stream, chunk = self._connection.read(scan_ticket(asset, address, purpose))
        with closing(_messages(stream, chunk)) as messages:
            for message in messages:
                if message.app_metadata is not None:
                    yield dict(json.loads(message.app_metadata.to_pybytes()))
                elif message.data is not None and message.data.num_rows:
                    files, size, unreadable = (column[0].as_py() for column in message.data)
                    yield files, size, unreadable

    def manifest(self, grant: str) -> ManifestHeader:
        """Have the gateway sign what a grant holds now.

        Raises:
            GovDataError: Whatever the gateway answers.
        """
        return header_from_wire(self._connection.act("files_manifest", {"grant": grant}))


def _chunks(stream: Any, chunk: Any) -> Generator[pa.RecordBatch, None, None]:
    """Yield the batches of a stream that was begun; stopping early cancels it."""
    with closing(_messages(stream, chunk)) as messages:
        for message in messages:
            if message.data is not None and message.data.num_rows:
                yield message.data


def _messages(stream: Any, chunk: Any) -> Generator[Any, None, None]:
    is_done = chunk is None
    try:
        while not is_done:
            yield chunk
            try:
                chunk = stream.read_chunk()
            except StopIteration:
                is_done = True
            except pa.ArrowException as exc:
                is_done = True
                raise raised(exc) from None
    finally:
        if not is_done:
            stream.cancel()
