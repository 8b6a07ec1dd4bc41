"""One contract for every reader: evolution, deletes, constants, parts, odd names, broken files."""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.fs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_govdata.errors import LimitError, QueryError, StorageError
from jupyter_govdata.model.decision import Mask
from jupyter_govdata.model.plan import DataFile, Plan
from jupyter_govdata.model.predicate import TRUE, And, Compare, In, IsNull, Or, Predicate
from jupyter_govdata.storage import open_scan
from jupyter_govdata.storage import scan as storage_scan
from jupyter_govdata.storage.pieces import pieces
from tests.storage.lakes import (
    READERS,
    SCHEMA,
    Asked,
    plan_of,
    positions,
    rows,
    save,
    scan,
    table,
    with_id,
)
from tests.storage.oracle import Agreed

NOW = pa.schema(
    [
        with_id("id", pa.int64(), 1),
        with_id("amount", pa.int64(), 2),
        with_id("share", pa.float64(), 4),
        with_id("price", pa.decimal128(12, 2), 6),
        with_id("label", pa.string(), 7),
        with_id("seen", pa.date32(), 10),
    ]
)
BEFORE = pa.schema(
    [
        # Other order, other names, narrower numbers; `label` came later, `gone` was dropped.
        with_id("price", pa.decimal128(9, 2), 6),
        with_id("label", pa.int32(), 2),
        with_id("share", pa.float32(), 4),
        with_id("id", pa.int32(), 1),
        with_id("gone", pa.string(), 99),
        with_id("Label", pa.date32(), 10),
    ]
)


