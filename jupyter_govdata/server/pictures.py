"""The files of an inventory, and small pictures of them. Runs in threads of the Jupyter server.

Files are opened by an ordinary grant, as by a kernel of this server: whether a file may be opened
is the gateway's to say, anew for every picture, also for one that was drawn before. What a file is,
its first bytes tell, never its name. SECURITY: nothing is decoded in this process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, TypeVar

from jupyter_govdata.errors import (
    AccessDeniedError,
    BusyError,
    LimitError,
    MissingExtraError,
    NotVisibleError,
)
from jupyter_govdata.model.scan import At
from jupyter_govdata.server import drawing
from jupyter_govdata.server.problems import ProblemError
from jupyter_govdata.server.work import Stop

T = TypeVar("T")

FILES, MAX_FILES = 24, 100
"""Of one answer."""
MAX_INVENTORY = 200_000
"""Files of which a list is held for one asset."""
MAX_SOURCE = 32 << 20
"""Bytes of a file that is drawn."""
SIZE = 160
"""Pixels of a picture, at most, each way."""
SETS, DRAWN, AT_ONCE = 8, 256, 2
"""Lists and pictures that are remembered; processes that draw at a time."""
SECONDS = 15.0
HEAD = 132
PNG = b"\x89PNG\r\n\x1a\n"
_MAGIC = (
    (0, PNG, "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (8, b"WEBP", "WEBP"),
    # The 128 bytes before this are free, and often those of a TIFF.
    (128, b"DICM", drawing.DICOM),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
)


def kind_of(head: bytes) -> str | None:
    """Return the format that the first `HEAD` bytes of a file are of, if it can be drawn."""
    return next((kind for at, magic, kind in _MAGIC if head.startswith(magic, at)), None)


class _Newest(Generic[T]):
    """The things that were used last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable) -> T | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def keep(self, key: Hashable, value: T) -> None:
        with self._lock:
            self._kept[key] = value
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose files are meant.

    Args:
        owner: Key of the person who asks.
        asset: The inventory.
        at: Its version; None is now.
        purpose: Declared; None is the person's own.
    """

    owner: str
    asset: str
    at: At | None
    purpose: str | None


@dataclass(frozen=True, slots=True)
class _Set:
    session: Any
    files: Any
    places: dict[str, int]


class Pictures:
    """Lists files and draws them, for all people of one Jupyter server."""

    def __init__(self) -> None:
        self._sets: _Newest[_Set] = _Newest(SETS)
        self._drawn: _Newest[bytes] = _Newest(DRAWN)
        self._turns = threading.Semaphore(AT_ONCE)

    def listing(self, session: Any, wanted: Wanted, offset: int, limit: int) -> dict[str, Any]:
        """Return some of the files that may be opened now.

        Raises:
            LimitError: The inventory is too large to list here.
            GovDataError: What the gateway answers.
        """
        held = self._asked(session, wanted)
        files, keys = held.files, list(held.places)
        return {
            "asset": wanted.asset,
            "snapshot_id": str(files.snapshot_id),
            "purpose": files.purpose,
            "epoch": files.epoch,
            "total": len(files),
            "bytes": files.bytes,
            "formats": dict(files.formats),
            "thumbnails": find_spec("PIL") is not None,
            "files": [
                {
                    "key": keys[place],
                    "name": file.name,
                    "path": file.path,
                    "format": file.format,
                    "size": file.size,
                }
                for place in range(offset, min(offset + limit, len(files)))
                for file in (files[place],)
            ],
        }

    def picture(self, session: Any, wanted: Wanted, key: str, stop: Stop) -> bytes:
        """Return a PNG of a file that may be opened now.

        Raises:
            ProblemError: 404: hidden or missing, or there is no picture of it.
            GovDataError: What else the gateway answers.
        """
        held = self._sets.get(wanted)
        if held is None or held.session is not session:
            held = self._asked(session, wanted)
        place = held.places.get(key)
        if place is None:
            raise _not_visible()
        try:
            return self._drawn_now(held.files, place, (wanted, key), stop)
        except (AccessDeniedError, NotVisibleError):
            # A file that may not be opened any more is as one that was never there.
            raise _not_visible() from None

    def _asked(self, session: Any, wanted: Wanted) -> _Set:
        view = session.view(wanted.asset, wanted.at, wanted.purpose)
        rows = view.snapshot.total_rows if view.snapshot else None
        if rows is not None and rows > MAX_INVENTORY:
            raise LimitError(
                f"`{wanted.asset}` has more than {MAX_INVENTORY} files",
                hint="ask for some of them in a notebook, with `where`",
            )
        files = session.files(wanted.asset, at=wanted.at, purpose=wanted.purpose)
        places = {key: place for place, key in enumerate(files.recipe()["keys"])}
        held = _Set(session, files, places)
        self._sets.keep(wanted, held)
        return held

    def _drawn_now(self, files: Any, place: int, asked: Hashable, stop: Stop) -> bytes:
        file = files[place]
        # INVARIANT 3: decided now, whatever was drawn before and however the bytes come.
        file.check()
        kind = kind_of(file.read_range(0, HEAD))
        if kind is None:
            raise _no_picture("its first bytes are those of no format that is drawn")
        if file.size > MAX_SOURCE:
            raise _no_picture(f"it is larger than {MAX_SOURCE >> 20} MiB")
        which = (asked, files.epoch, file.size, file.version, file.checksum)
        drawn = self._drawn.get(which)
        if drawn is None:
            _check(stop)
            drawn = self._draw(file.read(), kind, stop)
            if file.version or file.checksum:
                self._drawn.keep(which, drawn)
        return drawn

    def _draw(self, data: bytes, kind: str, stop: Stop) -> bytes:
        if not self._turns.acquire(timeout=SECONDS):
            raise BusyError("too many pictures are being drawn", hint="try again in a moment")
        try:
            _check(stop)
            return _apart(data, kind, stop)
        finally:
            self._turns.release()


def _apart(data: bytes, kind: str, stop: Stop) -> bytes:
    """Draw in a process of its own, which knows nothing of this one."""
    command = [sys.executable, "-E", "-P", str(Path(drawing.__file__)), kind, str(SIZE)]
    with subprocess.Popen(  # noqa: S603  (this Python, our file, a format of ours)
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd=os.sep,
        start_new_session=True,
    ) as process:
        stop.then(process.kill)
        try:
            made, _ = process.communicate(data, SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise _no_picture("it takes too long to draw") from None
    _check(stop)
    if process.returncode == drawing.MISSING:
        raise MissingExtraError.for_extra("thumbnails", "a picture of this file")
    if process.returncode or not made.startswith(PNG):
        raise _no_picture("it cannot be decoded here")
    return made


def _check(stop: Stop) -> None:
    if stop.stopped:
        raise LimitError("nobody waits for this picture any more")


def _not_visible() -> ProblemError:
    return ProblemError(404, "not_visible", "there is no such file, or you may not open it", None)


def _no_picture(why: str) -> ProblemError:
    return ProblemError(404, "no_thumbnail", f"there is no picture of this file: {why}", None)
