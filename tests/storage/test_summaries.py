"""Aggregates and first rows at the gateway: what the same SQL gives over the rows of a scan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from jupyter_govdata.errors import ColumnNotFoundError, LimitError, QueryError
from jupyter_govdata.model.decision import Mask
from jupyter_govdata.model.predicate import FALSE, Compare, In, IsNull, Predicate
from jupyter_govdata.model.summary import (
    Aggregation,
    ArithmeticTerm,
    ColumnTerm,
    Function,
    Measure,
    NumberTerm,
    Order,
    Summary,
    Top,
    columns_of_term,
)
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
from tests.summaries import told

MASKS = {
    "s": Mask("pseudonym"),
    "d": Mask("null"),
    "day": Mask("year"),
    "i": Mask("constant", "hidden"),
}
PLAIN = [f.name for f in SCHEMA if not isinstance(f.type, pa.BaseExtensionType)]
PLAIN = [name for name in PLAIN if not pa.types.is_nested(SCHEMA.field(name).type)]
NUMBERS = [
    name
    for name in PLAIN
    if pa.types.is_integer(kind := SCHEMA.field(name).type)
    or pa.types.is_floating(kind)
    or pa.types.is_decimal(kind)
]
DOUBLES = [name for name in PLAIN if SCHEMA.field(name).type == pa.float64()]
FILTERS: list[Predicate] = [IsNull("s", negated=True), Compare("id", "<", 77), FALSE]
DOMAINS = {"s": "TCGA:patient"}


CUBED = ArithmeticTerm(
    "*", ColumnTerm("id"), ArithmeticTerm("*", ColumnTerm("d"), ColumnTerm("id"))
)
TWICE = ArithmeticTerm("*", ColumnTerm("i"), NumberTerm(Decimal(2)))


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("summaries")
    files = [save(root / "a.parquet", table(rows(120))), save(root / "b.parquet", table(rows(31)))]
    return plan_of(root, files)


def over_rows(plan: Any, asked: Asked, reader: str) -> list[tuple[Any, ...]]:
    """The same, computed by DuckDB from the rows that a scan shows."""
    summary = asked.summary
    assert summary is not None
    shown = list(summary.columns if isinstance(summary, Aggregation) else asked.columns or ())
    more = [o.column for o in summary.order] if isinstance(summary, Top) else []
    columns = list(dict.fromkeys([*shown, *more])) or ["id"]
    rows_shown = scan(plan, Asked(**{**fields(asked), "summary": None, "columns": columns}), reader)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("t", rows_shown)
    return tuples(connection.execute(told(summary, shown)).to_arrow_table())


def fields(asked: Asked) -> dict[str, Any]:
    return {name: getattr(asked, name) for name in asked.__dataclass_fields__}


def at_gateway(plan: Any, asked: Asked, reader: str) -> list[tuple[Any, ...]]:
    return tuples(scan(plan, asked, reader))


def tuples(found: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in found.columns), strict=True))


def comparable(answer: list[tuple[Any, ...]]) -> list[list[str]]:
    return sorted([_cell(cell) for cell in row] for row in answer)


def _cell(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"number {value.normalize():f}"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return f"float {value + 0.0:.9g}"  # threads add in any order, and -0.0 equals 0.0
        return f"float {value}"
    if isinstance(value, int):
        return f"number {Decimal(value).normalize():f}"
    return f"{type(value).__name__} {value}"


terms = st.recursive(
    st.sampled_from(DOUBLES).map(ColumnTerm)
    | st.sampled_from(["0", "1", "-2.5", "1000000"]).map(Decimal).map(NumberTerm),
    lambda below: st.builds(ArithmeticTerm, st.sampled_from(["+", "-", "*"]), below, below),
    max_leaves=4,
).filter(columns_of_term)


exact_terms = st.recursive(
    st.sampled_from(["d", "i2", "id"]).map(ColumnTerm)
    | st.sampled_from(["0", "1", "-2.5", "100.25"]).map(Decimal).map(NumberTerm),
    lambda below: st.builds(ArithmeticTerm, st.sampled_from(["+", "-", "*"]), below, below),
    max_leaves=3,
).filter(lambda term: "d" in columns_of_term(term) and not isinstance(term, ColumnTerm))


@st.composite
def measures(draw: st.DrawFn) -> Measure:
    function: Function = draw(st.sampled_from(["count", "sum", "min", "max", "avg"]))
    if function == "count":
        if draw(st.booleans()):
            return Measure("count")
        return Measure("count", ColumnTerm(draw(st.sampled_from(PLAIN))), draw(st.booleans()))
    if function in ("min", "max"):
        return Measure(function, ColumnTerm(draw(st.sampled_from(PLAIN))))
    # Sums of infinities of both signs are NaN in one order and an infinity in no other.
    finite = [name for name in NUMBERS if name not in DOUBLES]
    return Measure(function, ColumnTerm(draw(st.sampled_from(finite))))


@st.composite
def aggregations(draw: st.DrawFn) -> Aggregation:
    keys = draw(st.lists(st.sampled_from(PLAIN), max_size=3, unique=True))
    return Aggregation(tuple(keys), tuple(draw(st.lists(measures(), min_size=1, max_size=4))))


EXAMPLES = settings(max_examples=30)


@EXAMPLES
@given(
    summary=aggregations(),
    row_filter=st.sampled_from(FILTERS),
    masked=st.lists(st.sampled_from(sorted(MASKS)), unique=True),
    reader=st.sampled_from(READERS),
)
def test_aggregates_are_those_of_the_rows_that_a_scan_shows(
    plan, summary, row_filter, masked, reader
) -> None:
    # NULL of a masked number is a number, the constant of a masked one is a text.
    numeric = {m.term.column for m in summary.measures if m.function in ("sum", "avg") and m.term}
    masks = {name: MASKS[name] for name in masked if name not in numeric - {"d"}}
    asked = Asked(
        columns=summary.columns,
        row_filter=row_filter,
        masks=masks,
        domains=DOMAINS,
        summary=summary,
    )
    assert comparable(at_gateway(plan, asked, reader)) == comparable(over_rows(plan, asked, reader))


@EXAMPLES
@given(term=terms, reader=st.sampled_from(READERS), keys=st.sampled_from([(), ("b",), ("k", "s2")]))
def test_arithmetic_is_that_of_double_precision(plan, term, reader, keys) -> None:
    measured = tuple(Measure(function, term) for function in ("min", "max", "count"))
    summary = Aggregation(keys, measured)
    asked = Asked(columns=summary.columns, row_filter=FILTERS[0], summary=summary)
    assert comparable(at_gateway(plan, asked, reader)) == comparable(over_rows(plan, asked, reader))


@EXAMPLES
@given(
    term=exact_terms,
    reader=st.sampled_from(READERS),
    keys=st.sampled_from([(), ("b",), ("k", "s2")]),
)
def test_exact_arithmetic_is_pythons(plan, term, reader, keys) -> None:
    """Python's own, for DuckDB fails where 18 digits are too few."""
    summary = Aggregation(keys, (Measure("sum", term), Measure("avg", term)))
    asked = Asked(columns=summary.columns, row_filter=FILTERS[0], summary=summary)
    try:
        got = at_gateway(plan, asked, reader)
    except QueryError as error:
        assert "more than 38 digits" in str(error)
        reject()
    shown = scan(plan, Asked(**fields(asked) | {"summary": None}), reader).to_pylist()
    with localcontext(prec=100):
        compare(term, keys, got, shown)


