"""Request templates: what may be written, and that an approval opens that and nothing more."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import cedarpy
import pytest

from jupyter_govdata.errors import PolicyFileError
from jupyter_govdata.model.predicate import FALSE, TRUE, Consent
from jupyter_govdata.model.request import AccessRequest
from jupyter_govdata.policy.approving import why_nothing_opens
from jupyter_govdata.policy.cedar import EntityRef, fill_slots, parse_policy
from jupyter_govdata.policy.engine import PolicyEngine
from jupyter_govdata.policy.explain import explain
from jupyter_govdata.policy.governance import Governance, read_governance
from jupyter_govdata.policy.templates import linked, links_of, scopes
from jupyter_govdata.policy.validate import check
from tests.policy.world import NOW, assets, files

END = NOW + dt.timedelta(days=30)
FINDS = """
@id("finds") permit (principal, action == Action::"discover", resource);
"""
ROWS = """
@id("rows") @request("read") @description("rows with consent")
permit (principal == ?principal, action == Action::"select", resource in ?resource)
when { resource.subject.consents.contains(context.purpose) };
"""
COLUMNS = """
@id("columns") @request("read")
permit (principal == ?principal, action == Action::"reveal", resource in ?resource);
"""
POLICIES = FINDS + ROWS + COLUMNS


def governance(policies: str = POLICIES) -> Governance:
    return read_governance(files(policies))


def request(**changes: Any) -> AccessRequest:
    facts = {
        "id": "abc234",
        "asset": "trials.outcomes",
        "principal": "miko",
        "purpose": "research",
        "reason": "",
        "state": "approved",
        "requested_at": NOW,
        "scope": "read",
        "until": END,
        "decided_by": "dina",
    }
    return AccessRequest(**{**facts, **changes})


def engine(policies: str = POLICIES, *approved: AccessRequest) -> PolicyEngine:
    base = governance(policies)
    return PolicyEngine.build(7, linked(base, approved or [request()]), assets(base))


def errors(policies: str) -> list[PolicyFileError]:
    base = governance(policies)
    return check(base, assets(base))


# -- writing templates ---------------------------------------------------------------------------


def test_template_by_itself_opens_nothing_to_anybody() -> None:
    base = governance()
    assert [t.id for t in base.templates] == ["columns", "rows"]
    assert [p.id for p in base.policies] == ["finds"]
    bare = PolicyEngine.build(7, base, assets(base))
    for user in ("ana", "miko", "dina", "otto"):
        for asset in bare.assets:
            assert not bare.decide(user, "research", asset, NOW).permitted


def test_template_among_the_policies_still_matches_nothing() -> None:
    """A template that got to where policies are evaluated must not be a permit for everybody."""
    base = governance(FINDS + ROWS.replace("when {", "when { true } when {"))
    lost = replace(base, policies=(*base.policies, *base.templates), templates=())
    wrong = PolicyEngine.build(7, lost, assets(base))
    assert "trials.outcomes" in wrong.discoverable("miko", "research", NOW)
    assert not wrong.decide("miko", "research", "trials.outcomes", NOW).permitted


def test_template_survives_the_store() -> None:
    base = governance()
    again = Governance.from_json(json.loads(json.dumps(base.to_json())))
    assert again.templates == base.templates
    assert all(t.is_template for t in again.templates)


def test_template_that_is_well_written_has_no_problem() -> None:
    assert errors(POLICIES) == []


def template(
    head: str = '@request("r")',
    effect: str = "permit",
    principal: str = "principal == ?principal",
    action: str = 'action == Action::"select"',
    resource: str = "resource in ?resource",
    when: str = "true",
) -> str:
    """Return a template whose parts stand on lines 1 to 7 of its file."""
    lines = ('@id("t")', head, f"{effect} (", f"{principal},", f"{action},", f"{resource})")
    return "\n".join((*lines, f"when {{ {when} }};"))


@pytest.mark.parametrize(
    ("parts", "line", "message"),
    [
        ({"head": ""}, 4, "needs `@request`"),
        ({"head": '@request("read it all")'}, 2, "cannot name a scope"),
        ({"head": "@request"}, 2, "needs a name"),
        ({"head": '@request("r") @mask("null")'}, 2, "belongs to a forbid"),
        ({"principal": "principal", "resource": "resource"}, 2, "`@request` belongs to a template"),
        ({"effect": "forbid"}, 3, "is a permit"),
        ({"principal": "principal in ?principal"}, 4, "whoever asks"),
        ({"principal": "principal is User in ?principal"}, 4, "whoever asks"),
        ({"principal": "principal"}, 4, "whoever asks"),
        ({"principal": 'principal == User::"ana"'}, 4, "whoever asks"),
        ({"resource": "resource == ?resource"}, 6, "whatever is asked for"),
        ({"resource": "resource is Row in ?resource"}, 6, "whatever is asked for"),
        ({"resource": "resource"}, 6, "whatever is asked for"),
        ({"resource": 'resource in Asset::"trials.outcomes"'}, 6, "whatever is asked for"),
        ({"action": "action"}, 5, "names its actions"),
        ({"action": 'action == Action::"approve"'}, 5, "`approve` cannot be had"),
        ({"action": 'action == Action::"manage"'}, 5, "`manage` cannot be had"),
        ({"action": 'action == Action::"publish"'}, 5, "`publish` cannot be had"),
        ({"action": 'action == Action::"hold"'}, 5, "`hold` cannot be had"),
        ({"action": 'action == Action::"selct"'}, 5, "`selct`"),
        ({"when": "resource.ages > 3"}, 7, "`ages`"),
        ({"when": "resource.site == 3"}, 7, "site"),
        ({"when": 'context.purpose == "reserch"'}, 7, "reserch"),
        ({"when": 'context.purpose == "research" && false'}, 7, "can never apply"),
        ({"when": "resource.ratio > 3"}, 7, "ratio"),
    ],
)
def test_mistake_in_a_template_is_found_in_its_line(
    parts: dict[str, str], line: int, message: str
) -> None:
    found = errors(template(**parts))
    assert any(message in e.message and e.detail["line"] == line for e in found), found
    assert {e.detail["file"] for e in found} == {"policies/p.cedar"}
    assert errors(template()) == []


@pytest.mark.parametrize("policy", ["request-abc234/rows", "request-2"])
def test_policy_with_the_id_of_a_link_is_refused(policy: str) -> None:
    (found,) = errors(f'@id("{policy}") permit (principal, action == Action::"select", resource);')
    assert "reserved" in found.message


def test_scopes_are_named_once_with_all_that_they_open() -> None:
    more = ROWS.replace('"rows"', '"zz"').replace('"read"', '"all"')
    assert [(s.name, s.description) for s in scopes(governance(POLICIES + more))] == [
        ("all", "rows with consent"),
        ("read", "rows with consent"),
    ]


# -- linking -------------------------------------------------------------------------------------


def test_link_grants_the_template_to_one_principal_on_one_asset_for_one_purpose() -> None:
    opened = engine()
    decision = opened.decide("miko", "research", "trials.outcomes", NOW)
    assert decision.permitted
    assert decision.row_filter == Consent("patient_id", "S:patient", "research")
    assert "request-abc234/rows" in decision.policies
    assert "request-abc234/columns" in decision.policies
    for who, purpose, asset in (
        ("otto", "research", "trials.outcomes"),
        ("ana", "research", "trials.outcomes"),
        ("miko", "model_training", "trials.outcomes"),
        ("miko", "research", "trials.visits"),
        ("miko", "research", "imaging.slides"),
    ):
        assert not opened.decide(who, purpose, asset, NOW).permitted


@pytest.mark.parametrize(
    ("moment", "permitted"),
    [
        (END - dt.timedelta(seconds=1), True),
        (END - dt.timedelta(microseconds=1), True),
        (END, False),
        (END + dt.timedelta(days=400), False),
    ],
)
def test_link_ends_to_the_second(moment: dt.datetime, permitted: bool) -> None:
    decision = engine().decide("miko", "research", "trials.outcomes", moment)
    assert decision.permitted is permitted
    assert decision.now_dependent


def test_link_of_an_end_within_a_second_ends_before_it() -> None:
    odd = request(until=END + dt.timedelta(milliseconds=900))
    decision = engine(POLICIES, odd).decide("miko", "research", "trials.outcomes", END)
    assert not decision.permitted


def test_link_never_wins_over_a_forbid_or_a_mask() -> None:
    closing = """
    @id("no-boston") forbid (principal, action == Action::"select", resource in
      Asset::"trials.outcomes") when { resource.site == "BOS" };
    @id("ids") @mask("pseudonym") forbid (principal, action == Action::"reveal", resource)
    when { resource.hasTag("identifier") && resource.getTag("identifier") == "direct" };
    @id("no-codes") forbid (principal, action == Action::"reveal", resource)
    when { resource.name == "codes" };
    """
    decision = engine(POLICIES + closing).decide("miko", "research", "trials.outcomes", NOW)
    assert decision.permitted
    assert "no-boston" in decision.policies
    assert (
        decision.row_filter
        != engine().decide("miko", "research", "trials.outcomes", NOW).row_filter
    )
    assert decision.masks["patient_id"].kind == "pseudonym"
    assert decision.hidden == {"codes"}
    shut = '@id("shut") forbid (principal, action == Action::"select", resource);'
    assert not engine(POLICIES + shut).decide("miko", "research", "trials.outcomes", NOW).permitted


def test_link_does_not_open_what_may_not_be_discovered() -> None:
    opened = engine(ROWS + COLUMNS)
    assert not opened.decide("miko", "research", "trials.outcomes", NOW).permitted
    assert opened.discoverable("miko", "research", NOW) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "open"},
        {"state": "refused"},
        {"state": "withdrawn"},
        {"state": "expired"},
        {"until": None},
        {"scope": ""},
        {"scope": "gone"},
    ],
)
def test_request_that_is_not_approved_with_scope_and_end_links_nothing(
    changes: dict[str, Any],
) -> None:
    assert links_of(governance(), request(**changes)) == []
    base = governance()
    assert linked(base, [request(**changes)]) is base


def test_link_does_not_take_the_id_of_a_policy_of_the_files() -> None:
    own = '@id("request-abc234/rows") forbid (principal, action == Action::"select", resource);'
    merged = linked(governance(POLICIES + own), [request()])
    (policy,) = [p for p in merged.policies if p.id == "request-abc234/rows"]
    assert policy.effect == "forbid"


@pytest.mark.attack("T12", "T21", surface="stored")
def test_link_of_names_that_look_like_cedar_names_them_and_nothing_else() -> None:
    """T12: ids are values of the policy's JSON form, never text of a policy."""
    odd = 'x", action, resource); permit (principal, action, resource); //'
    for link in links_of(governance(), request(principal=odd, asset="trials.outcomes")):
        assert link.principal.entity == EntityRef("User", odd)
        assert json.loads(link.cedar)["principal"]["entity"]["id"] == odd
    opened = engine(POLICIES, request(principal=odd), request(id="xyz789", purpose=odd))
    for user in ("ana", "miko", "otto"):
        assert not opened.decide(user, "research", "trials.outcomes", NOW).permitted