@pytest.fixture(autouse=True)
def large_begins_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small files be read as large ones are: their first row group alone."""
    monkeypatch.setattr(storage_scan, "LARGE_ROWS", 10)


@pytest.fixture
def evolved(tmp_path: Path) -> Plan:
    old = pa.table(
        [
            pa.array([Decimal("1.50"), None], pa.decimal128(9, 2)),
            pa.array([10, None], pa.int32()),
            pa.array([0.5, None], pa.float32()),
            pa.array([1, 2], pa.int32()),
            pa.array(["x", "y"]),
            pa.array([dt.date(1969, 1, 1), None]),
        ],
        schema=BEFORE,
    )
    new = pa.table(
        {
            "id": [3, 4],
            "amount": [2**40, None],
            "share": [0.1, None],
            "price": pa.array([Decimal("9999999999.99"), None], pa.decimal128(12, 2)),
            "label": ["new", None],
            "seen": [dt.date(2020, 1, 1), None],
        },
        schema=NOW,
    )
    return plan_of(
        tmp_path, [save(tmp_path / "old.parquet", old), save(tmp_path / "new.parquet", new)], NOW
    )


@pytest.mark.parametrize("reader", READERS)
def test_evolution_columns_are_found_by_id_and_widened(evolved: Plan, reader: str) -> None:
    got = scan(evolved, Asked(), reader).to_pylist()
    assert got == [
        {
            "id": 1,
            "amount": 10,
            "share": 0.5,
            "price": Decimal("1.50"),
            "label": None,
            "seen": dt.date(1969, 1, 1),
        },
        {"id": 2, "amount": None, "share": None, "price": None, "label": None, "seen": None},
        {
            "id": 3,
            "amount": 2**40,
            "share": 0.1,
            "price": Decimal("9999999999.99"),
            "label": "new",
            "seen": dt.date(2020, 1, 1),
        },
        {"id": 4, "amount": None, "share": None, "price": None, "label": None, "seen": None},
    ]


@pytest.mark.parametrize("reader", ["engine", "stream"])
@pytest.mark.parametrize(
    ("predicate", "ids"),
    [
        (Compare("amount", ">", 9), [1, 3]),
        (Compare("amount", "<=", 10), [1]),
        (Compare("price", ">=", Decimal("1.5")), [1, 3]),
        (Compare("seen", "<", dt.date(1970, 1, 1)), [1]),
        (IsNull("label"), [1, 2, 4]),
        (IsNull("label", negated=True), [3]),
        (In("share", (0.5, 0.1)), [1, 3]),
    ],
)
def test_evolution_conditions_see_the_current_columns(
    evolved: Plan, predicate: Predicate, ids: list[int], reader: str
) -> None:
    got = scan(evolved, Asked(columns=["id"], row_filter=predicate), reader)
    assert got.column("id").to_pylist() == ids


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "name", ["a b.parquet", "[x]*?.parquet", 'it\'s "q" é.parquet', "a=b;--.parquet"]
)
def test_files_with_odd_names_are_read(tmp_path: Path, name: str, reader: str) -> None:
    folder = tmp_path / "odd [1] 'x' *"
    folder.mkdir()
    save(folder / "x.parquet", table(rows(5)))
    plan = plan_of(folder, [save(folder / name, table(rows(10)))])
    assert scan(plan, Asked(columns=["id"]), reader).column("id").to_pylist() == list(range(10))


@pytest.mark.parametrize("reader", READERS)
def test_deleted_rows_never_come_back(tmp_path: Path, reader: str) -> None:
    data = table(rows(60))
    files = [
        save(tmp_path / "a.parquet", data.slice(0, 20)),
        replace(save(tmp_path / "b.parquet", data.slice(20, 20)), deleted=positions(0, 7, 19)),
        replace(save(tmp_path / "c.parquet", data.slice(40, 20)), deleted=positions(*range(20))),
    ]
    plan = plan_of(tmp_path, files)
    expected = [n for n in range(40) if n not in (20, 27, 39)]
    assert plan.rows == len(expected)
    assert scan(plan, Asked(columns=["id"]), reader).column("id").to_pylist() == expected
    assert scan(plan, Asked(columns=[]), reader).num_rows == len(expected)
    for count in (2, 3):
        parts = [
            scan(plan, Asked(columns=["id"], part=(n, count)), reader).column("id").to_pylist()
            for n in range(count)
        ]
        assert [row for part in parts for row in part] == expected
    filtered = Asked(columns=["id"], row_filter=Compare("id", ">=", 27))
    if reader != "direct":
        assert scan(plan, filtered, reader).column("id").to_pylist() == [
            n for n in expected if n >= 27
        ]


@pytest.mark.parametrize("reader", READERS)
def test_constants_fill_columns_that_a_file_lacks(tmp_path: Path, reader: str) -> None:
    schema = pa.schema(
        [
            with_id("id", pa.int64(), 1),
            with_id("study", pa.string(), 2),
            with_id("day", pa.date32(), 3),
            with_id("at", pa.timestamp("us", tz="UTC"), 4),
            with_id("price", pa.decimal128(9, 2), 5),
            with_id("flag", pa.bool_(), 6),
        ]
    )
    only = pa.schema([schema.field("id")])
    first = save(tmp_path / "a.parquet", table([{"id": 1}, {"id": 2}], only))
    other = save(tmp_path / "b.parquet", table([{"id": 3}], only))
    given_values = {2: "it's", 3: -1, 4: 1_000_000, 5: Decimal("2.50"), 6: True}
    plan = plan_of(tmp_path, [replace(first, constants=given_values), other], schema)
    got = scan(plan, Asked(), reader).to_pylist()
    moment = dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC)
    known = {
        "study": "it's",
        "day": dt.date(1969, 12, 31),
        "at": moment,
        "price": Decimal("2.50"),
        "flag": True,
    }
    nothing = dict.fromkeys(known)
    assert got == [{"id": 1, **known}, {"id": 2, **known}, {"id": 3, **nothing}]
    asked = Asked(columns=["id"], row_filter=Compare("study", "=", "it's"))
    assert scan(plan, asked, reader).column("id").to_pylist() == [1, 2]


@given(
    sizes=st.lists(st.integers(0, 70), max_size=5),
    count=st.integers(1, 6),
    group=st.integers(1, 30),
)
def test_pieces_parts_are_disjoint_and_complete(sizes: list[int], count: int, group: int) -> None:
    files = [DataFile(f"{n}", size, size) for n, size in enumerate(sizes)]

    def groups(file: DataFile) -> list[int]:
        return [min(group, file.rows - n) for n in range(0, file.rows, group)]

    read = [
        (piece.file.path, row)
        for number in range(count)
        for piece in pieces(files, (number, count), groups)
        for row in range(piece.start, piece.stop)
    ]
    assert read == [(f.path, row) for f in files for row in range(f.rows)]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
def test_parts_of_one_file_give_every_row_once_in_order(
    tmp_path: Path, count: int, reader: str
) -> None:
    plan = plan_of(tmp_path, [save(tmp_path / "a.parquet", table(rows(100)))])
    read = [
        value
        for number in range(count)
        for value in scan(plan, Asked(columns=["id"], part=(number, count)), reader)
        .column("id")
        .to_pylist()
    ]
    assert read == list(range(100))
    counts = [scan(plan, Asked(columns=[], part=(n, count)), reader).num_rows for n in range(count)]
    assert sum(counts) == 100


def test_part_that_does_not_exist_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, [save(tmp_path / "a.parquet", table(rows(3)))])
    with pytest.raises(StorageError):
        scan(plan, Asked(part=(2, 2)))
    with pytest.raises(QueryError, match="one part"):
        scan(plan, Asked(part=(0, 2), limit=3))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("limit", [0, 1, 17, 18, 99, 100, 101])
def test_limit_gives_the_first_rows(tmp_path: Path, limit: int, reader: str) -> None:
    data = table(rows(100))
    files = [
        save(tmp_path / "a.parquet", data.slice(0, 50)),
        save(tmp_path / "b.parquet", data.slice(50)),
    ]
    plan = plan_of(tmp_path, files)
    for masks in ({}, {"id": Mask("round", "1")}):
        asked = Asked(columns=["id"], limit=limit, masks=masks, batch_rows=1_024)
        got = scan(plan, asked, reader).column("id").to_pylist()
        assert got == list(range(min(limit, 100)))
    late = Asked(
        columns=["id"],
        limit=limit,
        masks={"id": Mask("round", "1")},
        predicate=Compare("id", ">", 9),
    )
    assert scan(plan, late, reader).num_rows == min(limit, 90)
    assert scan(plan, Asked(columns=[], limit=limit), reader).num_rows == min(limit, 100)


@pytest.mark.parametrize("reader", READERS)
def test_no_columns_still_counts_rows(tmp_path: Path, reader: str) -> None:
    plan = plan_of(tmp_path, [save(tmp_path / "a.parquet", table(rows(100)))])
    assert scan(plan, Asked(columns=[]), reader).num_rows == 100
    asked = Asked(columns=[], row_filter=Compare("id", "<", 7))
    assert scan(plan, asked, reader).num_rows == 7
    masked = Asked(columns=[], masks={"s": Mask("null")}, predicate=IsNull("s"))
    assert scan(plan, masked, reader).num_rows == 100


def test_no_columns_the_count_survives_arrow_ipc(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, [save(tmp_path / "a.parquet", table(rows(100)))])
    reader = open_counting(plan)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
    reader.close()
    assert sum(b.num_rows for b in pa.ipc.open_stream(sink.getvalue())) == 100


def open_counting(plan: Plan, **changed: object):  # type: ignore[no-untyped-def]
    arguments = {
        "columns": [],
        "row_filter": TRUE,
        "masks": {},
        "predicate": TRUE,
        "limit": None,
        "consents": Agreed(),
        "pseudonym_key": b"",
        "purpose": "research",
        "domains": {},
    }
    return open_scan(plan, **{**arguments, **changed})


@pytest.mark.parametrize("reader", READERS)
def test_no_files_give_the_schema_and_no_batch(tmp_path: Path, reader: str) -> None:
    got = scan(plan_of(tmp_path, []), Asked(masks={"i": Mask("constant", "x")}), reader)
    assert got.num_rows == 0
    assert got.schema.field("i").type == pa.string()


@pytest.mark.parametrize("reader", READERS)
def test_missing_file_is_named_by_its_asset(tmp_path: Path, reader: str) -> None:
    file = save(tmp_path / "secret-name.parquet", table(rows(3)))
    (tmp_path / "secret-name.parquet").unlink()
    with pytest.raises(StorageError, match=r"data file of `trials.edges` is missing") as failed:
        scan(plan_of(tmp_path, [file]), Asked(columns=["id"]), reader)
    assert "secret-name" not in str(failed.value)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("damage", ["empty", "cut", "middle", "text"])
def test_damaged_file_is_named_by_its_asset(tmp_path: Path, damage: str, reader: str) -> None:
    path = tmp_path / "secret-name.parquet"
    file = save(path, table(rows(2_000)), group=500)
    whole = path.read_bytes()
    broken = {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "middle": whole[:200] + bytes(len(whole) // 2 - 200) + whole[len(whole) // 2 :],
        "text": b"not parquet at all" * 100,
    }
    path.write_bytes(broken[damage])
    with pytest.raises(StorageError, match="trials") as failed:
        scan(plan_of(tmp_path, [file]), Asked(), reader)
    assert "secret-name" not in str(failed.value)


@pytest.mark.parametrize("reader", READERS)
def test_file_without_field_ids_gives_no_rows_of_other_columns(tmp_path: Path, reader: str) -> None:
    """A column is found by its id only: a name that happens to be equal shows nothing."""
    bare = pa.schema([pa.field("id", pa.int64())])
    file = save(tmp_path / "a.parquet", pa.table({"id": [1, 2]}, schema=bare))
    plan = plan_of(tmp_path, [file], pa.schema([SCHEMA.field("id")]))
    assert scan(plan, Asked(), reader).column("id").to_pylist() == [None, None]


@pytest.mark.parametrize("row_filter", [TRUE, Compare("id", ">=", 0)])
def test_cancel_from_another_thread_stops_reading(tmp_path: Path, row_filter: Predicate) -> None:
    plan = plan_of(tmp_path, [save(tmp_path / "a.parquet", table(rows(5_000)), group=1_000)])
    reader = open_counting(plan, columns=["id", "s"], row_filter=row_filter, batch_rows=1_024)
    assert next(reader).num_rows > 0
    stopper = threading.Thread(target=reader.cancel)
    stopper.start()
    stopper.join()
    with pytest.raises(LimitError, match="cancelled"):
        next(reader)
    reader.close()


def test_close_before_the_first_batch_and_twice_is_fine(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, [save(tmp_path / "a.parquet", table(rows(10)))])
    reader = open_counting(plan, columns=["id"])
    reader.close()
    reader.close()


def test_memory_limit_is_said_as_a_limit(tmp_path: Path) -> None:
    wide = pa.table(
        {
            "id": pa.array(range(300_000)),
            "s": pa.array(["x" * 200 + str(n) for n in range(300_000)]),
        }
    )
    schema = pa.schema([SCHEMA.field("id"), SCHEMA.field("s")])
    file = save(tmp_path / "a.parquet", pa.table(wide.columns, schema=schema), group=300_000)
    ids = frozenset(str(n) * 20 for n in range(200_000))
    row_filter = Or((Compare("id", "=", 1), In("s", tuple(ids))))
    with pytest.raises(LimitError, match="more memory"):
        list(
            open_counting(
                plan_of(tmp_path, [file], schema),
                columns=["id"],
                row_filter=row_filter,
                memory_limit="20MB",
            )
        )


@pytest.mark.parametrize("reader", READERS)
def test_nested_column_that_changed_shape_is_refused_not_emptied(
    tmp_path: Path, reader: str
) -> None:
    old = pa.schema(
        [with_id("id", pa.int64(), 1), with_id("st", pa.struct([("x", pa.int32())]), 2)]
    )
    now = pa.schema(
        [with_id("id", pa.int64(), 1), with_id("st", pa.struct([("z", pa.int32())]), 2)]
    )
    file = save(tmp_path / "a.parquet", pa.table({"id": [1], "st": [{"x": 5}]}, schema=old))
    plan = plan_of(tmp_path, [file], now)
    with pytest.raises(StorageError, match="nested column"):
        scan(plan, Asked(), reader)
    assert scan(plan, Asked(columns=["id"]), reader).num_rows == 1


def test_object_store_addresses_lose_their_scheme(tmp_path: Path) -> None:
    """A bucket is a folder of the file system that the catalog hands over."""
    (tmp_path / "bucket" / "data").mkdir(parents=True)
    file = save(tmp_path / "bucket" / "data" / "a.parquet", table(rows(9)))
    plan = plan_of(tmp_path, [replace(file, path="s3://bucket/data/a.parquet")])
    store = pa.fs.SubTreeFileSystem(str(tmp_path), pa.fs.LocalFileSystem())
    row_filter = And((Compare("id", ">", 3), Compare("id", "<", 7)))
    reader = open_counting(plan, columns=["id"], row_filter=row_filter, filesystem=store)
    assert [r["id"] for batch in reader for r in batch.to_pylist()] == [4, 5, 6]
    reader.close()


@pytest.mark.attack("T15", surface="storage")
def test_engine_opens_nothing_outside_the_root(tmp_path: Path) -> None:
    """SECURITY: the second wall holds even for a plan that names another place."""
    outside = save(tmp_path / "outside.parquet", table(rows(3)))
    inside = tmp_path / "lake"
    inside.mkdir()
    for path in (outside.path, f"{inside}/../outside.parquet"):
        plan = plan_of(inside, [replace(outside, path=path)])
        with pytest.raises(StorageError):
            scan(plan, Asked(columns=["id"]), "engine")


@pytest.mark.parametrize("reader", READERS)
def test_columns_that_differ_in_case_only_are_not_mixed_up(tmp_path: Path, reader: str) -> None:
    schema = pa.schema([with_id("Id", pa.int64(), 1), with_id("id", pa.string(), 2)])
    data = pa.table([pa.array([1]), pa.array(["x"])], schema=schema)
    plan = plan_of(tmp_path, [save(tmp_path / "a.parquet", data)], schema)
    assert scan(plan, Asked(), reader).to_pylist() == [{"Id": 1, "id": "x"}]


@pytest.mark.parametrize("reader", READERS)
def test_columns_with_sql_in_their_names_are_read(tmp_path: Path, reader: str) -> None:
    names = ['a"; DROP TABLE x; --', "select", "a b", "ä", "c1"]
    schema = pa.schema([with_id(n, pa.int64(), i) for i, n in enumerate(names, start=1)])
    data = pa.table([pa.array([i, None]) for i in range(5)], schema=schema)
    plan = plan_of(tmp_path, [save(tmp_path / "a.parquet", data)], schema)
    assert scan(plan, Asked(), reader).column_names == names
    predicate = And(tuple(Compare(n, "=", i) for i, n in enumerate(names)))
    assert scan(plan, Asked(predicate=predicate), reader).num_rows == 1
    masked = Asked(predicate=predicate, masks={n: Mask("round", "1") for n in names})
    assert scan(plan, masked, reader).num_rows == 1
