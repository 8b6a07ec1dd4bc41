"""Masks: what each shows of each type, and that conditions only ever see what is shown."""

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

from jupyter_govdata.model.decision import MASK_KINDS, Mask
from jupyter_govdata.model.plan import Plan
from jupyter_govdata.model.predicate import (
    TRUE,
    And,
    Compare,
    Consent,
    Constant,
    In,
    IsNull,
    Or,
    Predicate,
)
from jupyter_govdata.storage import mask_fits, masked_type, shown_schema, split_predicate
from jupyter_govdata.storage.masking import Masker, effective
from jupyter_govdata.storage.pseudonym import Pseudonyms
from tests.storage.lakes import (
    EDGES,
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

KEY = b"k" * 32
ICEBERG = {
    "i": "long",
    "i2": "int",
    "f": "double",
    "f2": "float",
    "d": "decimal(12, 2)",
    "s": "string",
    "b": "boolean",
    "day": "date",
    "ts": "timestamp",
    "tz": "timestamptz",
    "tm": "time",
    "raw": "binary",
    "u": "uuid",
    "l": "list<int>",
    "st": "struct<18: x: optional int>",
}
ARGUMENTS = {"constant": "hidden", "last": "2", "round": "10"}


def apply(mask: Mask, values: pa.Array, **settings: Any) -> list[Any]:
    masker = Masker({"c": mask}, settings.get("domains", {}), Pseudonyms(KEY, "research"), "a.b")
    shown = masker.apply("c", values, settings.get("raw", {}))
    assert shown.type == masked_type(mask, values.type)
    return shown.to_pylist()  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    root = tmp_path_factory.mktemp("masks")
    return plan_of(root, [save(root / "a.parquet", table(rows()))])


@pytest.mark.parametrize("kind", MASK_KINDS)
@pytest.mark.parametrize("column", ICEBERG)
def test_mask_fits_says_what_is_applied(column: str, kind: Any) -> None:
    mask = Mask(kind, ARGUMENTS.get(kind, ""), "p1")
    arrow = SCHEMA.field(column).type
    fits = mask_fits(kind, mask.argument, ICEBERG[column])
    assert effective(mask, arrow) == (mask if fits else Mask("null", policy="p1"))
    values = table(rows()).column(column).combine_chunks()
    shown = apply(mask, values)
    if not fits or kind == "null":
        assert shown == [None] * len(values)
    elif kind == "constant":
        assert shown == ["hidden"] * len(values)
    else:
        assert all(s is None for s, v in zip(shown, values.to_pylist(), strict=True) if v is None)
        assert any(v is not None for v in shown)


@pytest.mark.parametrize(
    ("kind", "argument", "iceberg_type", "fits"),
    [
        ("last", "4", "string", True),
        ("last", "0", "string", False),
        ("last", "101", "string", False),
        ("last", "-1", "string", False),
        ("last", "", "string", False),
        ("last", "²", "string", False),
        ("round", "0", "long", False),
        ("round", "-5", "long", False),
        ("round", "0.5", "long", False),
        ("round", "5.0", "long", True),
        ("round", "0.5", "double", True),
        ("round", "nan", "double", False),
        ("round", "1e400", "double", False),
        ("round", "0.05", "decimal(9, 2)", True),
        ("round", "0.005", "decimal(9,2)", False),
        ("round", "10", "string", False),
        ("year", "", "timestamptz", True),
        ("year", "", "timestamp_ns", True),
        ("year", "", "time", False),
        ("pseudonym", "", "double", False),
        ("pseudonym", "", "decimal(9, 2)", False),
        ("constant", "x", "list<int>", True),
        ("null", "", "map<string, int>", True),
    ],
)
def test_mask_fits_by_argument_and_type(
    kind: Any, argument: str, iceberg_type: str, fits: bool
) -> None:
    assert mask_fits(kind, argument, iceberg_type) is fits


@pytest.mark.parametrize(
    ("mask", "values", "shown"),
    [
        (
            Mask("last", "4"),
            ["MRN-00123456", "1234", "äöüßé", None],
            ["***3456", "***", "***öüßé", None],
        ),
        (Mask("last", "2"), [12345, -7, None], ["***45", "***", None]),
        (
            Mask("year"),
            ["2020-05-06", "2020", "20205", "x", None],
            ["2020", "2020", None, None, None],
        ),
        (Mask("round", "5"), [1, 2, 3, 7, 8, -2, -3, None], [0, 0, 5, 5, 10, 0, -5, None]),
        (Mask("round", "10"), [5, 15, 25, -5, -15], [10, 20, 30, 0, -10]),
        (Mask("round", "0.5"), [1.2, 0.25, -0.25, None], [1.0, 0.5, 0.0, None]),
        (Mask("round", "10"), [2**63 - 1, -(2**63), 5], [None, None, 10]),
        (
            Mask("year"),
            [dt.date(1960, 5, 5), dt.date(1, 2, 3), None],
            [dt.date(1960, 1, 1), dt.date(1, 1, 1), None],
        ),
        (
            Mask("round", "0.05"),
            [Decimal("1.23"), Decimal("1.225"), Decimal("-1.225"), None],
            [Decimal("1.250"), Decimal("1.250"), Decimal("-1.200"), None],
        ),
    ],
    ids=str,
)
def test_mask_shows(mask: Mask, values: list[Any], shown: list[Any]) -> None:
    assert apply(mask, pa.array(values)) == shown


def test_mask_year_of_a_moment_is_in_utc() -> None:
    moment = dt.datetime(2020, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    shown = apply(Mask("year"), pa.array([moment], pa.timestamp("us", tz="UTC")))
    assert shown == [dt.datetime(2019, 1, 1, tzinfo=dt.UTC)]


def test_mask_round_what_leaves_the_type_is_null() -> None:
    assert apply(Mask("round", "10"), pa.array([2**31 - 1, 4], pa.int32())) == [None, 0]
    decimals = pa.array([Decimal("9.99"), Decimal("1.01")], pa.decimal128(3, 2))
    assert apply(Mask("round", "1"), decimals) == [None, Decimal("1.00")]


@given(values=st.lists(st.integers(-(2**63), 2**63 - 1)), step=st.integers(1, 10**15))
def test_mask_round_does_not_depend_on_the_other_rows(values: list[int], step: int) -> None:
    mask = Mask("round", str(step))
    together = apply(mask, pa.array(values, pa.int64()))
    assert together == [apply(mask, pa.array([v], pa.int64()))[0] for v in values]


def test_pseudonym_is_the_same_for_one_person_in_every_type_and_asset() -> None:
    domain = {"c": "clinic:mrn"}
    number = apply(Mask("pseudonym"), pa.array([42, None]), domains=domain)
    text = apply(Mask("pseudonym"), pa.array(["42", None]), domains=domain)
    assert number == text
    assert number[1] is None
    value = uuid.UUID(int=5)
    stored = pa.array([value.bytes], pa.uuid())
    written = apply(Mask("pseudonym"), pa.array([str(value)]), domains=domain)
    assert apply(Mask("pseudonym"), stored, domains=domain) == written


def test_pseudonym_differs_by_purpose_domain_and_key() -> None:
    names = {
        Pseudonyms(key, purpose).of(domain, "42")
        for key in (b"a" * 16, b"b" * 16)
        for purpose in ("research", "audit")
        for domain in ("x:y", "x:z")
    }
    assert len(names) == 8
    assert all(len(n) == 22 and n.startswith("p_") and n.islower() for n in names)


def test_pseudonym_purpose_and_domain_cannot_be_shifted_into_each_other() -> None:
    assert Pseudonyms(KEY, "ab").of("c", "1") != Pseudonyms(KEY, "a").of("bc", "1")


def test_pseudonym_known_answer_stays_the_same_over_versions() -> None:
    assert Pseudonyms(KEY, "research").of("clinic:mrn", "42") == "p_p6cov2bwkhquuxyiuzif"


def test_pseudonym_forgetting_and_meeting_again_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batches = [
        pa.array([str((n * 7 + k) % 9) for k in range(n % 6)], pa.string()) for n in range(12)
    ]
    batches[3] = pa.array([None, "1", None])
    fresh = [Pseudonyms(KEY, "research").column(b, "d").to_pylist() for b in batches]
    monkeypatch.setattr("jupyter_govdata.storage.pseudonym._REMEMBERED", 4)
    names = Pseudonyms(KEY, "research")
    assert [names.column(b, "d").to_pylist() for b in batches] == fresh
    assert [names.column(b, "d").to_pylist() for b in reversed(batches)] == fresh[::-1]


def test_pseudonym_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Pseudonyms(b"short", "research")


def test_pseudonym_without_a_domain_is_the_columns_own() -> None:
    own = apply(Mask("pseudonym"), pa.array(["1"]))
    assert own == [Pseudonyms(KEY, "research").of("a.b.c", "1")]


def test_pseudonym_domain_of_the_row_follows_its_raw_columns() -> None:
    raw = {"study": pa.array(["A", "B", None, "A"]), "kind": pa.array([1, 1, 1, None])}
    values = pa.array(["7", "7", "7", "7"])
    shown = apply(Mask("pseudonym"), values, domains={"c": "{study}:{kind}"}, raw=raw)
    names = Pseudonyms(KEY, "research")
    assert shown == [names.of("A:1", "7"), names.of("B:1", "7"), None, None]


@pytest.mark.parametrize("reader", READERS)
def test_scan_pseudonym_reads_the_domains_columns_without_showing_them(
    edges: Plan, reader: str
) -> None:
    masks = {"s": Mask("pseudonym"), "k": Mask("constant", "x")}
    asked = Asked(columns=["s"], masks=masks, domains={"s": "{k}:id"})
    got = scan(edges, asked, reader)
    names = Pseudonyms(KEY, "research")
    assert got.column_names == ["s"]
    assert got.column("s").to_pylist() == [
        None if r["s"] is None or r["k"] is None else names.of(f"{r['k']}:id", r["s"])
        for r in rows()
    ]


MASKS = {
    "i": Mask("round", "10"),
    "s": Mask("last", "1"),
    "day": Mask("year"),
    "u": Mask("pseudonym"),
    "f": Mask("null"),
    "k": Mask("constant", "A"),
}


def masked_rows() -> list[dict[str, Any]]:
    """The rows as they are shown, by the masks' own functions, column by column."""
    data = table(rows())
    masker = Masker(MASKS, {}, Pseudonyms(KEY, "research"), "trials.edges")
    shown = {
        name: masker.apply(name, data.column(name).combine_chunks(), {}).to_pylist()
        for name in data.column_names
    }
    return [{n: shown[n][i] for n in shown} for i in range(data.num_rows)]


SHOWN_CONSTANTS: dict[str, list[Any]] = {
    "i": [0, 10, 1.5, 2**53, -10],
    "s": ["***", "***4", "a", "it's"],
    "day": [dt.date(1969, 1, 1), dt.date(1969, 12, 31), dt.date(1970, 1, 1)],
    "u": ["p_zzz", "", str(uuid.UUID(int=0))],
    "f": [0.0, float("nan")],
    "k": ["A", "B"],
    "s2": ["a", "x\0y"],
    "d": [Decimal("1.5"), 0],
}
LEAVES: st.SearchStrategy[Predicate] = st.one_of(
    st.sampled_from(list(SHOWN_CONSTANTS)).flatmap(
        lambda c: st.builds(
            Compare,
            st.just(c),
            st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
            st.sampled_from(SHOWN_CONSTANTS[c]),
        )
    ),
    st.sampled_from(list(SHOWN_CONSTANTS)).flatmap(
        lambda c: st.builds(
            In,
            st.just(c),
            st.lists(st.sampled_from(SHOWN_CONSTANTS[c]), max_size=3).map(tuple),
            st.booleans(),
        )
    ),
    st.builds(IsNull, st.sampled_from(list(SHOWN_CONSTANTS)), st.booleans()),
)
TREES = st.recursive(
    LEAVES,
    lambda below: (
        st.builds(And, st.lists(below, max_size=3).map(tuple))
        | st.builds(Or, st.lists(below, max_size=3).map(tuple))
    ),
    max_leaves=5,
)


@given(predicate=TREES, row_filter=TREES, reader=st.sampled_from(READERS))
def test_scan_filters_raw_rows_then_masks_then_asks_the_shown_rows(
    edges: Plan, predicate: Predicate, row_filter: Predicate, reader: str
) -> None:
    """INVARIANT 1, against the definition."""
    asked = Asked(columns=["id"], row_filter=_raw(row_filter), masks=MASKS, predicate=predicate)
    expected = [
        raw["id"]
        for raw, shown in zip(rows(), masked_rows(), strict=True)
        if keep(_raw(row_filter), raw, Agreed()) and keep(predicate, shown, Agreed())
    ]
    assert scan(edges, asked, reader).column("id").to_pylist() == expected


def _raw(predicate: Predicate) -> Predicate:
    """Return a tree without conditions on `u`, whose raw type is another than the shown one."""
    match predicate:
        case And(args):
            return And(tuple(_raw(a) for a in args))
        case Or(args):
            return Or(tuple(_raw(a) for a in args))
        case Compare("u", _, _) | In("u", _, _):
            return Constant(False)
        case _:
            return predicate


@pytest.mark.parametrize("reader", READERS)
def test_scan_condition_on_a_masked_column_never_finds_a_raw_value(
    edges: Plan, reader: str
) -> None:
    for value in (v for v in EDGES["s"] if v):
        asked = Asked(
            columns=["id"], masks={"s": Mask("pseudonym")}, predicate=Compare("s", "=", value)
        )
        assert scan(edges, asked, reader).num_rows == 0


@pytest.mark.parametrize("reader", READERS)
def test_scan_row_filter_reads_columns_that_are_masked_or_not_shown(
    edges: Plan, reader: str
) -> None:
    asked = Asked(
        columns=["id", "s"],
        row_filter=And((Compare("s", "=", "it's"), Consent("s", "fixed", "research"))),
        masks={"s": Mask("null")},
        consents=Agreed(("fixed", "it's")),
    )
    got = scan(edges, asked, reader)
    assert got.column("id").to_pylist() == [r["id"] for r in rows() if r["s"] == "it's"]
    assert set(got.column("s").to_pylist()) == {None}


def test_shown_schema_is_what_a_scan_gives(edges: Plan) -> None:
    got = scan(edges, Asked(masks=MASKS))
    assert got.schema == shown_schema(SCHEMA, MASKS)
    assert all(f.metadata is None and f.nullable for f in got.schema)


def test_split_predicate_keeps_masked_columns_out_of_pruning() -> None:
    masked, plain = Compare("s", "=", "a"), Compare("i2", "=", 1)
    mixed = Or((masked, plain))
    early, late = split_predicate(And((masked, plain, mixed)), {"s": Mask("null")})
    assert early == And((plain,))
    assert late == And((masked, mixed))
    assert split_predicate(plain, {}) == (And((plain,)), TRUE)


def test_masks_that_only_differ_in_an_unneeded_column_read_nothing_more(tmp_path: Path) -> None:
    """A mask on a column that nobody asks for must not touch its values."""
    plan = plan_of(tmp_path, [save(tmp_path / "a.parquet", table(rows(5)))])
    asked = Asked(columns=["id"], masks={"s": Mask("pseudonym")}, domains={"s": "{k}:{i}"})
    assert scan(plan, asked).column("id").to_pylist() == list(range(5))
