"""What completion proposes at a place of a half-written SQL text."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest

from jupyter_govdata.query.text.completing import Completed, complete
from jupyter_govdata.query.text.name_index import NameIndex
from jupyter_govdata.query.text.proposals import LIMIT, Vocabulary
from jupyter_govdata.query.text.scope import KnownColumn
from jupyter_govdata.query.text.vocabulary import vocabulary


class Facts:
    """Three assets, a frame and two variables."""

    assets: Mapping[str, Sequence[KnownColumn]] = {
        "trials.outcomes": (
            KnownColumn("patient_id", "string · pseudonymised", "T:patient"),
            KnownColumn("age", "int"),
            KnownColumn("Body Mass", "double"),
        ),
        "trials.visits": (
            KnownColumn("patient_id", "string", "T:patient"),
            KnownColumn("day", "int"),
        ),
        "imaging.slides": (KnownColumn("slide", "int"), KnownColumn("subject", "s", "T:patient")),
    }

    def names(self) -> NameIndex:
        return NameIndex(self.assets)

    def access(self, assets: Sequence[str]) -> Mapping[str, str]:
        return {"trials.outcomes": "masked"}

    def columns(self, parts: tuple[str, ...]) -> Sequence[KnownColumn]:
        if parts == ("cohort",):
            return [KnownColumn("group_name", "str")]
        return self.assets.get(".".join(parts).lower(), ())

    def versions(self, asset: str) -> Sequence[tuple[int, str, tuple[str, ...]]]:
        return [(34, "day 2", ()), (12, "day 1", ("freeze",))] if asset in self.assets else []

    def tables(self) -> Mapping[str, str]:
        return {"cohort": "DataFrame"}

    def variables(self) -> Mapping[str, str]:
        return {"limit": "int", "lowest": "float"}

    def words(self) -> Vocabulary:
        return vocabulary()


def at_bar(text: str) -> Completed:
    """Complete at the ``|``."""
    place = text.index("|")
    return complete(text[:place] + text[place + 1 :], place, Facts())


def texts(text: str) -> list[str]:
    return [p.text for p in at_bar(text).proposals]


OUTCOMES = ["patient_id", "age", '"Body Mass"']


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # columns of the tables in scope, wherever FROM stands
        ("SELECT | FROM trials.outcomes", [*OUTCOMES, "outcomes."]),
        ("FROM trials.outcomes SELECT |", [*OUTCOMES, "outcomes."]),
        ("FROM trials.outcomes WHERE |", [*OUTCOMES, "outcomes."]),
        ("SELECT count(|) FROM trials.outcomes", [*OUTCOMES, "outcomes."]),
        ("SELECT count(| FROM trials.outcomes", [*OUTCOMES, "outcomes."]),
        ("SELECT extract(year FROM |) FROM trials.outcomes", [*OUTCOMES, "outcomes."]),
        ("SELECT max(age) FILTER (WHERE |) FROM trials.outcomes", [*OUTCOMES, "outcomes."]),
        ("SELECT sum(age) OVER (PARTITION BY |) FROM trials.outcomes", [*OUTCOMES, "outcomes."]),
        ("SELECT * EXCLUDE (|) FROM trials.outcomes", [*OUTCOMES, "outcomes."]),
        ("SELECT age,\n  |\nFROM trials.outcomes\nLIMIT 3", [*OUTCOMES, "outcomes."]),
        ("CREATE TABLE x AS SELECT | FROM imaging.slides", ["slide", "subject", "slides."]),
        ("SELECT | FROM cohort", ["group_name", "cohort."]),
        # by alias
        ("SELECT o.| FROM trials.outcomes o", OUTCOMES),
        ("SELECT O.| FROM trials.outcomes AS o", OUTCOMES),
        ('SELECT "o".| FROM trials.outcomes AS "o"', OUTCOMES),
        ("SELECT outcomes.a| FROM trials.outcomes", ["age"]),
        ("SELECT trials.outcomes.| FROM trials.outcomes", OUTCOMES),
        ("SELECT trials.| FROM trials.outcomes", ["outcomes"]),
        ("SELECT o.| FROM o: trials.outcomes", OUTCOMES),
        ("SELECT t.| FROM trials.visits AS t(who)", ["who", "day"]),
        ("SELECT o.| FROM trials.outcomes AT (VERSION => 12) o", OUTCOMES),
        ("SELECT v.da|y FROM trials.outcomes o JOIN trials.visits v USING (patient_id)", ["day"]),
        ("SELECT x.| FROM trials.outcomes o", []),
        ("SELECT \"Bo| FROM trials.outcomes", ['"Body Mass"']),
        # CTEs and subqueries
        ("WITH c AS (SELECT age AS y, 1 AS one, count(*) FROM trials.outcomes) SELECT c.| FROM c",
         ["y", "one"]),
        ("WITH c(a, b) AS (SELECT age, 1 FROM trials.outcomes) SELECT c.| FROM c", ["a", "b"]),
        ("WITH c AS (SELECT * EXCLUDE (age) FROM trials.outcomes) SELECT c.| FROM c",
         ["patient_id", '"Body Mass"']),
        ("WITH c AS (SELECT * RENAME (age AS years) FROM trials.outcomes) SELECT c.| FROM c",
         ["patient_id", "years", '"Body Mass"']),
        ("WITH c AS (SELECT o.*, age * 2 AS twice FROM trials.outcomes o) SELECT c.| FROM c",
         [*OUTCOMES, "twice"]),
        ("WITH c AS (SELECT 1 AS x), d AS (FROM c) SELECT d.| FROM d", ["x"]),
        ("WITH c AS (SELECT | FROM trials.visits) SELECT age FROM trials.outcomes",
         ["patient_id", "day", "visits."]),
        ("WITH a AS (SELECT 1 x), b AS (SELECT | FROM a), c AS (SELECT 2 y) FROM b", ["x", "a."]),
        ("WITH a AS (SELECT 1 x), b AS (SELECT 1 FROM |), c AS (SELECT 2 y) FROM b",
         ["b", "a", "cohort", "imaging.", "trials.", "imaging.slides", "trials.outcomes",
          "trials.visits", "SELECT", "VALUES"]),
        ("SELECT s.| FROM (SELECT age a, day FROM trials.outcomes, trials.visits) s", ["a", "day"]),
        ("SELECT s.| FROM (VALUES (1, 2)) s", ["col0", "col1"]),
        ("SELECT (SELECT max(v.|) FROM trials.visits v) FROM trials.outcomes o",
         ["patient_id", "day"]),
        ("SELECT (SELECT day FROM trials.visits WHERE day = o.|) FROM trials.outcomes o", OUTCOMES),
        ("SELECT age FROM trials.outcomes UNION SELECT | FROM imaging.slides",
         ["slide", "subject", "slides."]),
        ("WITH RECURSIVE r AS (SELECT 1 n UNION ALL SELECT r.| FROM r) FROM r", ["n"]),
        # assets
        ("FROM |", ["cohort", "imaging.", "trials.", "imaging.slides", "trials.outcomes",
                    "trials.visits"]),
        ("FROM tria|", ["trials.", "trials.outcomes", "trials.visits"]),
        ("FROM trials.|", ["outcomes", "visits"]),
        ("FROM trials.vi|", ["visits"]),
        ("from TRIALS.VI|", ["visits"]),
        ("FROM outc|", ["trials.outcomes"]),
        ("FROM trials.outcomes o, trials.v|", ["visits"]),
        ("FROM trials.outcomes JOIN imag|", ["imaging.", "imaging.slides"]),
        ("DESCRIBE imag|", ["imaging.", "imaging.slides"]),
        ("INSERT INTO |", ["cohort"]),
        # joins
        ("FROM trials.outcomes o JOIN trials.visits v USING (|)", ["patient_id"]),
        ("FROM trials.outcomes o JOIN imaging.slides s ON o.patient_id = s.su|", ["subject"]),
        # versions
        ("FROM trials.outcomes AT (|)", ["VERSION => ", "TAG => '", "TIMESTAMP => '"]),
        ("FROM trials.outcomes AT (VERSION => |)", ["34", "12"]),
        ("FROM trials.outcomes AT (VERSION => 1|)", []),
        ("FROM trials.outcomes AT (TAG => |)", ["'freeze'"]),
        ("FROM trials.outcomes AT (TAG => 'f|')", ["freeze"]),
        ("FROM trials.outcomes AT (TAG => '|", ["freeze"]),
        ("FROM trials.nothing AT (VERSION => |)", []),
        # parameters
        ("FROM trials.outcomes WHERE age > $|", ["limit", "lowest"]),
        ("FROM trials.outcomes WHERE age > :lo|", ["lowest"]),
        ("FROM trials.outcomes WHERE age > {{ li| }}", ["limit"]),
        ("FROM trials.outcomes WHERE age > {{ li|", ["limit }}"]),
        # neither strings, comments, numbers nor new names complete
        ("SELECT 'tri|' FROM trials.outcomes", []),
        ("SELECT 'tri|", []),
        ("SELECT $$tri|", []),
        ("-- FROM tri|", []),
        ("SELECT 1 /* FROM tri|", []),
        ("SELECT 1.|", []),
        ("SELECT age AS a| FROM trials.outcomes", []),
        # one statement does not see another
        ("FROM trials.visits; SELECT | FROM imaging.slides; FROM trials.outcomes",
         ["slide", "subject", "slides."]),
        ("SELECT ';', | FROM imaging.slides", ["slide", "subject", "slides."]),
    ],
)  # fmt: skip
def test_completion_of(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sel|", "select"),
        ("SEL|", "SELECT"),
        ("SELECT age F|", "FROM"),
        ("SELECT * F|", "FROM"),
        ("FROM trials.outcomes w|", "where"),
        ("FROM trials.outcomes WHERE age > 3 a|", "and"),
        ("SELECT cou| FROM trials.outcomes", "count"),
        ("FROM read_p|", "read_parquet"),
        ("SELECT age::VARC| FROM trials.outcomes", "VARCHAR"),
        ("SELECT CAST(age AS DOU|) FROM trials.outcomes", "DOUBLE"),
        ("FROM trials.outcomes o JOIN trials.visits v ON |", "o.patient_id = v.patient_id"),
        ("FROM trials.outcomes o JOIN imaging.slides s ON |", "o.patient_id = s.subject"),
        ("SELECT age AS years FROM trials.outcomes GROUP BY y|", "years"),
    ],
)
def test_completion_proposes_first(text: str, expected: str) -> None:
    assert texts(text)[0] == expected


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("SELECT | FROM trials.outcomes", "patient_id", "string · pseudonymised"),
        ("SELECT | FROM (SELECT patient_id FROM trials.outcomes)", "patient_id",
         "string · pseudonymised"),
        ("WITH c AS (SELECT patient_id AS p FROM trials.outcomes) SELECT | FROM c", "p",
         "string · pseudonymised"),
        ("FROM |", "trials.outcomes", "asset · masked"),
        ("FROM trials.|", "outcomes", "asset · masked"),
        ("FROM trials.outcomes AT (VERSION => |)", "34", "day 2"),
    ],
)  # fmt: skip
def test_completion_says_what_is_done_to_it(text: str, name: str, kind: str) -> None:
    assert {p.text: p.kind for p in at_bar(text).proposals}[name] == kind


def test_completion_is_bounded() -> None:
    class Many(Facts):
        def names(self) -> NameIndex:
            return NameIndex(f"lake.asset_{i}" for i in range(3 * LIMIT))

    assert len(complete("FROM lake.as", 12, Many()).proposals) == LIMIT


PIECES = [
    "SELECT ", "FROM ", "trials.outcomes ", "o", ".", ",", "(", ")", "'", '"', "WITH c AS (", "$",
    "{{ ", " AT (", "VERSION => ", "--", "/*", "\n", ";", "*", " JOIN ", " ON ", "UNION ", "[",
    "::", "a: ", "é😀", "VALUES ", "\0", "USING (", "EXCEPT ", "=>", "CASE ", "1.",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(400))
def test_completion_of_nonsense_proposes_or_not_and_never_fails(seed: int) -> None:
    draw = random.Random(seed)
    text = "".join(draw.choice(PIECES) for _ in range(draw.randrange(1, 25)))
    place = draw.randrange(len(text) + 1)
    found = complete(text, place, Facts())
    assert text[:place].endswith(found.fragment)
