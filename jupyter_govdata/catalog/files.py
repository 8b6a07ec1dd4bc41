"""The catalog's file access, which remembers what a commit wrote so that a failed one is undone.

Runs in the gateway and holds the storage credentials that pyiceberg was given.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

_LOCK = threading.Lock()
_RECORDED: dict[str, list[str]] = {}


class LakeFileIO(PyArrowFileIO):
    """pyiceberg's file access; new files are noted while their table is being recorded."""

    def new_output(self, location: str) -> PyArrowFile:
        """Return the output file for a location."""
        with _LOCK:
            for folder, written in _RECORDED.items():
                if location.startswith(folder):
                    written.append(location)
        return super().new_output(location)


@contextmanager
def recorded(location: str) -> Iterator[list[str]]:
    """Note every file created below a table's location during the block.

    INVARIANT: the caller holds the table's commit lock, so the files are its own.
    """
    folder = location.rstrip("/") + "/"
    written: list[str] = []
    with _LOCK:
        _RECORDED[folder] = written
    try:
        yield written
    finally:
        with _LOCK:
            _RECORDED.pop(folder, None)


def remove(io: PyArrowFileIO, paths: Iterator[str] | list[str]) -> None:
    """Remove files; one that is already gone, or cannot be removed, is left."""
    for path in paths:
        try:
            io.delete(path)
        except OSError:
            continue
