"""Which cells of two stamped notebooks differ, and why, as far as the stamps tell."""

from __future__ import annotations

import copy
import json
from typing import Any

import nbformat
import pyarrow as pa
import pytest
from nbformat.v4 import new_code_cell

from jupyter_govdata.model.stamp import STAMP_MIME
from jupyter_govdata.stamps.differing import (
    DIFFERENT,
    ONLY_A,
    ONLY_B,
    SAME,
    UNKNOWN,
    compare_notebooks,
)
from tests.stamps.notebooks import notebook, query_cell, receipt, stamp

OTHER = pa.table({"x": [1, 3]})


def told(a: Any, b: Any) -> list[tuple[str, str, list[str]]]:
    """Return cell of B, verdict and kinds of causes."""
    return [
        ((cell.b or cell.a).name, cell.verdict, [cause.kind for cause in cell.causes])  # type: ignore[union-attr]
        for cell in compare_notebooks(a, b).cells
    ]


def one(**changes: Any) -> Any:
    return notebook(query_cell("SELECT 1", stamp(**changes), id="q1"))


def test_notebooks_that_are_equal_are_same():
    found = compare_notebooks(one(), one())
    assert found.same
    assert told(one(), one()) == [("q1", SAME, [])]


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"pins": {"trials.outcomes": 12}}, "data", "`trials.outcomes` at snapshot 11, then 12"),
        ({"receipts": [receipt(schema_id=1)]}, "data", "columns of `trials.outcomes`"),
        ({"receipts": [receipt("a.b", 1)]}, "data", "`a.b` was read in B only"),
        ({"parameters": {"p": 1}}, "parameters", "other values"),
        ({"receipts": [receipt(epoch=8)]}, "permission", "(epoch 7, then 8)"),
        ({"receipts": [receipt(principal="bo")]}, "permission", "`ana` asked, then `bo`"),
        ({"receipts": [receipt(purpose="care")]}, "permission", "purpose `research`, then `care`"),
        ({"receipts": [receipt(decision_id="e" * 64)]}, "permission", "another decision on"),
        ({"receipts": [receipt(masked=("birth",))]}, "permission", "now masked in `trials."),
        ({"receipts": [receipt(filtered=True)]}, "permission", "are now filtered"),
        ({"wall": "enforced"}, "wall", "advisory, then enforced"),
    ],
)
def test_cell_that_differs_says_why(changes, kind, said):
    b = one(table=OTHER, **changes)
    assert told(one(), b) == [("q1", DIFFERENT, [kind])]
    assert said in compare_notebooks(one(), b).cells[0].causes[0].said
    assert told(one(), one(**changes)) == [("q1", SAME, [kind])]
    assert not compare_notebooks(one(), b).same


def test_cell_in_another_environment_names_the_package():
    b = copy.deepcopy(one(table=OTHER))
    b.cells[0].outputs[0]["data"][STAMP_MIME]["versions"]["duckdb"] = "1.9.9"
    (cause,) = compare_notebooks(one(), b).cells[0].causes
    assert cause.kind == "environment"
    assert cause.said.startswith("duckdb 1.")
    assert cause.said.endswith("then 1.9.9")


def test_cell_edited_shows_the_changed_lines():
    a = notebook(query_cell("SELECT 1\nFROM t", id="q1"))
    b = notebook(query_cell("SELECT 2\nFROM t", id="q1"))
    (cause,) = compare_notebooks(a, b).cells[0].causes
    assert (cause.kind, cause.lines) == ("code", ("-SELECT 1", "+SELECT 2"))


def test_cell_edited_after_it_ran_is_told():
    b = one()
    b.cells[0].source += " -- later"
    assert told(one(), b) == [("q1", SAME, ["code"])]


def test_cell_that_nothing_explains_is_different_without_a_cause():
    assert told(one(), one(table=OTHER)) == [("q1", DIFFERENT, [])]


def test_cells_are_aligned_by_id_then_query_then_place():
    a = notebook(*(query_cell(f"SELECT {i}", id=f"a{i}") for i in range(4)))
    b = notebook(
        query_cell("SELECT 2", id="b2"),
        query_cell("SELECT 9", id="a1"),
        query_cell("SELECT 8", id="b8"),
        query_cell("SELECT 0", id="b0"),
        query_cell("SELECT 7", id="b7"),
    )
    found = [
        (cell.a.name if cell.a else None, cell.b.name if cell.b else None, cell.aligned)
        for cell in compare_notebooks(a, b).cells
    ]
    assert found == [
        ("a2", "b2", "query"),
        ("a1", "a1", "id"),
        ("a3", "b8", "place"),
        ("a0", "b0", "query"),
        (None, "b7", ""),
    ]
    assert told(a, b)[-1][1] == ONLY_B
    assert told(b, a)[-1][1] == ONLY_A


def test_cells_without_ids_and_with_duplicate_ids_are_aligned_by_query():
    old = json.loads(nbformat.writes(notebook(query_cell("SELECT 1"), query_cell("SELECT 2"))))
    for cell in old["cells"]:
        del cell["id"]
    old |= {"nbformat_minor": 4}
    twice = notebook(query_cell("SELECT 2", id="x"), query_cell("SELECT 1", id="y"))
    twice.cells[1].id = "x"
    assert told(old, twice) == [("#0", SAME, []), ("#1", SAME, [])]


def test_query_that_did_not_end_is_unknown_or_differs_by_status():
    failed = one(table=None, status="failed", error="refused")
    assert told(one(), failed) == [("q1", DIFFERENT, ["status"])]
    assert told(failed, failed) == [("q1", SAME, [])]
    partial = one(table=None, status="partial")
    assert told(partial, partial) == [("q1", UNKNOWN, [])]
    assert not compare_notebooks(partial, partial).same


def test_cells_without_stamps_are_listed_when_their_code_differs():
    a = notebook(new_code_cell("x = 1", id="p"), query_cell(id="q1"))
    b = notebook(new_code_cell("x = 2", id="p"), query_cell(id="q1"), new_code_cell("y", id="n"))
    found = compare_notebooks(a, b)
    assert found.same
    assert found.other_code == ("p", "n")


def test_stamp_that_is_edited_is_named_and_not_called_same():
    b = one()
    b.cells[0].outputs[0]["data"][STAMP_MIME]["result_digest"] = "v1:zz"
    found = compare_notebooks(one(), b)
    assert not found.same
    assert "B, cell `q1`" in found.problems[0]
