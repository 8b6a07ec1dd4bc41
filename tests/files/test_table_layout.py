"""What is fetched of a data file."""

from __future__ import annotations

from jupyter_govdata.files.table_layout import merged


def test_ranges_near_each_other_are_read_as_one() -> None:
    assert merged([(0, 10), (600_000, 5), (20, 5)]) == [(0, 25), (600_000, 5)]
    assert merged([(0, 20 << 20)]) == [(0, 8 << 20), (8 << 20, 8 << 20), (16 << 20, 4 << 20)]
