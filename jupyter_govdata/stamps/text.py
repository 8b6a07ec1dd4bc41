"""Text and bytes as cells of two 64-bit words, by vectors over Arrow's buffers.

Pure; runs in the kernel; trusts nothing. `docs/reference/stamp.md` specifies the encoding, so
a change here is a new digest version.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jupyter_govdata.stamps.fold import Cells, absorb, begin, close

LONG_BYTES = 256
"""Text and bytes longer than this are hashed by BLAKE2b."""

types = pa.types


def blake(data: bytes) -> tuple[int, int]:
    """Return BLAKE2b of 16 bytes as two little-endian words."""
    raw = hashlib.blake2b(data, digest_size=16).digest()
    return int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:], "little")


def text_cells(array: pa.Array) -> Cells:
    """Return the cells of text or bytes in any layout; NULL slots count as empty."""
    kind = array.type
    if types.is_string_view(kind) or types.is_binary_view(kind):
        array = array.cast(pa.large_binary())
        kind = array.type
    count = len(array)
    if types.is_fixed_size_binary(kind):
        starts = (np.arange(count, dtype=np.int64) + array.offset) * kind.byte_width
        lengths = np.full(count, kind.byte_width, np.int64)
        data = array.buffers()[1]
    else:
        wide = types.is_large_string(kind) or types.is_large_binary(kind)
        _, offsets, data = array.buffers()
        if offsets is None or count == 0:
            return begin(count)
        bounds = np.frombuffer(
            offsets, np.int64 if wide else np.int32, count + 1, array.offset * (8 if wide else 4)
        ).astype(np.int64)
        starts, lengths = bounds[:-1], np.diff(bounds)
    if array.null_count:
        lengths = np.where(array.is_valid().to_numpy(zero_copy_only=False), lengths, 0)
    return _bytes(data, starts, lengths)


def _bytes(data: pa.Buffer | None, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> Cells:
    count = len(starts)
    if data is None or not count:
        raw, base = np.zeros(8, np.uint8), 0
    else:
        base = int(starts.min())
        used = int((starts + lengths).max()) - base
        raw = np.zeros(used + 8, np.uint8)  # 8 more, so that the last word can be read whole
        raw[:used] = np.frombuffer(data, np.uint8, used, base)
    steps = np.where(lengths > LONG_BYTES, 0, (lengths + 7) >> 3).astype(np.uint8)
    order = np.argsort(steps, kind="stable")[::-1]
    states = _short_bytes(raw, (starts - base)[order], lengths[order], steps)
    first, second = np.empty(count, np.uint64), np.empty(count, np.uint64)
    first[order], second[order] = states
    for i in np.flatnonzero(lengths > LONG_BYTES).tolist():
        at = int(starts[i]) - base
        first[i], second[i] = blake(raw[at : at + int(lengths[i])].tobytes())
    return first, second


def _short_bytes(
    raw: NDArray[np.uint8],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    steps: NDArray[np.uint8],
) -> Cells:
    """Fold the words of byte strings that are sorted by falling number of words."""
    words = np.ndarray((len(raw) - 7,), "<u8", raw.data, strides=(1,))
    state, scratch = begin(len(starts)), np.empty(len(starts), np.uint64)
    longer = len(starts) - np.cumsum(np.bincount(steps, minlength=1))
    for k in range(len(longer) - 1):
        n = int(longer[k])
        word = words[starts[:n] + 8 * k].astype(np.uint64)
        unused = (np.maximum(8 * (k + 1) - lengths[:n], 0) * 8).astype(np.uint64)
        word = (word << unused) >> unused
        cell = word, lengths[:n].astype(np.uint64)
        absorb((state[0][:n], state[1][:n]), cell, scratch[:n])
    close(state, scratch)
    return state
