"""The arithmetic of the result digest: 128-bit states that absorb 128-bit cells, vectorised.

Pure; runs in the kernel; trusts nothing. `docs/reference/stamp.md` specifies it, so a change
here is a new digest version.
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
    return np.full(count, START[0], np.uint64), np.full(count, START[1], np.uint64)


def absorb(state: Cells, cell: Cells, scratch: U64) -> None:
    """Absorb one cell into every state, in place; for a given cell this is a bijection."""
    a, b = state
    np.bitwise_xor(a, cell[0], out=a)
    np.add(a, b, out=a)
    mix(a, scratch)
    np.add(b, cell[1], out=b)
    np.bitwise_xor(b, a, out=b)
    mix(b, scratch)


def close(state: Cells, scratch: U64) -> None:
    """Let the first word depend on the whole last cell too, in place."""
    np.add(state[0], state[1], out=state[0])
    mix(state[0], scratch)


def fold(count: int, cells: Iterable[Cells]) -> Cells:
    """Return the closed states of `count` sequences of cells, given column by column."""
    state, scratch = begin(count), np.empty(count, np.uint64)
    for cell in cells:
        absorb(state, cell, scratch)
    close(state, scratch)
    return state


def segment_sums(words: U64, lengths: NDArray[np.int64]) -> U64:
    """Return the sum modulo 2^64 of each run of `lengths[i]` words."""
    ends = np.cumsum(lengths)
    running = np.zeros(len(words) + 1, np.uint64)
    np.cumsum(words, out=running[1:])
    sums: U64 = running[ends] - running[ends - lengths]
    return sums
