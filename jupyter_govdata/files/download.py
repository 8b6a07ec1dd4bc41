"""Downloads many files at a time. Runs in the kernel.

One file that is refused does not hold up the others; it is named when they are done. Whoever
stops a download, or loses the gateway, calls it again: what is there is not fetched again.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_govdata.errors import (
    AccessDeniedError,
    ConfigError,
    GovDataError,
    RefusalError,
    StorageError,
)
from jupyter_govdata.files.copies import Copies, StoppedError
from jupyter_govdata.files.file import GovernedFile

JOURNAL = ".govdata-files.jsonl"
MOST_PARALLEL = 32
_EVERY = 0.1


@dataclass(frozen=True, slots=True)
class FilesProgress:
    """How far a download is.

    Args:
        files_done: Files that are there, whole.
        files: Files in all.
        bytes_done: Bytes that are there.
        bytes: Bytes in all.
        missing: Files that were refused or could not be read.
        seconds: Wall-clock time.
        done: True once, at the end, however it ended.
    """

    files_done: int
    files: int
    bytes_done: int
    bytes: int
    missing: int
    seconds: float
    done: bool


OnProgress = Callable[[FilesProgress], object]


class Download:
    """One download of a file set.

    Args:
        files: What is wanted.
        folder: Where to.
        copies: Writes them.
    """

    def __init__(self, files: Sequence[GovernedFile], folder: Path, copies: Copies) -> None:
        self._files = files
        self._folder = folder
        self._copies = copies
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._bytes = 0
        self._done = 0
        self._total = sum(file.size for file in files)
        self._started = time.monotonic()
        self._missing: dict[str, GovDataError] = {}

    def run(self, *, parallel: int, overwrite: bool, on_progress: OnProgress | None) -> list[Path]:
        """Download all files; return their paths, in order.

        Raises:
            ConfigError: `parallel` is not from 1 to 32.
            AccessDeniedError: Some files were refused; the others are there.
            StorageError: Some files could not be read or written; the others are there.
        """
        if not 1 <= parallel <= MOST_PARALLEL:
            raise ConfigError(f"`parallel` is from 1 to {MOST_PARALLEL}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            root = self._folder.resolve(strict=True)
        except OSError as exc:
            raise StorageError(f"`{self._folder}` cannot be made: {exc.strerror}") from None
        journal = Journal(root)
        with ThreadPoolExecutor(parallel, thread_name_prefix="govdata-download") as pool:
            waiting = {
                pool.submit(self._one, file, root, journal, overwrite) for file in self._files
            }
            try:
                self._watch(waiting, on_progress)
            except BaseException:
                self._stopped.set()
                pool.shutdown(cancel_futures=True)
                raise
            finally:
                if on_progress is not None:
                    on_progress(self._progress(done=True))
        if self._missing:
            raise _missing(self._missing, len(self._files))
        return [root / file.path for file in self._files]

    def _watch(self, waiting: set[Future[None]], on_progress: OnProgress | None) -> None:
        due = time.monotonic()
        while waiting:
            ended, waiting = wait(waiting, timeout=_EVERY, return_when=FIRST_COMPLETED)
            for future in ended:
                future.result()
            if on_progress is not None and time.monotonic() >= due:
                due = time.monotonic() + _EVERY
                on_progress(self._progress(done=False))

    def _one(self, file: GovernedFile, root: Path, journal: Journal, overwrite: bool) -> None:
        counted = 0

        def count(came: int) -> None:
            nonlocal counted
            if self._stopped.is_set():
                raise StoppedError
            counted += came
            with self._lock:
                self._bytes += came

        try:
            count(0)
            target = _below(root, file.path)
            is_known = journal.knows(file, target)
            self._copies.download(
                file, target, overwrite=overwrite, on_bytes=count, is_known=is_known
            )
            journal.note(file, target)
        except StoppedError:
            return
        except GovDataError as error:
            with self._lock:
                self._missing[file.path] = error
                self._bytes -= counted
            return
        with self._lock:
            self._done += 1

    def _progress(self, *, done: bool) -> FilesProgress:
        with self._lock:
            return FilesProgress(
                files_done=self._done,
                files=len(self._files),
                bytes_done=self._bytes,
                bytes=self._total,
                missing=len(self._missing),
                seconds=time.monotonic() - self._started,
                done=done,
            )


class Journal:
    """Which version of which file a folder holds, for files that have no checksum to compare."""

    def __init__(self, root: Path) -> None:
        self._file = root / JOURNAL
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Any]] = {}
        with suppress(OSError):
            for line in self._file.read_text("utf-8", errors="replace").splitlines():
                with suppress(ValueError, KeyError, TypeError):
                    entry = json.loads(line)
                    self._known[entry["path"]] = entry

    def knows(self, file: GovernedFile, target: Path) -> bool:
        """Return True if the target is the file, untouched since it was written."""
        entry = self._known.get(file.path)
        return entry is not None and entry == self._entry(file, target)

    def note(self, file: GovernedFile, target: Path) -> None:
        """Remember that the target is the file."""
        entry = self._entry(file, target)
        line = json.dumps(entry, sort_keys=True, ensure_ascii=False) + "\n"
        with self._lock:
            if entry is None or self._known.get(file.path) == entry:
                return
            self._known[file.path] = entry
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            with suppress(OSError), os.fdopen(os.open(self._file, flags, 0o600), "a") as out:
                out.write(line)

    @staticmethod
    def _entry(file: GovernedFile, target: Path) -> dict[str, Any] | None:
        try:
            found = target.lstat()
        except OSError:
            return None
        return {
            "path": file.path,
            "version": file.version,
            "size": found.st_size,
            "mtime_ns": found.st_mtime_ns,
        }


def _below(root: Path, path: str) -> Path:
    """Return where a file goes; its folder is made.

    Raises:
        StorageError: A link leads out of the folder, or the folder cannot be made.
    """
    target = root / path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        inside = target.parent.resolve(strict=True).is_relative_to(root)
    except OSError as exc:
        raise StorageError(f"the folder of `{path}` cannot be made: {exc.strerror}") from None
    if not inside:
        # SECURITY: a link that somebody put there would let a file land anywhere.
        raise StorageError(f"the folder of `{path}` is a link that leads elsewhere")
    return target


def _missing(found: dict[str, GovDataError], count: int) -> GovDataError:
    names = sorted(found)
    shown = ", ".join(f"`{name}`" for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    kind = (
        AccessDeniedError
        if all(isinstance(e, RefusalError) for e in found.values())
        else StorageError
    )
    first = found[names[0]]
    return kind(
        f"{len(names)} of {count} files were not downloaded: {shown}{more}",
        hint=f"`{names[0]}`: {first.message}",
        detail={"files": {name: found[name].message for name in names}},
    )
