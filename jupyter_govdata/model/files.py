"""Files under governance: what is granted, what is known of a file, what opens it.

The row of an inventory is the permission: a file may be opened while `open` is permitted on the
asset and its row is visible. A client names a file by grant and index, never by an address.
Secrets and signed addresses are in no `repr`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from jupyter_govdata.errors import ProtocolError
from jupyter_govdata.model.predicate import TRUE, Predicate
from jupyter_govdata.model.scan import At
from jupyter_govdata.model.stamp import Receipt

Way = Literal["proxied", "signed", "session"]
WAYS: tuple[Way, ...] = ("proxied", "signed", "session")
"""From the strictest to the loosest: bytes through the gateway (a revocation counts at the next
read), signed addresses of one object for at most a minute, credentials for exactly these files."""

MAX_SIGN = 1_000
"""Files of one call of `files_sign`."""
DATA_BYTES = 4 << 20
"""Largest batch of a file's bytes."""


@dataclass(frozen=True, slots=True)
class FilesRequest:
    """Which files of an inventory.

    Args:
        asset: Asset of kind ``files``.
        predicate: On masked values, as in a scan.
        purpose: None takes the principal's own purpose.
        at: Version of the inventory; None means now, and stays now: a row that a later version
            of the inventory removes is no longer granted.
    """

    asset: str
    predicate: Predicate = TRUE
    purpose: str | None = None
    at: At | None = None


@dataclass(frozen=True, slots=True)
class FilesGrant:
    """Leave to open files, held by the gateway and bound to one principal and purpose.

    Args:
        grant: Opaque; of no use to anybody else.
        asset: Asset name.
        count: Files.
        bytes: Bytes of all files, or None if the inventory does not tell all sizes.
        formats: Format -> files.
        epoch: Version of the policy state it was decided in.
        snapshot_id: Version of the inventory.
        way: How the bytes come.
        expires_at: UTC; after it, ask again.
        decision_id: Of the decision.
        receipt: Signed.
        filtered: A row filter applied.
    """

    grant: str = field(repr=False)
    asset: str
    count: int
    bytes: int | None
    formats: Mapping[str, int]
    epoch: int
    snapshot_id: int
    way: Way
    expires_at: dt.datetime
    decision_id: str
    receipt: Receipt
    filtered: bool = False


@dataclass(frozen=True, slots=True)
class FileStat:
    """What is known of one granted file; empty text and None where the inventory does not say.

    Args:
        index: Position in the grant, from 0.
        name: Last part of its address; where the address is masked, a pseudonym with its suffix.
        format: As the inventory has it, else the suffix in lower case.
        size: Bytes, as stored now.
        checksum: SHA-256 (hex), or the store's checksum.
        version: Names this content: two equal ones are the same bytes.
        key: Names this file, whatever its content, in every grant of the asset under one purpose:
            a keyed digest of its address. Clients find a file again by it in a new grant.
    """

    index: int
    name: str
    format: str
    size: int
    checksum: str
    version: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class FileRead:
    """Bytes ``[offset, offset + length)`` of a granted file; length None means to its end."""

    grant: str = field(repr=False)
    index: int
    offset: int = 0
    length: int | None = None

    def __post_init__(self) -> None:
        if self.index < 0 or self.offset < 0 or (self.length is not None and self.length < 0):
            raise ProtocolError("a file is read from 0 on, by an index from 0 on")


@dataclass(frozen=True, slots=True)
class SignedFile:
    """A short-lived address of one object.

    Args:
        index: Position in the grant.
        method: ``GET`` or ``HEAD``: the address answers no other.
        url: SECURITY: opens the file for whoever has it, until it expires.
        headers: Must be sent as they are: they are signed too.
        expires_at: UTC.
    """

    index: int
    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class FileSession:
    """Credentials that read exactly the granted files, and nothing else.

    Args:
        access_key, secret_key, session_token: SECURITY: in no output, log or `repr`.
        endpoint: Address of the store.
        region: Region to sign for.
        expires_at: UTC.
        bucket: Bucket.
        prefix: Ends in ``/``; exactly the granted files lie below it. Empty: see `keys`.
        keys: Index of the grant -> key of the object.
        addressing: ``path`` or ``virtual``.
    """

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str = field(repr=False)
    endpoint: str
    region: str
    expires_at: dt.datetime
    bucket: str = field(repr=False)
    prefix: str = field(repr=False)
    keys: Mapping[int, str] = field(repr=False)
    addressing: str = "path"


@dataclass(frozen=True, slots=True)
class TableFiles:
    """Data files that hold the rows of a scan, granted as they are stored.

    Args:
        grant: Opaque; of the files of the whole snapshot, and of no use to anybody else.
        way: ``signed`` or ``session``.
        files: Index in the grant, rows and bytes of each file that the scan reads, in order.
        columns: Name -> Iceberg field id: files are read by it.
    """

    grant: str = field(repr=False)
    way: Way
    files: tuple[tuple[int, int, int], ...]
    columns: Mapping[str, int]
