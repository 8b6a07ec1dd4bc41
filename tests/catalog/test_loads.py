"""Loads: what is stored, how schemas evolve, and that a failed load leaves nothing."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jupyter_govdata.catalog import Catalog, Limits, normalise_schema
from jupyter_govdata.errors import CatalogError, NotVisibleError
from jupyter_govdata.model.predicate import Compare
from tests.catalog.reading import read

NAME = "trials.outcomes"


def parquet_files(lake: Path) -> list[Path]:
    return sorted(lake.rglob("*.parquet"))


def test_write_create_makes_one_snapshot_with_provenance(catalog: Catalog) -> None:
    data = pa.table({"id": ["p1", "p2"], "age": [61, None]})
    made = catalog.write(NAME, data, mode="create", provenance={"source": "a.csv", "sha256": "ab"})
    assert (made.operation, made.added_rows, made.total_rows) == ("append", 2, 2)
    assert made.provenance["source"] == "a.csv"
    assert made.provenance["rows_read"] == "2"
    assert catalog.versions(NAME) == [made]
    assert read(catalog, NAME) == data.to_pylist()


def test_write_provenance_is_read_when_the_rows_are_written(catalog: Catalog) -> None:
    counts: dict[str, str] = {}

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"x": [1]})
        counts["rows_rejected"] = "3"

    reader = pa.RecordBatchReader.from_batches(pa.schema([("x", pa.int64())]), batches())
    made = catalog.write(NAME, reader, mode="create", provenance=counts)
    assert made.provenance["rows_rejected"] == "3"


def test_write_append_and_overwrite_are_one_snapshot_each(catalog: Catalog) -> None:
    catalog.write(NAME, pa.table({"x": [1]}), mode="create")
    catalog.write(NAME, pa.table({"x": [2]}))
    assert sorted(r["x"] for r in read(catalog, NAME)) == [1, 2]
    made = catalog.write(NAME, pa.table({"x": [3, 4, 5]}), mode="overwrite")
    assert (made.operation, made.added_rows, made.removed_rows, made.total_rows) == (
        "overwrite",
        3,
        2,
        3,
    )
    assert [r["x"] for r in read(catalog, NAME)] == [3, 4, 5]
    assert len(catalog.versions(NAME)) == 3


def test_write_overwrite_of_an_empty_asset_works(catalog: Catalog) -> None:
    catalog.create(NAME, pa.schema([("x", pa.int64())]))
    catalog.write(NAME, pa.table({"x": [1]}), mode="overwrite")
    assert read(catalog, NAME) == [{"x": 1}]


def test_write_without_rows_makes_an_empty_version(catalog: Catalog) -> None:
    made = catalog.write(NAME, pa.table({"x": pa.array([], pa.int64())}), mode="create")
    assert made.total_rows == 0
    assert read(catalog, NAME) == []
    catalog.write(NAME, pa.table({"x": [1]}))
    catalog.write(NAME, pa.table({"x": pa.array([], pa.int64())}), mode="overwrite")
    assert read(catalog, NAME) == []


def test_write_to_a_missing_asset_is_not_visible(catalog: Catalog) -> None:
    with pytest.raises(NotVisibleError) as missing:
        catalog.write(NAME, pa.table({"x": [1]}))
    assert str(missing.value) == str(NotVisibleError.for_asset(NAME))


def test_write_create_twice_is_refused_and_keeps_the_first(catalog: Catalog, lake: Path) -> None:
    catalog.write(NAME, pa.table({"x": [1]}), mode="create")
    with pytest.raises(CatalogError, match="exists already"):
        catalog.write(NAME, pa.table({"x": [2]}), mode="create")
    assert read(catalog, NAME) == [{"x": 1}]
    assert len(parquet_files(lake)) == 1


def test_write_create_fills_an_asset_that_never_had_data(catalog: Catalog) -> None:
    catalog.create(NAME, pa.schema([("x", pa.int64())]), partition_by=["bucket(2, x)"])
    catalog.write(NAME, pa.table({"x": [1, 2, 3]}), mode="create")
    assert sorted(r["x"] for r in read(catalog, NAME)) == [1, 2, 3]


@pytest.mark.parametrize("mode", ["create", "append", "overwrite"])
def test_write_failing_source_leaves_nothing(catalog: Catalog, lake: Path, mode: Any) -> None:
    if mode != "create":
        catalog.write(NAME, pa.table({"x": [1]}), mode="create")
    before = {p for p in lake.rglob("*") if p.is_file()}

    class SourceError(Exception):
        pass

    def batches() -> Iterator[pa.RecordBatch]:
        for _ in range(3):
            yield pa.record_batch({"x": list(range(200_000))})
        raise SourceError

    reader = pa.RecordBatchReader.from_batches(pa.schema([("x", pa.int64())]), batches())
    with pytest.raises(SourceError):
        catalog.write(NAME, reader, mode=mode)
    assert {p for p in lake.rglob("*") if p.is_file()} == before
    assert catalog.exists(NAME) == (mode != "create")


def test_write_evolves_new_missing_and_wider_columns(catalog: Catalog) -> None:
    first = pa.table(
        {
            "id": pa.array([1], pa.int32()),
            "share": pa.array([0.5], pa.float32()),
            "price": pa.array([Decimal("1.50")], pa.decimal128(5, 2)),
            "old": ["x"],
        }
    )
    catalog.write(NAME, first, mode="create")
    second = pa.table(
        {
            "new": [True],
            "id": [2**40],
            "share": [0.1],
            "price": pa.array([Decimal("99999.99")], pa.decimal128(9, 2)),
        }
    )
    catalog.write(NAME, second, evolve=True)
    rows = read(catalog, NAME)
    assert rows == [
        {"id": 1, "share": 0.5, "price": Decimal("1.50"), "old": "x", "new": None},
        {"id": 2**40, "share": 0.1, "price": Decimal("99999.99"), "old": None, "new": True},
    ]
    narrow = pa.table({"id": pa.array([3], pa.int8()), "share": pa.array([1], pa.float16())})
    catalog.write(NAME, narrow)
    assert read(catalog, NAME)[2]["id"] == 3


@pytest.mark.parametrize(
    ("stored", "arriving"),
    [
        (pa.array([1]), pa.array(["a"])),
        (pa.array(["a"]), pa.array([1])),
        (pa.array([1.5]), pa.array([1])),
        (pa.array([1]), pa.array([1.5])),
        (pa.array([dt.date(2020, 1, 1)]), pa.array([dt.datetime(2020, 1, 1)])),
        (pa.array([Decimal("1.5")]), pa.array([Decimal("1.55")])),
        (pa.array([[1]]), pa.array([["a"]])),
        (pa.array([{"a": 1}]), pa.array([{"b": 1}])),
        (pa.array([True]), pa.array([1])),
        (
            pa.array([dt.datetime(2020, 1, 1)], pa.timestamp("us")),
            pa.array([dt.datetime(2020, 1, 1)], pa.timestamp("us", tz="UTC")),
        ),
    ],
    ids=lambda a: str(a.type),
)
def test_write_incompatible_column_is_named_with_both_types(
    catalog: Catalog, lake: Path, stored: pa.Array, arriving: pa.Array
) -> None:
    catalog.write(NAME, pa.table({"c": stored}), mode="create")
    with pytest.raises(CatalogError) as refused:
        catalog.write(NAME, pa.table({"c": arriving}), evolve=True)
    assert "`c`" in str(refused.value)
    assert f"`{arriving.type}`" in str(refused.value)
    assert len(catalog.versions(NAME)) == 1
    assert len(parquet_files(lake)) == 1


def test_write_without_evolve_refuses_to_change_the_schema(catalog: Catalog) -> None:
    catalog.write(NAME, pa.table({"x": pa.array([1], pa.int32())}), mode="create")
    with pytest.raises(CatalogError, match="`y`"):
        catalog.write(NAME, pa.table({"x": pa.array([1], pa.int32()), "y": [1]}))
    with pytest.raises(CatalogError, match="`x`"):
        catalog.write(NAME, pa.table({"x": [1]}))


def test_write_column_without_values_goes_into_any_column(catalog: Catalog) -> None:
    catalog.write(NAME, pa.table({"x": [1], "l": [[1]]}), mode="create")
    catalog.write(NAME, pa.table({"x": pa.nulls(1), "l": pa.nulls(1)}))
    assert read(catalog, NAME)[1] == {"x": None, "l": None}


@pytest.mark.attack("T20", surface="stored")
def test_write_look_alike_columns_are_refused(catalog: Catalog) -> None:
    with pytest.raises(CatalogError, match="cannot be told apart"):
        catalog.write(NAME, pa.table([[1], [2]], names=["Age", "age"]), mode="create")
    catalog.write(NAME, pa.table({"age": [1]}), mode="create")
    with pytest.raises(CatalogError, match="only in case"):
        catalog.write(NAME, pa.table({"Age": [1]}), evolve=True)


STORED: list[tuple[pa.Array, list[Any]]] = [
    (pa.array([2**64 - 1, None], pa.uint64()), [Decimal(2**64 - 1), None]),
    (pa.array([2**32 - 1], pa.uint32()), [2**32 - 1]),
    (pa.array([200], pa.uint8()), [200]),
    (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
    (pa.array(["x"], pa.large_string()), ["x"]),
    (pa.array(["x" * 20], pa.string_view()), ["x" * 20]),
    (pa.array([b"x"], pa.large_binary()), [b"x"]),
    (pa.array([b"ab"], pa.binary(2)), [b"ab"]),
    (pa.array([[1, None], None], pa.large_list(pa.int8())), [[1, None], None]),
    (pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)), [[1.0, 2.0], None]),
    (pa.array([1_000], pa.timestamp("ns")), [dt.datetime(1970, 1, 1, 0, 0, 0, 1)]),
    (pa.array([-1], pa.timestamp("s")), [dt.datetime(1969, 12, 31, 23, 59, 59)]),
    (
        pa.array([0], pa.timestamp("ms", tz="Europe/Berlin")),
        [dt.datetime(1970, 1, 1, tzinfo=dt.UTC)],
    ),
    (pa.array([86_400_000], pa.date64()), [dt.date(1970, 1, 2)]),
    (pa.array([1], pa.time32("s")), [dt.time(0, 0, 1)]),
    (pa.array([1_000], pa.time64("ns")), [dt.time(0, 0, 0, 1)]),
    (pa.nulls(2), [None, None]),
    (pa.array([1.5], pa.float16()), [1.5]),
    (pa.array([Decimal("1.5")], pa.decimal256(20, 2)), [Decimal("1.50")]),
    (pa.array([uuid.UUID(int=5).bytes], pa.uuid()), [uuid.UUID(int=5)]),
    (pa.array([{"a": "x", "b": [1]}, None]), [{"a": "x", "b": [1]}, None]),
    (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), [[("k", 1)]]),
    (pa.array([True, None]), [True, None]),
    (pa.array([[{"a": 1}]]), [[{"a": 1}]]),
]


@pytest.mark.parametrize(("array", "values"), STORED, ids=lambda p: str(getattr(p, "type", "")))
def test_write_every_arrow_type_comes_back_without_loss(
    catalog: Catalog, array: pa.Array, values: list[Any]
) -> None:
    catalog.write(NAME, pa.table({"c": array}), mode="create")
    assert [r["c"] for r in read(catalog, NAME)] == values


@pytest.mark.parametrize(
    "kind",
    [
        pa.duration("s"),
        pa.month_day_nano_interval(),
        pa.decimal256(60, 2),
        pa.dense_union([pa.field("a", pa.int32())]),
        pa.list_(pa.duration("s")),
    ],
    ids=str,
)
def test_normalise_schema_a_type_without_a_place_is_refused(kind: pa.DataType) -> None:
    with pytest.raises(CatalogError, match=r"column `c` has type"):
        normalise_schema(pa.schema([("c", kind)]))


@pytest.mark.parametrize(
    ("array", "column"),
    [
        (pa.array([1], pa.timestamp("ns")), None),
        (pa.array([1], pa.time64("ns")), None),
        (pa.array([2**64 - 1], pa.uint64()), pa.int64()),
    ],
    ids=str,
)
def test_write_a_value_that_would_lose_is_refused(
    catalog: Catalog, lake: Path, array: pa.Array, column: pa.DataType | None
) -> None:
    if column is not None:
        catalog.create(NAME, pa.schema([("c", column)]))
    with pytest.raises(CatalogError, match=r"column `c` of .* without loss"):
        catalog.write(NAME, pa.table({"c": array}), mode="append" if column else "create")
    assert parquet_files(lake) == []


def test_write_files_hold_ids_statistics_and_row_groups(lake: Path) -> None:
    catalog = Catalog.local(lake)
    data = pa.table({"id": range(300_000), "f": [float("nan")] * 300_000})
    catalog.write(NAME, data, mode="create")
    (path,) = parquet_files(lake)
    metadata = pq.read_metadata(path)
    groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
    assert [g.num_rows for g in groups] == [122_880, 122_880, 54_240]
    assert groups[1].column(0).compression == "ZSTD"
    assert groups[1].column(0).statistics.min == 122_880
    ids = [f.metadata[b"PARQUET:field_id"] for f in metadata.schema.to_arrow_schema()]
    assert ids == [b"1", b"2"]


def test_write_sorted_rows_stay_sorted_over_files_and_groups(lake: Path) -> None:
    limits = Limits(group_rows=1_000, file_bytes=1)
    catalog = Catalog.local(lake, limits)
    catalog.write(NAME, pa.table({"id": range(10_500)}), mode="create")
    assert len(parquet_files(lake)) == 11
    assert [r["id"] for r in read(catalog, NAME)] == list(range(10_500))


def test_write_partitioned_stream_is_complete_and_bounded(lake: Path) -> None:
    catalog = Catalog.local(lake, Limits(buffered=20_000, open_files=3))
    start = dt.date(1960, 1, 1)

    def batches() -> Iterator[pa.RecordBatch]:
        for n in range(40):
            numbers = range(n * 100, n * 100 + 100)
            yield pa.record_batch(
                {
                    "id": list(numbers),
                    "site": [None if i % 7 == 0 else f"site {i % 5}" for i in numbers],
                    "day": [start + dt.timedelta(days=i * 11) for i in numbers],
                }
            )

    schema = pa.schema([("id", pa.int64()), ("site", pa.string()), ("day", pa.date32())])
    reader = pa.RecordBatchReader.from_batches(schema, batches())
    catalog.write(NAME, reader, mode="create", partition_by=["site", "year(day)"])
    rows = read(catalog, NAME)
    assert sorted(r["id"] for r in rows) == list(range(4_000))
    assert all(r["site"] == (None if r["id"] % 7 == 0 else f"site {r['id'] % 5}") for r in rows)


@pytest.mark.parametrize(
    "spec",
    [
        "site",
        "year(day)",
        "month(day)",
        "day(at)",
        "hour(at)",
        "bucket(4, id)",
        "truncate(2, site)",
    ],
)
def test_create_partitioning_finds_every_row_and_prunes(catalog: Catalog, spec: str) -> None:
    base = dt.datetime(1969, 12, 31, 22)
    rows = [
        {
            "id": n,
            "site": None if n == 3 else f"s{n}x",
            "day": (base + dt.timedelta(days=200 * n)).date(),
            "at": base + dt.timedelta(hours=3 * n),
        }
        for n in range(12)
    ]
    schema = pa.schema(
        [
            ("id", pa.int64()),
            ("site", pa.string()),
            ("day", pa.date32()),
            ("at", pa.timestamp("us")),
        ]
    )
    catalog.write(NAME, pa.Table.from_pylist(rows, schema), mode="create", partition_by=[spec])
    assert sorted(r["id"] for r in read(catalog, NAME)) == list(range(12))
    version = catalog.resolve(NAME)
    assert len(catalog.plan(version).files) > 1
    for row in rows:
        for column, value in row.items():
            if value is None:
                continue
            predicate = Compare(column, "=", value)
            found = read(catalog, NAME, predicate=predicate)
            assert [r["id"] for r in found] == [row["id"]]
    assert catalog.plan(version, Compare("id", "=", 5)).pruned_files > 0


def test_create_partition_values_are_in_no_path(catalog: Catalog, lake: Path) -> None:
    catalog.write(NAME, pa.table({"mrn": ["secret-7"]}), mode="create", partition_by=["mrn"])
    assert not [p for p in lake.rglob("*") if "secret" in str(p)]


@pytest.mark.parametrize(
    "spec",
    [
        "nope",
        "year(nope)",
        "year(id)",
        "bucket(id)",
        "bucket(0, id)",
        "year(3, day)",
        "x y",
        "l",
        "id)",
    ],
)
def test_create_partitioning_that_is_none_is_refused(catalog: Catalog, spec: str) -> None:
    schema = pa.schema([("id", pa.int64()), ("day", pa.date32()), ("l", pa.list_(pa.int8()))])
    with pytest.raises(CatalogError):
        catalog.create(NAME, schema, partition_by=[spec])
    assert not catalog.exists(NAME)


def test_create_odd_column_names_come_back(catalog: Catalog) -> None:
    names = ["a.b", "a b", "1st", "ä/ö", 'q"', "Größe [cm]"]
    catalog.write(NAME, pa.table([[n] for n in range(len(names))], names=names), mode="create")
    assert read(catalog, NAME) == [dict(zip(names, range(len(names)), strict=True))]
    catalog.write(NAME, pa.table({"a.b": [9], "c.d": [1]}), evolve=True)
    catalog.rename_column(NAME, "a.b", "a.c")
    assert read(catalog, NAME)[1]["a.c"] == 9


def test_write_by_many_threads_loses_nothing(catalog: Catalog) -> None:
    catalog.write(NAME, pa.table({"x": [-1]}), mode="create")
    failed: list[BaseException] = []

    def load(number: int) -> None:
        try:
            for step in range(4):
                catalog.write(NAME, pa.table({"x": [number * 10 + step]}))
        except BaseException as exc:
            failed.append(exc)

    threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    expected = sorted([-1, *(n * 10 + s for n in range(4) for s in range(4))])
    assert sorted(r["x"] for r in read(catalog, NAME)) == expected
    assert len(catalog.versions(NAME)) == 17
