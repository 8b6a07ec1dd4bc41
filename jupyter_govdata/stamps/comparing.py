"""Two results compared row by row: exactly, and within a tolerance that somebody states.

Pure; runs where both tables are at hand, as after a rerun. A stamp alone can say that results
are equal or not; how far apart numbers are is only told by the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jupyter_govdata.stamps.cells import cells_of, type_form
from jupyter_govdata.stamps.fold import U64, fold

EXACT, WITHIN, DIFFERENT = "exact", "within tolerance", "different"

_MATCHED_ROWS = 64
"""Rows alike but for numbers are matched in the best way up to so many."""

_BLOCK_ROWS = 1 << 16
_ROW = np.dtype([("first", np.uint64), ("second", np.uint64)])


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far apart two floating-point numbers may be and count as equal.

    ``abs(x - y) <= absolute + relative * max(abs(x), abs(y))``; NaN equals NaN, an infinity
    only itself. Decimals, integers and floats inside lists or structs are compared exactly.
    """

    absolute: float = 0.0
    relative: float = 0.0

    def holds(self, x: Any, y: Any) -> NDArray[np.bool_]:
        """Return where two arrays of doubles are equal enough."""
        with np.errstate(all="ignore"):
            limit = self.absolute + self.relative * np.maximum(np.abs(x), np.abs(y))
            near = np.isfinite(x) & np.isfinite(y) & (np.abs(x - y) <= limit)
        found: NDArray[np.bool_] = near | (x == y) | (np.isnan(x) & np.isnan(y))
        return found


@dataclass(frozen=True, slots=True)
class Difference:
    """What two results differ in.

    Args:
        verdict: ``exact``, ``within tolerance`` or ``different``.
        columns: Columns that one of them lacks or has in another type or place, sorted.
        rows: Rows of the first and of the second.
        removed: Rows of the first that the second lacks, each as often as it is missing; -1
            where the columns differ.
        added: The same, the other way round.
        moved: The rows are the same in another order, and the order is part of the result.
        deviation: Largest absolute difference of two numbers that were taken for equal.
    """

    verdict: str
    columns: tuple[str, ...] = ()
    rows: tuple[int, int] = (0, 0)
    removed: int = 0
    added: int = 0
    moved: bool = False
    deviation: float = 0.0


def compare_tables(
    a: pa.Table, b: pa.Table, *, ordered: bool, tolerance: Tolerance | None = None
) -> Difference:
    """Compare two results.

    Without keys a changed row is one removed and one added. With a tolerance, rows that are alike
    but for floats are paired first: in order if `ordered`; else in the best way up to 64 such
    rows, and in the order of their numbers above that. So of many such rows with several floats,
    some may be called different that a better pairing would accept, never the other way round.

    Args:
        a: The first result.
        b: The second.
        ordered: The order of rows is part of the result.
        tolerance: For floats; exact without one.

    Raises:
        StampError: A column has a type that no digest is defined for.

    >>> a, b = pa.table({"x": [0.1 + 0.2]}), pa.table({"x": [0.3]})
    >>> compare_tables(a, b, ordered=False).verdict
    'different'
    >>> compare_tables(a, b, ordered=False, tolerance=Tolerance(relative=1e-9)).verdict
    'within tolerance'
    """
    rows = (int(a.num_rows), int(b.num_rows))
    columns = _columns(a, b)
    if columns:
        return Difference(DIFFERENT, columns, rows, -1, -1)
    ours, theirs = _rows(a), _rows(b)
    left, right = _unmatched(ours, theirs)
    moved = ordered and not len(left) and not len(right) and not bool((ours == theirs).all())
    if not (len(left) or len(right) or moved):
        return Difference(EXACT, (), rows)
    if tolerance is not None and rows[0] == rows[1]:
        # Rows that are equal may have to be paired with others, so that all find one.
        every = np.arange(a.num_rows)
        for ones, others in [(every, every)] if ordered else [(every, every), (left, right)]:
            pairs = _pairs(a, b, ones, others, ordered, tolerance)
            if pairs is not None:
                return Difference(WITHIN, (), rows, deviation=_deviation(a, b, *pairs))
    return Difference(DIFFERENT, (), rows, len(left), len(right), moved)


def _columns(a: pa.Table, b: pa.Table) -> tuple[str, ...]:
    ours = [(f.name, repr(type_form(f.type))) for f in a.schema]
    theirs = [(f.name, repr(type_form(f.type))) for f in b.schema]
    if ours == theirs:
        return ()
    changed = {name for name, _ in set(ours) ^ set(theirs)}
    return tuple(sorted(changed or {name for name, _ in ours}))


def _rows(table: pa.Table) -> NDArray[Any]:
    """Return what stands for each row: equal for equal rows, as the digest has it."""
    made = np.empty(table.num_rows, _ROW)
    at = 0
    for batch in table.to_batches(max_chunksize=_BLOCK_ROWS):
        words: tuple[U64, U64] = fold(batch.num_rows, [cells_of(c) for c in batch.columns])
        part = made[at : at + batch.num_rows]
        part["first"], part["second"] = words
        at += batch.num_rows
    return made


