"""Plans: never without a file that holds a matching row, from metadata only, and fast."""

from __future__ import annotations

import datetime as dt
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given

from jupyter_govdata.catalog import Catalog, Limits
from jupyter_govdata.catalog.planning import PlanCache
from jupyter_govdata.errors import ColumnNotFoundError
from jupyter_govdata.model.predicate import (
    TRUE,
    And,
    Compare,
    Consent,
    Constant,
    In,
    IsNull,
    Like,
    Or,
    Predicate,
)
from tests.catalog.reading import read_plan
from tests.storage.lakes import EDGES
from tests.storage.lakes import rows as edge_rows
from tests.storage.lakes import table as edge_table
from tests.storage.oracle import Agreed, keep
from tests.storage.test_predicates import POLICY_LEAVES, trees

NAME = "trials.edges"
ROWS = edge_rows(120)
LONG = "x" * 5_000


@pytest.fixture(
    scope="module", params=[(), ("k", "bucket(3, i)"), ("truncate(1, s2)", "year(day)")]
)
def edges(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Many small files, so that there is something to prune."""
    lake = tmp_path_factory.mktemp("plans") / "lake"
    catalog = Catalog.local(lake, Limits(group_rows=3, file_bytes=1))
    catalog.write(NAME, edge_table(ROWS), mode="create", partition_by=request.param)
    return catalog


@given(predicate=trees(POLICY_LEAVES))
def test_plan_any_condition_keeps_every_file_with_a_matching_row(
    edges: Catalog, predicate: Predicate
) -> None:
    version = edges.resolve(NAME)
    consents = Agreed(("fixed", "5"), ("A:s", "a"))
    plan = edges.plan(version, predicate)
    planned = {r["id"] for r in read_plan(plan).to_pylist()}
    wanted = {r["id"] for r in ROWS if keep(predicate, r, consents)}
    assert wanted <= planned
    assert plan.pruned_files + len(plan.files) == len(edges.plan(version).files)


def test_plan_prunes_what_bounds_exclude(edges: Catalog) -> None:
    version = edges.resolve(NAME)
    files = len(edges.plan(version).files)
    assert files > 20
    for predicate in (
        Compare("id", "=", 17),
        Compare("id", "<", 3),
        In("id", (1, 2)),
        And((Compare("id", ">=", 10), Compare("id", "<", 12))),
        Compare("id", ">", 1_000),
    ):
        assert edges.plan(version, predicate).pruned_files > files // 2
    assert edges.plan(version, Constant(False)).files == ()
    assert edges.plan(version, TRUE).pruned_files == 0


def test_plan_knows_which_columns_hold_no_nan(lake: Path) -> None:
    catalog = Catalog.local(lake, Limits(group_rows=2, file_bytes=1))
    data = pa.table({"id": [1, 2, 3, 4], "f": [1.0, 2.0, float("nan"), None], "g": [1.0] * 4})
    catalog.write(NAME, data, mode="create")
    version = catalog.resolve(NAME)
    assert catalog.plan(version).nan_free == {3}
    assert catalog.plan(version, Compare("id", "<", 3)).nan_free == {2, 3}
    kept = catalog.plan(version, Compare("f", ">", 100.0))
    assert kept.pruned_files == 1
    assert [r["id"] for r in read_plan(kept, Compare("f", ">", 100.0)).to_pylist()] == [3]


def test_plan_long_values_have_no_bounds_that_lie(lake: Path) -> None:
    """One row group has values too long for Parquet's statistics, the other has short ones."""
    catalog = Catalog.local(lake, Limits(group_rows=2))
    data = pa.table({"id": range(4), "s": ["a", "b", "c" + LONG, "d" + LONG]})
    catalog.write(NAME, data, mode="create")
    version = catalog.resolve(NAME)
    predicate = Compare("s", ">", "c")
    plan = catalog.plan(version, predicate)
    assert [r["id"] for r in read_plan(plan, predicate).to_pylist()] == [2, 3]
    half = pa.table({"id": range(2), "s": ["a", "z" + LONG]})
    catalog.write(NAME, half, mode="overwrite")
    plan = catalog.plan(catalog.resolve(NAME), Compare("s", ">", "y"))
    assert len(plan.files) == 1


@pytest.mark.parametrize(
    "values",
    [["\U0010ffff" * 20], ["ä" * 30], ["a" * 15 + "ü" * 5], ["", "\0"], ["z" * 16, "z" * 17]],
    ids=ascii,
)
def test_plan_truncated_text_bounds_prune_nothing_that_matches(
    catalog: Catalog, values: list[str]
) -> None:
    catalog.write(NAME, pa.table({"s": values}), mode="create")
    version = catalog.resolve(NAME)
    for value in values:
        for predicate in (
            Compare("s", "=", value),
            Compare("s", ">=", value),
            Compare("s", "<=", value),
            Like("s", (value[:17], None)),
            In("s", (value,)),
        ):
            assert len(catalog.plan(version, predicate).files) == 1


def test_plan_bounds_of_a_file_from_before_a_widening_still_hold(catalog: Catalog) -> None:
    old = pa.table({"i": pa.array([5], pa.int32()), "f": pa.array([0.5], pa.float32())})
    catalog.write(NAME, old, mode="create")
    catalog.write(NAME, pa.table({"i": [2**40], "f": [0.1]}), evolve=True)
    version = catalog.resolve(NAME)
    for predicate, rows in (
        (Compare("i", "=", 5), 1),
        (Compare("i", ">", 5), 1),
        (Compare("i", ">=", 5), 2),
        (Compare("f", "=", 0.5), 1),
    ):
        assert len(catalog.plan(version, predicate).files) == rows


def test_plan_null_knowledge_prunes_both_ways(catalog: Catalog) -> None:
    catalog.write(NAME, pa.table({"x": pa.array([None], pa.int64())}), mode="create")
    catalog.write(NAME, pa.table({"x": [1]}))
    version = catalog.resolve(NAME)
    assert len(catalog.plan(version, IsNull("x")).files) == 1
    assert len(catalog.plan(version, IsNull("x", negated=True)).files) == 1
    assert len(catalog.plan(version, Compare("x", "!=", 5)).files) == 1
    assert len(catalog.plan(version, Consent("x", "d", "p", negated=True)).files) == 1
    assert len(catalog.plan(version, Or((IsNull("x"), Compare("x", "=", 1)))).files) == 2


@pytest.mark.parametrize("column", [c for c in EDGES if c not in ("l", "st")])
def test_plan_constants_of_another_kind_prune_nothing_wrongly(edges: Catalog, column: str) -> None:
    """The reader refuses them with a better text; planning must only not fail."""
    version = edges.resolve(NAME)
    others: list[Any] = [1, 1.5, Decimal(1), "a", b"a", True, dt.date(2020, 1, 1), dt.time(1)]
    others += [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, tzinfo=dt.UTC)]
    for value in others:
        edges.plan(version, Compare(column, "=", value))
        edges.plan(version, Compare(column, "<", value))