def compare(
    term: Any, keys: Sequence[str], got: list[tuple[Any, ...]], shown: list[dict[str, Any]]
) -> None:
    wanted: dict[tuple[Any, ...], list[Decimal]] = {}
    for row in shown:
        value = worth(term, row)
        of_group = wanted.setdefault(tuple(row[key] for key in keys), [])
        of_group += [] if value is None else [value]
    assert len(got) == len(wanted)
    for row in got:
        group = wanted[row[:-2]]
        assert row[-2] == (sum(group) if group else None)
        assert row[-1] == (pytest.approx(float(sum(group)) / len(group)) if group else None)


def worth(term: Any, row: dict[str, Any]) -> Decimal | None:
    if isinstance(term, ColumnTerm):
        return None if row[term.column] is None else Decimal(row[term.column])
    if isinstance(term, NumberTerm):
        return term.value
    left, right = worth(term.left, row), worth(term.right, row)
    if left is None or right is None:
        return None
    return {"+": left + right, "-": left - right, "*": left * right}[term.operator]


@EXAMPLES
@given(
    order=st.lists(
        st.builds(Order, st.sampled_from(PLAIN), st.booleans(), st.booleans()),
        max_size=2,
        unique_by=lambda o: o.column,
    ),
    count=st.integers(0, 200),
    masked=st.lists(st.sampled_from(sorted(MASKS)), unique=True),
    row_filter=st.sampled_from(FILTERS),
    reader=st.sampled_from(READERS),
)
def test_first_rows_are_those_of_the_rows_that_a_scan_shows(
    plan, order, count, masked, row_filter, reader
) -> None:
    shown = ("id", "s", "i")
    ranked = (*(o for o in order if o.column != "id"), Order("id", False, False))
    summary = Top(tuple(ranked), count)
    masks = {name: MASKS[name] for name in masked}
    asked = Asked(
        columns=shown, row_filter=row_filter, masks=masks, domains=DOMAINS, summary=summary
    )
    # `id` is of both files: rows of equal rank agree in what may be told of them.
    got, wanted = at_gateway(plan, asked, reader), over_rows(plan, asked, reader)
    assert [row[0] for row in got] == [row[0] for row in wanted]


