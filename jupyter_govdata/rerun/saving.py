"""Where a run writes: notebooks by papermill's own handlers, in one step where they are files.

Runs in the process that runs the notebook.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
from papermill.iorw import papermill_io, write_ipynb

from jupyter_govdata.errors import StorageError
from jupyter_govdata.rerun.journal import SUFFIX

_done: dict[Path, tuple[int, int, int]] = {}


def local_path(output: str) -> Path | None:
    """Return the file that papermill would write, or None if it is in a remote store."""
    handler = papermill_io.get_handler("local")
    if papermill_io.get_handler(output) is not handler:
        return None
    # Papermill changes the working folder for the kernel; its handler knows the one before.
    folder = handler.cwd(None)
    handler.cwd(folder)
    return Path(os.path.realpath(Path(folder or ".").absolute() / output))


def journal_path(output: str) -> Path:
    """Return the place of the journal: beside a file, in the user's state folder for a store.

    Raises:
        StorageError: The state folder cannot be made.
    """
    path = local_path(output)
    if path is not None:
        return path.with_name(path.name + SUFFIX)
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = Path(state) / "jupyter_govdata" / "journals"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as exc:
        raise StorageError(f"the folder `{folder}` cannot be made") from exc
    return folder / (hashlib.sha256(output.encode()).hexdigest()[:32] + SUFFIX)


def check_writable(output: str) -> None:
    """Check before anything is run that the notebook can be written at its end.

    Raises:
        StorageError: The folder is missing or the file is read-only.
    """
    path = local_path(output)
    if path is None:
        return
    if not path.parent.is_dir():
        raise StorageError(f"the folder `{path.parent}` does not exist", hint="make it first")
    if path.is_dir() or (path.exists() and not os.access(path, os.W_OK)):
        raise StorageError(f"`{path}` cannot be written", hint="name another notebook to write")


def write(nb: Any, output: str) -> None:
    """Write a notebook; a file is whole at every moment, the old one or the new one.

    Raises:
        StorageError: It cannot be written.
    """
    path = local_path(output)
    if path is None or (path.exists() and not path.is_file()):
        write_ipynb(nb, output)
        return
    # Papermill writes it once more at the end and validates it then.
    text = nbformat.v4.writes(nb).encode("utf-8", "surrogatepass")
    try:
        _replace(path, text)
    except OSError as exc:
        raise StorageError(f"`{path}` cannot be written: {exc.strerror}") from exc


def _replace(path: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), _mode(path))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)  # noqa: PTH105  (both are on one file system)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)  # noqa: PTH108
        raise


def _mode(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def forget_later(journal: Path) -> None:
    """Remove the journal of a finished run, but not before papermill has written the notebook.

    UPSTREAM: papermill writes once more after its engine has returned, and not in one step. Until
    then a killed run has only the journal. So it goes when the process ends or the next run
    starts.
    """
    if not _done:
        atexit.register(forget_now)
    _done[journal] = _state(journal)


def forget_now() -> None:
    """Remove the journals of runs that are finished and written."""
    while _done:
        journal, state = _done.popitem()
        with suppress(OSError):
            if _state(journal) == state:  # else another run has written the same notebook since
                journal.unlink()


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
