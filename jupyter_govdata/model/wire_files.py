"""JSON forms of requests for files and of their answers: strict, bounded. Trusts nothing.

Runs everywhere. Tickets of DoGet are ``files:`` + JSON (rows of a grant), ``file:`` + JSON
(bytes of one file) and ``inventory:`` + JSON (scan of a storage, with its progress).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from jupyter_govdata.errors import ProtocolError
from jupyter_govdata.model.files import (
    WAYS,
    FileRead,
    FileSession,
    FilesGrant,
    FilesRequest,
    FileStat,
    SignedFile,
    TableFiles,
)
from jupyter_govdata.model.predicate import TRUE
from jupyter_govdata.model.wire import (
    at_from_wire,
    at_to_wire,
    canonical_json,
    parse_json,
    predicate_from_wire,
    predicate_to_wire,
    receipt_from_wire,
)

ROWS_TICKET = b"files:"
READ_TICKET = b"file:"
SCAN_TICKET = b"inventory:"
_MAX_TEXT = 1_000
_MAX_TICKET = 4_096


def _fields(
    data: Any, required: set[str], optional: frozenset[str] = frozenset()
) -> dict[str, Any]:
    if not isinstance(data, dict) or not required <= set(data) <= required | optional:
        raise ProtocolError("the message lacks a field, or has one that this version does not know")
    return data


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise ProtocolError(f"`{key}` must be a text of at most {_MAX_TEXT} characters")
    return value


def _number(data: Mapping[str, Any], key: str) -> int:
    value = data.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ProtocolError(f"`{key}` is a whole number from 0 on")
    return value


def files_request_to_wire(request: FilesRequest) -> dict[str, Any]:
    """Return the JSON form of a request for files."""
    return {
        "asset": request.asset,
        "predicate": predicate_to_wire(request.predicate),
        "purpose": request.purpose,
        "at": at_to_wire(request.at),
    }


def files_request_from_wire(data: Any) -> FilesRequest:
    """Reverse `files_request_to_wire`; all but `asset` may be missing.

    Raises:
        ProtocolError: Malformed.
    """
    found = _fields(data, {"asset"}, frozenset({"predicate", "purpose", "at"}))
    predicate = found.get("predicate")
    return FilesRequest(
        asset=_text(found, "asset"),
        predicate=TRUE if predicate is None else predicate_from_wire(predicate),
        purpose=None if found.get("purpose") is None else _text(found, "purpose"),
        at=at_from_wire(found.get("at")),
    )


def rows_ticket(grant: str, offset: int = 0, limit: int | None = None) -> bytes:
    """Return the DoGet ticket for rows of a grant from `offset` on; limit None: to the end."""
    return ROWS_TICKET + canonical_json({"grant": grant, "offset": offset, "limit": limit})


def rows_from_ticket(ticket: bytes) -> tuple[str, int, int | None]:
    """Reverse `rows_ticket`: grant, offset, limit.

    Raises:
        ProtocolError: Malformed.
    """
    data = _fields(
        parse_json(ticket.removeprefix(ROWS_TICKET), _MAX_TICKET), {"grant", "offset", "limit"}
    )
    limit = None if data["limit"] is None else _number(data, "limit")
    return _text(data, "grant"), _number(data, "offset"), limit


def read_ticket(read: FileRead) -> bytes:
    """Return the DoGet ticket for bytes of a file."""
    return READ_TICKET + canonical_json(
        {"grant": read.grant, "index": read.index, "offset": read.offset, "length": read.length}
    )


def read_from_ticket(ticket: bytes) -> FileRead:
    """Reverse `read_ticket`.

    Raises:
        ProtocolError: Malformed.
    """
    data = _fields(
        parse_json(ticket.removeprefix(READ_TICKET), _MAX_TICKET),
        {"grant", "index", "offset", "length"},
    )
    length = None if data["length"] is None else _number(data, "length")
    return FileRead(_text(data, "grant"), _number(data, "index"), _number(data, "offset"), length)


def scan_ticket(asset: str, address: str, purpose: str | None = None) -> bytes:
    """Return the DoGet ticket that scans a folder of a storage into an inventory."""
    return SCAN_TICKET + canonical_json({"asset": asset, "uri": address, "purpose": purpose})


def scan_from_ticket(ticket: bytes) -> tuple[str, str, str | None]:
    """Reverse `scan_ticket`: asset, address, purpose.

    Raises:
        ProtocolError: Malformed.
    """
    told = parse_json(ticket.removeprefix(SCAN_TICKET), _MAX_TICKET)
    data = _fields(told, {"asset", "uri", "purpose"})
    purpose = None if data["purpose"] is None else _text(data, "purpose")
    return _text(data, "asset"), _text(data, "uri"), purpose


# -- answers: they come from the gateway, but a kernel checks them all the same ----------------


def _made(make: Any, data: Any) -> Any:
    try:
        return make(dict(data))
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise ProtocolError("the gateway's answer about files does not parse") from exc


def grant_from_wire(data: Any) -> FilesGrant:
    """Reverse `to_wire` for a `FilesGrant`.

    Raises:
        ProtocolError: Not one.
    """

    def make(fields: dict[str, Any]) -> FilesGrant:
        if fields["way"] not in WAYS:
            raise ValueError("way")
        fields["formats"] = {str(k): int(v) for k, v in fields["formats"].items()}
        fields["expires_at"] = dt.datetime.fromisoformat(fields["expires_at"])
        fields["receipt"] = receipt_from_wire(fields["receipt"])
        return FilesGrant(**fields)

    found: FilesGrant = _made(make, data)
    return found


def stat_from_wire(data: Any) -> FileStat:
    """Reverse `to_wire` for a `FileStat`.

    Raises:
        ProtocolError: Not one.
    """
    found: FileStat = _made(lambda fields: FileStat(**fields), data)
    return found


def signed_from_wire(data: Any) -> SignedFile:
    """Reverse `to_wire` for a `SignedFile`.

    Raises:
        ProtocolError: Not one.
    """

    def make(fields: dict[str, Any]) -> SignedFile:
        fields["headers"] = {str(k): str(v) for k, v in fields["headers"].items()}
        fields["expires_at"] = dt.datetime.fromisoformat(fields["expires_at"])
        return SignedFile(**fields)

    found: SignedFile = _made(make, data)
    return found


def session_from_wire(data: Any) -> FileSession:
    """Reverse `to_wire` for a `FileSession`.

    Raises:
        ProtocolError: Not one.
    """

    def make(fields: dict[str, Any]) -> FileSession:
        fields["keys"] = {int(k): str(v) for k, v in fields["keys"].items()}
        fields["expires_at"] = dt.datetime.fromisoformat(fields["expires_at"])
        return FileSession(**fields)

    found: FileSession = _made(make, data)
    return found


def table_files_from_wire(data: Any) -> TableFiles:
    """Reverse `to_wire` for a `TableFiles`.

    Raises:
        ProtocolError: Not one.
    """

    def make(fields: dict[str, Any]) -> TableFiles:
        if fields["way"] not in WAYS:
            raise ValueError("way")
        fields["files"] = tuple((int(i), int(n), int(size)) for i, n, size in fields["files"])
        fields["columns"] = {str(k): int(v) for k, v in fields["columns"].items()}
        return TableFiles(**fields)

    found: TableFiles = _made(make, data)
    return found
