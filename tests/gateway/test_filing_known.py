"""Rows of a grant are looked up where they are asked for, and nowhere unknown is permitted."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_govdata.gateway.filing_known import BLOCK, BLOCKS, Rows

COUNT = BLOCK * (BLOCKS + 4) + 7
GRANTED = pa.table({"n": pa.array(range(COUNT), pa.int64())})


class Visible:
    """Shows even rows only, and remembers how many it was asked about."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, granted: pa.Table) -> pa.Table:
        self.asked.append(granted.num_rows)
        shown = [n if n % 2 == 0 else None for n in granted["n"].to_pylist()]
        return pa.table({"n": pa.array(shown, pa.int64())})


def even(indexes: list[int]) -> list[int | None]:
    return [i if i % 2 == 0 else None for i in indexes]


def test_one_row_is_looked_up_with_those_around_it_only() -> None:
    visible = Visible()
    rows = Rows(GRANTED, visible)
    assert not rows.knows([COUNT - 1])
    rows.look_up([COUNT - 1])
    rows.look_up([COUNT - 2])
    assert visible.asked == [7]
    assert rows.knows([COUNT - 2]) and not rows.knows([0])
    assert rows.part(COUNT - 2, 5)["n"].to_pylist() == even([COUNT - 2, COUNT - 1])


def test_many_rows_are_looked_up_at_once() -> None:
    visible = Visible()
    rows = Rows(GRANTED, visible)
    rows.look_up([5])
    rows.look_up(range(COUNT))
    assert visible.asked == [BLOCK, COUNT]
    assert rows.part(0, COUNT)["n"].to_pylist() == even(list(range(COUNT)))


def test_rows_that_were_not_looked_up_are_not_given() -> None:
    rows = Rows(GRANTED, Visible())
    rows.look_up([0])
    with pytest.raises(KeyError):
        rows.take([0, BLOCK])
    with pytest.raises(KeyError):
        rows.part(BLOCK - 1, 2)


def test_rows_as_they_were_granted_need_no_look_up() -> None:
    rows = Rows(GRANTED)
    assert rows.knows(range(COUNT))
    assert rows.take([3, 1])["n"].to_pylist() == [3, 1]


@given(
    asked=st.lists(st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=6), max_size=8),
)
def test_rows_are_the_same_in_whatever_order_they_are_asked_for(asked: list[list[int]]) -> None:
    rows = Rows(GRANTED, Visible())
    for indexes in asked:
        rows.look_up(indexes)
        assert rows.knows(indexes)
        assert rows.take(indexes)["n"].to_pylist() == even(indexes)
