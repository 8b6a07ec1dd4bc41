"""Random Cedar conditions, principals and rows for the differential test."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from jupyter_govdata.policy.terms import column_type
from jupyter_govdata.policy.tokens import quoted

COLUMNS = {
    "s1": "string",
    "s2": "string",
    "naïve name": "string",
    "n1": "int",
    "n2": "long",
    "b1": "boolean",
    "b2": "boolean",
    "m1": "decimal(9, 2)",
    "m2": "decimal(18, 4)",
    "m3": "decimal(5, 0)",
    "d1": "date",
    "d2": "date",
    "t1": "timestamp",
    "t2": "timestamp",
    "z1": "timestamptz",
    "z2": "timestamptz",
    "pid": "string",
}
PURPOSES = ("research", "model_training")
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
TEXTS = ("", "a", "ab", "a*b", "Ünï-42", "日本", 'q"u\\o', "line\nbreak", "TCGA-AB-1", "BOS")
LONGS = (-(2**31), -3, -1, 0, 1, 2, 17, 18, 2**31 - 1)
WIDE = (*LONGS, 2**40, -(2**63), 2**63 - 1)
DECIMALS = ("0.0", "-0.01", "1.5", "1.50", "1.2345", "-1.2345", "3.5", "18.0", "12345.67")
MOMENTS = (
    "1969-12-31",
    "2024-01-01",
    "2024-02-29T12:30:00Z",
    "2024-01-01T00:00:00.001Z",
    "2024-01-01T01:00:00+0100",
    "2023-12-31T23:59:59.999Z",
    "2025-12-31T23:00:00-0100",
    "2026-01-01",
)
SPANS = ("0ms", "1d", "-1d", "1ms", "12h30m", "365d", "-36h")
IDS = ("P1", "P2", "P3")
NAMES = {
    kind: tuple(name for name, iceberg in COLUMNS.items() if column_type(iceberg) == kind)
    for kind in ("string", "long", "bool", "decimal", "datetime")
}
SAME_TYPE = (("d1", "d2"), ("t1", "t2"), ("z1", "z2"))


def attr(name: str) -> str:
    return (
        f"resource.{name}"
        if name.isidentifier() and name.isascii()
        else f"resource[{quoted(name)}]"
    )


def text(value: str) -> str:
    return quoted(value)


def pattern(value: str) -> str:
    return quoted(value).replace("*", "\\*")


@st.composite
def string(draw: Any, depth: int) -> str:
    kind = draw(st.integers(0, 9))
    if kind < 5:
        return attr(draw(st.sampled_from(NAMES["string"])))
    if kind < 7 or depth <= 0:
        return text(draw(st.sampled_from(TEXTS)))
    if kind == 7:
        return draw(
            st.sampled_from(["principal.site", 'resource.getTag("modality")', "context.purpose"])
        )
    return draw(choice(string, depth))


@st.composite
def long(draw: Any, depth: int) -> str:
    kind = draw(st.integers(0, 9))
    if kind < 5:
        return attr(draw(st.sampled_from(NAMES["long"])))
    if kind < 7 or depth <= 0:
        return str(draw(st.sampled_from(WIDE)))
    if kind == 7:
        return "principal.level"
    if kind == 8:
        op = draw(st.sampled_from("+-*"))
        return f"(principal.level {op} {draw(st.sampled_from(WIDE))})"
    return draw(choice(long, depth))


@st.composite
def decimal(draw: Any, depth: int) -> str:
    kind = draw(st.integers(0, 9))
    if kind < 6:
        return attr(draw(st.sampled_from(NAMES["decimal"])))
    if kind < 9 or depth <= 0:
        return f'decimal("{draw(st.sampled_from(DECIMALS))}")'
    return draw(choice(decimal, depth))


@st.composite
def fixed(draw: Any, depth: int) -> str:
    """A moment that does not depend on the row."""
    kind = draw(st.integers(0, 5))
    if kind < 4 or depth <= 0:
        return f'datetime("{draw(st.sampled_from(MOMENTS))}")'
    if kind == 4:
        return "context.now"
    return f'{draw(fixed(depth - 1))}.offset(duration("{draw(st.sampled_from(SPANS))}"))'


@st.composite
def dated(draw: Any, depth: int) -> str:
    """A moment that may be a column, shifted or not."""
    name = attr(draw(st.sampled_from(NAMES["datetime"])))
    if draw(st.integers(0, 3)) == 0:
        return f'{name}.offset(duration("{draw(st.sampled_from(SPANS))}"))'
    if depth > 0 and draw(st.integers(0, 3)) == 0:
        return f"(if {draw(boolean(depth - 1))} then {name} else {draw(fixed(depth - 1))})"
    return name


@st.composite
def choice(draw: Any, of: Any, depth: int) -> str:
    test = draw(boolean(depth - 1))
    return f"(if {test} then {draw(of(depth - 1))} else {draw(of(depth - 1))})"


@st.composite
def texts(draw: Any, depth: int) -> str:
    """A set of texts, perhaps with columns in it."""
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return "principal.sites"
    items = draw(st.lists(string(depth - 2), max_size=3))
    if kind == 1 and depth > 0:
        return f"(if {draw(boolean(depth - 1))} then principal.sites else [{', '.join(items)}])"
    return f"[{', '.join(items)}]"


@st.composite
def comparison(draw: Any, depth: int) -> str:
    kind = draw(st.integers(0, 16))
    order = draw(st.sampled_from(["<", "<=", ">", ">="]))
    same = draw(st.sampled_from(["==", "!="]))
    if kind <= 1:
        return f"{draw(string(depth))} {same} {draw(string(depth))}"
    if kind <= 3:
        return f"{draw(long(depth))} {draw(st.sampled_from([order, same]))} {draw(long(depth))}"
    if kind == 4:
        method = draw(
            st.sampled_from(["lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"])
        )
        return f"{draw(decimal(depth))}.{method}({draw(decimal(depth))})"
    if kind == 5:
        return f"{draw(decimal(depth))} {same} {draw(decimal(depth))}"
    if kind <= 7:
        sides = draw(st.permutations([draw(dated(depth)), draw(fixed(depth))]))
        return f"{sides[0]} {draw(st.sampled_from([order, same]))} {sides[1]}"
    if kind == 8:
        left, right = draw(st.sampled_from(SAME_TYPE))
        return f"{attr(left)} {draw(st.sampled_from([order, same]))} {attr(right)}"
    if kind == 9:
        sides = draw(st.permutations([draw(dated(0)), draw(fixed(depth))]))
        span = draw(st.sampled_from(SPANS))
        return f'{sides[0]}.durationSince({sides[1]}) {order} duration("{span}")'
    if kind == 10:
        parts = draw(st.lists(st.sampled_from([*map(pattern, TEXTS), '"*"']), max_size=3))
        joined = "".join(part[1:-1] for part in parts)
        return f'{draw(string(depth))} like "{joined}"'
    if kind == 11:
        return f"{draw(texts(depth))}.contains({draw(string(depth))})"
    if kind == 12:
        method = draw(st.sampled_from(["containsAll", "containsAny"]))
        return f"{draw(texts(depth))}.{method}({draw(texts(depth))})"
    if kind == 13:
        numbers = ", ".join(draw(st.lists(long(0), max_size=3)))
        return f"[{numbers}].contains({draw(long(depth))})"
    if kind == 14:
        return f"{draw(texts(depth))} == {draw(texts(depth))}"
    return draw(mixed(depth))


FORMS = (
    "{} == {}",
    "{} != {}",
    "{} < {}",
    "({}).contains({})",
    "[{}].contains({})",
    "({}).containsAny({})",
    "({}).lessThan({})",
    "({}) && ({})",
)


@st.composite
def mixed(draw: Any, depth: int) -> str:
    """Two operands of types that may not go together."""
    left, right = (
        draw(draw(st.sampled_from([string, long, decimal, fixed, texts, boolean]))(depth - 1))
        for _ in range(2)
    )
    return str(draw(st.sampled_from(FORMS))).format(left, right)


ODD = (
    "principal.missing == 1",
    "resource.missing == 1",
    "resource.n1",
    'resource.n1 < "a"',
    "resource.s1 < resource.s2",
    "resource.d1 < 3",
    "resource.s1 == resource.n1",
    "resource.m1 == resource.n1",
    "resource.m1.lessThan(resource.n1)",
    "resource.s1.contains(1)",
    'resource.n1 like "a*"',
    'datetime("2024-13-01") < resource.d1',
    "resource.d1 == 0",
    "resource.s1 == principal",
    "resource.s1 is User",
    'resource.s1 in Group::"g"',
    "resource.subject.missing == 1",
    "resource.subject.consents.contains(1)",
    "resource.subject == resource.s1",
    "[resource.n1, resource.s1].contains(resource.s1)",
    'decimal("1.50") == resource.m1',
    "resource has subject && resource.subject has consents",
    "resource has missing",
    "resource has asset",
    'resource.hasTag("modality") && resource.getTag("modality") == "HE"',
    'resource.getTag("missing") == "x"',
    "resource.asset.owner == principal",
    "principal in resource.asset.steward",
    "[].containsAll([resource.s1])",
    "[resource.s1].isEmpty()",
    "[resource.s1].containsAll([])",
    "(if resource.b1 then 1 else 2) + 1 > resource.n1",
    "(resource.n1 < 3) == resource.b1",
    "[resource.b1, true].contains(resource.n1 > 0)",
    "(if resource.b1 then resource.asset else principal) == resource.asset",
)


@st.composite
def boolean(draw: Any, depth: int) -> str:
    kind = draw(st.integers(0, 15))
    if depth > 0 and kind <= 6:
        left, right = draw(boolean(depth - 1)), draw(boolean(depth - 1))
        if kind <= 2:
            return f"({left} && {right})"
        if kind <= 4:
            return f"({left} || {right})"
        if kind == 5:
            return f"!({left})"
        return f"(if {left} then {right} else {draw(boolean(depth - 1))})"
    if kind == 7:
        return draw(st.sampled_from(["resource.b1", "resource.b2", "true", "false"]))
    if kind == 8:
        name = draw(st.sampled_from([*COLUMNS, "subject"]))
        return f"(resource has {name if name.isascii() and name.isidentifier() else quoted(name)})"
    if kind == 9:
        return "(" + draw(st.sampled_from(ODD)) + ")"
    if kind == 10:
        purpose = draw(st.sampled_from(["context.purpose", '"research"', '"care"']))
        return f"resource.subject.consents.contains({purpose})"
    if kind == 11:
        method = draw(st.sampled_from(["containsAll", "containsAny"]))
        return f'resource.subject.consents.{method}(["research", context.purpose])'
    return "(" + draw(comparison(depth)) + ")"


@st.composite
def policy(draw: Any, name: str) -> str:
    effect = draw(st.sampled_from(["permit", "forbid"]))
    clause = draw(st.sampled_from(["when", "when", "unless"]))
    condition = draw(boolean(draw(st.sampled_from([0, 0, 1, 1, 2, 3, 4]))))
    return f'@id("{name}") {effect} (principal, action, resource) {clause} {{ {condition} }};'


def policies(count: int) -> st.SearchStrategy[list[str]]:
    """Return policies; half of the time the last one permits every row, so that forbids show."""
    some = st.tuples(*(policy(f"p{i}") for i in range(count)))
    every = '@id("every") permit (principal, action, resource);'
    return st.tuples(some, st.booleans()).map(lambda x: [*x[0], *([every] if x[1] else [])])


_STAMPS = (
    dt.datetime(1969, 12, 31),
    dt.datetime(2024, 1, 1),
    dt.datetime(2024, 1, 1, 0, 0, 0, 1000),
    dt.datetime(2024, 2, 29, 12, 30),
    dt.datetime(2023, 12, 31, 23, 59, 59, 999000),
    dt.datetime(2026, 1, 1),
    dt.datetime(2026, 1, 2, 3, 4, 5),
)


def cell(iceberg: str, random: Any) -> Any:
    """Return a value of a column, often NULL and often one that policies mention."""
    if random.random() < 0.2:
        return None
    match iceberg:
        case "string":
            return random.choice(TEXTS)
        case "int":
            return random.choice(LONGS)
        case "long":
            return random.choice(WIDE)
        case "boolean":
            return random.random() < 0.5
        case "date":
            return random.choice(_STAMPS).date()
        case "timestamp":
            return random.choice(_STAMPS)
        case "timestamptz":
            return random.choice(_STAMPS).replace(tzinfo=dt.UTC)
        case _:
            scale = int(iceberg.split(",")[1].strip(" )"))
            value = Decimal(random.choice(DECIMALS))
            return value.quantize(Decimal(1).scaleb(-scale))


def row(random: Any) -> dict[str, Any]:
    """Return a row."""
    values = {name: cell(iceberg, random) for name, iceberg in COLUMNS.items()}
    values["pid"] = random.choice([None, *IDS])
    return values


def to_cedar(value: Any) -> Any:
    """Return a cell as a Cedar attribute: dates as midnight UTC, naive times as UTC."""
    if isinstance(value, Decimal):
        return {"__extn": {"fn": "decimal", "arg": f"{value:.4f}"}}
    if isinstance(value, dt.datetime):
        moment = value.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
        return {"__extn": {"fn": "datetime", "arg": moment}}
    if isinstance(value, dt.date):
        return {"__extn": {"fn": "datetime", "arg": value.isoformat()}}
    return value
