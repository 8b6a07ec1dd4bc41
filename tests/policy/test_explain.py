"""Decisions in words that a biologist reads."""

from __future__ import annotations

import datetime as dt

import pytest

from jupyter_govdata.model.decision import Mask
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
from jupyter_govdata.policy.explain import Explanation, explain
from jupyter_govdata.policy.words import mask_in_words, predicate_in_words
from tests.policy.world import NOW, engine

POLICIES = """
@id("find") permit (principal, action == Action::"discover", resource);
@id("clinical-reads") @description("clinical analysts read trials for research")
permit (principal in Group::"clinical", action in [Action::"select", Action::"reveal"],
        resource in Namespace::"trials")
when { context.purpose == "research" && principal.sites.contains(resource.site) };
@id("consent") @description("only consenting patients")
forbid (principal, action == Action::"select", resource in Asset::"trials.outcomes")
unless { resource.subject.consents.contains(context.purpose) };
@id("show") permit (principal, action == Action::"reveal", resource);
@id("ids") @description("identifiers are pseudonyms") @mask("pseudonym")
forbid (principal, action == Action::"reveal", resource)
when { resource.hasTag("identifier") && resource.getTag("identifier") == "direct" };
@id("secret-births") forbid (principal, action == Action::"reveal", resource)
when { resource.name == "birth" };
"""


def explained(policies: str, who: str = "ana", purpose: str = "research") -> Explanation:
    judge = engine(policies)
    decision = judge.decide(who, purpose, "trials.outcomes", NOW)
    return explain(decision, judge.assets["trials.outcomes"], judge.governance)


def test_permitted_decision_says_what_is_seen_and_by_which_policies() -> None:
    found = explained(POLICIES)
    assert found.row_filter == (
        "rows where `site` is one of `BOS`, `NYC`, and the subject has a consent for `research`"
    )
    assert found.sentences == (
        (
            "`select` on `trials.outcomes` is permitted for `research` by"
            " `clinical-reads`: clinical analysts read trials for research"
        ),
        f"you see {found.row_filter} (narrowed by `consent`: only consenting patients)",
        (
            "`patient_id` is shown as a pseudonym: the same person, the same code everywhere under"
            " this purpose (by `ids`: identifiers are pseudonyms)"
        ),
    )
    assert list(found.columns) == ["patient_id"]


def test_hidden_column_leaves_no_trace_in_an_explanation() -> None:
    found = explained(POLICIES)
    assert "birth" not in str(found)
    hidden = POLICIES.replace('resource.name == "birth"', 'resource.name == "site"')
    found = explained(hidden)
    assert "site" not in found.row_filter
    assert found.row_filter == "rows that the policies permit to you"


def test_whole_asset_is_said_to_be_whole() -> None:
    found = explained('@id("all") permit (principal, action, resource);')
    assert found.sentences[1] == "you see all rows"
    assert found.row_filter == ""


def test_refusal_names_purposes_groups_and_whom_to_ask() -> None:
    assert explained(POLICIES, purpose="model_training").sentences == (
        (
            "`select` on `trials.outcomes` is refused:"
            " no policy permits it to you for `model_training`"
        ),
        "policies name the purpose `research`",
        "ask its steward `stewards`",
    )
    assert explained(POLICIES, who="miko").sentences == (
        "`select` on `trials.outcomes` is refused: no policy permits it to you for `research`",
        "policies name the group `clinical`",
        "ask its steward `stewards`",
    )


def test_refusal_by_a_forbid_names_it() -> None:
    closed = POLICIES + (
        '@id("frozen") @description("study is frozen") forbid (principal, '
        'action == Action::"select", resource);'
    )
    assert explained(closed).sentences == (
        "`select` on `trials.outcomes` is forbidden by `frozen`: study is frozen",
    )


@pytest.mark.parametrize(
    ("predicate", "words"),
    [
        (TRUE, ""),
        (FALSE, "no rows"),
        (Compare("age", ">=", 18), "rows where `age` is at least 18"),
        (Compare("withdrawn", "!=", True), "rows where `withdrawn` is false"),
        (Compare("d", "<", dt.date(2024, 1, 2)), "rows where `d` is before 2024-01-02"),
        (
            Compare("d", "<=", dt.datetime(2024, 1, 2, 3, tzinfo=dt.UTC)),
            "rows where `d` is not after 2024-01-02 03:00:00 UTC",
        ),
        (
            In("c", tuple("abcdefgh"), negated=True),
            "rows where `c` is none of `a`, `b`, `c`, `d`, `e`, `f` and 2 more",
        ),
        (IsNull("e"), "rows where `e` is missing"),
        (Like("n", ("TC", None)), "rows where `n` matches `TC*`"),
        (CompareColumns("a", "<", "b"), "rows where `a` is below `b`"),
        (
            Consent("p", "d", "research", negated=True),
            "rows where the subject has no consent for `research`",
        ),
        (
            Or((IsNull("e"), And((Compare("e", "=", "x"), IsNull("f", True))))),
            "rows where `e` is missing, or (`e` is `x` and `f` is known)",
        ),
    ],
)
def test_predicate_reads_as_prose(predicate: Predicate, words: str) -> None:
    assert predicate_in_words(predicate) == words


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (Mask("null"), "`c` is blank"),
        (Mask("constant", "withheld"), "`c` is shown as `withheld`"),
        (Mask("last", "4"), "`c` shows its last 4 characters only"),
        (Mask("year"), "`c` shows the year only"),
        (Mask("round", "10"), "`c` is rounded to steps of 10"),
    ],
)
def test_mask_reads_as_prose(mask: Mask, words: str) -> None:
    assert mask_in_words("c", mask) == words
