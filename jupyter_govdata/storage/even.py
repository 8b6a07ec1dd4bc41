"""Batches whose sizes tell nothing of rows that are not in them. Runs in the gateway.

SECURITY: an engine hands over what is left of each block that it read, so the sizes of batches
tell where filtered rows stood, and how many (T31). Here they follow from the rows themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

FIRST_ROWS = 1_024
"""Rows of the first batch, so that a first page does not wait for a large one."""
ROWS = 65_536
BYTES = 16 << 20
"""A batch ends where it has so many rows or, looked at every `FIRST_ROWS`, so many bytes."""


def even(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in the same order; batch sizes depend on the rows alone."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    most = FIRST_ROWS
    for batch in batches:
        usual, plain = _usual(batch.schema)
        start = 0
        while start < batch.num_rows:
            step = most - rows if plain else FIRST_ROWS - rows % FIRST_ROWS
            part = batch.slice(start, step)
            held.append(part)
            start += part.num_rows
            rows += part.num_rows
            size += part.nbytes
            if rows == most or (rows % FIRST_ROWS == 0 and size >= BYTES):
                yield _joined(held)
                held, rows, size, most = [], 0, 0, usual
    if held:
        yield _joined(held)


def _usual(schema: pa.Schema) -> tuple[int, bool]:
    """Return how many rows a batch usually has, and whether all rows have as many bytes."""
    if not all(pa.types.is_primitive(field.type) for field in schema):
        return ROWS, False
    bits = max(sum(field.type.bit_width + 1 for field in schema), 1)
    return max(FIRST_ROWS, min(ROWS, 8 * BYTES // bits)), True


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    return parts[0] if len(parts) == 1 else pa.concat_batches(parts)
