"""Conditions on rows and the predicates they become: readable fixtures."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from jupyter_govdata.model.predicate import (
    FALSE,
    TRUE,
    And,
    Compare,
    CompareColumns,
    Consent,
    In,
    IsNull,
    Like,
    Or,
    Predicate,
)
from tests.policy.world import NOW, engine

OPEN = """
@id("find") permit (principal, action == Action::"discover", resource);
@id("show") permit (principal, action == Action::"reveal", resource);
"""
UTC = dt.UTC


def row_filter(condition: str, effect: str = "permit", who: str = "ana") -> Predicate:
    text = (
        f'@id("c") {effect} (principal, action == Action::"select", resource) when '
        f"{{ {condition} }};"
    )
    if effect == "forbid":
        text += '@id("all") permit (principal, action == Action::"select", resource);'
    return engine(OPEN + text).decide(who, "research", "trials.outcomes", NOW).row_filter


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("resource.site == principal.study", Compare("site", "=", "S1")),
        ("principal.sites.contains(resource.site)", In("site", ("BOS", "NYC"))),
        ('["b", "a"].contains(resource.site)', In("site", ("a", "b"))),
        ("resource.age >= 18", Compare("age", ">=", 18)),
        ("18 > resource.age", Compare("age", "<", 18)),
        ("resource.age == principal.level", Compare("age", "=", 3)),
        ("resource.withdrawn", Compare("withdrawn", "=", True)),
        ("!resource.withdrawn", Compare("withdrawn", "!=", True)),
        ("resource has embargo", IsNull("embargo", negated=True)),
        ("!(resource has embargo)", IsNull("embargo")),
        ("resource has nothing", FALSE),
        ("resource.nothing == 1", FALSE),
        ('resource.site like "TC*-_%"', Like("site", ("TC", None, "-_%"))),
        ("resource.visit == resource.visit", CompareColumns("visit", "=", "visit")),
        (
            "resource.subject.consents.contains(context.purpose)",
            Consent("patient_id", "S:patient", "research"),
        ),
        (
            '!resource.subject.consents.contains("model_training")',
            Consent("patient_id", "S:patient", "model_training", negated=True),
        ),
        ("resource has subject", IsNull("patient_id", negated=True)),
        ('resource.site == "a" || true', Or((Compare("site", "=", "a"), IsNull("site", True)))),
        (
            'resource.site == "a" || resource.age > 3',
            Or(
                (
                    Compare("site", "=", "a"),
                    And((IsNull("site", negated=True), Compare("age", ">", 3))),
                )
            ),
        ),
        (
            "resource.age < 3 || resource.age > 9",
            Or((Compare("age", "<", 3), Compare("age", ">", 9))),
        ),
        ("principal.senior && resource.age > 3", Compare("age", ">", 3)),
        ('principal in Group::"ml" || resource.age > 3', Compare("age", ">", 3)),
        ('principal in Group::"clinical"', TRUE),
        ("resource.age == resource.site", FALSE),
        ("resource.age < resource.site", FALSE),
    ],
)
def test_condition_of_a_permit_becomes_a_predicate(condition: str, expected: Predicate) -> None:
    assert row_filter(condition) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("resource.withdrawn", Compare("withdrawn", "!=", True)),
        (
            "resource.withdrawn || resource.age < 18",
            And((Compare("withdrawn", "!=", True), Compare("age", ">=", 18))),
        ),
        (
            "resource has embargo && resource.embargo > context.now",
            Or((IsNull("embargo"), Compare("embargo", "<=", NOW))),
        ),
        ("resource.nothing", FALSE),
        ("resource has nothing && resource.nothing", TRUE),
        ("resource.age == resource.site", And((IsNull("age", True), IsNull("site", True)))),
        ("principal.missing == 1", FALSE),
        ("resource.ratio > 1", FALSE),
        ("resource.age + 1 > 3", FALSE),
        ("(if true then resource else resource) has embargo", FALSE),
        ("{Value: resource has embargo}.Value", IsNull("embargo")),
        ("{'has': resource has embargo, 'left': 1}['has']".replace("'", '"'), IsNull("embargo")),
        ("{Value: resource}.Value has embargo", FALSE),
    ],
)
def test_condition_of_a_forbid_lets_pass_only_where_it_is_false(
    condition: str, expected: Predicate
) -> None:
    assert row_filter(condition, "forbid") == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('resource.birth < datetime("2000-01-01")', Compare("birth", "<", dt.date(2000, 1, 1))),
        (
            'resource.birth < datetime("2000-01-01T12:00:00Z")',
            Compare("birth", "<=", dt.date(2000, 1, 1)),
        ),
        (
            'resource.birth >= datetime("2000-01-01T00:00:00.001Z")',
            Compare("birth", ">", dt.date(2000, 1, 1)),
        ),
        ('resource.birth == datetime("2000-01-01T12:00:00Z")', FALSE),
        ('resource.birth != datetime("2000-01-01T12:00:00Z")', IsNull("birth", negated=True)),
        (
            'resource.birth == datetime("2000-01-01T02:00:00+0200")',
            Compare("birth", "=", dt.date(2000, 1, 1)),
        ),
        (
            'resource.visit < datetime("2000-01-01T02:00:00+0200")',
            Compare("visit", "<", dt.datetime(2000, 1, 1)),
        ),
        (
            'resource.embargo < datetime("2000-01-01T02:00:00+0200")',
            Compare("embargo", "<", dt.datetime(2000, 1, 1, tzinfo=UTC)),
        ),
        (
            'resource.embargo.offset(duration("30d")) < context.now',
            Compare("embargo", "<", NOW - dt.timedelta(days=30)),
        ),
        (
            'context.now.durationSince(resource.embargo) > duration("1d")',
            Compare("embargo", "<", NOW - dt.timedelta(days=1)),
        ),
        (
            'resource.birth < datetime("9999-12-31").offset(duration("9d"))',
            IsNull("birth", negated=True),
        ),
        ('resource.birth < datetime("0001-01-01").offset(duration("-9d"))', FALSE),
        ('resource.birth == "2000-01-01"', FALSE),
    ],
)
def test_moment_is_compared_in_the_type_of_the_column(condition: str, expected: Predicate) -> None:
    assert row_filter(condition) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('resource.dose.lessThan(decimal("1.5"))', Compare("dose", "<", Decimal("1.50"))),
        ('resource.dose.lessThan(decimal("1.505"))', Compare("dose", "<=", Decimal("1.50"))),
        (
            'resource.dose.greaterThanOrEqual(decimal("-1.505"))',
            Compare("dose", ">", Decimal("-1.51")),
        ),
        ('resource.dose == decimal("1.505")', FALSE),
        ('resource.dose == decimal("1.5000")', Compare("dose", "=", Decimal("1.50"))),
        ("resource.dose == 1", FALSE),
        ("resource.dose.lessThan(resource.age)", FALSE),
    ],
)
def test_decimal_is_compared_in_the_scale_of_the_column(
    condition: str, expected: Predicate
) -> None:
    assert row_filter(condition) == expected


@pytest.mark.parametrize(
    "condition",
    [
        "resource.ratio == 1",
        'resource.codes.contains("a")',
        "resource.age * 2 < 5",
        "resource.birth < resource.embargo",
        'resource.birth.toDate() == datetime("2000-01-01")',
        "resource.subject.consents.contains(resource.site)",
        "resource.subject.consents.isEmpty()",
        '["a"].containsAll(resource.subject.consents)',
        'ip(resource.site).isInRange(ip("10.0.0.0/8"))',
        "resource.hasTag(resource.site)",
        " || ".join(f"(resource.withdrawn && resource.age == {i})" for i in range(55)),
    ],
)
def test_condition_that_no_predicate_expresses_grants_nothing(condition: str) -> None:
    assert row_filter(condition) == FALSE
