"""Rows that do not fit: counted, explained and written aside, never dropped in silence.

Runs in the client process. The reject file holds raw data of the source, so it is readable by
its owner only; the report that travels further holds lines, columns and reasons, no values.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from jupyter_govdata.errors import LoadError

HEADER = ("line", "column", "reason", "raw")
FIRST_REASONS = 20


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was set aside.

    Args:
        line: Physical 1-based line of the source where the row begins; the row's 1-based number
            where a source has no lines.
        column: Name of the column that does not fit, or empty if the row as a whole does not.
        reason: Why, without the value.
        raw: The row as the source has it.
    """

    line: int
    column: str
    reason: str
    raw: str = ""


@dataclass(slots=True)
class RejectReport:
    """What was set aside; complete once the batches are read.

    Args:
        path: Where the rows are written, or None if nobody asked for them.
        count: How many rows.
        reasons: The first of them, without their raw text.
    """

    path: Path | None = None
    count: int = 0
    reasons: list[Reject] = field(default_factory=list)
    _file: TextIO | None = None
    _writer: Any = None

    def __bool__(self) -> bool:
        return self.count > 0

    def start(self) -> None:
        """Forget an earlier reading, its file included.

        Raises:
            LoadError: The path is taken by something that is not a reject file.
        """
        self.close()
        self.count = 0
        self.reasons = []
        if self.path is None or not self.path.exists():
            return
        # SECURITY: a slip in `reject_file=` must not overwrite the user's own data.
        if not _is_reject_file(self.path):
            raise LoadError(
                f"`{self.path.name}` exists and is not a reject file",
                hint="name another file as `reject_file`",
            )
        self.path.unlink()

    def add(self, rejects: Iterable[Reject]) -> None:
        """Count rejects and write them to the file, if there is one."""
        for reject in rejects:
            self.count += 1
            if len(self.reasons) < FIRST_REASONS:
                self.reasons.append(Reject(reject.line, reject.column, reject.reason))
            if self.path is not None:
                self._row(reject)

    def _row(self, reject: Reject) -> None:
        if self._writer is None:
            assert self.path is not None
            try:
                descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except OSError as exc:
                raise LoadError(
                    f"the reject file `{self.path.name}` cannot be written",
                    hint="name a file in a folder that you may write to as `reject_file`",
                ) from exc
            self._file = os.fdopen(descriptor, "w", encoding="utf-8", newline="")
            self._writer = csv.writer(self._file, lineterminator="\n")
            self._writer.writerow(HEADER)
        # A lone surrogate (a byte that fits no encoding) is written as \\udcXX, not lost.
        raw = reject.raw.encode("utf-8", "backslashreplace").decode()
        self._writer.writerow((reject.line, reject.column, reject.reason, raw))

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._file is not None:
            self._file.close()
        self._file = self._writer = None


def _is_reject_file(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.readline(200).rstrip(b"\r\n") == ",".join(HEADER).encode()
    except OSError:
        return False
