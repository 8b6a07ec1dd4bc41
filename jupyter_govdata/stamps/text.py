"""Text and bytes as cells of two 64-bit words, by vectors over Arrow's buffers.

Pure; runs in the kernel; trusts nothing. `docs/reference/stamp.md` specifies the encoding, so
a change here is a new digest version.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jupyter_govdata.stamps.fold import (
    U64,
    Cells,
    absorb,
    absorb_first,
    begin,
    close,
    fold,
    fold_one,
)

LONG_BYTES = 256
"""Text and bytes longer than this are hashed by BLAKE2b."""

_SAMPLED_ROWS = 1 << 11
_FEW_VALUES = 32
_STRIDE_WORDS = 8
_STRIDE_BYTES = 8 * _STRIDE_WORDS

types = pa.types


def blake(data: bytes | memoryview) -> tuple[int, int]:
    """Return BLAKE2b of 16 bytes as two little-endian words."""
    raw = hashlib.blake2b(data, digest_size=16).digest()
    return int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:], "little")


def text_words(data: bytes) -> tuple[int, int]:
    """Return the two words of one text."""
    size = len(data)
    if size > LONG_BYTES:
        return blake(data)
    return fold_one((int.from_bytes(data[i : i + 8], "little"), size) for i in range(0, size, 8))


def text_cells(array: pa.Array) -> Cells:
    """Return the cells of text or bytes in any layout; NULL slots count as empty."""
    kind = array.type
    if types.is_string_view(kind) or types.is_binary_view(kind):
        array = array.cast(pa.large_binary())
        kind = array.type
    count = len(array)
    if count >= _SAMPLED_ROWS and _repeats(array):
        # Codes and names repeat: what a value becomes is computed once a block.
        encoded = array.dictionary_encode()
        places = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        if len(encoded.dictionary):
            first, second = _distinct(encoded.dictionary)
            return first.take(places), second.take(places)
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
        lengths = lengths * array.is_valid().to_numpy(zero_copy_only=False)
    return _bytes(data, starts, lengths)


def _repeats(array: pa.Array) -> bool:
    sample = array.slice(0, _SAMPLED_ROWS // 8)
    return len(sample.unique()) <= len(sample) // 8


def _distinct(values: pa.Array) -> Cells:
    if len(values) > _FEW_VALUES:
        return text_cells(values)
    words = [text_words(v) for v in values.cast(pa.large_binary()).to_pylist()]
    first, second = np.array(words, np.uint64).T
    return first, second


def _bytes(data: pa.Buffer | None, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> Cells:
    count = len(starts)
    # NULL slots have length 0; starts never fall, so the last slot ends what is used.
    base = int(starts[0]) if count else 0
    used = int((starts + lengths).max()) - base if count else 0
    raw = np.empty(used + _STRIDE_BYTES, np.uint8)  # a stride may reach beyond the last string
    raw[used:] = 0
    if data is not None and used > 0:
        raw[:used] = np.frombuffer(data, np.uint8, used, base)
    starts = starts - base
    longest, shortest = int(lengths.max(initial=0)), int(lengths.min(initial=LONG_BYTES))
    if 0 < longest == shortest <= LONG_BYTES and used == count * longest:
        return _equal_bytes(raw[:used].reshape(count, longest))
    counts = np.where(lengths > LONG_BYTES, 0, (lengths + 7) >> 3).astype(np.uint8)
    if longest <= LONG_BYTES and int(counts.min(initial=255)) == int(counts.max(initial=0)):
        return _short_bytes(raw, starts, lengths, counts)
    order = np.argsort(counts, kind="stable")[::-1]
    states = _short_bytes(raw, starts.take(order), lengths.take(order), counts)
    first, second = np.empty(count, np.uint64), np.empty(count, np.uint64)
    first[order], second[order] = states
    if longest > LONG_BYTES:
        at = np.flatnonzero(lengths > LONG_BYTES)
        first[at], second[at] = _long_bytes(raw.data, starts[at], lengths[at])
    return first, second


def _long_bytes(
    data: memoryview, starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> NDArray[np.uint64]:
    blake2b = hashlib.blake2b
    ends = (starts + lengths).tolist()
    hashed = b"".join(
        [
            blake2b(data[at:end], digest_size=16).digest()
            for at, end in zip(starts.tolist(), ends, strict=True)
        ]
    )
    return np.frombuffer(hashed, "<u8").reshape(-1, 2).T


def _equal_bytes(raw: NDArray[np.uint8]) -> Cells:
    """Fold byte strings of one length, such as barcodes: a row each, nothing to look up."""
    count, length = raw.shape
    if length % 8:
        padded = np.zeros((count, (length + 7) & ~7), np.uint8)
        padded[:, :length] = raw
        raw = padded
    words, size = raw.view(np.uint64), np.full(1, length, np.uint64)
    return fold(count, ((words[:, k], size) for k in range(words.shape[1])))


def _short_bytes(
    raw: NDArray[np.uint8],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    counts: NDArray[np.uint8],
) -> Cells:
    """Fold the words of byte strings that are sorted by falling number of words.

    Args:
        raw: The bytes, and one stride more than the strings reach into.
        starts: Byte at which each string starts.
        lengths: Bytes of each string.
        counts: Words of each string, in any order.
    """
    count = len(starts)
    longer = (count - np.cumsum(np.bincount(counts, minlength=1))).tolist()
    state, scratch = begin(count), np.empty(count, np.uint64)
    size = lengths.astype(np.uint64)
    unused = ((-lengths & 7) << 3).astype(np.uint64)
    step = absorb_first
    for k in range(len(longer) - 1):
        n, rest, place = longer[k], longer[k + 1], k % _STRIDE_WORDS
        if not place:
            words = _strides(raw, starts[:n] + 8 * k, len(longer) - 1 - k)
        word = words[:n, place]
        last = word[rest:]
        np.left_shift(last, unused[rest:n], out=last)
        np.right_shift(last, unused[rest:n], out=last)
        step((state[0][:n], state[1][:n]), (word, size[:n]), scratch[:n])
        step = absorb
    close(state, scratch)
    return state


def _strides(raw: NDArray[np.uint8], starts: NDArray[np.int64], words: int) -> U64:
    """Return the words that follow each place, a row each: all of them or a stride.

    A string starts at any byte. One copy of several words costs no more than that of one.
    """
    width = min(words, _STRIDE_WORDS)
    places = np.ndarray((len(raw) - 8 * width + 1,), f"V{8 * width}", raw, strides=(1,))
    return places[starts].view(np.uint64).reshape(len(starts), width)
