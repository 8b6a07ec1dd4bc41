"""Two results compared: exactly as multisets, and within a tolerance."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import permutations
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_govdata.stamps.comparing import (
    DIFFERENT,
    EXACT,
    WITHIN,
    Tolerance,
    compare_tables,
)
from jupyter_govdata.stamps.digest import result_digest

SCHEMA = pa.schema([("k", pa.int8()), ("t", pa.string())])
ROWS = st.lists(st.tuples(st.none() | st.integers(0, 2), st.sampled_from("ab")), max_size=12)


def table(rows: list[tuple[Any, ...]], schema: pa.Schema = SCHEMA) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema)


@given(ROWS, ROWS, st.booleans())
def test_comparison_counts_rows_as_a_multiset_does(one, other, ordered):
    found = compare_tables(table(one), table(other), ordered=ordered)
    assert found.removed == (Counter(one) - Counter(other)).total()
    assert found.added == (Counter(other) - Counter(one)).total()
    assert found.rows == (len(one), len(other))
    digests = [result_digest(table(rows), ordered=ordered) for rows in (one, other)]
    assert (found.verdict == EXACT) == (digests[0] == digests[1])
    assert found.moved == (ordered and Counter(one) == Counter(other) and one != other)


FLOATS = pa.schema([("k", pa.int8()), ("x", pa.float64()), ("y", pa.float32())])
NUMBERS = st.none() | st.sampled_from([0.0, 1.0, 1.5, 2.0, 100.0, float("nan"), float("inf")])
NEAR = Tolerance(absolute=0.6)


def equal_enough(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    def close(x: Any, y: Any) -> bool:
        if x is None or y is None:
            return x is y
        if x != x or y != y:
            return x != x and y != y
        return x == y or abs(x - y) <= 0.6

    return one[0] == other[0] and all(close(x, y) for x, y in zip(one[1:], other[1:], strict=True))


@given(
    st.lists(st.tuples(st.integers(0, 1), NUMBERS, NUMBERS), max_size=5),
    st.lists(st.tuples(st.integers(0, 1), NUMBERS, NUMBERS), max_size=5),
    st.booleans(),
)
def test_comparison_with_a_tolerance_finds_a_pairing_if_there_is_one(one, other, ordered):
    orders = [other] if ordered else permutations(other)
    there_is = len(one) == len(other) and any(
        all(map(equal_enough, one, order)) for order in orders
    )
    found = compare_tables(
        table(one, FLOATS), table(other, FLOATS), ordered=ordered, tolerance=NEAR
    )
    assert (found.verdict in (EXACT, WITHIN)) == there_is


def test_comparison_of_sums_in_another_order_is_within_tolerance():
    one = pa.table({"arm": ["A", "B"], "mean": [0.1 + 0.2, 7.0]})
    other = pa.table({"arm": ["B", "A"], "mean": [7.0, 0.3]})
    assert compare_tables(one, other, ordered=False).verdict == DIFFERENT
    found = compare_tables(one, other, ordered=False, tolerance=Tolerance(relative=1e-12))
    assert found.verdict == WITHIN
    assert 0 < found.deviation < 1e-15
    assert compare_tables(one, other, ordered=True, tolerance=NEAR).verdict == DIFFERENT


def test_comparison_pairs_equal_rows_with_others_where_all_find_one_so():
    one, other = pa.table({"x": [1.0, 1.5]}), pa.table({"x": [1.5, 2.0]})
    assert compare_tables(one, other, ordered=False, tolerance=NEAR).verdict == WITHIN


def test_comparison_of_many_rows_that_differ_in_numbers_only_pairs_them_in_order():
    one = pa.table({"x": [float(i) for i in range(500)]})
    other = pa.table({"x": [i + 1e-9 for i in reversed(range(500))]})
    near = Tolerance(absolute=1e-6)
    assert compare_tables(one, other, ordered=False, tolerance=near).verdict == WITHIN
    far = pa.table({"x": [i + 0.5 for i in range(500)]})
    assert compare_tables(one, far, ordered=False, tolerance=near).verdict == DIFFERENT


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([Decimal("0.1")], [Decimal("0.2")]),
        ([1], [2]),
        ([[0.1]], [[0.2]]),
        ([None], [0.0]),
    ],
)
def test_comparison_with_a_tolerance_is_exact_for_all_but_floats(one, other):
    kind = pa.array([*one, *other]).type
    tables = [pa.table({"x": pa.array(v, kind)}) for v in (one, other)]
    wide = Tolerance(absolute=10.0)
    assert compare_tables(*tables, ordered=False, tolerance=wide).verdict == DIFFERENT


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"x": ["1"], "y": [1.0]}, ("x",)),
        ({"x": [1]}, ("y",)),
        ({"x": [1], "z": [1.0]}, ("y", "z")),
        ({"y": [1.0], "x": [1]}, ("x", "y")),
    ],
)
def test_comparison_of_other_columns_names_them(other, named):
    found = compare_tables(pa.table({"x": [1], "y": [1.0]}), pa.table(other), ordered=False)
    assert (found.verdict, found.columns) == (DIFFERENT, named)


def test_comparison_takes_integers_of_any_width_for_one_type():
    one, other = (pa.table({"x": pa.array([1], k)}) for k in (pa.int8(), pa.int64()))
    assert compare_tables(one, other, ordered=True).verdict == EXACT
