"""Compiled row filters against Cedar itself, row by row.

For random policies, a row passes the compiled filter exactly when Cedar allows the whole row
and no forbid errs on it. `GOVDATA_DIFFERENTIAL_CASES` sets how many (policy, row) pairs.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter

import cedarpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_govdata.errors import PolicyFileError
from jupyter_govdata.model.asset import Asset, Column, Subject
from jupyter_govdata.model.identity import Principal
from jupyter_govdata.policy.cedar import evaluate_partially
from jupyter_govdata.policy.evaluation import Evaluator, Question, request_of
from jupyter_govdata.policy.governance import Governance
from jupyter_govdata.policy.index import target_of
from jupyter_govdata.policy.records import read_policies
from jupyter_govdata.policy.residual import compile_residual
from jupyter_govdata.policy.entities import row_shape
from tests.oracle import domain_of, keep
from tests.policy import generators as gen

ROWS = 30
CASES = int(os.environ.get("GOVDATA_DIFFERENTIAL_CASES", "4000"))
EXAMPLES = max(1, CASES // ROWS)
PRINCIPAL = Principal(
    "ana", groups=("g",), attributes={"site": "BOS", "level": 3, "sites": ("BOS", "a", "日本")}
)
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


def cedar_allows(texts: list[str], card: Asset, rows: list[dict], consents: dict) -> list[bool]:
    """Ask Cedar about whole rows, all policies at once, with NULL as a missing attribute."""
    user = {"type": "User", "id": "ana"}
    group = {"type": "Group", "id": "g"}
    place = {"type": "Asset", "id": card.name}
    attrs = {k: list(v) if isinstance(v, tuple) else v for k, v in PRINCIPAL.attributes.items()}
    owner = {"owner": {"__entity": user}, "steward": {"__entity": group}}
    entities = [
        {"uid": user, "attrs": attrs, "parents": [group]},
        {"uid": group, "attrs": {}, "parents": []},
        {"uid": place, "attrs": owner, "parents": []},
    ]
    for i, row in enumerate(rows):
        values = {k: gen.to_cedar(v) for k, v in row.items() if v is not None}
        domain = domain_of(card.subject.domain, row)
        if row["pid"] is not None and domain is not None:
            given_for = sorted(consents.get((domain, row["pid"]), ()))
            values["subject"] = {"consents": given_for}
        values["asset"] = {"__entity": place}
        uid = {"type": "Row", "id": str(i)}
        entities.append({"uid": uid, "attrs": values, "parents": [place], "tags": dict(card.tags)})
    now = {"__extn": {"fn": "datetime", "arg": gen.NOW.strftime("%Y-%m-%dT%H:%M:%SZ")}}
    requests = [
        {
            "principal": user,
            "action": {"type": "Action", "id": "select"},
            "resource": {"type": "Row", "id": str(i)},
            "context": {"purpose": "research", "now": now},
        }
        for i in range(len(rows))
    ]
    results = cedarpy.is_authorized_batch(requests, "\n".join(texts), json.dumps(entities))
    forbids = {f"`policy{i}`" for i, text in enumerate(texts) if " forbid " in text}
    return [
        result.allowed
        and not any(f in error for f in forbids for error in result.diagnostics.errors)
        for result in results
    ]


def is_translatable(evaluator: Evaluator, ask: Question, card: Asset) -> bool:
    target = target_of("Row", card.name)
    handles = evaluator.slice_of(evaluator.positions("select", target, ask.principal), card)
    entities = evaluator.entities(card, "x", ask.principal)
    request = request_of(ask, "select", target.ref)
    try:
        for handle in (handles.permits, handles.forbids):
            residuals, _ = evaluate_partially(handle, entities, request)
            for body in residuals.values():
                compile_residual(body, row_shape(card))
    except PolicyFileError:
        return False
    return not handles.unusable


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES < 1000,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(gen.policies(), st.sampled_from(["D:p", "{s2}:p"]), st.integers(0, 2**32))
def check_policies(texts: list[str], domain: str, seed: int) -> None:
    rng = random.Random(seed)
    card = asset(domain)
    records, wrong = read_policies("policies/x.cedar", "\n".join(texts))
    assert not wrong, wrong
    governance = Governance(
        {"ana": PRINCIPAL}, {"g": ""}, dict.fromkeys(gen.PURPOSES, ""), policies=tuple(records)
    )
    evaluator = Evaluator(governance, {card.name: card})
    ask = Question(PRINCIPAL, "research", gen.NOW.strftime("%Y-%m-%dT%H:%M:%SZ"))
    entities = evaluator.entities(card, "x", PRINCIPAL)
    answer = evaluator.rows(ask, "select", card, entities)
    exact = is_translatable(evaluator, ask, card)
    rows = [gen.row(rng) for _ in range(ROWS)]
    consents = {
        (place, person): frozenset(p for p in (*gen.PURPOSES, "care") if rng.random() < 0.5)
        for place in ("D:p", *(f"{text}:p" for text in gen.TEXTS))
        for person in gen.IDS
    }
    allowed = cedar_allows(texts, card, rows, consents)
    for row, expected in zip(rows, allowed, strict=True):
        kept = keep(answer.row_filter, row, consents)
        seen["cases"] += len(texts)
        seen["kept"] += kept
        seen["exact" if exact else "refused"] += 1
        if exact:
            assert kept == expected, (texts, row, answer.row_filter)
        else:
            assert not kept or expected, (texts, row, answer.row_filter)


def test_row_filter_on_random_policies_agrees_with_cedar() -> None:
    seen.clear()
    check_policies()
    rows = seen["exact"] + seen["refused"]
    assert seen["cases"] >= min(CASES, 2_000)
    assert seen["exact"] > 0.8 * rows, seen
    assert 0.05 * rows < seen["kept"] < 0.95 * rows, seen
