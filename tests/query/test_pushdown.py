"""Filters handed over by DuckDB: applied exactly, wherever they are applied."""

from __future__ import annotations

import math
import random

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_govdata.model.predicate import TRUE, And, Compare, In, columns_of, walk
from jupyter_govdata.query.engine import QueryEngine
from jupyter_govdata.query.split.conditions import conditions_of, to_predicate
from jupyter_govdata.query.split.expression import (
    Call,
    Field,
    Literal,
    UnreadableFilterError,
    read_expression,
)
from tests.query.everything import LITERALS, TYPES, VALUES, condition, lake_of, table
from tests.query.lake import Lake, oracle

COLUMNS = [c for c in LITERALS if c != "sv"]


def answer(connection: duckdb.DuckDBPyConnection, data: pa.Table, sql: str) -> list[tuple]:
    connection.execute("CREATE SCHEMA IF NOT EXISTS x")
    connection.register("data", data)
    connection.execute('CREATE OR REPLACE TABLE x."all" AS FROM data')
    return connection.execute(sql).fetchall()


def rows(engine: QueryEngine, sql: str) -> list[tuple]:
    return [tuple(row.values()) for row in engine.run(sql)]


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**9))
def test_pushdown_random_conditions_equal_duckdb_on_its_own_table(seed: int) -> None:
    picks = random.Random(seed)
    data = table(seed)
    masked = set(picks.sample(data.column_names[1:], picks.choice([0, 6, 12])))
    lake = lake_of(data, dict.fromkeys(masked, ""))
    engine, alone = QueryEngine(lake), oracle()
    try:
        for _ in range(15):
            sql = f"SELECT id FROM x.all WHERE {condition(picks, COLUMNS)} ORDER BY id"
            assert rows(engine, sql) == answer(alone, data, sql), sql
        for scan in lake.requests:
            assert not columns_of(scan.predicate) & masked
    finally:
        engine.close()
        alone.close()
        lake.close()


@pytest.mark.parametrize(
    "where",
    [
        "f > 1",
        "f >= 0",
        "NOT (f <= 0)",
        "f = 'nan'::DOUBLE",
        "f < 'nan'::DOUBLE",
        "f <= 'nan'::DOUBLE",
        "f >= 'nan'::DOUBLE",
        "f > 'nan'::DOUBLE",
        "f <> 'nan'::DOUBLE",
        "f BETWEEN 0 AND 'nan'::DOUBLE",
        "f IN (0.0, 'nan'::DOUBLE)",
        "f NOT IN (-0.0::DOUBLE, 2)",
        "f4 = 0.1::FLOAT",
        "t = 'a''b'",
        "t = 'z' || chr(10)",
        "t LIKE 'a%'",
        "d < DATE '2026-01-02'",
        "ts::DATE = DATE '2026-01-01'",
        "tz IN (TIMESTAMPTZ '2026-01-01 00:00:00+00', TIMESTAMPTZ '2026-01-01 07:00:00+02')",
        "tm > TIME '04:00'",
        "dec > 1.2",
        "raw = '\\x00'::BLOB",
        "b",
        "NOT b",
        "st.a = 1 OR st.a IS NULL",
        "st.f >= 1",
        "st.in.t = 'a'",
        "dic IN ('a', 'x')",
        "i IS NULL OR i IN (1, 2)",
        "i IS DISTINCT FROM 1 OR b IS NULL",
        "(f IS NOT DISTINCT FROM 'nan'::DOUBLE AND t = '') OR f <> -1.5",
        "i + 1 = 2 AND t > ''",
        "l = [1, 2]",
        "false",
        "i = 1 AND i = 2",
    ],
)
@pytest.mark.parametrize("masked", [False, True])
def test_pushdown_each_type_equals_duckdb_on_its_own_table(where: str, masked: bool) -> None:
    data = table(7, rows=120)
    lake = lake_of(data, dict.fromkeys(data.column_names[1:], "") if masked else {})
    engine, alone = QueryEngine(lake), oracle()
    sql = f"SELECT id, f, t FROM x.all WHERE {where} ORDER BY id"
    try:
        assert repr(rows(engine, sql)) == repr(answer(alone, data, sql))
    finally:
        engine.close()
        alone.close()
        lake.close()


