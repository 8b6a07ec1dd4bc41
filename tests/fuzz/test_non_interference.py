"""Non-interference: what is hidden has no influence on any answer, nor on any error.

Each case asks one random query three times: over the two sides of a world that differ in denied
rows and masked values only, and plain DuckDB over a copy that the oracle filtered and masked. The
two sides must answer alike, errors included; and where both answer, so must plain DuckDB. T24, T26,
T31, T36, T37, T61, T80.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from jupyter_govdata.errors import GovDataError
from jupyter_govdata.model.scan import ScanRequest
from jupyter_govdata.session import Session, connect
from tests.evidence import record
from tests.fuzz import SEED, cases, replay
from tests.fuzz.choices import Choices, shrink
from tests.fuzz.fragments import Wanted, draw_scan
from tests.fuzz.grammar import MINE, Grammar, Query, Source
from tests.fuzz.worlds import (
    ARROW,
    DENIED,
    PEOPLE,
    PIDS,
    RAW,
    SIDES,
    TABLES,
    Served,
    World,
    draw_world,
    serve,
)
from tests.storage.oracle import Agreed, keep

CASES = cases(120, 400)
PER_WORLD = 30
"""Cases `n` of one world share `n // PER_WORLD`."""
KNOWN = pa.table({"n": range(len(PIDS)), "pid": PIDS})


@dataclass
class Desk:
    """One person before a world, beside plain DuckDB over what they may see."""

    world: World
    session: Session
    plain: duckdb.DuckDBPyConnection
    sources: list[Source]
    rows: dict[str, pa.Table]
    """What each table shows, by the oracle."""

    def ask(self, query: Query) -> str:
        """Return what is wrong with the answers, or nothing."""
        first, second = (self.of_side(query, side) for side in SIDES)
        if first != second:
            return f"{SIDES[0]} answers {first}, {SIDES[1]} {second}"
        if any(word in str(first) for word in (DENIED, RAW)):
            return f"a hidden value is in {first}"
        expected = self.of_copy(query)
        # Where an expression fails on some row, plans may differ in whether they meet that row.
        if first[0] == expected[0] == "rows" and first[1] != expected[1]:
            return f"the gateway answers {first}, plain DuckDB {expected}"
        if first[0] == "error" and expected[0] == "rows" and query.shape != "failing":
            return f"{first} is no answer"
        seen[f"{query.shape}: {first[0]}"] += 1
        return ""

    def scan(self, wanted: Wanted) -> str:
        """Return what is wrong with the answers to a scan that no client of ours asks."""
        first, second = (self.scanned(wanted, side) for side in SIDES)
        if first != second:
            return f"{SIDES[0]} answers {first}, {SIDES[1]} {second}"
        if any(word in str(first) for word in (DENIED, RAW)):
            return f"a hidden value is in {first}"
        if first[0] == "rows" and wanted.summary is None:
            chosen = wanted.columns or tuple(self.rows[wanted.table].schema.names)
            kept = [r for r in self.rows[wanted.table].to_pylist() if self.keeps(wanted, r)]
            expected = Counter(tuple(cell(row[c]) for c in chosen) for row in kept)
            if first[1] != expected:
                return f"the gateway answers {first}, the oracle {expected}"
        seen[f"scan: {first[0]}"] += 1
        return ""

    def keeps(self, wanted: Wanted, row: Mapping[str, Any]) -> bool:
        return keep(wanted.predicate, row, Agreed())

    def scanned(self, wanted: Wanted, side: str) -> tuple[str, Any]:
        try:
            stream = self.session.open_scan(ScanRequest(wanted.of(side)))
            # What the gateway computes comes in one order: another one would tell of hidden rows.
            return "rows", comparable(stream.reader().read_all(), wanted.summary is not None)
        except GovDataError as error:
            return "error", f"{error!r} {error.hint}".replace(side, "side")

    def of_side(self, query: Query, side: str) -> tuple[Any, ...]:
        def place(match: re.Match[str]) -> str:
            table = self.world.tables[match[1]]
            if match[2] is None:
                return f"{side}.{match[1]}"
            return f"{side}.{match[1]} AT (VERSION => {table.snapshots[side][int(match[2])]})"

        sql = re.sub(r"\{(t\d)(?:@(\d))?\}", place, query.sql)
        try:
            result = self.session.sql(sql, query.parameters, frames={MINE: KNOWN})
            rows = comparable(result.arrow(), query.ordered)
            return "rows", rows, result.scanned_rows
        except GovDataError as error:
            told = re.sub(r"\d{10,}|line \d+|column \d+", "#", f"{error!r} {error.hint}")
            return "error", told.replace(side, "side")

    def of_copy(self, query: Query) -> tuple[str, Any]:
        sql = re.sub(
            r"\{(t\d)(?:@(\d))?\}", lambda m: f"{m[1]}_{m[2]}" if m[2] else m[1], query.sql
        )
        try:
            found = self.plain.execute(sql, query.parameters or None).to_arrow_table()
        except duckdb.Error as error:
            return "error", str(error)
        return "rows", comparable(found, query.ordered)


seen: Counter[str] = Counter()


def comparable(table: pa.Table, ordered: bool) -> Any:
    """Return rows, as a multiset unless they are ordered, in which NaN equals NaN."""
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    found = [tuple(map(cell, row)) for row in rows]
    return found if ordered else Counter(found)


def cell(value: Any) -> Any:
    """Return a value that equals itself, and can be counted."""
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, list):
        return tuple(map(cell, value))
    if isinstance(value, dict):
        return tuple((k, cell(v)) for k, v in value.items())
    return value


def pseudonyms(world: World, session: Session, user: str) -> dict[str, str]:
    """Return identifier -> pseudonym, read off rows that are known by `rid`.

    Without the key nobody can work them out, so they are taken over, and checked for what they
    promise: one for each person in all tables, and never the identifier.
    """
    found: dict[str, str] = {}
    for name, table in world.tables.items():
        if world.shown(user, name).get("pid") != "pseudonym" or not readable(world, user, name):
            continue
        for side in SIDES:
            raw = {row["rid"]: row["pid"] for row in table.versions[side][-1]}
            for row in session.sql(f"SELECT rid, pid FROM {side}.{name}"):
                pid = raw[row["rid"]]
                assert (pid is None) == (row["pid"] is None)
                if pid is not None:
                    assert found.setdefault(pid, row["pid"]) == row["pid"] != pid
    assert len(set(found.values())) == len(found)
    return found


def readable(world: World, user: str, table: str) -> bool:
    return bool(world.permitted(user, table, -1, dict(zip(PIDS, PIDS, strict=True)))[1])


def sit(world: World, session: Session, user: str) -> Desk:
    """Return the desk of a person."""
    names = pseudonyms(world, session, user)
    plain = duckdb.connect(config={"threads": 1})
    plain.execute("SET TimeZone = 'UTC'")
    plain.register(MINE, KNOWN)
    sources, tables = [], {}
    for name in TABLES:
        table = world.tables[name]
        if not readable(world, user, name):
            continue
        count = len(table.versions[SIDES[0]])
        for version in range(count):
            shown, rows = world.permitted(user, name, version, names)
            schema = pa.schema([(c, type_of(table.kinds[c], how)) for c, how in shown.items()])
            tables[name] = pa.Table.from_pylist(rows, schema)
            plain.register("copied", tables[name])
            plain.execute(f"CREATE TABLE {name}_{version} AS FROM copied")
            plain.unregister("copied")
        plain.execute(f"CREATE VIEW {name} AS FROM {name}_{count - 1}")
        kinds = {c: kind_of(table.kinds[c], how) for c, how in shown.items()}
        # Constants are values that are stored, hidden ones too: who asks may guess well.
        known = [*table.versions[SIDES[0]][-1], *table.versions[SIDES[1]][-1], *rows]
        values = {c: constants([row[c] for row in known], kind) for c, kind in kinds.items()}
        sources.append(Source(name, kinds, values, count))
    desk = Desk(world, session, plain, sources, tables)
    for source in sources:
        assert not (wrong := desk.ask(Query(f"FROM {{{source.name}}} a"))), (world.number, wrong)
    return desk


SIMPLE: dict[str, Any] = {
    "text": "x",
    "long": 1,
    "decimal": 1,
    "double": 0.5,
    "bool": True,
    "day": dt.date(1970, 1, 1),
    "at": dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
}


def constants(cells: Sequence[Any], kind: str) -> list[Any]:
    """Return what a column of a kind may be compared with, by the cells that occur."""
    if kind not in SIMPLE:
        return []
    found = {str(cell) if kind == "text" else cell for cell in cells if cell is not None}
    wrong = () if kind == "text" else (str,)
    return [SIMPLE[kind], *sorted((c for c in found if not isinstance(c, wrong)), key=repr)]


def type_of(kind: str, how: str) -> pa.DataType:
    texts = how.startswith(("constant", "pseudonym", "last"))
    return pa.string() if texts else ARROW[kind]


def kind_of(kind: str, how: str) -> str:
    return "text" if how.startswith(("constant", "pseudonym", "last")) else kind


def blocks(first: int, count: int) -> Iterator[tuple[int, range]]:
    """Yield the number of each world with the cases that are asked of it."""
    number = first
    while number < first + count:
        world = number // PER_WORLD
        stop = min((world + 1) * PER_WORLD, first + count)
        yield world, range(number, stop)
        number = stop


def draw_query(choices: Choices, desk: Desk) -> Query:
    return Grammar(choices, desk.sources).query()


def check(desk: Desk, case: int) -> None:
    """Ask one case, every third a scan without SQL; fail with the smallest that shows the same."""
    plain = case % 3 == 0

    def wrong(choices: Choices) -> tuple[str, Any]:
        if plain:
            wanted = draw_scan(choices, desk.sources)
            return desk.scan(wanted), wanted
        query = draw_query(choices, desk)
        return desk.ask(query), query

    choices = Choices(case)
    if not wrong(choices)[0]:
        return
    found, small = wrong(
        Choices(drawn=shrink(choices.drawn, lambda drawn: bool(wrong(Choices(drawn=drawn))[0])))
    )
    pytest.fail(f"{replay(case)}: {small}: {found}")


def ask_world(served: Served, numbers: range) -> int:
    """Ask cases of one world, each as one of its people; return how many could be asked."""
    asked = 0
    for user in PEOPLE:
        mine = [n for n in numbers if list(PEOPLE)[n % len(PEOPLE)] == user]
        with connect(served.lake, user=user) as session:
            desk = sit(served.world, session, user)
            try:
                for case in mine if desk.sources else ():
                    check(desk, case)
                    asked += 1
            finally:
                desk.plain.close()
    return asked


@pytest.mark.attack("T24", "T26", "T36", "T37", "T80", surface="api")
@pytest.mark.more
@pytest.mark.timeout(0)
def test_queries_over_two_worlds_that_differ_in_hidden_values_answer_alike(tmp_path: Path) -> None:
    seen.clear()
    asked = worlds = 0
    for number, numbers in blocks(SEED, CASES):
        folder = tmp_path / str(number)
        served = serve(draw_world(number), folder)
        try:
            asked += ask_world(served, numbers)
        finally:
            served.close()
        shutil.rmtree(folder)
        worlds += 1
    errors = sum(n for shape, n in seen.items() if shape.endswith("error"))
    if CASES >= 300:
        assert asked > CASES * 0.7, (asked, seen)
        assert 0 < errors < asked * 0.2, seen
    record(
        "non-interference",
        [
            {
                "what": "random queries and scans, each over two worlds and beside a filtered copy",
                "count": asked,
                "conditions": f"{worlds} worlds; {errors} ended in an error, the same twice",
                "command": f"make fuzz N={CASES} SEED={SEED}",
            },
            {
                "what": "differences between worlds that differ in hidden values only",
                "count": 0,
                "of": asked,
                "command": f"make fuzz N={CASES} SEED={SEED}",
            },
        ],
    )
