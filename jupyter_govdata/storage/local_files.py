"""Files below a local folder, opened so that nothing leads out of it. Runs in the gateway.

Trusts the steward's choice of the folder, and nothing in it: no symbolic link is followed, only
regular files are opened, and a file that was replaced since its inventory row is noticed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from jupyter_govdata.errors import ConfigError, StorageError
from jupyter_govdata.storage.places import SHA256, Expected, Span, changed, checked

CHUNK = 4 << 20
_KNOWN = 100_000
Identity = tuple[int, int, int, int, int]


def identity(found: os.stat_result) -> Identity:
    """Return what differs between two contents of one path: device, inode, size, both times."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def version_of(found: os.stat_result) -> str:
    """Return the version of a local file, as an inventory keeps it.

    The change time cannot be set, so an equal version is the same content; a copied or restored
    file gets another version, and its checksum decides.
    """
    return f"{found.st_ctime_ns:x}-{found.st_ino:x}-{found.st_size:x}"


class LocalFiles:
    """The files below one folder.

    Args:
        root: The folder.
        lake: Folder that relative addresses are relative to.
    """

    def __init__(self, root: Path, lake: Path) -> None:
        self._root, self._lake = root, lake
        self._verified: OrderedDict[Identity, str] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def root(self) -> Path:
        """The folder."""
        return self._root

    @property
    def given(self) -> str:
        """The folder as a relative address, if it is in the lake."""
        root, lake = self._root, self._lake
        return str(root.relative_to(lake)) if root.is_relative_to(lake) else str(root)

    def key(self, address: str) -> str | None:
        """Return the path below the root, None for an address outside.

        Raises:
            StorageError: An address with a part that would be resolved.
        """
        path = address.removeprefix("file://")
        if "://" in path:
            return None
        if not path.startswith("/"):
            path = f"{self._lake}/{path}"
        inside = f"{self._root}/"
        if not path.startswith(inside):
            return None
        return checked(path[len(inside) :])

    def address(self, key: str) -> str:
        """Return the address of a path below the root: the reverse of `key`."""
        return f"file://{self._root}/{key}"

    def open(self, key: str, expected: Expected, span: Span | None = None) -> OpenLocalFile:  # noqa: ARG002 - the protocol's
        """Open a regular file below the root.

        Raises:
            FileChangedError: Its size, version and checksum are not the expected ones.
            StorageError: It is missing, no regular file, or behind a symbolic link.
        """
        descriptor = self._descriptor(checked(key))
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise StorageError("the address names no regular file")
            checksum = self._verify(descriptor, found, expected)
        except BaseException:
            os.close(descriptor)
            raise
        return OpenLocalFile(descriptor, found, checksum, expected.version)

    def measure(self, key: str) -> tuple[str, bytes, str, int]:
        """Return SHA-256, first bytes, version and size of a file, read once.

        Raises:
            FileChangedError: It was written to meanwhile.
            StorageError: It is no regular file, or cannot be read.
        """
        with closing(self.open(key, Expected())) as file:
            descriptor = file.fileno()
            found = os.fstat(descriptor)
            digest = self._digest(descriptor, found)
            return digest, os.pread(descriptor, 4_096, 0), version_of(found), found.st_size

    def _descriptor(self, key: str) -> int:
        # SECURITY: every folder is opened from the one above it and none may be a link, so no
        # change of the tree meanwhile leads out of the root.
        *folders, name = key.split("/")
        try:
            at = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as exc:
            raise ConfigError("the folder of a storage cannot be opened") from exc
        try:
            for folder in folders:
                below = os.open(
                    folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at
                )
                os.close(at)
                at = below
            # Without waiting, so that a named pipe cannot hold the gateway.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            return os.open(name, flags, dir_fd=at)
        except OSError as exc:
            raise _unopened(exc) from exc
        finally:
            os.close(at)

    def _verify(self, descriptor: int, found: os.stat_result, expected: Expected) -> str:
        """Return the checksum of an opened file that is the expected one."""
        if expected.size is not None and expected.size != found.st_size:
            raise changed()
        wanted = expected.checksum.lower() if SHA256.fullmatch(expected.checksum) else ""
        if not wanted:
            if expected.version and expected.version != version_of(found):
                raise changed()
            return ""
        if expected.version == version_of(found):
            return wanted
        if self._digest(descriptor, found) != wanted:
            raise changed()
        return wanted

    def _digest(self, descriptor: int, found: os.stat_result) -> str:
        key = identity(found)
        with self._lock:
            known = self._verified.get(key)
        if known is not None:
            return known
        digest = hashlib.sha256()
        offset = 0
        while chunk := os.pread(descriptor, CHUNK, offset):
            digest.update(chunk)
            offset += len(chunk)
        if identity(os.fstat(descriptor)) != key:
            raise changed()
        with self._lock:
            self._verified[key] = digest.hexdigest()
            while len(self._verified) > _KNOWN:
                self._verified.popitem(last=False)
        return digest.hexdigest()


class OpenLocalFile:
    """A local file that is open; a change while it is read is noticed."""

    def __init__(self, descriptor: int, found: os.stat_result, checksum: str, version: str) -> None:
        self._descriptor: int | None = descriptor
        self._identity = identity(found)
        self.size = found.st_size
        self.checksum = checksum
        self.version = version or checksum or version_of(found)

    def read(self, offset: int, length: int | None) -> Iterator[bytes]:
        """Yield bytes ``[offset, offset + length)``, up to the end of the file.

        Raises:
            FileChangedError: The file was written to meanwhile.
        """
        end = self.size if length is None else min(offset + length, self.size)
        while offset < end:
            assert self._descriptor is not None
            try:
                chunk = os.pread(self._descriptor, min(CHUNK, end - offset), offset)
                same = identity(os.fstat(self._descriptor)) == self._identity
            except OSError as exc:
                raise StorageError("the file cannot be read") from exc
            if not same or not chunk:
                raise changed()
            offset += len(chunk)
            yield chunk

    def fileno(self) -> int:
        """Return the descriptor."""
        assert self._descriptor is not None
        return self._descriptor

    def close(self) -> None:
        """Close the file; more than once is fine."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _unopened(exc: OSError) -> StorageError:
    if exc.errno in (errno.ELOOP, errno.ENOTDIR):
        return StorageError("the address of the file leads over a link, or through no folder")
    if exc.errno == errno.ENOENT:
        return StorageError("the file is missing", hint="have the inventory scanned again")
    return StorageError("the file cannot be opened")
