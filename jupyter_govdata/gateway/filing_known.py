"""The rows of a grant under one decision, looked up when they are asked for. Runs in the gateway.

After a change of policy or consent each row has to be asked about anew before its file is read.
A reader of one file waits for the rows around it, not for all rows of the grant.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

import pyarrow as pa

BLOCK = 1_000
"""Rows that are looked up together."""
BLOCKS = 16
"""Most blocks that are kept in memory; whoever asks for more waits for all rows."""

Match = Callable[[pa.Table], pa.Table]
"""Returns granted rows as they are visible now, in their order; others are NULL."""


class Rows:
    """The rows of a grant.

    Args:
        granted: All of them, as they were when they were granted. They tell which files are
            meant; on their own they permit nothing.
        match: Looks up what is visible of them now; None if `granted` is that already.
    """

    def __init__(self, granted: pa.Table, match: Match | None = None) -> None:
        self.granted = granted
        self._match = match
        self._all = granted if match is None else None
        self._blocks: dict[int, pa.Table] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return int(self.granted.num_rows)

    def knows(self, indexes: Iterable[int]) -> bool:
        """Return True if it is known which of some rows are visible."""
        return self._all is not None or {i // BLOCK for i in indexes} <= self._blocks.keys()

    def look_up(self, indexes: Iterable[int]) -> None:
        """Find out which of some rows are visible, and of the rows around them.

        Raises:
            StorageError: The inventory cannot be read.
        """
        with self._lock:
            missing = {i // BLOCK for i in indexes} - self._blocks.keys()
            if self._all is not None or self._match is None:
                return
            if len(self._blocks) + len(missing) > BLOCKS or len(self) <= BLOCK:
                self._all = self._match(self.granted)
                self._blocks = {}
                return
            found = {b: self._match(self.granted.slice(b * BLOCK, BLOCK)) for b in missing}
            self._blocks = self._blocks | found

    def take(self, indexes: Sequence[int]) -> pa.Table:
        """Return known rows; a row whose address is NULL is visible no more.

        Raises:
            KeyError: Rows that were not looked up.
        """
        if self._all is not None:
            return self._all.take(pa.array(indexes, pa.int64()))
        blocks = self._blocks
        wanted = sorted({i // BLOCK for i in indexes})
        # Only the last block of a grant is shorter, and it comes last here too.
        starts = {b: n * BLOCK for n, b in enumerate(wanted)}
        places = [starts[i // BLOCK] + i % BLOCK for i in indexes]
        rows = pa.concat_tables([blocks[b] for b in wanted] or [self.granted.slice(0, 0)])
        return rows.take(pa.array(places, pa.int64()))

    def part(self, first: int, count: int) -> pa.Table:
        """Return known rows that follow each other; see `take`."""
        if self._all is not None:
            return self._all.slice(first, count)
        return self.take(range(first, min(first + count, len(self))))
