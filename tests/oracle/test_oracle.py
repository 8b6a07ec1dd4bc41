"""The oracle, by examples that a person can work out."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from tests.oracle.cedar import written
from tests.oracle.policy import Rule, Unknown, concerns, holds, masked, shown_as, value, visible

S1 = ("==", ("column", "site"), ("value", "S1"))
AGREES = ("column", "consents")


@pytest.mark.parametrize(
    ("expression", "row", "expected"),
    [
        (S1, {"site": "S1"}, True),
        (S1, {"site": "S2"}, False),
        (("not", S1), {"site": "S2"}, True),
        (("or", S1, ("column", "b")), {"site": "S1", "b": None}, True),
        (("and", S1, ("column", "b")), {"site": "S2", "b": None}, False),
        (("if", S1, ("value", 1), ("column", "n")), {"site": "S1"}, 1),
        (("has", "site"), {"site": None}, False),
        (("in", ("column", "site"), ()), {"site": "S1"}, False),
        (("like", ("column", "site"), "S*1"), {"site": "Sab1"}, True),
        (("like", ("column", "site"), "S.1"), {"site": "Sa1"}, False),
        ((">", ("column", "m"), ("value", Decimal("1.5"))), {"m": Decimal("1.50")}, False),
        (
            ("<", ("column", "d"), ("value", dt.datetime(2024, 1, 2, tzinfo=dt.UTC))),
            {"d": dt.date(2024, 1, 1)},
            True,
        ),
    ],
)
def test_value_of_an_expression_on_a_row(expression, row, expected):
    assert value(expression, row) == expected


@pytest.mark.parametrize("row", [{}, {"site": None}])
def test_value_of_what_is_not_there_is_unknown(row):
    for expression in (S1, ("not", S1), ("or", S1, ("value", True)), ("and", S1, S1)):
        with pytest.raises(Unknown):
            value(expression, row)


def test_rule_in_doubt_does_not_permit_and_does_forbid():
    assert not holds(Rule("a", "permit", "select", when=S1), {"site": None})
    assert holds(Rule("a", "forbid", "select", when=S1), {"site": None})


@pytest.mark.parametrize(
    ("effects", "seen"),
    [((), False), (("permit",), True), (("forbid",), False), (("permit", "forbid"), False)],
)
def test_row_is_visible_by_a_permit_and_no_forbid(effects, seen):
    rules = [Rule(e, e, "select", when=S1) for e in effects]
    assert visible(rules, {"site": "S1"}) == seen
    assert not visible(rules, {"site": None})


def test_rule_concerns_whom_and_what_its_head_names():
    rule = Rule("a", "permit", "select", ("Group", "g"), ("Namespace", "lab"))
    assert concerns(rule, "ana", ("g",), "select", "lab.x")
    assert not concerns(rule, "ana", (), "select", "lab.x")
    assert not concerns(rule, "ana", ("g",), "reveal", "lab.x")
    assert not concerns(rule, "ana", ("g",), "select", "laboratory.x")


def test_column_is_clear_masked_or_hidden():
    permit, hide = Rule("p", "permit", "reveal"), Rule("h", "forbid", "reveal")
    year = Rule("y", "forbid", "reveal", when=("has", "tag:id"), mask="year")
    assert shown_as([permit], {}) == "clear"
    assert shown_as([], {}) == shown_as([year], {"tag:id": "x"}) == "hidden"
    assert shown_as([permit, year], {"tag:id": "x"}) == "year"
    assert shown_as([permit, year], {}) == "clear"
    assert shown_as([permit, year, hide], {"tag:id": "x"}) == "hidden"


@pytest.mark.parametrize(
    ("mask", "cell", "expected"),
    [
        ("null", "x", None),
        ("constant:no", None, "no"),
        ("last:2", "abcd", "***cd"),
        ("last:2", "cd", "***"),
        ("year", dt.date(1970, 5, 6), dt.date(1970, 1, 1)),
        ("year", "1970-05-06", "1970"),
        ("year", "5/6/1970", None),
        ("round:10", 15, 20),
        ("round:10", -15, -10),
        ("round:0.5", 3, None),
        ("round:0.5", Decimal("1.26"), Decimal("1.5")),
        ("round:10", None, None),
    ],
)
def test_masked_cell(mask, cell, expected):
    assert masked(mask, cell) == expected


def test_rule_is_written_as_cedar():
    rule = Rule("a", "forbid", "reveal", ("User", "ana"), None, ("not", AGREES), "null")
    assert written(rule) == (
        '@id("a") @mask("null") forbid (principal in User::"ana", action == Action::"reveal", '
        "resource)\nwhen { !(resource.subject.consents.contains(context.purpose)) };"
    )
