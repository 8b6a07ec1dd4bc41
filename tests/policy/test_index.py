"""The index and the batch answers against Cedar on all policies and all entities at once."""

from __future__ import annotations

import json
import random

import cedarpy
import pytest

from jupyter_govdata.model.asset import Asset, Column
from jupyter_govdata.model.identity import Principal
from jupyter_govdata.policy.engine import PolicyEngine
from jupyter_govdata.policy.entities import (
    asset_entity,
    column_entity,
    place_entities,
    principal_entities,
)
from jupyter_govdata.policy.evaluation import Question
from jupyter_govdata.policy.governance import Governance
from jupyter_govdata.policy.index import target_of
from jupyter_govdata.policy.records import read_policies
from tests.policy.world import NOW

GROUPS = ("g1", "g2")
PRINCIPALS = {
    "ana": Principal("ana", groups=("g1",), attributes={"level": 1}),
    "bob": Principal("bob", groups=("g1", "g2"), attributes={"level": 2}),
    "eve": Principal("eve"),
}
ASSETS = {
    name: Asset(
        name,
        owner=owner,
        steward=steward,
        kind=kind,
        tags=tags,
        columns=(Column("a", "string", 1, tags={"t": "x"}), Column("b", "long", 2), Column("c")),
    )
    for name, owner, steward, kind, tags in (
        ("x.one", "ana", "g2", "table", {"t": "x"}),
        ("x.two", "bob", "", "files", {"t": "y"}),
        ("x.three", "", "eve", "table", {}),
        ("xx.one", "ana", "g2", "table", {"t": "x"}),
        ("y.one", "eve", "g1", "table", {"t": "x", "u": ""}),
        ("y.two", "ana", "g2", "table", {"t": "x"}),
    )
}
WHO = [
    "principal",
    'principal == User::"ana"',
    'principal in Group::"g1"',
    'principal in Group::"g2"',
    "principal is User",
    'principal is User in Group::"g2"',
    'principal in User::"bob"',
]
WHICH = ["resource"] * 3 + [
    'resource == Asset::"x.one"',
    'resource in Asset::"x.one"',
    'resource in Namespace::"x"',
    'resource == Namespace::"x"',
    'resource in Lake::"lake"',
    'resource == Lake::"lake"',
    "resource is Asset",
    "resource is Column",
    'resource is Column in Asset::"y.one"',
    'resource is Asset in Namespace::"y"',
    'resource == Column::"x.one.a"',
    'resource in Column::"y.one.b"',
]
DO = [
    "action",
    'action == Action::"discover"',
    'action in [Action::"discover", Action::"reveal"]',
    'action == Action::"reveal"',
    'action == Action::"publish"',
    'action in [Action::"manage", Action::"publish"]',
]
WHEN = [
    "true",
    "true",
    "principal.level > 1",
    'context.purpose == "p"',
    "resource.asset.owner == principal",
    "principal in resource.asset.steward",
    'resource.asset.kind == "files"',
    'resource.hasTag("t") && resource.getTag("t") == "x"',
    'resource.asset.getTag("t") == "x"',
    'resource.name like "*one"',
    'resource in Namespace::"y"',
    "resource has owner",
    "resource.owner == principal",
    'resource.name == "a"',
    'context.now > datetime("2025-01-01")',
    "[resource].contains(resource.asset)",
]


def policies(rng: random.Random) -> list[str]:
    return [
        f'@id("p{i}") {rng.choice(["permit", "permit", "permit", "forbid"])} ({rng.choice(WHO)}, '
        f"{rng.choice(DO)}, {rng.choice(WHICH)}) {rng.choice(['when', 'when', 'unless'])} "
        f"{{ {rng.choice(WHEN)} }};"
        for i in range(rng.randint(1, 8))
    ]