def _unmatched(ours: NDArray[Any], theirs: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the places of rows that the other side has not, or not so often."""
    _, kinds = np.unique(np.concatenate([ours, theirs]), return_inverse=True)
    kinds = kinds.reshape(-1)
    left, right = kinds[: len(ours)], kinds[len(ours) :]
    size = int(kinds.max(initial=-1)) + 1
    both = np.minimum(np.bincount(left, minlength=size), np.bincount(right, minlength=size))
    return _beyond(left, both), _beyond(right, both)


def _beyond(kinds: NDArray[Any], both: NDArray[Any]) -> NDArray[Any]:
    """Return places whose kind came up as often as `both` sides have it already."""
    order = np.argsort(kinds, kind="stable")
    ranked = kinds[order]
    starts = np.searchsorted(ranked, ranked, side="left")
    rank = np.arange(len(ranked)) - starts
    found: NDArray[Any] = np.sort(order[rank >= both[ranked]])
    return found


# -- tolerance -----------------------------------------------------------------------------------

Pairs = tuple[NDArray[Any], NDArray[Any]]


def _pairs(
    a: pa.Table,
    b: pa.Table,
    left: NDArray[Any],
    right: NDArray[Any],
    ordered: bool,
    tolerance: Tolerance,
) -> Pairs | None:
    """Return rows of `a` and of `b` that are equal enough, so that all are paired; else None."""
    rest = [i for i, f in enumerate(a.schema) if not pa.types.is_floating(f.type)]
    ours, theirs = a.select(rest).take(pa.array(left)), b.select(rest).take(pa.array(right))
    keys = (_rows(ours), _rows(theirs)) if rest else (_none(len(left)), _none(len(right)))
    numbers = _numbers(a, left), _numbers(b, right)
    if ordered:
        same = bool((keys[0] == keys[1]).all()) and _close(*numbers, tolerance)
        return (left, right) if same else None
    _, kinds = np.unique(np.concatenate(keys), return_inverse=True)
    kinds = kinds.reshape(-1)
    left_kinds, right_kinds = kinds[: len(left)], kinds[len(left) :]
    if not np.array_equal(np.sort(left_kinds), np.sort(right_kinds)):
        return None
    chosen = [
        np.lexsort((*numbers[0].T[::-1], left_kinds)),
        np.lexsort((*numbers[1].T[::-1], right_kinds)),
    ]
    starts = np.flatnonzero(np.diff(left_kinds[chosen[0]], prepend=-1))
    for at, end in zip(starts, [*starts[1:], len(left)], strict=True):
        ours_, theirs_ = chosen[0][at:end], chosen[1][at:end]
        if _close(numbers[0][ours_], numbers[1][theirs_], tolerance):
            continue
        matched = _matching(numbers[0][ours_], numbers[1][theirs_], tolerance)
        if matched is None:
            return None
        chosen[1][at:end] = theirs_[matched]
    return left[chosen[0]], right[chosen[1]]


def _none(count: int) -> NDArray[Any]:
    return np.zeros(count, _ROW)


def _numbers(table: pa.Table, places: NDArray[Any]) -> NDArray[np.float64]:
    """Return the floats of some rows, a column each and one more that says which are NULL."""
    floats = [c for c in table.columns if pa.types.is_floating(c.type)]
    made = np.zeros((len(places), 2 * len(floats)))
    for i, column in enumerate(floats):
        taken = column.cast(pa.float64()).take(pa.array(places))
        made[:, 2 * i] = pc.fill_null(taken, 0.0).to_numpy()
        made[:, 2 * i + 1] = taken.is_null().to_numpy()
    return made


def _close(x: NDArray[Any], y: NDArray[Any], tolerance: Tolerance) -> bool:
    """Return whether all numbers are close, and NULL where the others are NULL."""
    return bool(
        np.array_equal(x[:, 1::2], y[:, 1::2]) and tolerance.holds(x[:, ::2], y[:, ::2]).all()
    )


def _matching(x: NDArray[Any], y: NDArray[Any], tolerance: Tolerance) -> NDArray[Any] | None:
    """Return, for each row of `x`, another row of `y` that is close; None if there is no such."""
    if len(x) > _MATCHED_ROWS:
        return None
    near = np.array([[_close(one[None], other[None], tolerance) for other in y] for one in x])
    taken: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for other in np.flatnonzero(near[row]).tolist():
            if other in tried:
                continue
            tried.add(other)
            if other not in taken or place(taken[other], tried):
                taken[other] = row
                return True
        return False

    if not all(place(row, set()) for row in range(len(x))):
        return None
    matched = np.empty(len(x), np.int64)
    for other, row in taken.items():
        matched[row] = other
    return matched


def _deviation(a: pa.Table, b: pa.Table, left: NDArray[Any], right: NDArray[Any]) -> float:
    with np.errstate(all="ignore"):
        apart = np.abs(_numbers(a, left) - _numbers(b, right))
    return float(np.max(apart, initial=0.0, where=np.isfinite(apart)))
