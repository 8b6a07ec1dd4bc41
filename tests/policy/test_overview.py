"""Shared answers equal separate ones: whatever policies and assets there are.

`Overview` asks once for all assets and columns that no policy can tell apart. Here every one of
them is also asked alone, by `PolicyEngine.decide` and `allows`.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_govdata.model.asset import Asset, Column, Subject
from jupyter_govdata.model.identity import Principal
from jupyter_govdata.model.predicate import FALSE, TRUE
from jupyter_govdata.policy.engine import PolicyEngine
from jupyter_govdata.policy.governance import Governance
from jupyter_govdata.policy.overview import (
    ALL_ROWS,
    AS_STORED,
    HIDDEN,
    MASKED,
    NO_ROWS,
    SOME_ROWS,
)
from jupyter_govdata.policy.reads import EVERYTHING, NOTHING, Reads, reads_of
from jupyter_govdata.policy.records import read_policies

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
PEOPLE = {
    "ana": Principal("ana", groups=("clinical",), attributes={"study": "S1"}),
    "dina": Principal("dina", groups=("stewards",)),
}
NAMES = ("a.one", "a.two", "a.three", "b.one", "b.two")

PRINCIPALS = ("principal", 'principal in Group::"clinical"', 'principal == User::"ana"')
RESOURCES = {
    "discover": (
        "resource",
        'resource in Namespace::"a"',
        'resource in Asset::"a.one"',
        'resource == Asset::"b.one"',
        "resource is Asset",
    ),
    "select": (
        "resource",
        'resource in Namespace::"b"',
        'resource in Asset::"a.two"',
        "resource is Row",
    ),
    "reveal": (
        "resource",
        'resource in Asset::"a.one"',
        'resource == Column::"a.two.age"',
        'resource == Column::"b.one.id"',
        "resource is Column",
    ),
}
ANYWHERE = (
    'context.purpose == "research"',
    'context.now < datetime("2027-01-01")',
    "resource.asset.owner == principal",
    "principal in resource.asset.steward",
    'resource.asset.kind == "table"',
    'resource.asset.hasTag("modality")',
    'resource.asset.hasTag("modality") && resource.asset.getTag("modality") == "ct"',
    'resource.hasTag("open")',
    'resource.hasTag("id") && resource.getTag("id") == "direct"',
    'resource.asset == Asset::"a.one"',
    'resource.asset.name == "b.one"',
    'Asset::"a.one".owner == principal',
    'resource in Namespace::"a"',
    '["a.one"].contains("a.one")',
)
CONDITIONS = {
    "discover": (*ANYWHERE, "resource.owner == principal", 'resource.name == "a.two"'),
    "select": (
        *ANYWHERE,
        'resource.study == "S1"',
        "resource.study == principal.study",
        "resource has study",
        "resource.age > 17",
        "resource has owner",
        'resource.kind == "x"',
        "resource.subject.consents.contains(context.purpose)",
        "resource has subject",
    ),
    "reveal": (*ANYWHERE, 'resource.name == "age"', 'resource.name like "i*"'),
}
MASKS = ("", '@mask("null") ', '@mask("pseudonym") ', '@mask("year") ', '@mask("round:10") ')


@st.composite
def policy(draw: Any, number: int) -> str:
    action = draw(st.sampled_from(tuple(RESOURCES)))
    effect = draw(st.sampled_from(("permit", "permit", "forbid")))
    mask = draw(st.sampled_from(MASKS)) if (effect, action) == ("forbid", "reveal") else ""
    found = draw(st.lists(st.sampled_from(CONDITIONS[action]), max_size=2))
    word = draw(st.sampled_from(("when", "when", "unless")))
    text = f" {word} {{ {' && '.join(f'({c})' for c in found)} }}" if found else ""
    return (
        f'@id("p{number}") {mask}{effect} ({draw(st.sampled_from(PRINCIPALS))}, '
        f'action == Action::"{action}", {draw(st.sampled_from(RESOURCES[action]))}){text};'
    )


OPEN = (
    '@id("open-discover") permit (principal, action == Action::"discover", resource);',
    '@id("open-select") permit (principal, action == Action::"select", resource);',
    '@id("open-reveal") permit (principal, action == Action::"reveal", resource);',
)


@st.composite
def policies(draw: Any) -> str:
    texts = [text for text in OPEN if draw(st.booleans())]
    count = draw(st.integers(1, 6))
    texts += [draw(policy(number)) for number in range(count)]
    return "\n".join(texts)


COLUMNS = st.lists(
    st.builds(
        Column,
        name=st.sampled_from(("id", "age", "study", "owner", "kind", "birth")),
        type=st.sampled_from(("string", "long", "date", "double")),
        tags=st.sampled_from(({}, {"id": "direct"}, {"id": "quasi"}, {"open": ""})),
        domain=st.sampled_from(("", "T:patient")),
    ),
    max_size=4,
    unique_by=lambda column: column.name,
).map(tuple)


@st.composite
def asset(draw: Any, name: str) -> Asset:
    return Asset(
        name,
        kind=draw(st.sampled_from(("table", "files"))),
        owner=draw(st.sampled_from(("ana", "dina", ""))),
        steward=draw(st.sampled_from(("stewards", "ana"))),
        tags=draw(st.sampled_from(({}, {"modality": "ct"}, {"modality": "mr"}, {"open": ""}))),
        columns=draw(COLUMNS),
        subject=draw(
            st.sampled_from(
                (None, Subject("id", "T:patient"), Subject("id", "U:x"), Subject("id", "{study}:x"))
            )
        ),
    )


@st.composite
def assets(draw: Any) -> dict[str, Asset]:
    return {name: draw(asset(name)) for name in NAMES}


def governance(text: str) -> Governance:
    found, problems = read_policies("policies/all.cedar", text)
    assert not problems, [str(problem) for problem in problems]
    return Governance(
        principals=PEOPLE,
        groups={"clinical": "", "stewards": ""},
        purposes={"research": "", "training": ""},
        policies=tuple(sorted(found, key=lambda p: p.id)),
    )


def shared(engine: PolicyEngine, who: str, purpose: str) -> dict[str, Any]:
    """Return what the overview says of each asset: rows, and how each column is shown."""
    overview = engine.overview
    ask = engine.question(who, purpose, NOW)
    sight = overview.sight(ask, overview.discovery.mask(ask))
    table = overview.columns
    shown, _ = overview.shown(ask, np.unique(table.kind_of).astype(np.int32))
    found: dict[str, Any] = {}
    for i, card in enumerate(overview.cards):
        kinds = shown[table.kind_of[table.starts[i] : table.starts[i + 1]]].tolist()
        columns = dict(zip((c.name for c in card.columns), kinds, strict=True))
        rows = int(sight.rows[i])
        found[card.name] = (bool(sight.visible[i]), rows, columns if rows != NO_ROWS else {})
    return found


def separate(engine: PolicyEngine, who: str, purpose: str) -> dict[str, Any]:
    """Return the same, each asset asked alone."""
    found: dict[str, Any] = {}
    for name, card in engine.assets.items():
        visible = engine.allows(who, "discover", name, purpose, NOW).permitted
        decision = engine.decide(who, purpose, name, NOW)
        rows = NO_ROWS
        if decision.permitted:
            assert decision.row_filter != FALSE
            rows = ALL_ROWS if decision.row_filter == TRUE else SOME_ROWS
        columns = {
            c.name: HIDDEN
            if c.name in decision.hidden
            else MASKED
            if c.name in decision.masks
            else AS_STORED
            for c in card.columns
        }
        found[name] = (visible, rows, columns if rows != NO_ROWS else {})
    return found


@settings(max_examples=150, deadline=None)
@given(text=policies(), cards=assets(), who=st.sampled_from(("ana", "dina")))
def test_overview_of_random_policies_and_assets_equals_separate_decisions(
    text: str, cards: dict[str, Asset], who: str
) -> None:
    engine = PolicyEngine(1, governance(text), cards)
    for purpose in ("research", "training"):
        assert shared(engine, who, purpose) == separate(engine, who, purpose)


@settings(max_examples=60, deadline=None)
@given(text=policies(), cards=assets(), changed=assets(), which=st.sets(st.sampled_from(NAMES)))
def test_overview_that_knows_an_older_epoch_equals_one_that_does_not(
    text: str, cards: dict[str, Asset], changed: dict[str, Asset], which: set[str]
) -> None:
    rules = governance(text)
    old = PolicyEngine(1, rules, cards)
    shared(old, "ana", "research")
    # Some assets change, one goes, and the others stay the same objects.
    now = {name: changed[name] if name in which else card for name, card in cards.items()}
    now.pop("a.three")
    newer = PolicyEngine(2, rules, now, old)
    assert shared(newer, "ana", "research") == shared(
        PolicyEngine(2, rules, now), "ana", "research"
    )
    assert shared(newer, "ana", "research") == separate(newer, "ana", "research")


def test_assets_that_no_policy_tells_apart_are_asked_about_once() -> None:
    cards = {
        name: Asset(name, owner="dina", tags={"doi": name}, columns=(Column("x", "long"),))
        for name in (f"n.t{i}" for i in range(500))
    }
    engine = PolicyEngine(1, governance("\n".join(OPEN)), cards)
    overview = engine.overview
    assert len(overview.discovery.sorting.kinds) == 1
    assert overview.columns.kinds == 1
    assert {r for _, r, _ in shared(engine, "ana", "research").values()} == {ALL_ROWS}


READ = {
    'context.purpose == "x"': NOTHING,
    'principal in Group::"clinical" || principal == User::"ana"': NOTHING,
    "resource is Row": NOTHING,
    "resource.asset.owner == principal": Reads(card=frozenset(("owner",))),
    'resource.hasTag("a")': Reads(tags=frozenset("a")),
    'resource.asset.getTag("a") == "b"': Reads(asset_tags=frozenset("a")),
    'resource has study && ["x"].contains(resource.study)': Reads(attributes=frozenset(("study",))),
    "resource.hasTag(context.purpose)": EVERYTHING,
    'resource.asset == Asset::"a.b"': EVERYTHING,
    'resource in Namespace::"a"': EVERYTHING,
    'resource == Asset::"a.b"': EVERYTHING,
    'Asset::"a.b".owner == principal': EVERYTHING,
    '[Asset::"a.b"].contains(resource)': EVERYTHING,
    'principal in Asset::"a.b".steward': EVERYTHING,
}


@pytest.mark.parametrize("condition", READ)
def test_what_a_condition_reads_of_its_resource_is_known_or_everything(condition: str) -> None:
    text = f'@id("p") permit (principal, action, resource) when {{ {condition} }};'
    (found,), _ = read_policies("p.cedar", text)
    expected = READ[condition]
    assert reads_of(found).everything == expected.everything
    if not expected.everything:
        assert reads_of(found) == expected


@pytest.mark.parametrize("who", ["ana", "dina"])
@pytest.mark.parametrize(
    "condition",
    [
        'Asset::"a.one".owner == principal',
        'principal in Asset::"a.one".steward',
        'Asset::"a.one".hasTag("modality")',
        'Asset::"a.one" in Namespace::"a"',
        '[Asset::"a.one"].contains(resource)',
        'resource in [Asset::"a.one", Namespace::"b"]',
        'resource != Asset::"a.one" && Asset::"a.one" has owner',
    ],
)
@pytest.mark.parametrize("effect", ["permit", "forbid"])
def test_policy_that_looks_into_another_asset_says_the_same_of_many(
    effect: str, condition: str, who: str
) -> None:
    always = OPEN[0] if effect == "forbid" else ""
    text = (
        f'{always}@id("p") {effect} (principal, action == Action::"discover", resource) '
        f"when {{ {condition} }};"
    )
    cards = {name: Asset(name, owner="ana", tags={"modality": "ct"}) for name in NAMES}
    engine = PolicyEngine(1, governance(text), cards)
    assert shared(engine, who, "research") == separate(engine, who, "research")
