"""The calls of the protocol about files: actions, and what DoGet streams. Runs in the gateway.

Messages are checked field by field here; permission is asked in `filing`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jupyter_govdata.errors import ProtocolError
from jupyter_govdata.gateway.filing import DATA
from jupyter_govdata.gateway.filing_manifest import manifest
from jupyter_govdata.gateway.inventory import PROGRESS, Scanned
from jupyter_govdata.model.files import FileSession, FilesGrant, FileStat, SignedFile
from jupyter_govdata.model.manifest import header_to_wire
from jupyter_govdata.model.wire import canonical_json, to_wire
from jupyter_govdata.model.wire_files import (
    READ_TICKET,
    ROWS_TICKET,
    SCAN_TICKET,
    files_request_from_wire,
    read_from_ticket,
    rows_from_ticket,
    scan_from_ticket,
)

if TYPE_CHECKING:
    from jupyter_govdata.gateway.composer import Gateway

Data = Mapping[str, Any]
Messages = Generator[Any, None, None]


def _grant(data: Data) -> str:
    handle = data.get("grant")
    if not isinstance(handle, str) or len(handle) > 200:
        raise ProtocolError("`grant` is the handle of a grant")
    return handle


def _index(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ProtocolError("a file is named by its index in the grant")
    return value


def files_grant(gateway: Gateway, principal: str, data: Data) -> FilesGrant:
    """Grant the files of the rows of inventory `asset` that the caller sees."""
    return gateway.filing.grant(principal, files_request_from_wire(data))


def table_grant(gateway: Gateway, principal: str, data: Data) -> FilesGrant:
    """Grant the data files of table `asset`, if the caller sees it as it is stored."""
    return gateway.filing.table_grant(principal, files_request_from_wire(data))


def files_stat(gateway: Gateway, principal: str, data: Data) -> FileStat:
    """Describe file `index` of `grant` as it is stored now."""
    return gateway.filing.stat(principal, _grant(data), _index(data.get("index")))


def files_sign(gateway: Gateway, principal: str, data: Data) -> tuple[SignedFile, ...]:
    """Sign short-lived addresses of files `indexes` of `grant`, for `method` GET or HEAD."""
    indexes, method = data.get("indexes"), data.get("method", "GET")
    if not isinstance(indexes, list) or not isinstance(method, str):
        raise ProtocolError("`indexes` is a list, `method` a text")
    return gateway.filing.sign(principal, _grant(data), [_index(i) for i in indexes], method)


def files_session(gateway: Gateway, principal: str, data: Data) -> FileSession:
    """Give credentials that read exactly the files of `grant`."""
    return gateway.filing.session(principal, _grant(data))


def files_manifest(gateway: Gateway, principal: str, data: Data) -> dict[str, Any]:
    """Sign the list of the files of `grant` as they are permitted now."""
    return header_to_wire(manifest(gateway.filing, gateway.signer, principal, _grant(data)))


def streams_files(ticket: bytes) -> bool:
    """Return True if a DoGet ticket is about files."""
    return ticket.startswith((ROWS_TICKET, READ_TICKET, SCAN_TICKET))


def stream_files(gateway: Gateway, principal: str, ticket: bytes) -> tuple[pa.Schema, Messages]:
    """Return the schema and the messages that answer a ticket about files.

    Rows end with a message that carries the receipt. Bytes begin with one that carries the
    `FileStat`: what is read is the content that it describes. A scan of a storage tells how far
    it is, and ends with a message that carries what it came to.

    Raises:
        ProtocolError: A ticket that does not parse.
        RefusalError: The grant is none of the caller's, or nothing of it is permitted any more.
    """
    filing = gateway.filing
    if ticket.startswith(SCAN_TICKET):
        asset, address, purpose = scan_from_ticket(ticket)

        def progress() -> Messages:
            for told in gateway.inventorying.scan(principal, asset, address, purpose):
                if isinstance(told, Scanned):
                    yield _empty(PROGRESS), pa.py_buffer(canonical_json(to_wire(told)))
                else:
                    columns = [pa.array([number], pa.int64()) for number in told]
                    yield pa.RecordBatch.from_arrays(columns, schema=PROGRESS)

        return PROGRESS, progress()
    if ticket.startswith(ROWS_TICKET):
        schema, batches, receipt = filing.rows(principal, *rows_from_ticket(ticket))

        def rows() -> Messages:
            yield from batches
            yield _empty(schema), pa.py_buffer(canonical_json(to_wire(receipt)))

        return schema, rows()
    read = read_from_ticket(ticket)

    def data() -> Messages:
        for found in filing.read(principal, read):
            if isinstance(found, FileStat):
                yield _empty(DATA), pa.py_buffer(canonical_json(to_wire(found)))
            else:
                yield found

    return DATA, data()


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=schema)


FILE_ACTIONS = (files_grant, files_manifest, files_session, files_sign, files_stat, table_grant)
