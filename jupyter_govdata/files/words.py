"""Sizes in words, and paths that are safe to write to. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
_LONGEST = 200
"""Bytes of one part of a path; most file systems take 255."""
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}


def size_text(count: float | None) -> str:
    """Return a size for people: ``1.9 MB``; decimal units, or ``?`` if it is not known."""
    if count is None:
        return "?"
    power = 0
    while count >= 1000 and power < len(_UNITS) - 1:
        count /= 1000
        power += 1
    return f"{count:.1f} {_UNITS[power]}" if power else f"{count:.0f} B"


def files_text(count: int, size: float | None) -> str:
    """Return how many files there are, and how large they are together.

    >>> files_text(1, 1900), files_text(3, None)
    ('1 file, 1.9 kB', '3 files of unknown size')
    """
    told = f"{count:,} file" if count == 1 else f"{count:,} files"
    return f"{told} of unknown size" if size is None else f"{told}, {size_text(size)}"


def safe_part(text: str) -> str:
    """Return a name as it can stand on any disk: no separator, no hidden file, not too long.

    >>> safe_part("../.bashrc"), safe_part("a:b.svs")
    ('_.._.bashrc', 'a_b.svs')
    """
    plain = unicodedata.normalize("NFC", text)
    plain = "".join(c for c in plain if unicodedata.category(c) not in _INVISIBLE)
    plain = _UNSAFE.sub("_", plain).rstrip(" .")
    if not plain or plain.startswith("."):
        plain = f"_{plain}"
    stem, dot, suffix = plain.rpartition(".")
    if not dot or len(suffix) > 20:
        stem, suffix = plain, ""
    tail = f".{suffix}" if dot and suffix else ""
    while len((stem + tail).encode()) > _LONGEST:
        stem = stem[:-1]
    return stem + tail


def relative_paths(
    names: Sequence[str], addresses: Sequence[str | None] | None, keys: Sequence[str]
) -> list[str]:
    """Return a unique, safe relative path for each file.

    Args:
        names: Of the files.
        addresses: Where they are, if that is visible: folders below what is common to all are
            kept.
        keys: Tell files of one name apart.
    """
    parts = [[name] for name in names]
    if addresses is not None and all(addresses):
        full = [[p for p in unquote(urlsplit(a or "").path).split("/") if p] for a in addresses]
        common = _common([f[:-1] for f in full])
        parts = [[*f[common:-1], name] for f, name in zip(full, names, strict=True)]
    safe = ["/".join(safe_part(p) for p in path) for path in parts]
    # Disks that do not tell case apart keep one of two names that differ in nothing else.
    seen = Counter(path.casefold() for path in safe)
    # An object store has `a` beside `a/b`; a disk cannot have a file and a folder of one name.
    folders = {str(p) for path in safe for p in PurePosixPath(path.casefold()).parents}
    return [
        _told_apart(path, key) if seen[path.casefold()] > 1 or path.casefold() in folders else path
        for path, key in zip(safe, keys, strict=True)
    ]


def _common(folders: Sequence[Sequence[str]]) -> int:
    first = min(map(tuple, folders), default=())
    last = max(map(tuple, folders), default=())
    count = 0
    for one, other in zip(first, last, strict=False):
        if one != other:
            break
        count += 1
    return count


def _told_apart(path: str, key: str) -> str:
    found = PurePosixPath(path)
    return str(found.with_name(f"{found.stem}~{key[:12]}{found.suffix}"))
