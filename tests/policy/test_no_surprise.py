"""What `check` accepts, the translator can express: on random policies, with and without it."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from jupyter_govdata.policy.cards import TagDefinition
from jupyter_govdata.policy.governance import Governance
from jupyter_govdata.policy.records import read_policies
from jupyter_govdata.policy.validate import check
from tests.policy import generators as gen
from tests.policy.test_differential import PRINCIPAL, asset, evaluator_of, truths

UNTRANSLATABLE = (
    "resource.n1 + 1 < 3",
    "(if resource.b1 then resource.n1 else 3) * 2 == 4",
    "resource.d1 < resource.z1",
    'resource.d1.offset(duration("1d")) < resource.d2',
    "resource.t1.toDate() == context.now",
    "context.now.durationSince(resource.d1) < context.now.durationSince(resource.d2)",
    "resource.subject.consents.contains(resource.s1)",
    "resource.subject.consents.isEmpty()",
    "resource.subject.consents == principal.sites",
    "principal.sites.containsAll(resource.subject.consents)",
    '{a: resource.s1} == {a: "x"}',
    "ip(resource.s1).isLoopback()",
    "datetime(resource.s1) < context.now",
    "resource.hasTag(resource.s1)",
    "(if resource.b1 then resource else resource).n1 == 1",
    "[resource].contains(resource.asset)",
)
seen: Counter[str] = Counter()


def accepted(text: str) -> bool:
    card = asset("D:p")
    records, _ = read_policies("policies/x.cedar", text)
    governance = Governance(
        {"ana": PRINCIPAL},
        {"g": ""},
        {**dict.fromkeys(gen.PURPOSES, ""), "care": ""},
        {"modality": TagDefinition("modality")},
        policies=tuple(records),
    )
    return not check(governance, {card.name: card})


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(st.one_of(gen.boolean(2), st.sampled_from(UNTRANSLATABLE)), gen.boolean(1), st.booleans())
def check_conditions(left: str, right: str, both: bool) -> None:
    text = (
        '@id("p") permit (principal, action == Action::"select", resource) '
        f"when {{ ({left}) {'&&' if both else '||'} ({right}) }};"
    )
    seen["all"] += 1
    if not accepted(text):
        return
    seen["accepted"] += 1
    card = asset("D:p")
    assert truths(evaluator_of([text], card), card)["p"] is not None, text


def test_condition_that_check_accepts_is_never_a_surprise() -> None:
    seen.clear()
    check_conditions()
    assert seen["accepted"] > 0.1 * seen["all"], seen