class Cedar:
    """Cedar's own answer, with every policy and every entity at hand."""

    def __init__(self, texts: list[str]) -> None:
        entities = place_entities(("x", "xx", "y"))
        for card in ASSETS.values():
            entities.append(asset_entity(card, GROUPS))
            entities.extend(column_entity(card, column) for column in card.columns)
        seen = {json.dumps(e["uid"]) for e in entities}
        for principal in PRINCIPALS.values():
            for entity in principal_entities(principal):
                if json.dumps(entity["uid"]) not in seen:
                    seen.add(json.dumps(entity["uid"]))
                    entities.append(entity)
        self.policies = cedarpy.PolicySet.from_str("\n".join(texts))
        self.forbids = {f"`policy{i}`" for i, text in enumerate(texts) if " forbid " in text}
        self.entities = cedarpy.Entities.from_json_str(json.dumps(entities))

    def allows(self, who: str, action: str, kind: str, name: str) -> bool:
        request = {
            "principal": {"type": "User", "id": who},
            "action": {"type": "Action", "id": action},
            "resource": {"type": kind, "id": name},
            "context": {
                "purpose": "p",
                "now": {"__extn": {"fn": "datetime", "arg": "2026-01-01T12:00:00Z"}},
            },
        }
        result = cedarpy.is_authorized(request, self.policies, self.entities)
        erring = any(f in error for f in self.forbids for error in result.diagnostics.errors)
        return result.allowed and not erring


@pytest.mark.parametrize("seed", range(40))
def test_engine_on_random_heads_agrees_with_cedar_on_everything(seed: int) -> None:
    texts = policies(random.Random(seed))
    cedar = Cedar(texts)
    records, wrong = read_policies("policies/p.cedar", "\n".join(texts))
    assert not wrong
    governance = Governance(
        PRINCIPALS, dict.fromkeys(GROUPS, ""), {"p": ""}, policies=tuple(records)
    )
    engine = PolicyEngine.build(1, governance, ASSETS)
    evaluator = engine._evaluator
    for who, principal in PRINCIPALS.items():
        listed = engine.discoverable(who, "p", NOW)
        expected = [n for n in sorted(ASSETS) if cedar.allows(who, "discover", "Asset", n)]
        assert list(listed) == expected, texts
        for action in ("discover", "publish", "manage"):
            for name in ASSETS:
                got = engine.allows(who, action, name, "p", NOW).permitted
                assert got == cedar.allows(who, action, "Asset", name), (texts, who, action, name)
            for kind, name, asked in (("Namespace", "x", "x"), ("Lake", "lake", "*")):
                got = engine.allows(who, action, asked, "p", NOW).permitted
                assert got == cedar.allows(who, action, kind, name), (texts, who, action, name)
        ask = Question(principal, "p", "2026-01-01T12:00:00Z")
        for card in ASSETS.values():
            entities = evaluator.entities(card, "x", principal)
            targets = [target_of("Column", card.name, c.name) for c in card.columns]
            answers = evaluator.answers(ask, "reveal", targets, entities)
            for target, answer in zip(targets, answers, strict=True):
                expected_one = cedar.allows(who, "reveal", "Column", target.ref.id)
                assert answer.permitted == expected_one, (texts, who, target)


@pytest.mark.parametrize("seed", range(40, 70))
def test_columns_of_random_policies_are_shown_exactly_where_cedar_reveals_them(seed: int) -> None:
    rng = random.Random(seed)
    texts = [
        *policies(rng),
        '@id("d") permit (principal, action in [Action::"discover", Action::"select"], resource);',
    ]
    texts = [t for t in texts if " forbid " not in t or '"reveal"' in t]
    cedar = Cedar(texts)
    records, _ = read_policies("policies/p.cedar", "\n".join(texts))
    governance = Governance(
        PRINCIPALS, dict.fromkeys(GROUPS, ""), {"p": ""}, policies=tuple(records)
    )
    engine = PolicyEngine.build(1, governance, ASSETS)
    for who in PRINCIPALS:
        for card in ASSETS.values():
            decision = engine.decide(who, "p", card.name, NOW)
            if not decision.permitted:
                continue
            shown = {c.name for c in card.columns} - decision.hidden
            expected = {
                c.name
                for c in card.columns
                if cedar.allows(who, "reveal", "Column", f"{card.name}.{c.name}")
            }
            assert shown == expected, (texts, who, card.name)
