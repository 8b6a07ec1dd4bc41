"""Versions, pins, schema changes, deletes and expiry: old reads stay what they were."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.manifest import DataFileContent
from pyiceberg.table import Table

from jupyter_govdata.catalog import Catalog
from jupyter_govdata.errors import (
    CatalogError,
    ColumnNotFoundError,
    ConfigError,
    NotVisibleError,
    QueryError,
    SnapshotNotFoundError,
)
from jupyter_govdata.model.asset import Asset, Column
from jupyter_govdata.model.predicate import And, Compare, Consent, In, IsNull, Or, Predicate
from jupyter_govdata.model.scan import At
from tests.catalog.foreign import delete_positions
from tests.catalog.reading import read
from tests.storage.lakes import rows as edge_rows
from tests.storage.lakes import table as edge_table
from tests.storage.oracle import Agreed, keep

NAME = "trials.outcomes"
UTC = dt.UTC


def iceberg_table(lake: Path, name: str = NAME) -> Table:
    uri, warehouse = f"sqlite:///{lake / 'catalog.db'}", f"file://{lake / 'warehouse'}"
    return load_catalog("govdata", type="sql", uri=uri, warehouse=warehouse).load_table(name)


def test_names_are_sorted_and_canonical(catalog: Catalog, lake: Path) -> None:
    assert catalog.names() == []
    for name in ("b.x", "a.y", "a.x"):
        catalog.create(name, pa.schema([("x", pa.int64())]))
    assert catalog.names() == ["a.x", "a.y", "b.x"]
    assert catalog.exists("a.x")
    assert not catalog.exists("a.z")
    assert not catalog.exists("z.z")


@pytest.mark.parametrize("name", ["x", "A.b", "a.b.c", "a.b'; --", "../a.b", "", "a.*"])
def test_name_that_is_not_canonical_never_reaches_the_catalog(catalog: Catalog, name: str) -> None:
    with pytest.raises(CatalogError, match="is not an asset name"):
        catalog.resolve(name)
    with pytest.raises(CatalogError, match="is not an asset name"):
        catalog.write(name, pa.table({"x": [1]}), mode="create")


def test_resolve_a_missing_asset_is_not_visible(catalog: Catalog) -> None:
    for at in (None, At(snapshot_id=1)):
        with pytest.raises(NotVisibleError) as missing:
            catalog.resolve(NAME, at)
        assert str(missing.value) == str(NotVisibleError.for_asset(NAME))


def test_resolve_an_asset_without_data_is_version_zero(catalog: Catalog) -> None:
    catalog.create(NAME, pa.schema([("x", pa.int64())]))
    version = catalog.resolve(NAME)
    assert (version.snapshot_id, version.committed_at) == (0, None)
    assert read(catalog, NAME) == []
    catalog.write(NAME, pa.table({"x": [1]}))
    assert read(catalog, NAME, At(snapshot_id=0)) == []


def test_resolve_by_id_time_and_tag(catalog: Catalog) -> None:
    first = catalog.write(NAME, pa.table({"x": [1]}), mode="create")
    second = catalog.write(NAME, pa.table({"x": [2]}))
    catalog.tag(NAME, "v1", first.snapshot_id)
    assert [r["x"] for r in read(catalog, NAME, At(snapshot_id=first.snapshot_id))] == [1]
    assert [r["x"] for r in read(catalog, NAME, At(tag="v1"))] == [1]
    assert catalog.versions(NAME)[0].tags == ("v1",)
    exactly = At(timestamp=second.committed_at)
    assert catalog.resolve(NAME, exactly).snapshot_id == second.snapshot_id
    before = At(timestamp=second.committed_at - dt.timedelta(milliseconds=1))
    if first.committed_at < second.committed_at:
        assert catalog.resolve(NAME, before).snapshot_id == first.snapshot_id
    later = At(timestamp=dt.datetime.now(dt.timezone(dt.timedelta(hours=9))) + dt.timedelta(days=1))
    assert catalog.resolve(NAME, later).snapshot_id == second.snapshot_id


@pytest.mark.parametrize(
    "at",
    [
        At(snapshot_id=17),
        At(tag="nope"),
        At(tag="main"),
        At(timestamp=dt.datetime(2000, 1, 1, tzinfo=UTC)),
        At(timestamp=dt.datetime(1, 1, 1, tzinfo=UTC)),
    ],
    ids=str,
)
def test_resolve_an_unknown_version_says_where_to_look(catalog: Catalog, at: At) -> None:
    catalog.write(NAME, pa.table({"x": [1]}), mode="create")
    with pytest.raises(SnapshotNotFoundError) as missing:
        catalog.resolve(NAME, at)
    assert missing.value.hint is not None
    assert f"%govdata versions {NAME}" in missing.value.hint


@pytest.mark.parametrize("tag", ["", "main", "a b", "x" * 129, "-x", "a/b", "ä"])
def test_tag_names_are_checked(catalog: Catalog, tag: str) -> None:
    made = catalog.write(NAME, pa.table({"x": [1]}), mode="create")
    with pytest.raises(CatalogError):
        catalog.tag(NAME, tag, made.snapshot_id)


def test_tag_is_never_moved(catalog: Catalog) -> None:
    first = catalog.write(NAME, pa.table({"x": [1]}), mode="create")
    second = catalog.write(NAME, pa.table({"x": [2]}))
    catalog.tag(NAME, "v1", first.snapshot_id)
    with pytest.raises(CatalogError, match="already"):
        catalog.tag(NAME, "v1", second.snapshot_id)
    with pytest.raises(SnapshotNotFoundError):
        catalog.tag(NAME, "v2", 17)


def test_schema_changes_keep_old_versions_readable_under_their_names(catalog: Catalog) -> None:
    first = catalog.write(NAME, pa.table({"a": [1], "b": ["x"]}), mode="create")
    catalog.rename_column(NAME, "a", "c")
    catalog.drop_column(NAME, "b")
    catalog.add_column(NAME, pa.field("b", pa.float64()))
    assert read(catalog, NAME) == [{"c": 1, "b": None}]
    assert read(catalog, NAME, At(snapshot_id=first.snapshot_id)) == [{"a": 1, "b": "x"}]
    catalog.write(NAME, pa.table({"c": [2], "b": [0.5]}))
    assert read(catalog, NAME) == [{"c": 1, "b": None}, {"c": 2, "b": 0.5}]


def test_schema_change_makes_a_version_so_that_a_pin_means_one_schema(catalog: Catalog) -> None:
    catalog.write(NAME, pa.table({"a": [1]}), mode="create")
    pins = []
    for step in (
        lambda: catalog.rename_column(NAME, "a", "b", {"changed_by": "dina"}),
        lambda: catalog.add_column(NAME, pa.field("c", pa.string())),
        lambda: catalog.drop_column(NAME, "b"),
    ):
        step()
        pins.append((catalog.resolve(NAME), read(catalog, NAME)))
    for version, rows in pins:
        again = catalog.resolve(NAME, At(snapshot_id=version.snapshot_id))
        assert again == version
        assert read(catalog, NAME, At(snapshot_id=version.snapshot_id)) == rows
    assert catalog.versions(NAME)[1].provenance["changed_by"] == "dina"


def test_schema_changes_that_cannot_be_are_refused(catalog: Catalog) -> None:
    catalog.write(NAME, pa.table({"a": [1], "b": [2]}), mode="create", partition_by=["a"])
    with pytest.raises(ColumnNotFoundError):
        catalog.rename_column(NAME, "nope", "x")
    with pytest.raises(CatalogError, match="already"):
        catalog.rename_column(NAME, "a", "B")
    with pytest.raises(CatalogError, match="already"):
        catalog.add_column(NAME, pa.field("A", pa.int64()))
    with pytest.raises(CatalogError, match="partitioned"):
        catalog.drop_column(NAME, "a")
    catalog.drop_column(NAME, "b")
    with pytest.raises(CatalogError, match=r"partitioned|only column"):
        catalog.drop_column(NAME, "a")
    with pytest.raises(NotVisibleError):
        catalog.rename_column("trials.nope", "a", "b")


def test_rename_can_change_only_the_case(catalog: Catalog) -> None:
    catalog.write(NAME, pa.table({"Age": [1]}), mode="create")
    catalog.rename_column(NAME, "Age", "age")
    assert read(catalog, NAME) == [{"age": 1}]


def test_bind_takes_types_from_the_table_and_words_from_the_card(catalog: Catalog) -> None:
    schema = pa.schema(
        [
            pa.field("id", pa.string()),
            pa.field("age", pa.int8(), metadata={"description": "Age at inclusion", "unit": "a"}),
            pa.field("dose", pa.float32(), metadata={"description": "Dose [mg]"}),
            pa.field("price", pa.decimal128(9, 2)),
        ]
    )
    catalog.create(NAME, schema)
    card = Asset(
        NAME,
        owner="ana",
        columns=(
            Column("id", tags={"identifier": "direct"}, domain="x:y", description="Who"),
            Column("age", unit="years"),
            Column("gone", description="dropped"),
        ),
    )
    bound = catalog.bind(card)
    assert bound.owner == "ana"
    assert bound.columns == (
        Column("id", "string", 1, "Who", tags={"identifier": "direct"}, domain="x:y"),
        Column("age", "int", 2, "Age at inclusion", "years"),
        Column("dose", "float", 3, "Dose", "mg"),
        Column("price", "decimal(9, 2)", 4),
    )


# -- deletes ---------------------------------------------------------------------------------


def test_delete_is_one_snapshot_and_old_versions_keep_the_rows(catalog: Catalog) -> None:
    first = catalog.write(NAME, pa.table({"id": [1, 2, 3], "s": ["a", None, "b"]}), mode="create")
    made = catalog.delete(NAME, Compare("id", ">", 1), {"reason": "withdrawn"})
    assert made is not None
    assert (made.operation, made.removed_rows, made.total_rows) == ("overwrite", 3, 1)
    assert made.provenance == {"rows_deleted": "2", "reason": "withdrawn"}
    assert [r["id"] for r in read(catalog, NAME)] == [1]
    assert len(read(catalog, NAME, At(snapshot_id=first.snapshot_id))) == 3


def test_delete_that_finds_nothing_changes_nothing(catalog: Catalog, lake: Path) -> None:
    catalog.write(NAME, pa.table({"id": [1]}), mode="create")
    before = {p for p in lake.rglob("*") if p.is_file()}
    assert catalog.delete(NAME, Compare("id", "=", 5)) is None
    assert catalog.delete(NAME, Or(())) is None
    assert {p for p in lake.rglob("*") if p.is_file()} == before


def test_delete_of_everything_leaves_an_empty_version(catalog: Catalog) -> None:
    catalog.write(NAME, pa.table({"id": [1]}), mode="create", partition_by=["id"])
    catalog.delete(NAME, And(()))
    assert read(catalog, NAME) == []


DELETES: list[Predicate] = [
    Compare("i", ">=", 5),
    Compare("i", "!=", 0),
    Compare("f", ">", 1.0),
    Compare("f", "=", float("nan")),
    Compare("f", "<", float("nan")),
    Compare("f", "!=", 1.5),
    Compare("f2", ">=", 0.0),
    Compare("s", ">", "a"),
    Compare("s", "=", "x\0y"),
    Compare("d", "<", Decimal("1.50")),
    Compare("day", "<", dt.date(1970, 1, 1)),
    Compare("ts", "<=", dt.datetime(1969, 12, 31, 23, 59, 59, 999999)),
    Compare("tz", ">", dt.datetime(1950, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=5)))),
    Compare("b", "=", True),
    Compare("tm", "<", dt.time(13)),
    Compare("raw", "=", b"\0"),
    In("s", ("a", "A", "")),
    In("f", (float("nan"), 1.5), negated=True),
    In("f", (float("nan"), 1.5)),
    In("i", (), negated=True),
    IsNull("s"),
    IsNull("l", negated=True),
    Or((Compare("i", "=", 1), Compare("s", "=", "a"), IsNull("k"))),
    And((Compare("i", ">", 0), Compare("f", ">", 0.0))),
]


@pytest.mark.parametrize("predicate", DELETES, ids=str)
def test_delete_removes_exactly_what_the_predicate_means(
    catalog: Catalog, predicate: Predicate
) -> None:
    rows = edge_rows(60)
    catalog.write(NAME, edge_table(rows), mode="create")
    catalog.delete(NAME, predicate)
    left = [r["id"] for r in rows if not keep(predicate, r, Agreed())]
    assert [r["id"] for r in read(catalog, NAME)] == left


@pytest.mark.parametrize(
    ("predicate", "kind"),
    [
        (Compare("nope", "=", 1), ColumnNotFoundError),
        (Compare("i", "=", "x"), QueryError),
        (Compare("i", "=", 1.5), QueryError),
        (Compare("i", "=", 2**70), QueryError),
        (Compare("d", "=", Decimal("1.555")), QueryError),
        (Compare("ts", "=", dt.datetime(2020, 1, 1, tzinfo=UTC)), QueryError),
        (Consent("s", "x", "research"), QueryError),
    ],
    ids=str,
)
def test_delete_never_guesses(
    catalog: Catalog, predicate: Predicate, kind: type[Exception]
) -> None:
    catalog.write(NAME, edge_table(edge_rows(9)), mode="create")
    with pytest.raises(kind):
        catalog.delete(NAME, predicate)
    assert len(catalog.versions(NAME)) == 1


def test_position_deletes_of_other_engines_are_applied(catalog: Catalog, lake: Path) -> None:
    catalog.write(NAME, pa.table({"id": range(10)}), mode="create")
    catalog.write(NAME, pa.table({"id": range(10, 20)}))
    ice = iceberg_table(lake)
    paths = sorted(
        (task.file.file_path for task in ice.scan().plan_files()),
        key=lambda path: path != catalog.plan(catalog.resolve(NAME)).files[0].path,
    )
    first = f"file://{catalog.plan(catalog.resolve(NAME)).files[0].path}"
    assert first in paths
    delete_positions(ice, {first: [0, 3, 9]})
    assert [r["id"] for r in read(catalog, NAME)] == [1, 2, 4, 5, 6, 7, 8, *range(10, 20)]
    found = read(catalog, NAME, predicate=Compare("id", ">=", 8))
    assert [r["id"] for r in found] == [8, *range(10, 20)]
    plan = catalog.plan(catalog.resolve(NAME))
    assert (plan.rows, plan.files[0].has_deletes, plan.files[1].has_deletes) == (17, True, False)
    assert catalog.versions(NAME)[-1].total_rows is not None
    catalog.delete(NAME, Compare("id", "<", 5))
    assert [r["id"] for r in sorted(read(catalog, NAME), key=lambda r: r["id"])] == [
        5,
        6,
        7,
        8,
        *range(10, 20),
    ]
    catalog.write(NAME, pa.table({"id": [99]}), mode="overwrite")
    assert [r["id"] for r in read(catalog, NAME)] == [99]


def test_equality_deletes_of_other_engines_are_refused_not_ignored(
    catalog: Catalog, lake: Path
) -> None:
    catalog.write(NAME, pa.table({"id": range(10)}), mode="create")
    ice = iceberg_table(lake)
    path = next(iter(ice.scan().plan_files())).file.file_path
    delete_positions(ice, {path: [0]}, DataFileContent.EQUALITY_DELETES)
    with pytest.raises(CatalogError, match="delete files"):
        read(catalog, NAME)


def test_files_without_field_ids_are_refused_not_emptied(catalog: Catalog, lake: Path) -> None:
    catalog.write(NAME, pa.table({"id": [1]}), mode="create")
    import pyarrow.parquet as pq

    path = lake / "warehouse" / "foreign.parquet"
    pq.write_table(pa.table({"id": [2]}), path)
    iceberg_table(lake).add_files([f"file://{path}"])
    with pytest.raises(CatalogError, match="without field ids"):
        read(catalog, NAME)


# -- expiry ----------------------------------------------------------------------------------


def test_expire_forgets_old_versions_and_their_files(catalog: Catalog, lake: Path) -> None:
    first = catalog.write(NAME, pa.table({"x": [1]}), mode="create")
    catalog.write(NAME, pa.table({"x": [2]}), mode="overwrite")
    kept = catalog.write(NAME, pa.table({"x": [3]}), mode="overwrite")
    catalog.tag(NAME, "keep", kept.snapshot_id)
    catalog.write(NAME, pa.table({"x": [4]}), mode="overwrite")
    old = catalog.resolve(NAME, At(snapshot_id=first.snapshot_id))
    assert catalog.expire(NAME, dt.datetime.now(UTC) + dt.timedelta(days=1)) == 2
    assert len(list(lake.rglob("*.parquet"))) == 2
    assert [r["x"] for r in read(catalog, NAME)] == [4]
    assert [r["x"] for r in read(catalog, NAME, At(tag="keep"))] == [3]
    with pytest.raises(SnapshotNotFoundError):
        catalog.resolve(NAME, At(snapshot_id=first.snapshot_id))
    with pytest.raises(SnapshotNotFoundError, match="expired"):
        Catalog.local(lake).plan(old)
    assert catalog.expire(NAME, dt.datetime.now(UTC) + dt.timedelta(days=1)) == 0


def test_drop_removes_the_asset_and_its_files(catalog: Catalog, lake: Path) -> None:
    catalog.write(NAME, pa.table({"x": [1]}), mode="create")
    catalog.write(NAME, pa.table({"x": [2]}), mode="overwrite")
    catalog.drop(NAME)
    assert not catalog.exists(NAME)
    assert list(lake.rglob("*.parquet")) == []
    with pytest.raises(NotVisibleError):
        catalog.drop(NAME)
    catalog.write(NAME, pa.table({"y": ["z"]}), mode="create")
    assert read(catalog, NAME) == [{"y": "z"}]


def test_asset_made_again_under_its_name_shows_nothing_of_the_old_one(catalog: Catalog) -> None:
    catalog.create(NAME, pa.schema([("old", pa.int64())]))
    assert catalog.plan(catalog.resolve(NAME)).columns[0].name == "old"
    catalog.drop(NAME)
    catalog.create(NAME, pa.schema([("new", pa.string())]))
    assert catalog.plan(catalog.resolve(NAME)).columns[0].name == "new"
    assert catalog.schema(NAME).names == ["new"]


def test_filesystem_is_none_for_a_local_lake(catalog: Catalog, lake: Path) -> None:
    assert catalog.filesystem() is None
    remote = Catalog.open(
        {
            "type": "sql",
            "uri": f"sqlite:///{lake / 'other.db'}",
            "warehouse": "s3://bucket/lake",
            "s3.region": "eu-central-1",
            "s3.access-key-id": "k",
            "s3.secret-access-key": "s",
        }
    )
    store = remote.filesystem()
    assert store is not None
    assert store.type_name == "s3"


def test_resolve_sees_at_once_what_another_process_committed(lake: Path) -> None:
    first, second = Catalog.local(lake), Catalog.local(lake)
    first.write(NAME, pa.table({"x": [1]}), mode="create")
    assert len(second.versions(NAME)) == 1
    first.write(NAME, pa.table({"x": [2]}))
    assert len(second.versions(NAME)) == 2
    first.drop(NAME)
    with pytest.raises(NotVisibleError):
        second.resolve(NAME)


@pytest.mark.parametrize("name", ["a b", "[x]*", "it's", "ü"])
def test_local_lake_in_a_folder_with_an_odd_name(tmp_path: Path, name: str) -> None:
    catalog = Catalog.local(tmp_path / name)
    catalog.write(NAME, pa.table({"x": [1]}), mode="create")
    assert read(catalog, NAME, predicate=Compare("x", "=", 1)) == [{"x": 1}]
    assert Catalog.local(tmp_path / name).names() == [NAME]


@pytest.mark.parametrize("name", ["a?b", "a#b", "a%20b"])
def test_local_lake_in_a_folder_that_no_address_can_name_is_refused(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(ConfigError):
        Catalog.local(tmp_path / name)
