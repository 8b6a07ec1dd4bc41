"""Non-interference: any SQL over the gateway gives what plain DuckDB gives over a copy that was
physically filtered and masked beforehand, so nothing hidden can influence an answer.

`GOVDATA_NON_INTERFERENCE_QUERIES` sets the number of queries (default 500),
`GOVDATA_NON_INTERFERENCE_SEED` the seed.
"""

from __future__ import annotations

import datetime as dt
import math
import os
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from jupyter_govdata.session import Session, connect
from tests.gateway.world import CONSENTED, PATIENTS, World

QUERIES = int(os.environ.get("GOVDATA_NON_INTERFERENCE_QUERIES", "500"))
SEED = int(os.environ.get("GOVDATA_NON_INTERFERENCE_SEED", "20251120"))

NUMBERS = ("age", "score", "dose")
TEXTS = ("patient", "study", "arm")
TIMES = ("birth", "seen")
COLUMNS = (*NUMBERS, *TEXTS, *TIMES)


class Grammar:
    """Writes random SELECTs over ``trials.patients`` in DuckDB's dialect."""

    def __init__(self, rng: random.Random, known: list[str]) -> None:
        self._rng = rng
        self._known = known

    def query(self) -> str:
        """Return one query; results are compared as multisets."""
        rng = self._rng
        shape = rng.random()
        where = f" WHERE {self.condition(2)}" if rng.random() < 0.85 else ""
        if shape < 0.35:
            distinct = "DISTINCT " if rng.random() < 0.3 else ""
            return f"SELECT {distinct}{self.columns()} FROM trials.patients{where}"
        if shape < 0.6:
            key = rng.choice((*TEXTS, "year(birth)", "age // 10", "score IS NULL"))
            having = f" HAVING {self.aggregate()} IS NOT NULL" if rng.random() < 0.3 else ""
            return (
                f"SELECT {key} AS k, {self.aggregate()}, {self.aggregate()} "
                f"FROM trials.patients{where} GROUP BY 1{having}"
            )
        if shape < 0.7:
            return f"SELECT {self.aggregate()}, {self.aggregate()} FROM trials.patients{where}"
        if shape < 0.8:
            on = rng.choice(("a.study = b.study", "a.patient = b.patient", "a.arm = b.arm"))
            kind = rng.choice(("JOIN", "LEFT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"))
            right = f"(SELECT * FROM trials.patients{where})"
            return f"SELECT a.patient, a.age FROM trials.patients a {kind} {right} b ON {on}"
        if shape < 0.9:
            inner = f"SELECT {rng.choice(TEXTS[:2])} FROM trials.patients{where}"
            return (
                f"WITH x AS (SELECT *, row_number() OVER (PARTITION BY study ORDER BY patient) n "
                f"FROM trials.patients WHERE {self.condition(1)}) "
                f"SELECT n, study FROM x WHERE study IN ({inner}) OR patient IN ({inner})"
            )
        return (
            f"SELECT patient, age FROM trials.patients{where} EXCEPT ALL "
            f"SELECT patient, age FROM trials.patients WHERE {self.condition(1)}"
        )

    def columns(self) -> str:
        """Return a projection."""
        if self._rng.random() < 0.2:
            return "*"
        return ", ".join(self._rng.sample(COLUMNS, self._rng.randint(1, 4)))

    def aggregate(self) -> str:
        """Return an aggregate whose value does not depend on row order."""
        rng = self._rng
        number = rng.choice(("age", "dose"))
        return rng.choice(
            (
                "count(*)",
                f"count({rng.choice(COLUMNS)})",
                f"count(DISTINCT {rng.choice(COLUMNS)})",
                f"sum({number})",
                f"min({rng.choice(COLUMNS)})",
                f"max({rng.choice(COLUMNS)})",
                "max(score)",
                f"median({number})",
                f"list_sort(list({rng.choice(TEXTS)}))",
            )
        )

    def condition(self, depth: int) -> str:
        """Return a condition, nested at most `depth` deep."""
        rng = self._rng
        if depth and rng.random() < 0.5:
            left, right = self.condition(depth - 1), self.condition(depth - 1)
            form = rng.choice(("({} AND {})", "({} OR {})", "NOT ({} AND {})", "NOT ({} OR {})"))
            return form.format(left, right)
        op = rng.choice(("=", "!=", "<", "<=", ">", ">="))
        number = rng.choice(NUMBERS)
        text = rng.choice(TEXTS)
        patterns = ("'p%'", "'%0%'", "'S_'", "'%ü%'", "'it''s'")
        moment = f"2024-01-{rng.randint(1, 28):02d} {rng.randint(0, 23):02d}:00:00+00"
        leaves = (
            f"{number} {op} {rng.randint(-5, 80)}",
            f"{rng.choice(('score', 'dose'))} {op} {rng.randint(0, 40) / 4}",
            f"{number} BETWEEN {rng.randint(0, 20)} AND {rng.randint(5, 60)}",
            "score = 'NaN'::DOUBLE",
            f"{text} {op} {self.text(text)}",
            f"{text} IN ({self.text(text)}, {self.text(text)}, {self.text(text)})",
            f"{text} NOT IN ({self.text(text)}, {self.text(text)})",
            f"{text} LIKE {rng.choice(patterns)}",
            f"{rng.choice(COLUMNS)} IS {rng.choice(('', 'NOT '))}NULL",
            f"birth {op} DATE '{dt.date(1940 + rng.randint(0, 39), rng.randint(1, 12), 1)}'",
            f"year(birth) {op} {rng.randint(1940, 1980)}",
            f"seen {op} TIMESTAMPTZ '{moment}'",
            f"{text} IS DISTINCT FROM {self.text(text)}",
            f"length({text}) {op} {rng.randint(0, 25)}",
            f"coalesce(age, 0) {op} {rng.randint(0, 80)}",
            f"age {op} dose",
            f"(CASE WHEN {text} = {self.text(text)} THEN 1 ELSE 0 END) = {rng.randint(0, 1)}",
        )
        return rng.choice(leaves)

    def text(self, column: str) -> str:
        """Return a text constant: a value that occurs, a raw identifier, or nothing special."""
        pool = {
            "patient": [*self._known, *(f"P{i:03d}" for i in range(1, 41))],
            "study": ["S1", "S2", "S3", ""],
            "arm": ["placebo", "high", "low", "it's", "ünï", "x"],
        }[column]
        return "'" + self._rng.choice(pool).replace("'", "''") + "'"


