"""A table of every column type and random SQL conditions on it."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal

import pyarrow as pa

from tests.query.lake import T0, Governed, Lake, Version

NAN = float("nan")
T0_NAIVE = dt.datetime(1960, 5, 5)
TYPES = {
    "i": pa.int64(),
    "small": pa.int16(),
    "u": pa.uint8(),
    "f": pa.float64(),
    "f4": pa.float32(),
    "t": pa.string(),
    "b": pa.bool_(),
    "d": pa.date32(),
    "ts": pa.timestamp("us"),
    "tz": pa.timestamp("us", "UTC"),
    "tm": pa.time64("us"),
    "dec": pa.decimal128(9, 2),
    "raw": pa.binary(),
    "big": pa.large_string(),
    "dic": pa.dictionary(pa.int32(), pa.string()),
    "st": pa.struct(
        [("a", pa.int64()), ("f", pa.float64()), ("in", pa.struct([("t", pa.string())]))]
    ),
    "l": pa.list_(pa.int64()),
    "sv": pa.string_view(),
}
VALUES = {
    "i": [None, -3, 0, 1, 2, 2**40],
    "small": [None, -3, 0, 1, 300],
    "u": [None, 0, 1, 255],
    "f": [None, NAN, float("inf"), -1.5, -0.0, 0.0, 0.1, 2.0],
    "f4": [None, NAN, -1.5, -0.0, 0.0, 0.1, 2.0],
    "t": [None, "", "a", "a'b", "B", "é", "z\n", "a%"],
    "b": [None, True, False],
    "d": [None, dt.date(1969, 12, 31), dt.date(2026, 1, 1), dt.date(2026, 1, 2)],
    "ts": [
        None,
        dt.datetime(2026, 1, 1),
        dt.datetime(2026, 1, 1, 0, 0, 0, 1),
        dt.datetime(1960, 5, 5),
    ],
    "tz": [None, dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 1, 1, 5, tzinfo=dt.UTC)],
    "tm": [None, dt.time(0), dt.time(4, 30), dt.time(23, 59, 59, 999999)],
    "dec": [None, Decimal("-1.25"), Decimal("0.00"), Decimal("1.25"), Decimal("2.00")],
    "raw": [None, b"", b"\x00", b"a", b"\xff'"],
    "big": [None, "", "a", "B"],
    "dic": [None, "a", "b"],
    "st": [
        None,
        {"a": None, "f": NAN, "in": None},
        {"a": 1, "f": 1.0, "in": {"t": "a"}},
        {"a": 2, "f": None, "in": {"t": None}},
    ],
    "l": [None, [], [1, 2]],
    "sv": [None, "a", "b"],
}
LITERALS = {
    "i": ["-3", "0", "1", "2", "1.5", "1099511627776", "NULL"],
    "small": ["-3", "0", "1", "300"],
    "u": ["0", "1", "255"],
    "f": ["'nan'::DOUBLE", "'inf'::DOUBLE", "-1.5", "0.0", "-0.0::DOUBLE", "0.1", "2"],
    "f4": ["'nan'::FLOAT", "-1.5", "0.0", "0.1", "0.1::FLOAT", "2"],
    "t": ["''", "'a'", "'a''b'", "'B'", "'é'", "'zz'", "NULL"],
    "b": ["true", "false"],
    "d": ["DATE '2026-01-01'", "DATE '1969-12-31'", "'2026-01-02'"],
    "ts": ["TIMESTAMP '2026-01-01'", "'2026-01-01 00:00:00.000001'", "DATE '2026-01-01'"],
    "tz": ["TIMESTAMPTZ '2026-01-01 00:00:00+00'", "TIMESTAMPTZ '2026-01-01 07:00:00+02'"],
    "tm": ["TIME '04:30'", "TIME '00:00'", "TIME '23:59:59.999999'"],
    "dec": ["1.25", "0", "-1.25", "2.00::DECIMAL(9,2)"],
    "raw": ["''::BLOB", "'\\x00'::BLOB", "'a'::BLOB"],
    "big": ["''", "'a'", "'B'"],
    "dic": ["'a'", "'b'", "'c'"],
    "st.a": ["1", "2"],
    "st.f": ["1.0", "'nan'::DOUBLE"],
    "st.in.t": ["'a'", "'b'"],
    "sv": ["'a'", "'b'"],
}
WITHOUT_VIEWS = [name for name in TYPES if name != "sv"]


def table(seed: int, rows: int = 40, columns: list[str] | None = None) -> pa.Table:
    picks = random.Random(seed)
    names = columns or WITHOUT_VIEWS
    found = {n: pa.array([picks.choice(VALUES[n]) for _ in range(rows)], TYPES[n]) for n in names}
    return pa.table({"id": list(range(rows)), **found})


def condition(picks: random.Random, columns: list[str], depth: int = 0) -> str:
    """A random condition in SQL."""
    roll = picks.random()
    if depth < 3 and roll < 0.45:
        word = picks.choice([" AND ", " OR "])
        parts = [condition(picks, columns, depth + 1) for _ in range(picks.randint(2, 3))]
        return f"({word.join(parts)})"
    if depth < 3 and roll < 0.55:
        return f"(NOT {condition(picks, columns, depth + 1)})"
    column = picks.choice(columns)
    literals = LITERALS[column]
    form = picks.randrange(8)
    if form == 0:
        return f"({column} IS {picks.choice(['', 'NOT '])}NULL)"
    if form == 1:
        some = ", ".join(picks.sample(literals, min(len(literals), picks.randint(1, 3))))
        return f"({column} {picks.choice(['', 'NOT '])}IN ({some}))"
    if form == 2:
        return f"({column} BETWEEN {picks.choice(literals)} AND {picks.choice(literals)})"
    if form == 3:
        return f"({column} IS {picks.choice(['', 'NOT '])}DISTINCT FROM {picks.choice(literals)})"
    if form == 4 and column in ("t", "big", "dic"):
        return f"({column} LIKE 'a%')"
    if form == 5 and column == "b":
        return "b"
    operator = picks.choice(["=", "<>", "<", "<=", ">", ">="])
    return f"({column} {operator} {picks.choice(literals)})"


def lake_of(data: pa.Table, masks: dict[str, str]) -> Lake:
    """One asset `x.all` whose `masks` show the values as they are: a mask all the same."""
    asset = Governed([Version(data, T0)], masks={n: ("round", f'"{n}"') for n in masks})
    return Lake({"x.all": asset})
