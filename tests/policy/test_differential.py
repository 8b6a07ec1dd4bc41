"""Compiled row filters against Cedar itself, row by row.

For random policies, a row passes the compiled filter exactly when Cedar allows the whole row
and no forbid errs on it. `GOVDATA_DIFFERENTIAL_CASES` sets how many (policy, row) pairs.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from typing import Any

import cedarpy
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from jupyter_govdata.errors import PolicyFileError
from jupyter_govdata.model.asset import Asset, Column, Subject
from jupyter_govdata.model.identity import Principal
from jupyter_govdata.policy.cedar import evaluate_partially
from jupyter_govdata.policy.entities import row_shape
from jupyter_govdata.policy.evaluation import Evaluator, Question, request_of
from jupyter_govdata.policy.governance import Governance
from jupyter_govdata.policy.index import target_of
from jupyter_govdata.policy.records import read_policies
from jupyter_govdata.policy.residual import compile_residual
from jupyter_govdata.policy.terms import ERROR, Truth
from tests.oracle.predicate import domain_of, keep
from tests.policy import generators as gen

ROWS = 12
POLICIES = 8
CASES = int(os.environ.get("GOVDATA_DIFFERENTIAL_CASES", "48000"))
EXAMPLES = max(1, CASES // (ROWS * POLICIES))
PRINCIPAL = Principal(
    "ana", groups=("g",), attributes={"site": "BOS", "level": 3, "sites": ("BOS", "a", "日本")}
)
ASK = Question(PRINCIPAL, "research", gen.NOW.strftime("%Y-%m-%dT%H:%M:%SZ"))
Row = dict[str, Any]
Consents = dict[tuple[str, str], frozenset[str]]
seen: Counter[str] = Counter()


def asset(domain: str) -> Asset:
    columns = tuple(Column(name, iceberg) for name, iceberg in gen.COLUMNS.items())
    return Asset(
        "x.y",
        owner="ana",
        steward="g",
        tags={"modality": "HE"},
        columns=columns,
        subject=Subject("pid", domain),
    )


class Whole:
    """Cedar on rows whose values are all known, NULL being a missing attribute."""

    def __init__(self, card: Asset, rows: list[Row], consents: Consents) -> None:
        user, group = {"type": "User", "id": "ana"}, {"type": "Group", "id": "g"}
        place = {"type": "Asset", "id": card.name}
        attrs = {k: list(v) if isinstance(v, tuple) else v for k, v in PRINCIPAL.attributes.items()}
        owner = {"owner": {"__entity": user}, "steward": {"__entity": group}}
        entities = [
            {"uid": user, "attrs": attrs, "parents": [group]},
            {"uid": group, "attrs": {}, "parents": []},
            {"uid": place, "attrs": owner, "parents": []},
        ]
        assert card.subject is not None
        for i, row in enumerate(rows):
            values = {k: gen.to_cedar(v) for k, v in row.items() if v is not None}
            domain = domain_of(card.subject.domain, row)
            if row["pid"] is not None and domain is not None:
                given_for = sorted(consents.get((domain, row["pid"]), ()))
                values["subject"] = {"consents": given_for}
            values["asset"] = {"__entity": place}
            uid = {"type": "Row", "id": str(i)}
            entities.append(
                {"uid": uid, "attrs": values, "parents": [place], "tags": dict(card.tags)}
            )
        self.entities = cedarpy.Entities.from_json_str(json.dumps(entities))
        now = {"__extn": {"fn": "datetime", "arg": ASK.now}}
        self.requests = [
            {
                "principal": user,
                "action": {"type": "Action", "id": "select"},
                "resource": {"type": "Row", "id": str(i)},
                "context": {"purpose": "research", "now": now},
            }
            for i in range(len(rows))
        ]

    def ask(self, texts: list[str]) -> list[tuple[bool, set[int], set[int]]]:
        """Return per row: allowed, positions of satisfied policies, positions of erring ones."""
        results = cedarpy.is_authorized_batch(self.requests, "\n".join(texts), self.entities)
        return [
            (
                result.allowed,
                {int(reason.removeprefix("policy")) for reason in result.diagnostics.reasons},
                {int(e.split("`")[1].removeprefix("policy")) for e in result.diagnostics.errors},
            )
            for result in results
        ]


def truths(evaluator: Evaluator, card: Asset) -> dict[str, Truth | None]:
    """Return what each policy compiles to; None for one that no predicate expresses."""
    target = target_of("Row", card.name)
    handles = evaluator.slice_of(evaluator.positions("select", target, PRINCIPAL), card)
    assert not handles.unusable
    entities = evaluator.entities(card, "x", PRINCIPAL)
    found: dict[str, Truth | None] = {}
    for handle in (handles.permits, handles.forbids):
        residuals, errored = evaluate_partially(
            handle, entities, request_of(ASK, "select", target.ref)
        )
        assert residuals.keys() | errored == handle.ids
        found.update(dict.fromkeys(errored, ERROR))
        for name, body in residuals.items():
            try:
                found[name] = compile_residual(body, row_shape(card))
            except PolicyFileError:
                found[name] = None
    return found


def each_policy_agrees(
    texts: list[str],
    compiled: dict[str, Truth | None],
    whole: Whole,
    rows: list[Row],
    consents: Consents,
) -> None:
    for effect in ("permit", "forbid"):
        chosen = [text for text in texts if f" {effect} " in text]
        answers = whole.ask(chosen) if chosen else []
        for row, (_, satisfied, errored) in zip(rows, answers, strict=False):
            for i, text in enumerate(chosen):
                truth = compiled[text.split('"')[1]]
                seen["cases"] += 1
                if truth is None:
                    seen["refused"] += 1
                    continue
                yes = keep(truth.yes, row, consents)
                no = keep(truth.no, row, consents)
                assert yes == (i in satisfied), (text, row, truth)
                assert no == (i not in satisfied and i not in errored), (text, row, truth)
                seen["yes"] += yes
                seen["no"] += no


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES < 1_000,
    database=None,
    phases=(Phase.generate,),  # the message names one policy and one row: no need to shrink
    suppress_health_check=list(HealthCheck),
)
@given(gen.policies(POLICIES), st.sampled_from(["D:p", "{s2}:p"]), st.integers(0, 2**32))
def check_policies(texts: list[str], domain: str, seed: int) -> None:
    rng = random.Random(seed)
    card = asset(domain)
    rows = [gen.row(rng) for _ in range(ROWS)]
    consents = {
        (place, person): frozenset(p for p in (*gen.PURPOSES, "care") if rng.random() < 0.5)
        for place in ("D:p", *(f"{text}:p" for text in gen.TEXTS))
        for person in gen.IDS
    }
    whole = Whole(card, rows, consents)
    compiled = truths(evaluator_of(texts, card), card)
    each_policy_agrees(texts, compiled, whole, rows, consents)
    together = texts[-3:]
    evaluator = evaluator_of(together, card)
    answer = evaluator.rows(ASK, "select", card, evaluator.entities(card, "x", PRINCIPAL))
    forbids = {i for i, text in enumerate(together) if " forbid " in text}
    exact = all(compiled[text.split('"')[1]] is not None for text in together)
    for row, (allowed, _, errored) in zip(rows, whole.ask(together), strict=True):
        kept = keep(answer.row_filter, row, consents)
        expected = allowed and not errored & forbids
        assert kept == expected if exact else expected >= kept, (together, row, answer.row_filter)
        seen["kept"] += kept
        seen["rows"] += 1


def evaluator_of(texts: list[str], card: Asset) -> Evaluator:
    records, wrong = read_policies("policies/x.cedar", "\n".join(texts))
    assert not wrong, wrong
    governance = Governance(
        {"ana": PRINCIPAL}, {"g": ""}, dict.fromkeys(gen.PURPOSES, ""), policies=tuple(records)
    )
    return Evaluator(governance, {card.name: card})


def test_row_filter_on_random_policies_agrees_with_cedar() -> None:
    seen.clear()
    check_policies()
    assert seen["cases"] >= min(CASES, 2_000) * 0.9
    assert seen["refused"] < 0.2 * seen["cases"], seen
    assert 0.1 * seen["cases"] < seen["yes"] < 0.9 * seen["cases"], seen
    assert 0.1 * seen["cases"] < seen["no"] < 0.9 * seen["cases"], seen
    assert 0.05 * seen["rows"] < seen["kept"] < 0.95 * seen["rows"], seen
