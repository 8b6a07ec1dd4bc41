"""Copies of governed files on the user's disk. Runs in the kernel.

A copy has its final name only when it is whole and fits its checksum; its owner alone can read it.
What is permitted no more is not kept: a part of a file that is refused is removed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import stat
import tempfile
import threading
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from jupyter_govdata.errors import LimitError, RefusalError, StorageError
from jupyter_govdata.files.words import safe_part

_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_BLOCK = 1 << 20

OnBytes = Callable[[int], None]


class StoppedError(Exception):
    """The user stopped a download."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    target: Path
    sha256: str | None
    on_bytes: OnBytes


class Copied(Protocol):
    """What of a `GovernedFile` a copy needs."""

    path: str
    name: str
    size: int
    checksum: str
    version: str
    _key: str

    def _parts(self, offset: int, length: int) -> Generator[memoryview | bytes, None, None]:
        """See `GovernedFile`."""


class Copies:
    """Writes files; owns the private folder of those that a library needs a path of."""

    def __init__(self) -> None:
        self._folder: str | None = None
        self._lock = threading.Lock()
        self._remove: weakref.finalize[..., Copies] | None = None

    def __repr__(self) -> str:
        return "Copies(...)"

    def download(
        self,
        file: Copied,
        target: Path,
        *,
        overwrite: bool = False,
        on_bytes: OnBytes = lambda _: None,
        is_known: bool = False,
    ) -> Path:
        """Write a file to a path, or into a folder; see `GovernedFile.download`.

        Args:
            file: The file.
            target: Where.
            overwrite: Replace a file that holds something else.
            on_bytes: Called with the number of bytes that came, or were there.
            is_known: A file of the right size that is there is known to be this one.
        """
        if target.is_dir():
            target = target / safe_part(file.path.rpartition("/")[2])
        wanted = _Wanted(target, sha256_of(file), on_bytes)
        try:
            if not overwrite and _is_there(file, wanted, is_known=is_known):
                on_bytes(file.size)
                return target
            _write(file, wanted)
        except OSError as exc:
            raise StorageError(f"`{target.name}` cannot be written: {exc.strerror}") from None
        return target

    def local_path(self, file: Copied) -> Path:
        """Return the path of a private copy; see `GovernedFile.local_path`."""
        with self._lock:
            if self._folder is None:
                self._folder = tempfile.mkdtemp(prefix="govdata-files-")
                self._remove = weakref.finalize(self, _removed, self._folder)
            place = (
                Path(self._folder)
                / hashlib.sha256(f"{file._key}\0{file.version}".encode()).hexdigest()
            )
            place.mkdir(mode=0o700, exist_ok=True)
        target = place / safe_part(file.path.rpartition("/")[2])
        with _alone(place):
            if not target.exists():
                self.download(file, target)
                target.chmod(0o400)
        return target

    def close(self) -> None:
        """Remove the private folder."""
        with self._lock:
            if self._remove is not None:
                self._remove()
            self._folder = self._remove = None


def _removed(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def sha256_of(file: Copied) -> str | None:
    """Return the SHA-256 that a file must have, None if its checksum is of another kind."""
    found = _SHA256.fullmatch(file.checksum.lower())
    return found[1] if found else None


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    with (place / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_there(file: Copied, wanted: _Wanted, *, is_known: bool) -> bool:
    """Return True if the target is the file already.

    Raises:
        StorageError: It is something else.
    """
    target = wanted.target
    try:
        found = target.lstat()
    except FileNotFoundError:
        return False
    if stat.S_ISREG(found.st_mode) and found.st_size == file.size:
        if is_known:
            return True
        if wanted.sha256 is not None:
            with target.open("rb") as there:
                if hashlib.file_digest(there, "sha256").hexdigest() == wanted.sha256:
                    return True
    raise StorageError(
        f"`{target.name}` exists and holds something else",
        hint="choose another folder, or pass `overwrite=True`",
    )


def _write(file: Copied, wanted: _Wanted) -> None:
    """Write a file beside its target, check it, and give it its name."""
    told = hashlib.sha256(f"{file._key}\0{file.version}\0{file.size}".encode()).hexdigest()
    part = wanted.target.with_name(f".govdata-{told[:24]}.part")
    # SECURITY: a link that somebody put there is not followed, and nobody else reads the part.
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(part, flags, 0o600), "r+b") as out:
        try:
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(
                f"`{wanted.target.name}` is being downloaded by somebody else"
            ) from None
        try:
            _fill(file, wanted, out)
        except LimitError:
            raise
        except (RefusalError, StorageError):
            part.unlink()
            raise
        out.flush()
        os.fsync(out.fileno())
        part.replace(wanted.target)


def _fill(file: Copied, wanted: _Wanted, out: BinaryIO) -> None:
    """Write what is missing, and compare the whole.

    Raises:
        StorageError: It does not fit its checksum.
    """
    for is_last in (False, True):
        digest = hashlib.sha256()
        there = 0
        while block := out.read(_BLOCK):
            digest.update(block)
            there += len(block)
        if there > file.size:
            there, digest = 0, hashlib.sha256()
        out.seek(there)
        out.truncate()
        wanted.on_bytes(there)
        # SECURITY: also a part that is whole is asked for again: permission may be gone by now.
        start = there if there < file.size else max(0, file.size - 1)
        with closing(file._parts(start, file.size - start)) as parts:
            for part in parts:
                if there < file.size:
                    out.write(part)
                    digest.update(part)
                    there += len(part)
                    wanted.on_bytes(len(part))
        if wanted.sha256 in (None, digest.hexdigest()):
            return
        if is_last or start == 0:
            break
        # What an earlier try left is not of this file: begin anew, once.
        wanted.on_bytes(-file.size)
        out.seek(0)
        out.truncate()
    raise StorageError(
        f"`{file.name}` does not have the checksum of its row",
        hint="tell the inventory's steward: the file was changed or damaged",
    )
