"""A plan cut into parts that several streams read at the same time: disjoint and complete.

Runs in the gateway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jupyter_govdata.model.plan import DataFile

LEAD_ROWS = 16_384
"""Rows of a batch, at most, while a large scan reads its first row group."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one data file.

    Args:
        file: The file.
        start: First row, 0-based.
        stop: Row after the last.
        groups: The row groups that hold exactly these rows; None means the whole file.
    """

    file: DataFile
    start: int
    stop: int
    groups: tuple[int, ...] | None = None

    @property
    def whole(self) -> bool:
        """True if these are all rows of the file."""
        return self.groups is None


def pieces(
    files: Sequence[DataFile], part: tuple[int, int], groups_of: Callable[[DataFile], Sequence[int]]
) -> list[Piece]:
    """Return what one part reads, in the order of the files.

    Args:
        files: All files of the plan.
        part: Number of the part (from 0) and how many there are.
        groups_of: Rows of each row group of a file; asked only where files must be cut.

    Raises:
        ValueError: There is no such part.
    """
    number, count = part
    if not 0 <= number < count:
        raise ValueError("there is no such part")
    units = [Piece(f, 0, f.rows) for f in files]
    if count == 1:
        return units
    if len(files) < 4 * count:
        units = [unit for f in files for unit in _by_group(f, groups_of(f))]
    total = max(sum(u.stop - u.start for u in units), 1)
    chosen: list[Piece] = []
    before = 0
    for unit in units:
        if before * count // total == number:
            chosen.append(unit)
        before += unit.stop - unit.start
    return _joined(chosen)


def led(
    chosen: Sequence[Piece], groups_of: Callable[[DataFile], Sequence[int]]
) -> tuple[Piece, list[Piece]]:
    """Return the first row group of `chosen` as a piece of its own, and the rest.

    Args:
        chosen: At least one piece.
        groups_of: Rows of each row group of a file.
    """
    first, rest = chosen[0], list(chosen[1:])
    rows = groups_of(first.file)
    groups = tuple(range(len(rows))) if first.groups is None else first.groups
    if len(groups) <= 1:
        return first, rest
    cut = first.start + rows[groups[0]]
    lead = Piece(first.file, first.start, cut, groups[:1])
    return lead, [Piece(first.file, cut, first.stop, groups[1:]), *rest]


def _by_group(file: DataFile, groups: Sequence[int]) -> list[Piece]:
    if len(groups) <= 1:
        return [Piece(file, 0, file.rows)]
    found: list[Piece] = []
    start = 0
    for index, rows in enumerate(groups):
        found.append(Piece(file, start, start + rows, (index,)))
        start += rows
    return found


def _joined(units: list[Piece]) -> list[Piece]:
    """Put neighbouring row groups of one file together."""
    found: list[Piece] = []
    for unit in units:
        last = found[-1] if found else None
        if last is not None and last.file is unit.file and last.groups and unit.groups:
            found[-1] = Piece(last.file, last.start, unit.stop, last.groups + unit.groups)
        else:
            found.append(unit)
    return found