def test_link_is_explained_with_who_approved_it_and_until_when() -> None:
    opened = engine()
    decision = opened.decide("miko", "research", "trials.outcomes", NOW)
    told = explain(decision, opened.assets["trials.outcomes"], opened.governance)
    assert "`request-abc234/rows`: rows with consent (approved by dina" in told.sentences[0]
    assert END.strftime("until %Y-%m-%d %H:%M UTC") in told.sentences[0]


def test_links_of_others_are_told_to_nobody() -> None:
    """T85: a refusal names purposes and groups that policies open it to, but no request."""
    secret = request(principal="otto", purpose="model_training", id="secret2")
    opened = engine(POLICIES, secret)
    decision = opened.decide("miko", "research", "trials.outcomes", NOW)
    told = explain(decision, opened.assets["trials.outcomes"], opened.governance)
    without = engine(POLICIES, request(state="refused"))
    same = without.decide("miko", "research", "trials.outcomes", NOW)
    assert told == explain(same, without.assets["trials.outcomes"], without.governance)
    assert decision == same


NATIVE = [
    'permit (principal == ?principal, action == Action::"select", resource in ?resource);',
    "permit (principal == ?principal, action, resource in ?resource) when { resource has a };",
    "permit (principal in ?principal, action, resource == ?resource) unless { context.x };",
    "permit (principal is User in ?principal, action, resource is Row in ?resource);",
    'forbid (principal == ?principal, action in [Action::"select"], resource);',
]


