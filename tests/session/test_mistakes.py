"""What users get for their mistakes, read aloud once and held: mistakes.txt.

A block is ``>> query`` and the lines that a notebook shows, or ``ok``. ``\\n`` in a query is a line
break; ``[purpose]`` before it declares one. After every mistake the session answers as before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from jupyter_govdata.errors import GovDataError
from jupyter_govdata.notebook.failures import error_lines
from jupyter_govdata.query.text.names import placeholders
from jupyter_govdata.session import Session

FILE = Path(__file__).with_name("mistakes.txt")
VARIABLES = {
    "cohort_df": pd.DataFrame({"a": [1]}),
    "threshold": 3,
    "study": "S1",
    "weird": object(),
}
INTERNALS = re.compile(
    r"__gd|arrow_scan|Traceback|Python exc|exception_|LINE \d|\{\"|Binder|0x[0-9a-f]{6}|memory\.|\n"
)
HEAD = re.compile(r"(?:\[(\w+)\] )?(.*)", re.DOTALL)


def blocks() -> Iterator[tuple[str, list[str]]]:
    for block in re.split(r"^>> ", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        query, *lines = block.rstrip("\n").split("\n")
        yield query, [line.removeprefix("   ") for line in lines]


def answer(session: Session, query: str) -> tuple[list[str], GovDataError | None]:
    head = HEAD.fullmatch(query.replace("\\n", "\n"))
    assert head is not None
    purpose, sql = head.groups()
    try:
        named = placeholders(sql)
    except GovDataError:
        named = ()
    given = {name: VARIABLES[name] for name in named if name in VARIABLES}
    try:
        session.sql(sql, given, purpose=purpose, frames=VARIABLES).arrow()
    except GovDataError as error:
        return error_lines(error, sql), error
    return ["ok"], None


@pytest.mark.parametrize(("query", "expected"), list(blocks()), ids=lambda x: str(x)[:60])
def test_mistake_gets_its_message(ana: Session, query: str, expected: list[str]) -> None:
    lines, error = answer(ana, query)
    assert lines == expected
    if error is not None:
        assert not INTERNALS.search(str(error))
        assert not re.search(r"P0\d\d|19[4-7]\d-\d\d", f"{error} {error.detail}")
    assert ana.sql("SELECT count(*) AS n FROM trials.patients").arrow()["n"].to_pylist() == [10]


def test_mistake_of_naming_a_hidden_column_reads_as_that_of_naming_a_missing_one(
    ana: Session,
) -> None:
    for sql in (
        "SELECT {} FROM trials.patients",
        "SELECT p.{} FROM trials.patients p",
        "SELECT * EXCLUDE ({}) FROM trials.patients",
        "FROM trials.patients JOIN trials.patients q USING ({})",
        "FROM trials.patients ORDER BY {}",
        "FROM trials.patients WHERE {} IS NULL",
        "SELECT count({}) FROM trials.patients GROUP BY ALL",
        "SELECT COLUMNS('{}') FROM trials.patients",
        "CREATE VIEW v AS SELECT {} FROM trials.patients",
    ):
        # Two names that are like no other, one of them that of a hidden column.
        found = {
            name: "\n".join(answer(ana, sql.format(name))[0]).replace(name, "NAME")
            for name in ("secret", "sicrxt")
        }
        hints = [re.sub(r"hint: .*", "", text) for text in found.values()]
        assert hints[0] == hints[1], found


def test_mistake_in_a_cell_of_a_megabyte_is_shown_in_a_few_lines(ana: Session) -> None:
    many = ", ".join(str(i) for i in range(150_000))
    lines, error = answer(ana, f"SELECT agee FROM trials.patients WHERE age IN ({many})")
    assert error is not None
    assert error.message == "column `agee` does not exist"
    assert all(len(line) < 200 for line in lines)
    lines, error = answer(ana, f"SELECT '{'x' * 1_000_000}")
    assert error is not None
    assert all(len(line) < 200 for line in lines)
    lines, error = answer(ana, f"SELECT age FROM trials.patients WHERE age IN ({many})")
    assert lines == ["ok"]
