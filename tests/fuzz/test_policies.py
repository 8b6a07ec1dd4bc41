"""Policies three times: compiled, by Cedar's own evaluation of each row, and by the oracle.

Each case draws policies, people and rows; for every one of them all three must agree on every
row, and on how every column is shown. Then what no policy may do: a permit less never widens, a
forbid more never widens, no row is seen that no permit names, and a masked cell is not the stored
one.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

import cedarpy
import pyarrow as pa
import pytest

from jupyter_govdata.model.asset import Asset, Column, Subject
from jupyter_govdata.model.decision import Decision, Mask
from jupyter_govdata.model.identity import Principal
from jupyter_govdata.policy.engine import PolicyEngine
from jupyter_govdata.policy.governance import Governance
from jupyter_govdata.policy.records import PolicyText, read_policies
from jupyter_govdata.storage.masking import Masker
from jupyter_govdata.storage.pseudonym import Pseudonyms
from tests.evidence import record
from tests.fuzz import SEED, cases, replay
from tests.fuzz.choices import Choices, shrink
from tests.fuzz.rules import condition
from tests.fuzz.worlds import ARROW, MASKS, draw_cell
from tests.oracle.cedar import written
from tests.oracle.policy import Rule, concerns, holds, masked, shown_as, visible
from tests.oracle.predicate import keep
from tests.policy.generators import to_cedar

CASES = cases(100, 400)
NAME = "aaa.t0"
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
PURPOSES = ("research", "care")
PEOPLE = {
    "ana": Principal("ana", groups=("g0",), attributes={"site": "S1"}),
    "miko": Principal("miko", groups=("g0", "g1"), attributes={"site": "a*b"}),
    "otto": Principal("otto"),
}
KINDS = {
    "pid": "text",
    "site": "text",
    "s2": "text",
    "n1": "long",
    "n2": "long",
    "m1": "decimal",
    "b1": "bool",
    "d1": "day",
    "z1": "at",
    "f1": "double",
}
ICEBERG = {
    "text": "string",
    "long": "long",
    "decimal": "decimal(9, 2)",
    "bool": "boolean",
    "day": "date",
    "at": "timestamptz",
    "double": "double",
}
STRICTNESS = ("null", "constant", "pseudonym", "last", "year", "round")
WHO = (None, ("Group", "g0"), ("User", "ana"), ("Group", "g1"), ("User", "miko"))
WHAT = (None, ("Asset", NAME), ("Namespace", "aaa"), ("Asset", "aaa.t1"), ("Namespace", "bbb"))
Row = dict[str, Any]
seen: Counter[str] = Counter()


@dataclass
class Case:
    """What one number makes."""

    rules: list[Rule]
    tags: dict[str, str]
    rows: list[Row]
    consents: dict[str, frozenset[str]]
    purpose: str


def draw_case(draw: Choices) -> Case:
    columns = {c: k for c, k in KINDS.items() if k != "double"} | {"consents": "bool"}
    columns |= {"principal.site": "text", "context.purpose": "text"}
    rules = [Rule("find", "permit", "discover")]
    for i in range(draw.between(0, 6)):
        effect = draw.of(("permit", "permit", "forbid"))
        when = condition(draw, columns, draw.between(0, 3))
        rules.append(Rule(f"r{i}", effect, "select", draw.of(WHO), draw.of(WHAT), when))
    known = ("tag:m", "tag:k")
    for i in range(draw.between(0, 5)):
        tags: Any = ("==", ("column", draw.of(known)), ("value", draw.of(("x", "y"))))
        if draw.chance(60):
            tags = ("and", ("has", tags[1][1]), tags)
        when = draw.of((("value", True), tags, ("not", tags), ("has", draw.of(known))))
        effect = draw.of(("permit", "forbid", "forbid"))
        masks = ("", *(m for some in MASKS.values() for m in some if m))
        mask = draw.of(masks) if effect == "forbid" else ""
        rules.append(Rule(f"c{i}", effect, "reveal", draw.of(WHO), draw.of(WHAT), when, mask))
    if draw.chance(60):
        rules.append(Rule("reveal", "permit", "reveal"))
    if draw.chance(40):
        rules.append(Rule("every", "permit", "select"))
    rows = [{c: draw_cell(draw, c, k, "") for c, k in KINDS.items()} for _ in range(8)]
    pids = sorted({row["pid"] for row in rows if row["pid"] is not None})
    consents = {p: frozenset(draw.some(PURPOSES, 0, 2)) for p in pids}
    marked = {c: draw.of(("", "m=x", "m=y", "k=x")) for c in KINDS}
    return Case(rules, marked, rows, consents, draw.of(PURPOSES))


def card_of(case: Case) -> Asset:
    columns = tuple(
        Column(name, ICEBERG[kind], i + 1, tags=tags_of(case, name), domain="D:p" * (name == "pid"))
        for i, (name, kind) in enumerate(KINDS.items())
    )
    return Asset(NAME, owner="dina", steward="s", columns=columns, subject=Subject("pid", "D:p"))


def tags_of(case: Case, column: str) -> dict[str, str]:
    return dict([case.tags[column].split("=")]) if case.tags[column] else {}


@lru_cache(maxsize=1_000)
def read(text: str) -> PolicyText:
    (found,), wrong = read_policies("policies/x.cedar", text)
    assert not wrong, wrong
    return found


def engine_of(case: Case, rules: Sequence[Rule]) -> PolicyEngine:
    policies = tuple(read(written(rule)) for rule in rules)
    groups, purposes = {"g0": "", "g1": ""}, dict.fromkeys(PURPOSES, "")
    governance = Governance(PEOPLE, groups, purposes, policies=policies)
    return PolicyEngine.build(1, governance, {NAME: card_of(case)})


def decide(case: Case, engine: PolicyEngine, who: str) -> Decision:
    return engine.decide(who, case.purpose, NAME, NOW)


def kept(case: Case, decision: Decision) -> list[bool]:
    given = {("D:p", pid): purposes for pid, purposes in case.consents.items()}
    return [decision.permitted and keep(decision.row_filter, row, given) for row in case.rows]


def in_context(case: Case, row: Row, who: str) -> Row:
    """Return a row with what else a condition may ask for."""
    agrees = None if row["pid"] is None else case.purpose in case.consents[row["pid"]]
    site = PEOPLE[who].attributes.get("site")
    return {**row, "consents": agrees, "principal.site": site, "context.purpose": case.purpose}


def by_oracle(case: Case, rules: Sequence[Rule], who: str) -> list[bool]:
    mine = [r for r in rules if concerns(r, who, PEOPLE[who].groups, "select", NAME)]
    return [visible(mine, in_context(case, row, who)) for row in case.rows]


def by_cedar(case: Case, rules: Sequence[Rule], who: str) -> list[bool]:
    """Return what Cedar allows on whole rows; a forbid that errs forbids."""
    user = {"type": "User", "id": who}
    groups = [{"type": "Group", "id": g} for g in PEOPLE[who].groups]
    place = {"type": "Asset", "id": NAME}
    above = {"type": "Namespace", "id": "aaa"}
    entities: list[dict[str, Any]] = [
        {"uid": user, "attrs": dict(PEOPLE[who].attributes), "parents": groups},
        *({"uid": group, "attrs": {}, "parents": []} for group in groups),
        {"uid": above, "attrs": {}, "parents": []},
        {"uid": place, "attrs": {}, "parents": [above]},
    ]
    for i, row in enumerate(case.rows):
        attrs = {c: to_cedar(v) for c, v in row.items() if v is not None and KINDS[c] != "double"}
        if row["pid"] is not None:
            attrs["subject"] = {"consents": sorted(case.consents[row["pid"]])}
        entities.append(
            {"uid": {"type": "Row", "id": str(i)}, "attrs": attrs, "parents": [place], "tags": {}}
        )
    context = {"purpose": case.purpose, "now": to_cedar(NOW)}
    asked = [
        {
            "principal": user,
            "action": {"type": "Action", "id": "select"},
            "resource": {"type": "Row", "id": str(i)},
            "context": context,
        }
        for i in range(len(case.rows))
    ]
    known = cedarpy.Entities.from_json_str(json.dumps(entities))
    forbids = [rule for rule in rules if rule.effect == "forbid"]
    answers = cedarpy.is_authorized_batch(asked, "\n".join(map(written, rules)), known)
    erring = cedarpy.is_authorized_batch(asked, "\n".join(map(written, forbids)), known)
    return [
        answer.allowed and not err.diagnostics.errors
        for answer, err in zip(answers, erring, strict=True)
    ]


def columns_by_oracle(case: Case, rules: Sequence[Rule], who: str) -> dict[str, str]:
    """Return how each column is shown."""
    mine = [r for r in rules if concerns(r, who, PEOPLE[who].groups, "reveal", NAME)]
    found = {}
    for column, kind in KINDS.items():
        how = shown_as(mine, {f"tag:{k}": v for k, v in tags_of(case, column).items()})
        if how not in ("clear", "hidden"):
            how = min(how.split(" "), key=strictness)
            how = how if fits(how, column, kind) else "hidden"
        found[column] = how
    return found


def strictness(mask: str) -> tuple[int, Decimal]:
    kind, _, argument = mask.partition(":")
    sizes = {"last": Decimal, "round": lambda step: -Decimal(step)}
    return STRICTNESS.index(kind), sizes.get(kind, lambda _: Decimal(0))(argument)


def fits(mask: str, column: str, kind: str) -> bool:
    match mask.partition(":")[0]:
        case "pseudonym":
            return column == "pid"
        case "last":
            return kind in ("text", "long")
        case "year":
            return kind in ("day", "at", "text")
        case "round":
            return kind in ("long", "decimal", "double")
    return True


def shown(decision: Decision) -> dict[str, str]:
    found = {}
    for column in KINDS:
        mask = decision.masks.get(column)
        how = "clear" if mask is None else f"{mask.kind}:{mask.argument}".rstrip(":")
        found[column] = "hidden" if column in decision.hidden else how
    return found


def wrong_with(case: Case) -> str:
    """Return what is wrong with a case, or nothing."""
    engine = engine_of(case, case.rules)
    mine = {}
    for who in PEOPLE:
        decision = decide(case, engine, who)
        mine[who], oracle = kept(case, decision), by_oracle(case, case.rules, who)
        cedar = by_cedar(case, case.rules, who)
        if not mine[who] == oracle == cedar:
            return f"for {who} compiled {mine[who]}, Cedar {cedar}, oracle {oracle}"
        expected = columns_by_oracle(case, case.rules, who)
        if decision.permitted and shown(decision) != expected:
            return f"to {who} columns are shown {shown(decision)}, oracle {expected}"
        if found := beyond_permits(case, who, mine[who]) or clear_cells(case, decision):
            return found
        seen["rows"] += len(oracle)
        seen["kept"] += sum(oracle)
        seen["masked"] += len(decision.masks)
    return wider(case, mine)


def wider(case: Case, mine: Mapping[str, Sequence[bool]]) -> str:
    """Return which policy widens by being removed, or a permit narrows, or nothing."""
    for rule in case.rules:
        if rule.action != "select":
            continue
        engine = engine_of(case, [other for other in case.rules if other is not rule])
        for who in PEOPLE:
            without = kept(case, decide(case, engine, who))
            more, less = (mine[who], without) if rule.effect == "permit" else (without, mine[who])
            if any(b and not a for a, b in zip(more, less, strict=True)):
                return f"{who} sees other rows than one must without {rule.effect} `{rule.id}`"
        seen["changes"] += 1
    return ""


def beyond_permits(case: Case, who: str, mine: Sequence[bool]) -> str:
    """Return whether a row is seen that no permit names, or nothing."""
    permits = [r for r in case.rules if r.effect == "permit"]
    permits = [r for r in permits if concerns(r, who, PEOPLE[who].groups, "select", NAME)]
    for row, is_visible in zip(case.rows, mine, strict=True):
        if is_visible and not any(holds(r, in_context(case, row, who)) for r in permits):
            return f"{who} sees a row that no permit names"
    return ""


def clear_cells(case: Case, decision: Decision) -> str:
    """Return which mask shows what it should not, or nothing."""
    masker = Masker(decision.masks, {"pid": "D:p"}, Pseudonyms(b"k" * 32, case.purpose), NAME)
    for column, mask in decision.masks.items():
        raw = pa.array([row[column] for row in case.rows], ARROW[KINDS[column]])
        found = masker.apply(column, raw, {}).to_pylist()
        for stored, cell in zip(raw.to_pylist(), found, strict=True):
            if wrong_cell(mask, stored, cell):
                return f"mask {mask} shows {cell!r} for {stored!r}"
    return ""


def wrong_cell(mask: Mask, stored: Any, cell: Any) -> bool:
    if mask.kind == "pseudonym":
        return (cell is None) != (stored is None) or (stored is not None and stored in cell)
    if mask.kind in ("null", "last") and stored is not None and cell == stored:
        return True
    expected = masked(f"{mask.kind}:{mask.argument}", stored)
    return cell != expected and not (cell != cell and expected != expected)


def check(number: int) -> None:
    """Try one case; fail with the smallest that shows the same."""
    choices = Choices(number)
    if not wrong_with(draw_case(choices)):
        return

    def fails(drawn: Sequence[int]) -> bool:
        return bool(wrong_with(draw_case(Choices(drawn=drawn))))

    small = draw_case(Choices(drawn=shrink(choices.drawn, fails)))
    policies = "\n".join(map(written, small.rules))
    pytest.fail(f"{replay(number)}: {wrong_with(small)}\n{policies}\n{small.tags}\n{small.rows}")


@pytest.mark.more
@pytest.mark.timeout(0)
def test_policies_mean_the_same_compiled_to_cedar_and_to_the_oracle() -> None:
    seen.clear()
    for number in range(SEED, SEED + CASES):
        check(number)
    if CASES >= 50:
        assert 0.05 * seen["rows"] < seen["kept"] < 0.95 * seen["rows"], seen
        assert seen["masked"], seen
    command = f"make fuzz N={CASES} SEED={SEED}"
    record(
        "policies",
        [
            {
                "what": "rows decided alike by compiled filter, Cedar and oracle",
                "count": seen["rows"],
                "of": seen["rows"],
                "conditions": f"{CASES} random sets of policies, {len(PEOPLE)} people",
                "command": command,
            },
            {
                "what": "policies taken away: a permit less, a forbid more never widened",
                "count": seen["changes"],
                "of": seen["changes"],
                "command": command,
            },
        ],
    )