@pytest.mark.parametrize("text", NATIVE)
@pytest.mark.parametrize("user", ["ana", 'o"dd\\', "zoë"])
def test_slots_are_filled_as_cedar_links_a_template(text: str, user: str) -> None:
    who, what = EntityRef("User", user), EntityRef("Asset", "a.b")
    filled = fill_slots(parse_policy(text), who, what)
    document = json.loads(cedarpy.policies_to_json_str(text))
    (name,) = document["templates"]
    values = {"?principal": who.uid(), "?resource": what.uid()}
    used = {slot: uid for slot, uid in values.items() if slot in text}
    document["templateLinks"] = [{"templateId": name, "newId": "p", "values": used}]
    native = cedarpy.PolicySet.from_json_str(json.dumps(document))
    ours = cedarpy.PolicySet.from_json_str(
        json.dumps({"templates": {}, "templateLinks": [], "staticPolicies": {"p": filled}})
    )
    entities = cedarpy.Entities.from_json_str(
        json.dumps(
            [
                {"uid": uid("Row", "1"), "attrs": {"a": 1}, "parents": [what.uid()]},
                {"uid": uid("Row", "2"), "attrs": {}, "parents": [what.uid()]},
                {"uid": uid("User", "eve"), "attrs": {}, "parents": [who.uid()]},
            ]
        )
    )
    asked = [
        {
            "principal": uid("User", principal),
            "action": uid("Action", action),
            "resource": resource,
            "context": {"x": x},
        }
        for principal in (user, "eve", "mallory")
        for action in ("select", "open")
        for resource in (uid("Row", "1"), uid("Row", "2"), what.uid(), uid("Asset", "a.c"))
        for x in (True, False)
    ]
    answers = [
        cedarpy.is_authorized_batch(asked, policies, entities) for policies in (native, ours)
    ]
    found = [
        [(a.allowed, sorted(a.diagnostics.reasons), len(a.diagnostics.errors)) for a in answer]
        for answer in answers
    ]
    assert found[0] == found[1]
    assert len({str(answer) for answer in found[0]}) > 1


