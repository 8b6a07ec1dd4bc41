from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from jupyter_govdata.errors import LoadError
from jupyter_govdata.formats import open_source
from tests.formats.reading import columns, kinds, read


def test_arrow_table_is_taken_as_it_is_with_its_labels():
    field = pa.field("a", pa.int64(), metadata={"description": "Age", "unit": "year", "x": "y"})
    source, table = read(pa.table([[1, None]], schema=pa.schema([field])))
    assert columns(table) == {"a": [1, None]}
    assert source.schema.field("a").metadata == {b"description": b"Age", b"unit": b"year"}
    assert source.sha256 is None
    assert list(source.batches())


def test_reader_of_batches_is_read_once():
    batch = pa.record_batch({"a": [1, 2]})
    reader = pa.RecordBatchReader.from_batches(batch.schema, iter([batch, batch]))
    source, table = read(reader)
    assert columns(table) == {"a": [1, 2, 1, 2]}
    with pytest.raises(LoadError, match="read once"):
        list(source.batches())


def test_pandas_frame_keeps_its_values():
    frame = pd.DataFrame(
        {
            "i": [1, 2],
            "n64": pd.array([1, None], dtype="Int64"),
            "f": [0.5, np.nan],
            "o": ["x", None],
            "c": pd.Categorical(["u", None]),
            "t": pd.to_datetime(["2020-01-01 10:00", None]),
            "z": pd.to_datetime(["2020-01-01 10:00+02:00", None]),
            "d": [dt.date(2020, 1, 1), None],
            "n": [Decimal("1.25"), None],
            "b": [True, None],
        }
    )
    source, table = read(frame)
    assert kinds(table) == {
        "i": "long", "n64": "long", "f": "double", "o": "string", "c": "string", "t": "timestamp",
        "z": "timestamptz", "d": "date", "n": "decimal(3,2)", "b": "boolean",
    }  # fmt: skip
    assert {name: values[1] for name, values in columns(table).items() if name != "i"} == (
        dict.fromkeys([n for n in frame.columns if n != "i"])
    )
    assert table["z"][0].as_py() == dt.datetime(2020, 1, 1, 8, tzinfo=dt.UTC)
    assert source.location == "pandas DataFrame in memory"


def test_pandas_named_index_becomes_columns_and_an_unnamed_one_is_reported():
    frame = pd.DataFrame({"v": [1, 2]}, index=pd.Index(["a", "b"], name="id"))
    assert columns(read(frame)[1]) == {"id": ["a", "b"], "v": [1, 2]}
    levels = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["p", None])
    assert columns(read(pd.DataFrame({"v": [1, 2]}, index=levels))[1]) == {
        "p": ["a", "b"],
        "v": [1, 2],
    }
    source, table = read(pd.DataFrame({"v": [1, 2]}, index=["a", "b"]))
    assert table.column_names == ["v"]
    assert any("index" in note for note in source.notes)
    assert not read(pd.DataFrame({"v": [1]}))[0].notes


def test_pandas_mixed_objects_are_kept_as_text():
    source, table = read(pd.DataFrame({"m": [1, "x", None, np.nan, pd.NA, 2.5]}))
    assert columns(table) == {"m": ["1", "x", None, None, None, "2.5"]}
    assert any("mixed" in note for note in source.notes)


def test_pandas_repeated_and_odd_column_names_are_usable():
    frame = pd.DataFrame([[1, 2, 3]], columns=["a", "a", 0])
    assert columns(read(frame)[1]) == {"a": [1], "a_2": [2], "0": [3]}
    frame = pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "mean")]))
    assert columns(read(frame)[1]) == {"a.mean": [1]}


def test_polars_frames_are_read():
    frame = pl.DataFrame({"a": [1, None], "s": ["x", "y"], "c": ["u", "v"]}).with_columns(
        pl.col("c").cast(pl.Categorical)
    )
    expected = {"a": [1, None], "s": ["x", "y"], "c": ["u", "v"]}
    assert columns(read(frame)[1]) == expected
    assert columns(read(frame.lazy())[1]) == expected


def test_frame_values_beyond_a_given_type_are_set_aside_by_number():
    source, table = read(pa.table({"a": [1.0, 1.5, None]}), types={"a": "long"})
    assert columns(table) == {"a": [1, None]}
    assert [(r.line, r.column) for r in source.reject.reasons] == [(2, "a")]


def test_large_frame_is_read_in_bounded_batches():
    source, table = read(pd.DataFrame({"a": range(200_000)}))
    assert table.num_rows == 200_000
    assert max(b.num_rows for b in source.batches()) <= 65_536


@pytest.mark.parametrize("value", [3, None, [1, 2], {"a": [1]}])
def test_other_objects_are_refused(value):
    with pytest.raises(LoadError, match="cannot be loaded"):
        open_source(value)