@pytest.mark.parametrize("reader", READERS)
def test_user_condition_on_a_masked_column_sees_the_mask(plan, reader) -> None:
    summary = Aggregation(("i",), (Measure("count"),))
    masks = {"i": MASKS["i"]}
    asked = Asked(columns=("i",), masks=masks, summary=summary, predicate=In("i", ("hidden",)))
    assert at_gateway(plan, asked, reader) == [("hidden", 151)]
    clear = Asked(columns=("i",), masks=masks, summary=summary, predicate=In("i", ("0",)))
    assert at_gateway(plan, clear, reader) == []


@pytest.mark.parametrize("reader", READERS)
def test_no_rows_give_one_row_without_keys_and_none_with(plan, reader) -> None:
    measures_of_none = (Measure("count"), Measure("sum", ColumnTerm("id")))
    for predicate in (FALSE, Compare("id", "<", -1)):
        asked = Asked(columns=("id",), predicate=predicate)
        one = Asked(**{**fields(asked), "summary": Aggregation((), measures_of_none)})
        assert at_gateway(plan, one, reader) == [(0, None)]
        none = Asked(**{**fields(asked), "summary": Aggregation(("id",), measures_of_none)})
        assert at_gateway(plan, none, reader) == []


@pytest.mark.parametrize("reader", READERS)
def test_deleted_rows_do_not_count(tmp_path: Path, reader: str) -> None:
    file = save(tmp_path / "a.parquet", table(rows(40)))
    plan = plan_of(tmp_path, [replace(file, deleted=positions(0, 1, 39))])
    summary = Aggregation((), (Measure("count"), Measure("max", ColumnTerm("id"))))
    assert at_gateway(plan, Asked(columns=("id",), summary=summary), reader) == [(37, 38)]
    counted = Aggregation((), (Measure("count"),))
    assert at_gateway(plan, Asked(columns=(), summary=counted), reader) == [(37,)]


@pytest.mark.parametrize(
    ("summary", "message"),
    [
        (Aggregation(("l",), (Measure("count"),)), "cannot be sorted or grouped"),
        (Aggregation(("u",), (Measure("count"),)), "cannot be sorted or grouped"),
        (Aggregation((), (Measure("sum", ColumnTerm("s")),)), "adds numbers only"),
        (Aggregation((), (Measure("avg", ColumnTerm("day")),)), "adds numbers only"),
        (
            Aggregation(
                (), (Measure("sum", ArithmeticTerm("*", ColumnTerm("i"), NumberTerm(Decimal(2)))),)
            ),
            "double precision, or has a decimal",
        ),
        (Aggregation((), (Measure("sum", CUBED),)), "more than 38 digits"),
        (Top((Order("st", False, False),), 3), "cannot be sorted or grouped"),
    ],
)
def test_what_has_no_order_or_sum_is_refused(plan, summary: Summary, message: str) -> None:
    shown = summary.columns if isinstance(summary, Aggregation) else ("id",)
    with pytest.raises(QueryError, match=message):
        scan(plan, Asked(columns=shown, summary=summary))


def test_unknown_column_is_refused(plan) -> None:
    with pytest.raises(ColumnNotFoundError):
        scan(plan, Asked(columns=("id",), summary=Top((Order("nope", False, False),), 3)))


@pytest.mark.parametrize("reader", READERS)
def test_more_memory_than_an_aggregate_may_take_is_a_limit(tmp_path: Path, reader: str) -> None:
    schema = pa.schema([with_id("id", pa.int64(), 1), with_id("s", pa.string(), 7)])
    many = pa.table({"id": range(400_000), "s": [f"{n:032x}" for n in range(400_000)]}, schema)
    plan = plan_of(tmp_path, [save(tmp_path / "a.parquet", many, 100_000)], schema)
    summary = Aggregation(("s",), (Measure("count", ColumnTerm("id"), distinct=True),))
    with pytest.raises(LimitError, match="more memory"):
        scan(plan, Asked(columns=summary.columns, summary=summary, memory="24MB"), reader)
    plenty = scan(plan, Asked(columns=summary.columns, summary=summary), reader)
    assert plenty.num_rows == 400_000