def uid(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}


# -- before an approval --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policies", "changes", "why"),
    [
        (POLICIES, {}, ""),
        (FINDS + ROWS, {}, "rows without a column"),
        (POLICIES, {"asset": "imaging.slides"}, "no policy permits it"),
        (
            POLICIES + '@id("no") forbid (principal, action == Action::"select", resource);',
            {},
            "is forbidden by `no`",
        ),
        (FINDS + COLUMNS, {}, "no policy permits it"),
        (
            POLICIES + '@id("open") permit (principal, action in [Action::"select",'
            ' Action::"reveal"], resource);',
            {},
            "open to them already",
        ),
        (ROWS + COLUMNS, {}, "no policy permits it"),
    ],
)
def test_approval_that_opens_nothing_says_why(
    policies: str, changes: dict[str, Any], why: str
) -> None:
    base = governance(policies)
    said = why_nothing_opens(base, assets(base), request(**changes), NOW)
    assert (why in said) if why else said == ""


def test_row_filter_constants_are_what_the_tests_mean() -> None:
    whole = ROWS.replace("when { resource.subject.consents.contains(context.purpose) }", "")
    opened = engine(FINDS + whole + COLUMNS)
    assert opened.decide("miko", "research", "trials.outcomes", NOW).row_filter == TRUE
    assert opened.decide("otto", "research", "trials.outcomes", NOW).row_filter == FALSE
