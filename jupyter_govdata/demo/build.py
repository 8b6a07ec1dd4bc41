"""Builds the demo lake the way a user would: `init_lake`, then `Session.load` as its steward.

Runs in the client process; the lake's gateway runs as its child. A finished lake is reused, an
interrupted one is built again, and whatever fails leaves nothing behind.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jupyter_govdata.demo.loads import Load, Rename, plan
from jupyter_govdata.demo.staging import DATA, now
from jupyter_govdata.errors import ConfigError, LakeLockedError, StorageError
from jupyter_govdata.session import Session, connect, init_lake

GOVERNANCE = Path(__file__).parent / "governance"
STEWARD = "dina"
STORAGE = """
# Where the files of the imaging inventories are; they are opened by grants only.
[storage.files]
type = "local"
root = "files"
assets = ["imaging"]
"""
VERSION = 2
"""Version of the demo lake's content; raised when its tables or policies change."""
NEEDED_BYTES = 150_000_000
"""Free disk space asked for before a build starts: the lake, its staging area, some air."""

_DONE = "demo.json"
_BUILDING = ".demo-building"

Progress = Callable[[str], object]


def build(target: str | Path, *, progress: Progress | None = None) -> Path:
    """Build the demo lake in a folder, or return it if it is there already.

    Args:
        target: The lake folder; made if missing.
        progress: Called with a line for people before each step.

    Returns:
        The absolute path of the lake.

    Raises:
        ConfigError: The folder holds something else, or a demo lake of another version.
        LakeLockedError: Another build of the same folder is running.
        StorageError: The disk is full or cannot be written; nothing is left behind.
    """
    folder = Path(target).expanduser().absolute()
    if _finished(folder):
        return folder
    _check_room(folder)
    with _building(folder):
        if _finished(folder):
            return folder
        _build(folder, progress or _silent)
    return folder


def default_lake() -> Path:
    """Return where the demo lake goes when nobody says: the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "jupyter_govdata" / "demo-lake"


def _silent(step: str) -> None:
    del step


def _finished(folder: Path) -> bool:
    try:
        found = json.loads((folder / _DONE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except ValueError:
        found = {}
    if found.get("version") != VERSION:
        raise ConfigError(
            f"`{folder}` holds a demo lake of another version",
            hint="remove the folder, or choose another one",
        )
    return True


def _check_room(folder: Path) -> None:
    """Refuse a folder that is not ours, and a disk that is too small."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"`{folder}` is not a folder", hint="choose another place")
    if folder.exists() and any(folder.iterdir()) and not (folder / _BUILDING).exists():
        raise ConfigError(
            f"`{folder}` is not empty and no demo lake", hint="choose an empty or a new folder"
        )
    place = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(place).free
    if free < NEEDED_BYTES:
        raise StorageError(
            f"the demo lake needs {NEEDED_BYTES // 1_000_000} MB, {free // 1_000_000} MB are free",
            hint="free some space, or choose another disk",
        )


@contextmanager
def _building(folder: Path) -> Iterator[None]:
    """Hold the folder for one build; empty it before, and after a failure."""
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        marker = (folder / _BUILDING).open("a")
    except OSError as exc:
        raise _unwritable(folder, exc) from exc
    with marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise LakeLockedError(
                f"another build of `{folder}` is running", hint="wait until it is done"
            ) from exc
        try:
            if not (folder / _DONE).exists():
                _empty(folder)
            yield
            (folder / _BUILDING).unlink()
        except BaseException as exc:
            _empty(folder)
            (folder / _BUILDING).unlink(missing_ok=True)
            if made:
                folder.rmdir()
            if isinstance(exc, OSError):
                raise _unwritable(folder, exc) from exc
            raise


def _empty(folder: Path) -> None:
    """Remove everything in the folder but the marker of the running build."""
    for path in folder.iterdir():
        if path.name == _BUILDING:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _unwritable(folder: Path, exc: OSError) -> StorageError:
    if exc.errno == errno.ENOSPC:
        return StorageError(
            f"the disk of `{folder}` is full", hint="free some space, or choose another disk"
        )
    return StorageError(
        f"the demo lake `{folder}` cannot be written: {exc.strerror}",
        hint="check your permissions, or choose another folder",
    )


def _build(folder: Path, progress: Progress) -> None:
    progress("making an empty lake")
    init_lake(folder, governance=GOVERNANCE, steward=STEWARD)
    with (folder / "govdata.toml").open("a", encoding="utf-8") as lake_file:
        lake_file.write(STORAGE)
    with (
        tempfile.TemporaryDirectory(prefix="govdata-demo-") as stage,
        connect(folder, user=STEWARD, purpose="quality") as session,
    ):
        for step in plan():
            _take(session, step, Path(stage), progress)
        # The cards in force know the columns of each table's first load only: one column was
        # added later and one renamed, and the files describe both.
        progress("applying governance")
        session.apply(folder / "governance")
    progress("copying image files")
    for name in ("wsi_he", "dicom_samples"):
        shutil.copytree(
            DATA / name,
            folder / "files" / name,
            ignore=shutil.ignore_patterns("*.md", "*.txt", "*.csv"),
        )
    done = folder / f"{_DONE}.new"
    done.write_text(json.dumps({"version": VERSION, "built_at": now()}) + "\n", encoding="utf-8")
    done.replace(folder / _DONE)


def _take(session: Session, step: Load | Rename, stage: Path, progress: Progress) -> None:
    if isinstance(step, Rename):
        progress(f"renaming {step.asset}.{step.old}")
        session.catalog.rename_column(step.asset, step.old, step.new)
        return
    progress(f"loading {step.asset}")
    source = step.delivery(stage)
    snapshot = session.load(source, step.asset, mode=step.mode, **step.options)
    rejected = int(snapshot.provenance.get("rows_rejected", 0))
    if rejected:
        raise StorageError(f"{rejected} rows of `{step.asset}` were rejected")
    if step.tag:
        session.catalog.tag(step.asset, step.tag, snapshot.snapshot_id)
