"""How long policy takes: 10,000 policies, an asset of 50 columns, 10,000 assets.

Run: python benchmarks/policy.py. Prints one line per figure, in milliseconds.
"""

from __future__ import annotations

import datetime as dt
import json
import statistics
import time
from collections.abc import Callable

from jupyter_govdata.model.asset import Asset, Column, Subject
from jupyter_govdata.policy.engine import PolicyEngine
from jupyter_govdata.policy.evaluation import Evaluator, Question
from jupyter_govdata.policy.governance import Governance, read_governance
from jupyter_govdata.policy.validate import check

POLICIES = 10_000
ASSETS = 10_000
COLUMNS = 50
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
HEAD = """
@id("find") permit (principal in Group::"g1", action == Action::"discover", resource);
@id("own") permit (principal, action, resource) when { resource.asset.owner == principal };
@id("show") permit (principal, action == Action::"reveal", resource);
@id("ids") @mask("pseudonym") forbid (principal, action == Action::"reveal", resource)
  when { resource.hasTag("identifier") && resource.getTag("identifier") == "direct" };
@id("consent") forbid (principal, action == Action::"select", resource)
  when { resource.asset.hasTag("people") }
  unless { resource.subject.consents.contains(context.purpose) };
"""


def policy(i: int) -> str:
    return (
        f'@id("q{i}") permit (principal in Group::"g{i % 50}", action == Action::"select",'
        f' resource in Asset::"ns{i % 20}.t{i % 500}")'
        f' when {{ context.purpose == "p{i % 7}" &&'
        f' ["a", "b"].contains(resource.c{i % 9}) }};'
    )


def governance_files() -> dict[str, str]:
    groups = ", ".join(f"g{i}: {{}}" for i in range(50))
    return {
        "principals.yaml": f"groups: {{{groups}}}\nprincipals:\n  ana: {{groups: [g1, g7]}}\n",
        "purposes.yaml": "purposes: {" + ", ".join(f"p{i}: {{}}" for i in range(7)) + "}\n",
        "tags.yaml": "tags: {identifier: {values: [direct, quasi]}, people: {}}\n",
        "policies/all.cedar": HEAD + "\n".join(policy(i) for i in range(POLICIES)),
    }


def asset(i: int) -> Asset:
    columns = tuple(
        Column(
            f"c{k}",
            "string",
            k + 1,
            tags={"identifier": "direct"} if k % 10 == 0 else {},
            domain="D:p",
        )
        for k in range(COLUMNS if i < 500 else 2)
    )
    return Asset(
        f"ns{i % 20}.t{i}",
        owner=f"u{i % 30}",
        tags={"people": "individual"} if i % 2 else {},
        columns=columns,
        subject=Subject("c0", "D:p"),
    )


def timed(label: str, run: Callable[[], object], repeat: int = 1) -> None:
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    print(f"{label:<58}{statistics.median(times):>10.2f} ms")


def main() -> None:
    files = governance_files()
    assets = {card.name: card for card in map(asset, range(ASSETS))}
    found: list[Governance] = []
    timed("read 10,000 policies from text", lambda: found.append(read_governance(files)))
    governance = found[0]
    timed("check them against 10,000 assets", lambda: check(governance, assets))
    stored = json.dumps(governance.to_json())

    def load() -> PolicyEngine:
        return PolicyEngine.build(1, Governance.from_json(json.loads(stored)), assets)

    timed("load 10,000 stored policies and build the engine", load, 5)
    timed("build the engine", lambda: PolicyEngine.build(1, governance, assets), 5)
    names = [f"ns{i % 20}.t{i}" for i in range(1, 500, 50)]
    engine = load()
    waiting = iter(names)
    timed(
        "decide, cold (new asset, 50 columns)",
        lambda: engine.decide("ana", "p1", next(waiting), NOW),
        len(names),
    )
    timed("decide, slices cached", lambda: engine.decide("ana", "p1", names[0], NOW), 200)
    evaluator = Evaluator(governance, assets)
    ask = Question(governance.principals["ana"], "p1", "2026-01-01T00:00:00Z")
    card = assets[names[0]]
    entities = evaluator.entities(card, "ns1", ask.principal)
    timed(
        "row filter by partial evaluation, slices cached",
        lambda: evaluator.rows(ask, "select", card, entities),
        500,
    )
    fresh = load()
    timed("discoverable of 10,000 assets, cold", lambda: fresh.discoverable("ana", "", NOW))
    timed("discoverable of 10,000 assets, cached", lambda: fresh.discoverable("ana", "", NOW), 20)


if __name__ == "__main__":
    main()
