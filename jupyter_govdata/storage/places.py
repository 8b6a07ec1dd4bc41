"""Addresses of files: which storage serves one, and what is refused. Runs in the gateway.

SECURITY: an address is taken literally, character by character. Nothing is decoded, no Unicode
form is changed, and a part that any reader might resolve (``..``, ``.``, an empty one) is refused:
so two texts are one file only if they are equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from jupyter_govdata.errors import FileChangedError, StorageError

MAX_ADDRESS = 4_096
Span = tuple[int, int | None]
"""Offset and length in bytes; length None means to the end."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the inventory says of a file's content; empty and None where it says nothing."""

    size: int | None = None
    checksum: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file is.

    Args:
        storage: Name of the storage.
        key: Key of the object, or path below the root.
    """

    storage: str
    key: str = field(repr=False)


class OpenFile(Protocol):
    """A file whose content is known to be the expected one while it is read."""

    size: int
    checksum: str
    version: str

    def read(self, offset: int, length: int | None) -> Iterator[bytes]:
        """Yield bytes ``[offset, offset + length)`` in chunks; `FileChangedError` if replaced."""

    def close(self) -> None:
        """Free what it holds."""


class FileStore(Protocol):
    """One storage."""

    def key(self, address: str) -> str | None:
        """Return the key of an address of this storage, None for an address of another one."""

    def open(self, key: str, expected: Expected, span: Span | None) -> OpenFile:
        """Open a file.

        Args:
            key: From `key`.
            expected: What its content must be.
            span: Which bytes will be read, if any.

        Raises:
            FileChangedError: Its content is not the expected one.
            StorageError: It is missing or cannot be read.
        """


_RESOLVED = re.compile(r"[\x00-\x1f\x7f]|(?:^|/)\.{0,2}(?:/|$)")
SHA256 = re.compile(r"[0-9a-fA-F]{64}")
ETAG = "etag:"
"""Before what a store calls the tag of a content, where an inventory keeps it as checksum."""


def changed() -> FileChangedError:
    """Return the error for a file that is not what its row says."""
    return FileChangedError(
        "the file is not the one that its inventory row is about: it was replaced or changed",
        hint="have the inventory scanned again",
    )


def no_place() -> StorageError:
    """Return the error for an address that no storage of the lake serves."""
    return StorageError(
        "no storage of this lake serves the file",
        hint="a steward names its folder or bucket in `govdata.toml`: docs/reference/storage.md",
    )


def checked(key: str) -> str:
    """Return a key that means the same to every reader.

    Raises:
        StorageError: A part that is empty, ``.`` or ``..``, a control character, or too long.
    """
    if not key or len(key) > MAX_ADDRESS or _RESOLVED.search(key) is not None:
        raise StorageError(
            "the address of the file is not one that is served",
            hint="no part of it may be empty, `.` or `..`, or hold a control character",
        )
    return key
