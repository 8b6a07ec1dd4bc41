from __future__ import annotations

import datetime as dt
import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jupyter_govdata.errors import LoadError
from jupyter_govdata.formats import open_source
from tests.formats.reading import columns, kinds, read, rejects, write


def test_parquet_types_become_those_of_a_lake(tmp_path):
    moment = dt.datetime(2020, 1, 1, 12, 30, 0, 5)
    table = pa.table(
        {
            "i8": pa.array([1, None], pa.int8()),
            "u32": pa.array([2**32 - 1, None], pa.uint32()),
            "u64": pa.array([2**64 - 1, None], pa.uint64()),
            "f16": pa.array([0.5, None], pa.float32()).cast(pa.float16()),
            "ns": pa.array([moment, None], pa.timestamp("ns")),
            "tz": pa.array([moment, None], pa.timestamp("ms", "Europe/Zurich")),
            "d": pa.array(["x", None]).dictionary_encode(),
            "ls": pa.array(["x", None], pa.large_string()),
            "dur": pa.array([1, None], pa.duration("s")),
            "nul": pa.nulls(2),
            "lst": pa.array([[1], None], pa.list_(pa.int16())),
            "dec": pa.array([1, None], pa.decimal256(40, 2)),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    source, read_back = read(tmp_path / "x.parquet")
    assert kinds(read_back) == {
        "i8": "int", "u32": "long", "u64": "decimal(20,0)", "f16": "float", "ns": "timestamp",
        "tz": "timestamptz", "d": "string", "ls": "string", "dur": "long", "nul": "string",
        "lst": "list<element: int32>", "dec": "string",
    }  # fmt: skip
    first = {name: values[0] for name, values in columns(read_back).items()}
    assert first["u64"] == 2**64 - 1
    assert first["ns"] == moment
    assert first["lst"] == [1]
    assert all(values[1] is None for values in columns(read_back).values())
    assert {n.split("`")[1] for n in source.notes} == {"ns", "dur", "nul", "dec"}


def test_parquet_folder_and_pattern_are_one_table_by_name(tmp_path):
    folder = tmp_path / "a [1]"
    (folder / "sub").mkdir(parents=True)
    pq.write_table(pa.table({"a": pa.array([1], pa.int32()), "b": ["x"]}), folder / "1.parquet")
    pq.write_table(pa.table({"b": ["y"], "a": [2]}), folder / "sub" / "2.parquet")
    pq.write_table(pa.table({"a": [3], "c": [0.5]}), folder / "3.parquet")
    write(folder, "no parquet", "_SUCCESS")
    source, table = read(folder)
    assert sorted(table.to_pylist(), key=lambda row: row["a"]) == [
        {"a": 1, "b": "x", "c": None},
        {"a": 2, "b": "y", "c": None},
        {"a": 3, "b": None, "c": 0.5},
    ]
    assert any("3 files" in note for note in source.notes)
    _, table = read(str(tmp_path / "*" / "[12].parquet").replace("a [1]", "*"))
    assert columns(table) == {"a": [1], "b": ["x"]}


@pytest.mark.parametrize("name", ["TMA1_[3,B].parquet", "a b*c?.parquet", "ü (1).parquet"])
def test_odd_file_names_are_no_patterns(tmp_path, name):
    pq.write_table(pa.table({"a": [1]}), tmp_path / name)
    pq.write_table(pa.table({"a": [2]}), tmp_path / "TMA1_3.parquet")
    source, table = read(tmp_path / name)
    assert columns(table) == {"a": [1]}
    assert source.sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()


def test_parquet_is_known_by_its_content(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "data")
    assert read(tmp_path / "data")[0].kind == "parquet"


def test_parquet_values_beyond_a_given_type_are_set_aside(tmp_path):
    pq.write_table(pa.table({"a": [1, 2**40, None], "s": ["1", "x", "2"]}), tmp_path / "x.parquet")
    out = tmp_path / "out.csv"
    source, table = read(tmp_path / "x.parquet", types={"a": "int", "s": "long"}, reject_file=out)
    assert columns(table) == {"a": [1, None], "s": [1, 2]}
    assert rejects(out) == [
        {"line": "2", "column": "a", "reason": "not a int", "raw": '{"a": 1099511627776, "s": "x"}'}
    ]
    assert source.reject.count == 1


def test_parquet_files_that_do_not_agree_are_refused(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "2.parquet")
    with pytest.raises(LoadError, match="do not agree"):
        open_source(tmp_path)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + b"x" * 100 + b"PAR1"])
def test_broken_parquet_is_refused(tmp_path, data):
    with pytest.raises(LoadError, match="not a sound Parquet"):
        open_source(write(tmp_path, data, "x.parquet"))


def test_truncated_parquet_is_refused(tmp_path):
    pq.write_table(pa.table({"a": list(range(1000))}), tmp_path / "x.parquet")
    data = (tmp_path / "x.parquet").read_bytes()
    with pytest.raises(LoadError, match="not a sound Parquet"):
        open_source(write(tmp_path, data[:-100], "y.parquet"))


def test_folder_and_pattern_without_parquet_are_refused(tmp_path):
    with pytest.raises(LoadError, match="holds no Parquet"):
        open_source(tmp_path)
    with pytest.raises(LoadError, match="no file matches"):
        open_source(tmp_path / "*.parquet")


def test_parquet_progress_reaches_its_end(tmp_path):
    pq.write_table(pa.table({"a": list(range(200_000))}), tmp_path / "x.parquet")
    seen: list[tuple[int, int, int | None]] = []
    source, _ = read(tmp_path / "x.parquet", on_progress=lambda *args: seen.append(args))
    assert len(seen) > 2
    assert seen[-1] == (200_000, source.bytes, source.bytes)
