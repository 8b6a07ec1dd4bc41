"""The arithmetic of the result digest: 128-bit states that absorb 128-bit cells, vectorised.

Pure; runs in the kernel; trusts nothing. `docs/reference/stamp.md` specifies it, so a change
here is a new digest version. Every step is one pass of NumPy over a block that fits the
processor's cache; NumPy lets other threads run meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]
Cells = tuple[U64, U64]
"""Two words a cell. The second may be one word for all cells (shape ``(1,)``)."""

START = (0x243F6A8885A308D3, 0x13198A2E03707344)
"""State before the first cell: the first 128 bits of pi's fraction."""

ALL = 2**64 - 1
"""A word of ones."""

NOTHING: U64 = np.zeros(1, np.uint64)
"""Second word of cells that need one word only."""

_A, _B = np.uint64(START[0]), np.uint64(START[1])
_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def mix(x: U64, scratch: U64) -> None:
    """Replace every word by its image under the finaliser of SplitMix64, a bijection."""
    np.right_shift(x, _S30, out=scratch)
    np.bitwise_xor(x, scratch, out=x)
    np.multiply(x, _M1, out=x)
    np.right_shift(x, _S27, out=scratch)
    np.bitwise_xor(x, scratch, out=x)
    np.multiply(x, _M2, out=x)
    np.right_shift(x, _S31, out=scratch)
    np.bitwise_xor(x, scratch, out=x)


def begin(count: int) -> Cells:
    """Return `count` start states."""
    return np.full(count, _A), np.full(count, _B)


def absorb(state: Cells, cell: Cells, scratch: U64) -> None:
    """Absorb one cell into every state, in place; for a given cell this is a bijection."""
    a, b = state
    np.bitwise_xor(a, cell[0], out=a)
    np.add(a, b, out=a)
    mix(a, scratch)
    if cell[1] is not NOTHING:
        np.add(b, cell[1], out=b)
    np.bitwise_xor(b, a, out=b)
    mix(b, scratch)


def absorb_first(state: Cells, cell: Cells, scratch: U64) -> None:
    """Write what the start states become by their first cell into `state`, in place."""
    a, b = state
    np.bitwise_xor(cell[0], _A, out=a)
    np.add(a, _B, out=a)
    mix(a, scratch)
    if cell[1] is NOTHING:
        np.bitwise_xor(a, _B, out=b)
    else:
        np.add(cell[1], _B, out=b)
        np.bitwise_xor(b, a, out=b)
    mix(b, scratch)


def close(state: Cells, scratch: U64) -> None:
    """Let the first word depend on the whole last cell too, in place."""
    np.add(state[0], state[1], out=state[0])
    mix(state[0], scratch)


def fold(count: int, cells: Iterable[Cells]) -> Cells:
    """Return the closed states of `count` sequences of cells, given column by column."""
    state = np.empty(count, np.uint64), np.empty(count, np.uint64)
    scratch, step = np.empty(count, np.uint64), absorb_first
    for cell in cells:
        step(state, cell, scratch)
        step = absorb
    if step is absorb_first:
        state = begin(count)
    close(state, scratch)
    return state


def fold_one(cells: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """Return the closed state of one sequence of cells; for a few, vectors start too slowly."""
    a, b = START
    for u, v in cells:
        a = _mix_one(((a ^ u) + b) & ALL)
        b = _mix_one(((b + v) & ALL) ^ a)
    return _mix_one((a + b) & ALL), b


def _mix_one(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & ALL
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & ALL
    return x ^ (x >> 31)


def segment_sums(words: U64, lengths: NDArray[np.int64]) -> U64:
    """Return the sum modulo 2^64 of each run of `lengths[i]` words."""
    ends = np.cumsum(lengths)
    running = np.zeros(len(words) + 1, np.uint64)
    np.cumsum(words, out=running[1:])
    sums: U64 = running[ends] - running[ends - lengths]
    return sums
