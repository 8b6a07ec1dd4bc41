"""The digest's words of a few cells, one at a time: a vector costs more to start than they take.

Pure; runs in the kernel; trusts nothing. `docs/reference/stamp.md` specifies the encoding, so
a change here is a new digest version.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pyarrow as pa

from jupyter_govdata.stamps.cells import NULL_WORD, cells_of, decimal_words
from jupyter_govdata.stamps.fold import ALL, fold_one
from jupyter_govdata.stamps.text import text_words

Words = tuple[int, int]

_NAN = 0x7FF8000000000000
_NULL = (0, NULL_WORD)

types = pa.types


def row_sums(table: pa.Table, ordered: bool) -> Words:
    """Return the sums of the rows' words, modulo 2^64.

    Args:
        table: A small one.
        ordered: The order of rows is part of the result.
    """
    columns = [_words(column) for column in table.columns]
    first = second = 0
    for i in range(table.num_rows):
        cells = [column[i] for column in columns]
        a, b = fold_one([*cells, (i, 0)] if ordered else cells)
        first, second = first + a, second + b
    return first & ALL, second & ALL


def _words(column: pa.ChunkedArray) -> list[Words]:
    encode = _encoder(column.type)
    if encode is not None:
        try:
            return [_NULL if v is None else encode(v) for v in column.to_pylist()]
        except UnicodeDecodeError:
            pass  # bytes that somebody calls text: the vectors do not look
    found: list[Words] = []
    for chunk in column.chunks:
        first, second = cells_of(chunk)
        seconds = second.tolist() * (len(first) if len(second) == 1 else 1)
        found += zip(first.tolist(), seconds, strict=False)
    return found


@lru_cache(maxsize=256)
def _encoder(kind: pa.DataType) -> Callable[[Any], Words] | None:
    if isinstance(kind, pa.BaseExtensionType):
        return None  # its Python values may be of any class
    for holds, encode in (
        (types.is_integer, _int),
        (types.is_floating, _float),
        (types.is_boolean, _bool),
        (types.is_decimal, decimal_words),
        (types.is_string, _text),
        (types.is_large_string, _text),
        (types.is_string_view, _text),
    ):
        if holds(kind):
            return encode
    return None


def _int(value: int) -> Words:
    return value & ALL, ALL if value < 0 else 0


def _bool(value: bool) -> Words:
    return int(value), 0


def _float(value: float) -> Words:
    value = float(value)
    if math.isnan(value):
        return _NAN, 0
    return struct.unpack("<Q", struct.pack("<d", value + 0.0))[0], 0


def _text(value: str) -> Words:
    return text_words(value.encode())
