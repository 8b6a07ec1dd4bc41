"""The list of files that a model was trained on: exact versions, signed by the gateway.

A manifest is a text of JSON lines: the header, then one line a file. The gateway signs the header,
which holds a digest of the lines, so that 50,000 files need one signature.
"""

from __future__ import annotations

import builtins
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_govdata.errors import ProtocolError
from jupyter_govdata.model.files import FileStat
from jupyter_govdata.model.wire import canonical_json, to_wire

FORMAT = 1


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One file of a manifest.

    Args:
        key: Names the file in every grant of this asset under this purpose: `FileStat.key`.
        name: Last part of its address, or a pseudonym; for people.
        format: Format.
        size: Bytes.
        checksum: SHA-256 (hex), or the store's checksum, or empty.
        version: Names the content: two equal ones are the same bytes.
    """

    key: str
    name: str
    format: str
    size: int
    checksum: str
    version: str

    def line(self) -> bytes:
        """Return the line of the manifest: canonical JSON."""
        return canonical_json(to_wire(self))


@dataclass(frozen=True, slots=True)
class ManifestHeader:
    """What the gateway signs.

    Args:
        asset: Name of the inventory.
        principal: Principal id.
        purpose: Declared purpose.
        epoch: Version of the policy state that was decided in.
        snapshot_id: Version of the inventory.
        decision_id: Of the decision.
        predicate: Which files were asked for, as on the wire.
        count: Files.
        bytes: Bytes of all files, or None if the inventory does not tell all sizes.
        digest: `digest_of` the lines.
        made_at: UTC, ISO 8601.
        key_id: Which gateway key signed.
        signature: Ed25519 over `message`, base64.
    """

    asset: str
    principal: str
    purpose: str
    epoch: int
    snapshot_id: int
    decision_id: str
    predicate: Mapping[str, Any] | None
    count: int
    bytes: int | None
    digest: str
    made_at: str
    key_id: str = ""
    signature: str = field(default="", repr=False)

    def message(self) -> builtins.bytes:
        """Return the bytes that are signed: canonical JSON of all fields but the signature."""
        fields = _fields(self)
        del fields["signature"]
        return b"govdata-manifest-v1\n" + canonical_json(fields)

    def line(self) -> builtins.bytes:
        """Return the first line of the manifest."""
        return canonical_json({"govdata_manifest": FORMAT, **_fields(self)})


def _fields(header: ManifestHeader) -> dict[str, Any]:
    # Snapshot ids are text: JavaScript would change them.
    fields: dict[str, Any] = to_wire(header)
    return {**fields, "snapshot_id": str(header.snapshot_id)}


def entry_of(stat: FileStat) -> ManifestEntry:
    """Return the entry of a granted file."""
    return ManifestEntry(stat.key, stat.name, stat.format, stat.size, stat.checksum, stat.version)


def digest_of(entries: Iterable[ManifestEntry]) -> str:
    """Return the SHA-256 (hex) of the lines, each with its line break, in order."""
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(entry.line() + b"\n")
    return digest.hexdigest()


def header_to_wire(header: ManifestHeader) -> dict[str, Any]:
    """Return the JSON form of a header."""
    return _fields(header)


def header_from_wire(data: Any) -> ManifestHeader:
    """Reverse `header_to_wire`.

    Raises:
        ProtocolError: Not one.
    """
    try:
        fields = {k: v for k, v in dict(data).items() if k != "govdata_manifest"}
        made = ManifestHeader(**{**fields, "snapshot_id": int(fields["snapshot_id"])})
        texts = (made.asset, made.principal, made.purpose, made.decision_id, made.digest)
        numbers = (made.epoch, made.count)
        if not all(isinstance(t, str) for t in (*texts, made.made_at, made.signature)):
            raise TypeError
        if not all(isinstance(n, int) for n in numbers):
            raise TypeError
    except (KeyError, TypeError, ValueError) as exc:
        raise ProtocolError("this is not the header of a manifest") from exc
    return made


def entry_from_line(line: str | bytes) -> ManifestEntry:
    """Reverse `ManifestEntry.line`.

    Raises:
        ProtocolError: Not one.
    """
    try:
        found = ManifestEntry(**json.loads(line))
        texts = (found.key, found.name, found.format, found.checksum, found.version)
        if not all(isinstance(t, str) for t in texts) or not isinstance(found.size, int):
            raise TypeError
    except (TypeError, ValueError) as exc:
        raise ProtocolError("this is not a line of a manifest") from exc
    return found
