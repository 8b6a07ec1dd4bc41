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

import numpy as np
import pyarrow as pa

from jupyter_govdata.model.wire import canonical_json
from jupyter_govdata.stamps.cells import cells_of, type_form
from jupyter_govdata.stamps.fold import fold

VERSION = "v1"

_BLOCK_ROWS = 1 << 16
_BLOCK_BYTES = 1 << 21
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
    first = second = start = 0
    for batch in table.to_batches(max_chunksize=_block(table)):
        cells = [cells_of(column) for column in batch.columns]
        if ordered:
            place = np.arange(start, start + batch.num_rows, dtype=np.uint64)
            cells.append((place, np.zeros(1, np.uint64)))
        rows = fold(batch.num_rows, cells)
        first = (first + int(rows[0].sum(dtype=np.uint64))) % _MODULUS
        second = (second + int(rows[1].sum(dtype=np.uint64))) % _MODULUS
        start += batch.num_rows
    header = {
        "columns": [[field.name, type_form(field.type)] for field in table.schema],
        "ordered": ordered,
        "rows": table.num_rows,
        "sum": f"{first:016x}{second:016x}",
    }
    return f"{VERSION}:{hashlib.sha256(canonical_json(header)).hexdigest()}"


def _block(table: pa.Table) -> int:
    """Rows worked on at a time: few enough to stay in the processor's cache."""
    width = max(1, int(table.nbytes) // max(1, int(table.num_rows)))
    return max(1, min(_BLOCK_ROWS, _BLOCK_BYTES // width))
