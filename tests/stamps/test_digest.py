"""The result digest: equal results have equal digests, whatever their layout in memory."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_govdata.errors import StampError
from jupyter_govdata.stamps import digest as digest_module
from jupyter_govdata.stamps import text as text_module
from jupyter_govdata.stamps.cells import type_form
from jupyter_govdata.stamps.digest import result_digest
from tests.stamps import specification

INTS = (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint64())
TEXTS = (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()))
BINARIES = (pa.binary(), pa.large_binary(), pa.binary_view())
MOMENTS = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))

SCALARS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "bool": (pa.bool_(), st.booleans()),
    "int": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "float": (pa.float64(), st.floats()),
    "decimal": (
        pa.decimal128(38, 6),
        st.decimals(-(10**30), 10**30, places=6, allow_nan=False),
    ),
    "string": (pa.string(), st.text(max_size=40)),
    "long": (pa.string(), st.text(alphabet="ab", min_size=250, max_size=260)),
    "binary": (pa.binary(), st.binary(max_size=20)),
    "date": (pa.date32(), st.dates()),
    "timestamp": (pa.timestamp("us"), MOMENTS),
    "instant": (
        pa.timestamp("us", tz="UTC"),
        MOMENTS.map(lambda v: v.replace(tzinfo=dt.UTC)),
    ),
    "list": (pa.list_(pa.string()), st.lists(st.none() | st.text(max_size=9), max_size=4)),
    "struct": (
        pa.struct([("a", pa.int32()), ("b", pa.list_(pa.bool_()))]),
        st.fixed_dictionaries(
            {
                "a": st.none() | st.integers(-9, 9),
                "b": st.none() | st.lists(st.booleans(), max_size=3),
            }
        ),
    ),
    "map": (
        pa.map_(pa.string(), pa.int16()),
        st.dictionaries(st.text(max_size=3), st.none() | st.integers(-9, 9), max_size=3).map(
            lambda d: list(d.items())
        ),
    ),
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(0, 12))
    columns = {}
    for i, kind in enumerate(draw(st.lists(st.sampled_from(sorted(SCALARS)), max_size=4))):
        arrow, values = SCALARS[kind]
        cells = draw(st.lists(st.none() | values, min_size=rows, max_size=rows))
        columns[f"c{i}"] = pa.array(cells, arrow)
    return pa.table(columns)


def both(table: pa.Table) -> tuple[str, str]:
    return result_digest(table, ordered=False), result_digest(table, ordered=True)


ONE_BY_ONE = {"_FEW_CELLS": 1_000_000}
VECTORS = {"_FEW_CELLS": -1}
THREADS = {"_FEW_CELLS": -1, "_THREADS": 3, "_THREADED_BYTES": 0, "_BLOCK_ROWS": 2}
WAYS = {"one by one": ONE_BY_ONE, "vectors": VECTORS, "threads": THREADS}


@pytest.mark.parametrize("way", WAYS)
@given(tables(), st.booleans())
def test_digest_is_what_the_specification_says(way: str, table: pa.Table, ordered: bool) -> None:
    columns = [(field.name, type_form(field.type)) for field in table.schema]
    said = specification.digest(columns, table.to_pylist(), ordered=ordered)
    with mock.patch.multiple(digest_module, **WAYS[way]):
        assert result_digest(table, ordered=ordered) == said


@pytest.mark.parametrize("way", WAYS)
@given(st.lists(st.none() | st.text("aé", max_size=3), max_size=40), st.integers(0, 3))
def test_digest_text_that_repeats_is_what_the_specification_says(
    way: str, cells: list[str | None], before: int
) -> None:
    table = pa.table({"x": pa.array(["zz"] * before + cells, pa.string())}).slice(before)
    said = specification.digest([("x", "string")], table.to_pylist(), ordered=True)
    few = {"_SAMPLED_ROWS": 8, "_FEW_VALUES": 1}
    with mock.patch.multiple(digest_module, **WAYS[way]), mock.patch.multiple(text_module, **few):
        assert result_digest(table, ordered=True) == said


@pytest.mark.parametrize("way", WAYS)
@given(
    st.integers(0, 26).flatmap(
        lambda n: st.lists(st.none() | st.text("ab", min_size=n, max_size=n), max_size=9)
    ),
    st.integers(0, 3),
)
def test_digest_text_of_one_length_is_what_the_specification_says(
    way: str, cells: list[str | None], before: int
) -> None:
    table = pa.table({"x": pa.array(["zzz"] * before + cells, pa.string())}).slice(before)
    said = specification.digest([("x", "string")], table.to_pylist(), ordered=False)
    with mock.patch.multiple(digest_module, **WAYS[way]):
        assert result_digest(table, ordered=False) == said


@pytest.mark.parametrize("rows", [0, 1, 40_000])
@pytest.mark.parametrize("ordered", [False, True])
def test_digest_by_threads_is_that_of_one_by_one(rows: int, ordered: bool) -> None:
    """Blocks and parts of real size, chunks that end anywhere, a slice, NULLs and long text."""
    random = np.random.default_rng(7)
    codes = np.array(["", "M", "F", "TCGA-AB-2802", "é" * 40, "x" * 300])
    whole = pa.table(
        {
            "number": pa.array(random.normal(size=rows), mask=random.random(rows) < 0.1),
            "whole": random.integers(-9, 9, rows).astype(np.int16),
            "code": pa.array(codes[random.integers(0, 6, rows)], pa.string()),
            "note": pa.array([f"{'seen ' * (i % 30)}{i}" for i in range(rows)], pa.string()),
        }
    )
    cut = rows // 3
    table = pa.concat_tables([whole.slice(cut), whole.slice(0, cut)]).slice(rows // 7)
    found = set()
    for way in (*WAYS.values(), {"_THREADS": 2, "_THREADED_BYTES": 0}):
        with mock.patch.multiple(digest_module, **way):
            found.add(result_digest(table, ordered=ordered))
    assert len(found) == 1


def test_digest_error_in_a_thread_is_raised_as_itself() -> None:
    table = pa.table({"x": pa.array(range(64))})
    broken = mock.patch.object(digest_module, "cells_of", side_effect=StampError("no digest"))
    with mock.patch.multiple(digest_module, **THREADS), broken, pytest.raises(StampError):
        result_digest(table, ordered=False)


@given(tables(), st.randoms(use_true_random=False))
def test_digest_rows_shuffled_keeps_only_unordered(table: pa.Table, random: Any) -> None:
    places = list(range(table.num_rows))
    random.shuffle(places)
    shuffled = table.take(pa.array(places, pa.int64()))
    assert result_digest(shuffled, ordered=False) == result_digest(table, ordered=False)
    same_rows = all(shuffled.slice(i, 1).equals(table.slice(i, 1)) for i in places)
    if same_rows:
        assert both(shuffled) == both(table)


@given(tables(), st.integers(0, 12), st.integers(0, 4))
def test_digest_chunks_and_slices_differ_stays_equal(
    table: pa.Table, cut: int, before: int
) -> None:
    if not table.num_columns:
        return
    parts = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    assert both(parts) == both(table)
    padded = pa.concat_tables([table.slice(0, before), table, table]).combine_chunks()
    at = min(before, table.num_rows)
    assert both(padded.slice(at, table.num_rows)) == both(table)


@given(tables(), st.data())
def test_digest_one_cell_changed_differs(table: pa.Table, data: st.DataObject) -> None:
    if not table.num_columns or not table.num_rows:
        return
    column = data.draw(st.integers(0, table.num_columns - 1))
    row = data.draw(st.integers(0, table.num_rows - 1))
    cells = table.column(column).to_pylist()
    kind = next(v for v in SCALARS.values() if v[0] == table.schema.field(column).type)
    new = data.draw(st.none() | kind[1])
    before = table.column(column).slice(row, 1)
    cells[row] = new
    array = pa.array(cells, kind[0])
    changed = table.set_column(column, table.schema.field(column), array)
    if repr(array.slice(row, 1).to_pylist()).replace("-0.0", "0.0") == repr(
        before.to_pylist()
    ).replace("-0.0", "0.0"):
        assert both(changed) == both(table)
    else:
        assert result_digest(changed, ordered=False) != result_digest(table, ordered=False)
        assert result_digest(changed, ordered=True) != result_digest(table, ordered=True)


@pytest.mark.parametrize("kind", INTS, ids=str)
def test_digest_integers_of_any_width_are_one_type(kind: pa.DataType) -> None:
    wide = pa.table({"x": pa.array([1, None, 100], pa.int64())})
    assert both(pa.table({"x": pa.array([1, None, 100], kind)})) == both(wide)


def test_digest_large_unsigned_and_negative_differ() -> None:
    one = pa.table({"x": pa.array([2**64 - 1], pa.uint64())})
    other = pa.table({"x": pa.array([-1], pa.int64())})
    assert result_digest(one, ordered=False) != result_digest(other, ordered=False)


@pytest.mark.parametrize("kind", TEXTS, ids=str)
def test_digest_text_in_any_layout_is_one_type(kind: pa.DataType) -> None:
    cells = ["a", None, "", "TCGA-AB-2802", "é" * 9, "x" * 300, "a"]
    plain = pa.table({"x": pa.array(cells, pa.string())})
    assert both(pa.table({"x": pa.array(cells, pa.string()).cast(kind)})) == both(plain)


@pytest.mark.parametrize("kind", BINARIES, ids=str)
def test_digest_bytes_in_any_layout_are_one_type(kind: pa.DataType) -> None:
    fixed = pa.table({"x": pa.array([b"abc", None, b"\0\0\0"], pa.binary(3))})
    assert both(pa.table({"x": pa.array([b"abc", None, b"\0\0\0"], kind)})) == both(fixed)


def test_digest_list_layouts_are_one_type() -> None:
    cells = [[1, 2], None, [3, None]]
    tables_ = [
        pa.table({"x": pa.array(cells, kind)})
        for kind in (
            pa.list_(pa.int32()),
            pa.large_list(pa.int64()),
            pa.list_(pa.int32(), 2),
            pa.list_view(pa.int32()),
            pa.large_list_view(pa.int32()),
        )
    ]
    assert len({both(table) for table in tables_}) == 1


def test_digest_run_end_encoding_and_extension_are_their_values() -> None:
    plain = pa.array([1, 1, 1, None], pa.int32())
    encoded = pa.RunEndEncodedArray.from_arrays([3, 4], pa.array([1, None], pa.int32()))
    assert both(pa.table({"x": encoded})) == both(pa.table({"x": plain}))
    json = pa.array(["{}"], pa.json_(pa.string()))
    assert both(pa.table({"x": json})) == both(pa.table({"x": ["{}"]}))


def test_digest_null_slots_hold_garbage_is_ignored() -> None:
    bits = pa.py_buffer(bytes([0b101]))
    for values, kind in (
        (np.array([1, 99, 3], np.int64), pa.int64()),
        (np.array([1, 99, 3], np.float64), pa.float64()),
        (np.array([1, 99, 3], np.int64), pa.timestamp("us")),
    ):
        array = pa.Array.from_buffers(kind, 3, [bits, pa.py_buffer(values)])
        clean = pa.array(array.to_pylist(), kind)
        assert both(pa.table({"x": array})) == both(pa.table({"x": clean}))
    child = pa.array([1, 99, 3], pa.int32())
    struct = pa.StructArray.from_arrays([child], ["a"], mask=pa.array([False, True, False]))
    clean = pa.array([{"a": 1}, None, {"a": 3}], struct.type)
    assert both(pa.table({"x": struct})) == both(pa.table({"x": clean}))
    offsets = pa.array([0, 1, 2, 3], pa.int32())
    lists = pa.ListArray.from_arrays(offsets, child, mask=pa.array([False, True, False]))
    clean = pa.array([[1], None, [3]], lists.type)
    assert both(pa.table({"x": lists})) == both(pa.table({"x": clean}))


def test_digest_floats_hold_equal_numbers_for_equal() -> None:
    wide = pa.table({"x": pa.array([0.5, 0.0, float("nan")], pa.float64())})
    negative = pa.table({"x": pa.array([0.5, -0.0, -float("nan")], pa.float32())})
    assert both(wide) == both(negative)
    other = np.array([0x7FF8000000000001], np.uint64).view(np.float64)
    assert both(pa.table({"x": other})) == both(pa.table({"x": [float("nan")]}))


def test_digest_decimals_of_any_scale_are_equal_numbers() -> None:
    cells = [Decimal("1.5"), Decimal(-20), None, Decimal(0), Decimal(12345678901234567890)]
    kinds = (pa.decimal128(38, 2), pa.decimal128(38, 10), pa.decimal256(70, 30))
    assert len({both(pa.table({"x": pa.array(cells, kind)})) for kind in kinds}) == 1
    small = pa.table({"x": pa.array([Decimal("1.50")], pa.decimal64(9, 4))})
    assert both(small) == both(pa.table({"x": pa.array([Decimal("1.5")], pa.decimal128(2, 1))}))
    negative = pa.table({"x": pa.array([Decimal(1200)], pa.decimal128(5, -2))})
    assert both(negative) == both(pa.table({"x": pa.array([Decimal(1200)], pa.decimal128(9, 0))}))


def test_digest_timestamps_compare_by_instant_and_unit_is_no_matter() -> None:
    moment = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    kinds = [pa.timestamp(u, tz=z) for u in ("s", "ms", "us", "ns") for z in ("UTC", "Asia/Tokyo")]
    assert len({both(pa.table({"x": pa.array([moment, None], kind)})) for kind in kinds}) == 1
    local = pa.table({"x": pa.array([moment.replace(tzinfo=None)], pa.timestamp("us"))})
    instant = pa.table({"x": pa.array([moment], pa.timestamp("us", tz="UTC"))})
    assert both(local) != both(instant)


def test_digest_far_timestamps_stay_apart() -> None:
    far = [2**63 - 1, -(2**63), 2**63 // 1_000_000, 0, 1]
    found = {both(pa.table({"x": pa.array([v], pa.timestamp("s"))})) for v in far}
    assert len(found) == len(far)
    nanos = pa.table({"x": pa.array([1_001], pa.timestamp("ns"))})
    assert both(nanos) != both(pa.table({"x": pa.array([1], pa.timestamp("us"))}))


def test_digest_times_dates_durations_and_intervals_are_defined() -> None:
    assert both(pa.table({"x": pa.array([61], pa.time32("s"))})) == both(
        pa.table({"x": pa.array([61_000_000_000], pa.time64("ns"))})
    )
    day = dt.date(1969, 12, 30)
    assert both(pa.table({"x": pa.array([day], pa.date32())})) == both(
        pa.table({"x": pa.array([day], pa.date64())})
    )
    assert both(pa.table({"x": pa.array([5], pa.duration("s"))})) == both(
        pa.table({"x": pa.array([5_000], pa.duration("ms"))})
    )
    intervals = {
        both(pa.table({"x": pa.array([pa.MonthDayNano(v)])}))
        for v in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (0, -1, 0))
    }
    assert len(intervals) == 4


def test_digest_unions_are_defined_by_member_and_value() -> None:
    codes, numbers, texts = pa.array([0, 1, 0], pa.int8()), pa.array([1, 0, 2]), ["", "b", ""]
    sparse = pa.UnionArray.from_sparse(codes, [numbers, pa.array(texts)])
    dense = pa.UnionArray.from_dense(
        codes, pa.array([0, 0, 1], pa.int32()), [pa.array([1, 2]), pa.array(["b"])]
    )
    assert both(pa.table({"x": sparse})) == both(pa.table({"x": dense}))
    assert both(pa.table({"x": sparse.slice(1)})) == both(pa.table({"x": dense.slice(1)}))


def test_digest_values_in_another_order_of_rows_or_columns_differ() -> None:
    """A sum over rows must not let cells of two rows change places."""
    one = pa.table({"a": [1, 2], "b": [3, 4]})
    other = pa.table({"a": [1, 2], "b": [4, 3]})
    assert result_digest(one, ordered=False) != result_digest(other, ordered=False)
    assert result_digest(pa.table({"x": [[1, 2]]}), ordered=False) != result_digest(
        pa.table({"x": [[2, 1]]}), ordered=False
    )
    assert result_digest(pa.table({"x": [["ab", "c"]]}), ordered=False) != result_digest(
        pa.table({"x": [["a", "bc"]]}), ordered=False
    )
    assert result_digest(pa.table({"x": [[[1], []]]}), ordered=False) != result_digest(
        pa.table({"x": [[[], [1]]]}), ordered=False
    )


def test_digest_names_types_duplicates_and_order_flag_matter() -> None:
    base = pa.table({"x": [1, 2]})
    found = {
        result_digest(table, ordered=flag)
        for table in (
            base,
            base.rename_columns(["y"]),
            pa.table({"x": [1.0, 2.0]}),
            pa.table({"x": [1, 1, 2]}),
            pa.table({"x": [None, None]}),
            base.slice(0, 0),
        )
        for flag in (False, True)
    }
    assert len(found) == 12


def test_digest_over_many_blocks_equals_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    table = pa.table(
        {"k": rng.integers(0, 9, 5_000), "t": [f"row {i % 701}" for i in range(5_000)]}
    )
    whole = both(table)
    monkeypatch.setattr(digest_module, "_BLOCK_ROWS", 113)
    assert both(table) == whole


# The digests below are the format: they may change only together with the version prefix.
KNOWN = pa.table(
    {
        "i": pa.array([1, -2, None], pa.int32()),
        "f": pa.array([0.1, float("nan"), None]),
        "s": pa.array(["TCGA-AB-2802", "", None]),
        "d": pa.array([Decimal("1.50"), Decimal(-3), None], pa.decimal128(9, 2)),
        "t": pa.array([0, 1, None], pa.timestamp("us", tz="UTC")),
        "l": pa.array([[1, 2], [], None], pa.list_(pa.int64())),
        "r": pa.array([{"a": "x" * 300}, {"a": None}, None]),
    }
)


def test_digest_of_known_table_is_the_documented_one() -> None:
    assert both(KNOWN) == (
        "v1:5caa9541e20e9e65fd90926b1129b34720644ad425b981ce2ecaf2040b62d15d",
        "v1:4d6861606aeeb6e38faa62cfa83c15de92ce1652daafc224b0af0751f9954d84",
    )


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_digest_of_single_bit_flips_differs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 2**63, 50, dtype=np.int64)
    flipped = values.copy()
    flipped[int(rng.integers(50))] ^= np.int64(1) << np.int64(rng.integers(63))
    assert result_digest(pa.table({"x": values}), ordered=False) != result_digest(
        pa.table({"x": flipped}), ordered=False
    )