def test_plan_unknown_column_is_refused(edges: Catalog) -> None:
    version = edges.resolve(NAME)
    with pytest.raises(ColumnNotFoundError):
        edges.plan(version, Compare("nope", "=", 1))
    with pytest.raises(ColumnNotFoundError):
        edges.plan(version, columns=["id", "nope"])


def test_plan_of_an_old_version_uses_its_own_columns(catalog: Catalog) -> None:
    first = catalog.write(NAME, pa.table({"a": [1]}), mode="create")
    old = catalog.resolve(NAME)
    catalog.rename_column(NAME, "a", "b")
    catalog.write(NAME, pa.table({"b": [2]}))
    assert len(catalog.plan(old, Compare("a", "=", 1)).files) == 1
    assert [c.name for c in catalog.plan(old).columns] == ["a"]
    assert catalog.plan(old).snapshot_id == first.snapshot_id
    now = catalog.plan(catalog.resolve(NAME), Compare("b", "=", 1))
    assert (len(now.files), now.pruned_files) == (1, 1)


def test_plan_does_not_look_into_folders(catalog: Catalog, lake: Path) -> None:
    catalog.write(NAME, pa.table({"x": [1]}), mode="create")
    (path,) = lake.rglob("*.parquet")
    (path.parent / "stray.parquet").write_bytes(path.read_bytes())
    assert [f.path for f in catalog.plan(catalog.resolve(NAME)).files] == [str(path)]


def test_plan_again_reads_no_metadata(catalog: Catalog, lake: Path) -> None:
    catalog.write(NAME, pa.table({"x": [1]}), mode="create")
    version = catalog.resolve(NAME)
    first = catalog.plan(version)
    for path in lake.rglob("*.avro"):
        path.unlink()
    assert catalog.plan(version) is first


def test_plan_cache_is_bounded(catalog: Catalog) -> None:
    catalog.write(NAME, pa.table({"x": [1]}), mode="create")
    cache = PlanCache(versions=2, files=10)
    listed = catalog._listed(catalog.resolve(NAME))
    for number in range(5):
        cache.put(("a.b", number, 0), listed)
    assert [cache.get(("a.b", n, 0)) is not None for n in range(5)] == [False] * 3 + [True] * 2
    small = PlanCache(versions=10, files=1)
    small.put(("a.b", 1, 0), listed)
    small.put(("a.b", 2, 0), listed)
    assert small.get(("a.b", 1, 0)) is None
    assert small.get(("a.b", 2, 0)) is not None


def test_plan_again_takes_less_than_a_millisecond(edges: Catalog) -> None:
    version = edges.resolve(NAME)
    predicate = And((Compare("id", ">=", 10), Compare("s", "=", "a"), IsNull("k", negated=True)))
    edges.plan(version, predicate)
    times = []
    for _ in range(50):
        start = time.perf_counter()
        edges.plan(version, predicate)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.001
