"""The journal of a run: one line per finished cell, beside the notebook that is being written.

Runs in the process that runs the notebook. A run that is killed (-9) loses the cell that was
running and nothing else; a machine that loses power loses at most a second more. The journal
holds what the notebook's outputs hold and is readable by its owner only. Whoever reads one
treats it as untrusted text, like the notebook.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jupyter_govdata.errors import ConfigError, GovDataError, StorageError
from jupyter_govdata.model.pins import Pins

FORMAT = 1
SUFFIX = ".govdata-journal"
SYNC_SECONDS = 1.0

COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Head:
    """What a run was started with.

    Args:
        cells: `cell_digest` of every cell, in order.
        parameters: Digest of the parameters.
        pins: What the run is pinned to.
        purpose: Purpose that a parameter gave the run, or empty.
        kernel: Name of the kernel.
    """

    cells: tuple[str, ...]
    parameters: str
    pins: Pins
    purpose: str
    kernel: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A cell that ended.

    Args:
        place: 0-based place in the notebook.
        status: ``completed`` or ``failed``, as papermill says it.
        outputs: As the notebook keeps them.
        execution_count: Of the kernel.
        papermill: The cell's metadata of that name.
    """

    place: int
    status: str
    outputs: list[Any] = field(default_factory=list)
    execution_count: int | None = None
    papermill: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Journalled:
    """What a journal tells.

    Args:
        head: None if the run was killed before it began.
        environment: Fingerprint of the kernel's packages; empty if it never told.
        entries: By place, the newest of each.
        finished: Every cell ran.
    """

    head: Head | None
    environment: str
    entries: Mapping[int, Entry]
    finished: bool

    @property
    def last_good(self) -> int:
        """Place of the last cell of the unbroken row of completed ones; -1 if there is none."""
        place = -1
        while (entry := self.entries.get(place + 1)) is not None and entry.status == COMPLETED:
            place += 1
        return place


def cell_digest(cell: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of a cell's type and text."""
    text = f"{cell.get('cell_type')}\n{cell.get('source')}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def parameters_digest(parameters: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of papermill's parameters; their values are not in the journal."""
    text = json.dumps(dict(parameters), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class Journal:
    """An open journal; one run at a time holds it."""

    def __init__(self, path: Path) -> None:
        """Open the journal at `path`, or make it.

        Raises:
            StorageError: The folder cannot be written.
            ConfigError: Another run writes the same notebook.
        """
        self.path = path
        try:
            # SECURITY: it holds governed rows, so it is the owner's alone, whatever the umask.
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as exc:
            raise StorageError(
                f"the folder `{path.parent}` cannot be written",
                hint="nothing was run; name another notebook to write",
            ) from exc
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(self._file)
            raise ConfigError(
                f"another run is writing `{path.name.removesuffix(SUFFIX)}`",
                hint="wait for it, or name another notebook to write",
            ) from exc
        self._synced = time.monotonic()

    def begin(self, head: Head) -> None:
        """Forget what stands in the journal and start a new run."""
        os.ftruncate(self._file, 0)
        told = {**asdict(head), "pins": head.pins.to_wire()}
        self._append({"journal": FORMAT, "head": told})

    def environment(self, fingerprint: str) -> None:
        """Note what the kernel runs on."""
        self._append({"environment": fingerprint})

    def cell(self, entry: Entry) -> None:
        """Note that a cell ended."""
        self._append({"cell": {name: getattr(entry, name) for name in Entry.__slots__}})

    def finish(self) -> None:
        """Note that every cell ran."""
        self._append({"finished": True})

    def _append(self, line: Mapping[str, Any]) -> None:
        data = memoryview(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        try:
            while data:
                data = data[os.write(self._file, data) :]
            if time.monotonic() - self._synced > SYNC_SECONDS:
                os.fsync(self._file)
                self._synced = time.monotonic()
        except OSError as exc:
            raise StorageError(f"the journal `{self.path}` cannot be written") from exc

    def read(self) -> Journalled:
        """Return what stands in the journal, up to the first line that is torn."""
        return journalled(self.path)

    def close(self) -> None:
        """Let go of the journal; it stays where it is, unless nothing was written."""
        if self._file >= 0:
            if not os.fstat(self._file).st_size:
                self.path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = -1


def journalled(path: Path) -> Journalled:
    """Read a journal; a missing one is empty."""
    head: Head | None = None
    environment, finished = "", False
    entries: dict[int, Entry] = {}
    for line in _lines(path):
        try:
            if "head" in line:
                if line.get("journal") != FORMAT:
                    break
                told = {**line["head"], "cells": tuple(line["head"]["cells"])}
                head = Head(**{**told, "pins": Pins.from_wire(told["pins"])})
            elif "environment" in line:
                environment = str(line["environment"])
            elif "cell" in line:
                entry = Entry(**line["cell"])
                entries[int(entry.place)] = entry
                finished = False
            elif "finished" in line:
                finished = True
        except (GovDataError, KeyError, TypeError, ValueError):
            break
    return Journalled(head, environment, entries, finished)


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        file = path.open("rb")
    except OSError:
        return
    with file:
        for raw in file:
            if not raw.endswith(b"\n"):
                return  # the run was killed while it wrote this line
            try:
                line = json.loads(raw)
            except ValueError:
                return
            if not isinstance(line, dict):
                return
            yield line
