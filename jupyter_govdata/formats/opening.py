"""Open a file, compressed or not, as a stream of bytes; hash it and count on the way.

Runs in the client process. The file is not trusted: truncation, corruption, encryption and
archives of several files are named, not passed over.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import pyarrow as pa

from jupyter_govdata.errors import LoadError

PIECE = 8 << 20
SUFFIXES = (".gz", ".bgz", ".bz2", ".xz", ".zst", ".zip")
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
_BROKEN = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, pa.ArrowException)

T = TypeVar("T")


class Meter:
    """How far a file has been read, and its digest once it was read from end to end."""

    def __init__(self) -> None:
        self.done = 0
        self.sha256: str | None = None


class _Metered(io.RawIOBase):
    """A file that reports to a meter."""

    def __init__(self, file: IO[bytes], meter: Meter, size: int) -> None:
        self._file, self._meter, self._size = file, meter, size
        self._hash = hashlib.sha256()
        self._hashed = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        at = self._file.tell()
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        if at == self._hashed:  # read in order, so the digest can go along
            self._hash.update(data)
            self._hashed += len(data)
            if self._hashed == self._size:
                self._meter.sha256 = self._hash.hexdigest()
        self._meter.done = max(self._meter.done, at + len(data))
        return len(data)


def existing(path: Path) -> Path:
    """Return `path` if something is there that may be read.

    Raises:
        LoadError: Nothing is there.
    """
    if not path.exists():
        near = path.parent
        raise LoadError(
            f"there is no file `{path.name}`",
            hint="check the path"
            + ("" if near.is_dir() else f": the folder `{near.name}` does not exist either"),
        )
    return path


def compression(path: Path) -> str | None:
    """Return how the file is compressed, judged by its first bytes, or None."""
    try:
        with path.open("rb") as file:
            head = file.read(6)
    except OSError as exc:
        raise LoadError(f"`{path.name}` cannot be read", hint="check its permissions") from exc
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 (hex) of a file as it is stored, compressed or not."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def reading(path: Path, meter: Meter | None = None) -> Iterator[IO[bytes]]:
    """Open a file and undo its compression.

    Args:
        path: A file.
        meter: Told how far the stored file has been read.

    Raises:
        LoadError: Truncated, corrupt or encrypted, also when that shows only while reading; an
            archive that does not hold exactly one file.
    """
    kind = compression(path)
    meter = meter or Meter()
    try:
        with path.open("rb") as file:
            raw = _Metered(file, meter, path.stat().st_size)
            buffered = io.BufferedReader(raw, 1 << 20)
            with _undone(buffered, kind, path.name) as plain:
                yield plain
    except LoadError:
        raise
    except _BROKEN as exc:
        raise _broken(path.name, kind, exc) from exc


def pieces(path: Path, meter: Meter | None = None, size: int = 0) -> Iterator[bytes]:
    """Yield the decompressed file in pieces of `size` bytes (0: `PIECE`), the last one shorter."""
    with reading(path, meter) as file:
        while piece := file.read(size or PIECE):
            yield piece


def ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield the items while the next one is being made in another thread."""
    done = object()
    with ThreadPoolExecutor(1, "govdata-read") as pool:
        future = pool.submit(next, items, done)
        while (item := future.result()) is not done:
            future = pool.submit(next, items, done)
            yield item  # type: ignore[misc]


def _undone(file: Any, kind: str | None, name: str) -> Any:
    if kind == "gzip":
        return gzip.GzipFile(fileobj=file)
    if kind == "bz2":
        return bz2.BZ2File(file)
    if kind == "xz":
        return lzma.LZMAFile(file)
    if kind == "zstd":
        return pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")
    if kind == "zip":
        return _only_member(file, name)
    return file


def _only_member(file: Any, name: str) -> IO[bytes]:
    archive = zipfile.ZipFile(file)
    members = [
        m
        for m in archive.infolist()
        if not m.is_dir()
        and not m.filename.startswith("__MACOSX/")
        and not m.filename.rsplit("/", 1)[-1].startswith("._")
    ]
    if len(members) != 1:
        raise LoadError(
            f"the archive `{name}` holds {len(members)} files, not one",
            hint="unpack it and load the files one by one",
        )
    if members[0].flag_bits & 0x1:
        raise LoadError(
            f"the archive `{name}` is encrypted", hint="unpack it with its password first"
        )
    try:
        return archive.open(members[0])
    except NotImplementedError as exc:
        raise LoadError(
            f"the archive `{name}` uses a compression that Python cannot undo",
            hint="unpack it first",
        ) from exc


def _broken(name: str, kind: str | None, exc: Exception) -> LoadError:
    if kind is None:
        return LoadError(f"`{name}` cannot be read", hint="check its permissions and its disk")
    if isinstance(exc, EOFError) or "runcated" in str(exc) or "end-of-stream" in str(exc):
        return LoadError(
            f"`{name}` ends in the middle of its {kind} stream",
            hint="the copy is incomplete: fetch the file again",
        )
    return LoadError(
        f"`{name}` is not a sound {kind} file", hint="the copy is damaged: fetch the file again"
    )
