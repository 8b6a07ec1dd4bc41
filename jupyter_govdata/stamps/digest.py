"""The digest of a result: equal results give equal digests, on every machine and layout.

Pure; runs in the kernel; trusts nothing. The format is specified in `docs/reference/stamp.md`.

What it guarantees: two results with equal column names, logical types and rows (in any order,
unless `ordered`) have equal digests. Two results that differ by accident have different digests
but for one chance in about 2^128. It is **not** made against an adversary, who could build two
tables with one digest; what must not be forged is signed in the receipts. A digest of a small
result can be guessed, so it is as confidential as the result.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from jupyter_govdata.model.wire import canonical_json
from jupyter_govdata.stamps.cells import cells_of, type_form
from jupyter_govdata.stamps.fold import NOTHING, fold
from jupyter_govdata.stamps.scalar import row_sums

VERSION = "v1"

_BLOCK_ROWS = 1 << 16
_BLOCK_BYTES = 1 << 22
_FEW_CELLS = 32
"""So many are done one by one: vectors would take longer to start."""

_THREADED_BYTES = 1 << 22
"""A table below this size is done before threads have started."""

_THREADS = min(4, os.cpu_count() or 1)
_PARTS_PER_THREAD = 8
_MODULUS = 2**64


def result_digest(table: pa.Table, *, ordered: bool) -> str:
    """Return the digest of a table, ``v1:`` and 64 hexadecimal digits.

    Args:
        table: The result.
        ordered: The order of rows is part of the result (the query has ORDER BY).

    Raises:
        StampError: A column has a type that the digest does not define.

    >>> one = pa.table({"x": pa.array([1, None], pa.int8())})
    >>> other = pa.table({"x": pa.array([None, 1], pa.int64())})
    >>> result_digest(one, ordered=False) == result_digest(other, ordered=False)
    True
    """
    columns = [[field.name, type_form(field.type)] for field in table.schema]
    first, second = _sums(table, ordered)
    header = {
        "columns": columns,
        "ordered": ordered,
        "rows": table.num_rows,
        "sum": f"{first:016x}{second:016x}",
    }
    return f"{VERSION}:{hashlib.sha256(canonical_json(header)).hexdigest()}"


def _sums(table: pa.Table, ordered: bool) -> tuple[int, int]:
    """Return the sums of the rows' words; sums, so parts may be done in any order."""
    rows = int(table.num_rows)
    if rows * table.num_columns <= _FEW_CELLS:
        return row_sums(table, ordered)
    size = int(table.nbytes)
    if size < _THREADED_BYTES or _THREADS == 1:
        return _part(table, 0, ordered, size)
    length = max(1, -(-rows // (_THREADS * _PARTS_PER_THREAD)))
    with ThreadPoolExecutor(_THREADS, "govdata-digest") as pool:
        try:
            parts = list(
                pool.map(
                    lambda at: _part(table.slice(at, length), at, ordered, size * length // rows),
                    range(0, rows, length),
                )
            )
        except BaseException:
            pool.shutdown(cancel_futures=True)  # an interrupt does not wait for the rest
            raise
    return sum(p[0] for p in parts) % _MODULUS, sum(p[1] for p in parts) % _MODULUS


def _part(table: pa.Table, start: int, ordered: bool, size: int) -> tuple[int, int]:
    first = second = 0
    for batch in _blocks(table, size):
        cells = [cells_of(column) for column in batch.columns]
        if ordered:
            cells.append((np.arange(start, start + batch.num_rows, dtype=np.uint64), NOTHING))
        rows = fold(batch.num_rows, cells)
        first = (first + int(rows[0].sum(dtype=np.uint64))) % _MODULUS
        second = (second + int(rows[1].sum(dtype=np.uint64))) % _MODULUS
        start += batch.num_rows
    return first, second


def _blocks(table: pa.Table, size: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows a block at a time: few enough to stay in the processor's cache."""
    width = max(1, size // max(1, int(table.num_rows)))
    block = max(1, min(_BLOCK_ROWS, _BLOCK_BYTES // width))
    # A vector of few words costs more to start than it takes, so small chunks are put together.
    if table.num_columns and all(map(_is_flat, table.schema.types)):
        chunks = max(column.num_chunks for column in table.columns)
        if chunks * block > 2 * table.num_rows + block:
            table = table.combine_chunks()
    yield from table.to_batches(max_chunksize=block)


def _is_flat(kind: pa.DataType) -> bool:
    return bool(pa.types.is_primitive(kind) or pa.types.is_string(kind) or pa.types.is_binary(kind))