def test_pushdown_view_types_are_plain_so_that_filters_are_handed_over() -> None:
    data = table(3, columns=["sv", "i"])
    lake = lake_of(data, {})
    engine = QueryEngine(lake)
    found = engine.run("SELECT sv FROM x.all WHERE sv = 'a' AND i >= 1")
    engine.close()
    lake.close()
    assert set(found.table.column("sv").to_pylist()) <= {"a"}
    assert columns_of(lake.requests[-1].predicate) == {"i", "sv"}


def test_pushdown_unmasked_columns_reach_the_gateway(engine: QueryEngine, lake: Lake) -> None:
    engine.run("SELECT age FROM trials.outcomes WHERE site = 'NYC' AND score >= 1 AND age < 60")
    scan = lake.requests[-1]
    assert scan.predicate == And(
        (Compare("site", "=", "NYC"), Compare("score", ">=", 1.0), Compare("age", "<", 60))
    ) or columns_of(scan.predicate) == {"site", "score", "age"}
    assert lake.streams[-1].schema.names == list(scan.columns or ())


def test_pushdown_masked_column_is_filtered_here_on_its_masked_values(
    engine: QueryEngine, lake: Lake
) -> None:
    raw = engine.run("SELECT lower(site) FROM trials.outcomes WHERE patient_id = 'P001'")
    assert len(raw) == 0
    assert lake.requests[-1].predicate == TRUE
    assert len(engine.run("SELECT site FROM trials.outcomes WHERE patient_id = 'P001'")) == 0
    shown = engine.run("SELECT patient_id FROM trials.outcomes LIMIT 1").table["patient_id"][0]
    again = engine.run(
        "SELECT lower(site) FROM trials.outcomes WHERE patient_id = $id", {"id": shown.as_py()}
    )
    assert len(again) == 1


def test_pushdown_join_hands_keys_over_that_are_known_at_run_time_only(
    engine: QueryEngine, lake: Lake
) -> None:
    found = engine.run(
        """SELECT age FROM trials.outcomes
        WHERE site IN (SELECT site FROM trials.outcomes WHERE age < 42) AND age > 48 ORDER BY 1"""
    )
    assert found.table["age"].to_pylist() == [49, 50]
    members = [n for scan in lake.requests for n in walk(scan.predicate) if isinstance(n, In)]
    assert [sorted(m.values) for m in members] == [["BOS", "NYC"]]


def test_pushdown_self_join_makes_two_scans(engine: QueryEngine, lake: Lake) -> None:
    found = engine.run(
        "SELECT count(*) AS n FROM trials.outcomes a JOIN trials.outcomes b ON a.age = b.age + 1"
    )
    assert next(iter(found)) == {"n": 9}
    assert len(lake.requests) == 2


def test_pushdown_count_reads_one_cheap_unmasked_column(engine: QueryEngine, lake: Lake) -> None:
    counted = engine.run("SELECT count(*) AS n FROM (SELECT 1 FROM trials.outcomes)")
    assert next(iter(counted)) == {"n": 12}
    assert lake.requests[-1].columns == ("age",)


def test_pushdown_limit_ends_the_scan_early(engine: QueryEngine, lake: Lake) -> None:
    lake.chunk = 1
    found = engine.run("SELECT age FROM trials.outcomes LIMIT 2")
    assert len(found) == 2
    assert lake.streams[-1].cancelled.is_set()
    assert lake.streams[-1].batches < 12
    assert len(found.receipts) == 1


def test_pushdown_scan_that_a_limit_stops_has_its_receipt(engine: QueryEngine, lake: Lake) -> None:
    for lake.chunk in (1, 1000):
        found = engine.run("SELECT age FROM trials.outcomes LIMIT 2")
        assert len(found.receipts) == 1
        assert found.notes == ()


