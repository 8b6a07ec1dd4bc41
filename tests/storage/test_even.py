"""Sizes of batches follow from the rows alone, however the rows arrived."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from jupyter_govdata.storage.even import BYTES, FIRST_ROWS, ROWS, even


def cut(table: pa.Table, seed: int) -> list[pa.RecordBatch]:
    """Return a table as batches of random sizes, empty ones among them."""
    rng = random.Random(seed)
    found, start = [], 0
    for whole in table.combine_chunks().to_batches():
        while start < whole.num_rows:
            size = rng.choice((0, 1, 7, 1_000, 1_024, 5_000, 80_000))
            found.append(whole.slice(start, size))
            start += size
    return found


TABLES = {
    "numbers": pa.table({"n": range(200_000)}),
    "texts": pa.table({"t": [str(i) * (i % 7) for i in range(150_000)]}),
    "wide": pa.table({"t": ["x" * 5_000] * 12_000}),
    "broad": pa.table({f"c{i}": pa.array(range(20_000), pa.int64()) for i in range(300)}),
    "few": pa.table({"n": [1, 2, 3], "t": ["a", None, "c"]}),
    "none": pa.table({"n": pa.array([], pa.int64())}),
}


@pytest.mark.parametrize("name", list(TABLES))
def test_sizes_do_not_depend_on_how_rows_arrive(name: str) -> None:
    table = TABLES[name]
    ways = [list(even(cut(table, seed))) for seed in range(4)]
    assert len({tuple(b.num_rows for b in way) for way in ways}) == 1
    for way in ways:
        assert pa.Table.from_batches(way, table.schema).equals(table)
        assert all(0 < b.num_rows <= ROWS for b in way)
        assert not way or way[0].num_rows == min(FIRST_ROWS, table.num_rows)


def test_wide_rows_come_in_batches_of_bounded_bytes() -> None:
    for name in ("wide", "broad"):
        sizes = [b.nbytes for b in even(cut(TABLES[name], 1))]
        assert len(sizes) > 2
        assert max(sizes) < BYTES + FIRST_ROWS * 5_100


def test_rows_without_columns_are_counted() -> None:
    empty = pa.RecordBatch.from_struct_array(
        pa.StructArray.from_buffers(pa.struct([]), 2_000, [None])
    )
    assert sum(b.num_rows for b in even([empty, empty])) == 4_000