def permitted_copy(user: str, shown: pa.Table) -> pa.Table:
    """Filter and mask the raw table as the policies say, with nothing of the product.

    Pseudonyms are random to anybody without the key, so they are taken over from `shown`, row by
    row along the other identifying columns; that they hide the raw value is tested elsewhere.
    """
    keep = {
        "ana": lambda r: r["study"] == "S1",
        "miko": lambda r: r["patient"] in CONSENTED,
    }[user]
    names = {r["seen"]: r["patient"] for r in shown.to_pylist()}
    rows = []
    for row in PATIENTS.to_pylist():
        if keep(row):
            masked = {k: v for k, v in row.items() if k != "secret"}
            masked["patient"] = names[row["seen"]]
            masked["birth"] = row["birth"].replace(month=1, day=1)
            rows.append(masked)
    assert len(rows) == shown.num_rows
    schema = PATIENTS.schema.remove(PATIENTS.schema.get_field_index("secret"))
    return pa.Table.from_pylist(rows, schema=schema)


def comparable(table: pa.Table) -> Counter[tuple[Any, ...]]:
    """Return rows as a multiset in which NaN equals NaN."""
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)

    def cell(value: Any) -> Any:
        if isinstance(value, float) and math.isnan(value):
            return "NaN"
        return tuple(value) if isinstance(value, list) else value

    return Counter(tuple(cell(v) for v in row) for row in rows)


@pytest.fixture(scope="module", params=["ana", "miko"])
def sides(
    request: pytest.FixtureRequest, world: World
) -> Iterator[tuple[Session, duckdb.DuckDBPyConnection, list[str]]]:
    """A session over the gateway, and DuckDB over the permitted copy."""
    with connect(world.lake, user=request.param) as session:
        shown = session.sql("SELECT patient, seen FROM trials.patients").arrow()
        plain = duckdb.connect()
        plain.execute("CREATE SCHEMA trials")
        plain.register("copy", permitted_copy(request.param, shown))
        plain.execute("CREATE TABLE trials.patients AS FROM copy")
        yield session, plain, shown.column("patient").to_pylist()
        plain.close()


@pytest.mark.more
def test_random_queries_over_the_gateway_equal_plain_duckdb_over_a_permitted_copy(sides):
    """T24, T26, T36, T37, T80."""
    session, plain, known = sides
    grammar = Grammar(random.Random(SEED), known)
    for number in range(QUERIES // 2):
        sql = grammar.query()
        expected = comparable(plain.execute(sql).to_arrow_table())
        found = comparable(session.sql(sql).arrow())
        assert found == expected, f"query {number}: {sql}"


@pytest.mark.parametrize(
    "probe",
    [
        "SELECT error(arm) FROM trials.patients WHERE study IS DISTINCT FROM 'S1'",
        "SELECT 1 // (age - 27) FROM trials.patients WHERE study = 'S3'",
        "SELECT CAST(arm AS INT) FROM trials.patients WHERE study = 'S2' AND arm = 'high'",
        "SELECT 1 FROM trials.patients WHERE IF(study <> 'S1', error('LEAK ' || arm), true)",
    ],
)
def test_error_raising_conditions_meet_no_denied_row(world, probe):
    """T24: an error would tell that a denied row exists; ana may see study S1 only."""
    with connect(world.lake, user="ana") as session:
        session.sql(probe)


def test_statistics_are_those_of_the_governed_rows(world):
    """T27, T28: SUMMARIZE and stats() see masked, permitted rows only."""
    with connect(world.lake, user="ana") as session:
        sql = "SUMMARIZE SELECT * EXCLUDE (score) FROM trials.patients"
        summary = session.sql(sql).arrow().to_pylist()
        by_name = {row["column_name"]: row for row in summary}
        assert "secret" not in by_name
        assert by_name["study"]["min"] == by_name["study"]["max"] == "S1"
        assert all(row["count"] == 10 for row in summary)
        assert by_name["birth"]["min"].endswith("-01-01")
        text = str(session.sql("SELECT stats(birth), stats(patient) FROM trials.patients").arrow())
        assert "P001" not in text
        plan = str(session.sql("EXPLAIN SELECT * FROM trials.patients").arrow())
        assert "40" not in plan