def test_pushdown_columns_keep_the_order_that_was_asked_for(engine: QueryEngine) -> None:
    found = engine.run("SELECT visit, patient_id, age FROM trials.outcomes")
    assert found.columns == ["visit", "patient_id", "age"]
    assert engine.run("FROM trials.outcomes").columns[:2] == ["patient_id", "site"]


def test_pushdown_unpushable_filters_leave_the_setting_as_it_was(engine: QueryEngine) -> None:
    engine.run("SET disabled_optimizers = 'unnest_rewriter'")
    found = engine.run("SELECT count(*) AS n FROM trials.outcomes WHERE score <= 'nan'::DOUBLE")
    assert next(iter(found)) == {"n": 11}
    kept = engine.run("SELECT current_setting('disabled_optimizers') AS s")
    assert next(iter(kept)) == {"s": "unnest_rewriter"}


# -- the reader of expressions ------------------------------------------------------------------


def test_read_expression_nested_calls_give_the_same_tree() -> None:
    tree = read_expression((pc.field("a") > 1) & ~(pc.field("s", "b") == "x'y"))
    assert isinstance(tree, Call)
    assert tree.function == "and_kleene"
    left, right = tree.args
    assert isinstance(left, Call)
    assert left.args[0] == Field(("a",))
    assert isinstance(right, Call)
    assert right.function == "invert"
    inner = right.args[0]
    assert isinstance(inner, Call)
    assert inner.args[0] == Field(("s", "b"))
    assert isinstance(inner.args[1], Literal)
    assert inner.args[1].value.as_py() == "x'y"


@pytest.mark.parametrize("name", ["end", "call", "literal", "", "a\x00b", "é", "nested_field_ref"])
def test_read_expression_column_names_that_look_like_tokens(name: str) -> None:
    tree = read_expression(pc.field(name) == 1)
    assert isinstance(tree, Call)
    assert tree.args[0] == Field((name,))


@pytest.mark.parametrize("kind", [k for k in VALUES if k not in ("st", "l", "dic", "sv")])
def test_read_expression_literals_keep_type_and_value(kind: str) -> None:
    for value in VALUES[kind][1:]:
        scalar = pa.scalar(value, TYPES[kind])
        tree = read_expression(pc.field(kind) >= scalar)
        assert isinstance(tree, Call)
        literal = tree.args[1]
        assert isinstance(literal, Literal)
        assert literal.value.type == scalar.type
        assert literal.value.equals(scalar) or (math.isnan(value))


@pytest.mark.parametrize(
    "expression",
    [
        pc.field("a") + 1 == 2,
        pc.field("a") == pc.field("b"),
        pc.field("a").cast(pa.int32()) == 1,
        pc.scalar(True),
        (pc.field("a") > 1) & pc.scalar(True),
        pc.field("a") == pc.scalar(None),
        pc.field("a").isin([1, None]),
        pc.field("a").is_null(nan_is_null=True),
        pc.starts_with(pc.field("a"), "x"),
        ~pc.scalar(False),
    ],
    ids=str,
)
def test_conditions_what_is_not_known_is_refused(expression: pc.Expression) -> None:
    with pytest.raises(UnreadableFilterError):
        conditions_of(read_expression(expression))


def test_conditions_a_nanosecond_stays_here() -> None:
    scalar = pa.scalar(1, pa.timestamp("ns"))
    (found,) = conditions_of(read_expression(pc.field("ts") > scalar))
    assert to_predicate(found, {"ts": pa.timestamp("ns")}) is None


def test_conditions_an_infinite_date_stays_here() -> None:
    scalar = pa.scalar(2**31 - 1, pa.date32())
    (found,) = conditions_of(read_expression(pc.field("d") < scalar))
    assert to_predicate(found, {"d": pa.date32()}) is None


def test_conditions_negations_move_to_the_leaves() -> None:
    a = pc.field("a")
    parts = conditions_of(read_expression(~((a > 1) | a.isin([5]) | a.is_null())))
    predicates = [to_predicate(p, {"a": pa.int64()}) for p in parts]
    assert [str(p) for p in predicates] == [
        "Compare(column='a', op='<=', value=1)",
        "In(column='a', values=(5,), negated=True)",
        "IsNull(column='a', negated=True)",
    ]
