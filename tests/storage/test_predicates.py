"""Every condition keeps the rows that the oracle keeps, on every reader and after the masks."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_govdata.errors import ColumnNotFoundError, ProtocolError, QueryError
from jupyter_govdata.model.decision import Mask
from jupyter_govdata.model.plan import Plan
from jupyter_govdata.model.predicate import (
    OPS,
    And,
    Compare,
    CompareColumns,
    Consent,
    Constant,
    In,
    IsNull,
    Like,
    Or,
    Predicate,
)
from jupyter_govdata.storage import check_predicate
from tests.storage.lakes import (
    EDGES,
    INF,
    NAN,
    READERS,
    SCHEMA,
    Asked,
    plan_of,
    rows,
    save,
    scan,
    table,
)
from tests.storage.oracle import Agreed, keep

ROWS = rows()
CONSENTS = Agreed(("A:s", "a"), ("B:s", "ä"), ("A:B:s", "it's"), ("fixed", "5"), ("fixed", "-1"))


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    root = tmp_path_factory.mktemp("edges")
    data = table(ROWS)
    half = len(ROWS) // 2
    files = [
        save(root / "a.parquet", data.slice(0, half)),
        save(root / "b.parquet", data.slice(half)),
    ]
    return plan_of(root, files)


def expected(predicate: Predicate) -> list[int]:
    return [r["id"] for r in ROWS if keep(predicate, r, CONSENTS)]


def kept(plan: Plan, predicate: Predicate, reader: str) -> list[int]:
    asked = Asked(columns=["id"], row_filter=predicate, consents=CONSENTS)
    return scan(plan, asked, reader).column("id").to_pylist()


def kept_late(plan: Plan, predicate: Predicate) -> list[int]:
    """Run the condition after the masks: one of its columns has a mask, which changes nothing."""
    masked = And((IsNull("id", negated=True), predicate))
    asked = Asked(
        columns=["id"],
        predicate=Or((masked, Constant(False))),
        masks={"id": Mask("round", "1")},
    )
    return scan(plan, asked).column("id").to_pylist()


NUMBERS = [0, 1, -1, 2, 2**53, 2**53 + 1, 2**63, -(2**63) - 1, 2**31, 10**30]
NUMBERS += [0.0, -0.0, 0.1, 1.5, -1.5, NAN, INF, -INF, 1e300, 1e-300, float(2**53), 3.5e38]
NUMBERS += [Decimal("0.1"), Decimal("1.50"), Decimal("1.505"), Decimal("-9999999999.995")]
NUMBERS += [Decimal("1e-20"), Decimal("9e20")]
TEXTS = ["", "a", "A", "it's", "50%", "%", "_", "a_b", "a\\b", "\\", "ä", "日本", "x\0y", "\0", "b"]
UUIDS = [str(u) for u in EDGES["u"] if isinstance(u, uuid.UUID)] + ["7", "zzz"]


def constants(column: str) -> st.SearchStrategy[Any]:
    if column in ("id", "i", "i2", "f", "f2", "d"):
        return st.sampled_from(NUMBERS) | st.floats() | st.integers(-(2**65), 2**65)
    if column in ("s", "s2", "k"):
        return st.sampled_from(TEXTS) | st.text(
            st.characters(exclude_categories=["Cs"]), max_size=3
        )
    if column == "u":
        return st.sampled_from(UUIDS)
    if column == "day":
        return st.sampled_from(EDGES["day"]) | st.dates()
    if column == "ts":
        return st.datetimes()
    if column == "tz":
        return st.datetimes(
            dt.datetime(2, 1, 1), dt.datetime(9998, 1, 1), timezones=st.timezones()
        ) | st.sampled_from([v for v in EDGES["tz"] if v is not None])
    return st.sampled_from([v for v in EDGES[column] if v is not None])


COMPARED = [n for n in SCHEMA.names if n not in ("l", "st")]
PAIRS = [("i", "i2"), ("i", "id"), ("f", "f2"), ("s", "s2"), ("s", "s"), ("day", "day"), ("f", "f")]
LEAVES: st.SearchStrategy[Predicate] = st.one_of(
    st.sampled_from(COMPARED).flatmap(
        lambda c: st.builds(Compare, st.just(c), st.sampled_from(OPS), constants(c))
    ),
    st.sampled_from(COMPARED).flatmap(
        lambda c: st.builds(
            In, st.just(c), st.lists(constants(c), max_size=4).map(tuple), st.booleans()
        )
    ),
    st.builds(IsNull, st.sampled_from(SCHEMA.names), st.booleans()),
    st.builds(Constant, st.booleans()),
)
POLICY_LEAVES: st.SearchStrategy[Predicate] = st.one_of(
    LEAVES,
    st.builds(
        Like,
        st.sampled_from(["s", "s2"]),
        st.lists(st.none() | st.sampled_from(TEXTS), max_size=4).map(tuple),
        st.booleans(),
    ),
    st.tuples(st.sampled_from(PAIRS), st.sampled_from(OPS)).map(
        lambda t: CompareColumns(t[0][0], t[1], t[0][1])
    ),
    st.builds(
        Consent,
        st.sampled_from(["s", "i", "u"]),
        st.sampled_from(["A:s", "fixed", "{k}:s", "{k}:{s2}"]),
        st.sampled_from(["research", "other"]),
        st.booleans(),
    ),
)


def trees(leaves: st.SearchStrategy[Predicate]) -> st.SearchStrategy[Predicate]:
    return st.recursive(
        leaves,
        lambda below: (
            st.builds(And, st.lists(below, max_size=3).map(tuple))
            | st.builds(Or, st.lists(below, max_size=3).map(tuple))
        ),
        max_leaves=6,
    )


@given(predicate=trees(POLICY_LEAVES))
def test_row_filter_any_tree_keeps_what_the_oracle_keeps(edges: Plan, predicate: Predicate) -> None:
    assert kept(edges, predicate, "engine") == expected(predicate)


@given(predicate=trees(POLICY_LEAVES))
def test_row_filter_any_tree_on_streamed_batches_is_the_same(
    edges: Plan, predicate: Predicate
) -> None:
    assert kept(edges, predicate, "stream") == expected(predicate)


@given(predicate=trees(LEAVES))
def test_predicate_any_tree_after_the_masks_is_the_same(edges: Plan, predicate: Predicate) -> None:
    assert kept_late(edges, predicate) == expected(predicate)


@pytest.mark.parametrize("reader", ["engine", "stream"])
@pytest.mark.parametrize("column", COMPARED)
def test_comparison_every_operator_and_edge_is_the_oracles(
    edges: Plan, column: str, reader: str
) -> None:
    values = [v for v in EDGES.get(column, [3]) if v is not None]
    for value in [str(v) if isinstance(v, uuid.UUID) else v for v in values]:
        for op in OPS:
            predicate = Compare(column, op, value)
            assert kept(edges, predicate, reader) == expected(predicate), predicate


@pytest.mark.parametrize("negated", [False, True])
@pytest.mark.parametrize("column", ["i", "f", "f2", "s", "d", "u", "tz", "raw"])
def test_in_a_long_list_is_the_oracles(edges: Plan, column: str, negated: bool) -> None:
    chosen = [str(v) if isinstance(v, uuid.UUID) else v for v in EDGES[column] if v is not None]
    padding: dict[str, list[Any]] = {
        "i": list(range(1000, 1100)),
        "f": [n / 7 for n in range(100)],
        "f2": [n / 8 for n in range(100)],
        "s": [f"no {n}" for n in range(100)],
        "d": [Decimal(n) / 100 for n in range(1000, 1100)],
        "u": [f"no {n}" for n in range(100)],
        "tz": [dt.datetime(2000, 1, 1, n % 24, n % 60, tzinfo=dt.UTC) for n in range(100)],
        "raw": [bytes([n]) for n in range(1, 100)],
    }
    predicate = In(column, (*chosen[::2], *padding[column]), negated)
    for reader in ("engine", "stream"):
        assert kept(edges, predicate, reader) == expected(predicate)


@pytest.mark.parametrize("reader", READERS)
def test_scan_without_condition_gives_every_row_as_it_is(edges: Plan, reader: str) -> None:
    got = scan(edges, Asked(), reader)
    assert got.schema == pa.schema([pa.field(f.name, f.type) for f in SCHEMA])
    assert repr(got.to_pylist()) == repr(table(ROWS).to_pylist())


@pytest.mark.parametrize(
    ("predicate", "kind"),
    [
        (Compare("nope", "=", 1), ColumnNotFoundError),
        (IsNull("nope"), ColumnNotFoundError),
        (Compare("s", "=", 1), QueryError),
        (Compare("i", "=", "1"), QueryError),
        (Compare("i", "=", True), QueryError),
        (Compare("b", "=", 1), QueryError),
        (Compare("day", "=", dt.datetime(2020, 1, 1)), QueryError),
        (Compare("ts", "=", dt.date(2020, 1, 1)), QueryError),
        (Compare("ts", "=", dt.datetime(2020, 1, 1, tzinfo=dt.UTC)), QueryError),
        (Compare("tz", "=", dt.datetime(2020, 1, 1)), QueryError),
        (Compare("raw", "=", "a"), QueryError),
        (Compare("s", "=", b"a"), QueryError),
        (Compare("s", "=", "\ud800"), QueryError),
        (Compare("l", "=", 1), QueryError),
        (Compare("d", "=", Decimal("NaN")), QueryError),
        (Compare("i", "<", Decimal("1e999999")), QueryError),
        (Compare("i", "<", 10**2000), QueryError),
        (In("st", ("a",)), QueryError),
        (Like("i", ("a",)), QueryError),
        (CompareColumns("i", "=", "s"), QueryError),
        (CompareColumns("i", "=", "f"), QueryError),
        (CompareColumns("l", "=", "l"), QueryError),
        (Consent("f", "fixed", "research"), QueryError),
        (Consent("s", "{nope}:x", "research"), ColumnNotFoundError),
        (Consent("s", "{:x", "research"), QueryError),
        (Consent("s", "{}:x", "research"), QueryError),
    ],
    ids=lambda p: str(p)[:60],
)
def test_check_predicate_what_does_not_fit_is_refused(
    edges: Plan, predicate: Predicate, kind: type[Exception]
) -> None:
    nested = Or((And((predicate,)), Constant(False)))
    with pytest.raises(kind):
        check_predicate(nested, SCHEMA)
    with pytest.raises(kind):
        scan(edges, Asked(row_filter=nested))


def test_check_predicate_a_refusal_does_not_hold_the_constant() -> None:
    with pytest.raises(QueryError) as refused:
        check_predicate(Compare("i", "=", "patient-7"), SCHEMA)
    assert "patient-7" not in str(refused.value)


@pytest.mark.parametrize("node", [Like("s", ("a",)), CompareColumns("s", "=", "s2")])
def test_scan_a_pushed_policy_condition_is_refused(edges: Plan, node: Predicate) -> None:
    with pytest.raises(ProtocolError):
        scan(edges, Asked(predicate=node))


def test_consent_template_without_pairs_is_refused(edges: Plan) -> None:
    node = Consent("s", "{k}:s", "research")
    with pytest.raises(QueryError, match="cannot be looked up"):
        scan(edges, Asked(row_filter=node, consents=lambda d, p: frozenset()))


def test_nan_files_known_to_be_free_of_it_give_the_same_rows(tmp_path: Path) -> None:
    schema = pa.schema([SCHEMA.field("id"), SCHEMA.field("f")])
    values = [{"id": n, "f": None if n % 5 == 0 else n / 2} for n in range(100)]
    plan = plan_of(tmp_path, [save(tmp_path / "a.parquet", table(values, schema))], schema)
    from dataclasses import replace

    free = replace(plan, nan_free=frozenset({4}))
    for op in OPS:
        asked = Asked(row_filter=Compare("f", op, 20.0))
        assert scan(free, asked, "engine").equals(scan(plan, asked, "engine"))
