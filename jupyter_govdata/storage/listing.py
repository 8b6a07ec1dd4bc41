"""Lists the files of a storage with what an inventory keeps of each. Runs in the gateway.

Every file is told of, also one that cannot be read: then with the reason. No link is followed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from jupyter_govdata.errors import GovDataError, StorageError
from jupyter_govdata.storage.local_files import LocalFiles, version_of
from jupyter_govdata.storage.places import ETAG, checked
from jupyter_govdata.storage.s3_files import S3Files

_MAGIC = (
    (128, b"DICM", "dicom"),
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"PAR1", "parquet"),
    (0, b"\x89HDF\r\n\x1a\n", "hdf5"),
    (0, b"CRAM", "cram"),
    (0, b"%PDF-", "pdf"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"##fileformat=VCF", "vcf"),
)
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Found:
    """A file as an inventory keeps it.

    Args:
        uri: Address.
        format: By its first bytes, else its suffix.
        bytes: Size, or None if unreadable.
        checksum: SHA-256 (hex), or ``etag:`` and the store's tag.
        version: Version of the object, or of the local file.
        problem: Why it cannot be read, or empty.
    """

    uri: str = field(repr=False)
    format: str = ""
    bytes: int | None = None
    checksum: str = ""
    version: str = ""
    problem: str = ""


Known = Callable[[str, str], Found | None]
"""What an earlier scan found at an address with this version."""


def format_by(head: bytes, name: str) -> str:
    """Return the format of a file by its first bytes, else by its suffix."""
    for place, magic, told in _MAGIC:
        if head[place : place + len(magic)] == magic:
            return told
    last = name.rsplit("/", 1)[-1].lower()
    suffix = last.rsplit(".", 1)[-1] if "." in last else ""
    if head[:4] in _TIFF:
        return suffix if suffix in ("svs", "ndpi", "scn", "czi") else "tiff"
    if head[:2] == _GZIP and suffix in ("gz", "bgz"):
        return last.split(".", 1)[-1] if last.count(".") > 1 else "gz"
    return suffix if suffix.isalnum() and len(suffix) <= 10 else ""


def list_files(store: LocalFiles | S3Files, below: str, known: Known) -> Iterator[Found]:
    """Yield the files of a storage below a key, in the order of their keys' folders.

    Args:
        store: The storage.
        below: A folder's key without a final slash; empty for all.
        known: Spares reading what was read before.

    Raises:
        StorageError: The folder or bucket cannot be listed at all.
    """
    if isinstance(store, LocalFiles):
        yield from _local(store, below, known)
    else:
        yield from _bucket(store, below)


def _local(store: LocalFiles, below: str, known: Known) -> Iterator[Found]:
    top = store.root / checked(below) if below else store.root
    if not top.is_dir() or top.resolve() != top:
        raise StorageError("there is no such folder in the storage")
    for folder, folders, names in os.walk(top, followlinks=False):
        folders.sort()
        base = os.path.relpath(folder, store.root)
        links = [n for n in folders if os.path.islink(f"{folder}/{n}")]  # noqa: PTH114
        for name in sorted([*names, *links]):
            key = name if base == "." else f"{base}/{name}"
            yield _local_file(store, key, known)


def _local_file(store: LocalFiles, key: str, known: Known) -> Found:
    uri = store.address(key.encode(errors="surrogateescape").decode(errors="replace"))
    try:
        key.encode()
        # No link is followed here either, so this is the state of what will be opened.
        told = os.stat(store.root / key, follow_symlinks=False)  # noqa: PTH116
        if stat.S_ISREG(told.st_mode):
            before = known(uri, version_of(told))
            if before is not None:
                return before
        digest, head, version, size = store.measure(key)
        return Found(uri, format_by(head, key), size, digest, version)
    except UnicodeEncodeError:
        return Found(uri, problem="its name is no text")
    except GovDataError as exc:
        return Found(uri, problem=exc.message)
    except OSError:
        return Found(uri, problem="it cannot be read")


def _bucket(store: S3Files, below: str) -> Iterator[Found]:
    prefix = f"{below}/" if below else store.config.prefix
    for key, size, tag, version in store.objects(prefix):
        uri = f"s3://{store.config.bucket}/{key}"
        if key.endswith("/") and size == 0:
            continue  # what some tools make to show a folder
        try:
            checked(key)
        except StorageError as exc:
            yield Found(uri, problem=exc.message)
            continue
        yield Found(uri, format_by(b"", key), size, f"{ETAG}{tag}", version)
