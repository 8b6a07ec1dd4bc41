"""Approved requests against Cedar itself, row by row.

For random templates beside random policies, a row passes the compiled filter exactly when Cedar,
with the template linked natively, allows the row; and when the request is for somebody else,
something else or another purpose, or has ended, exactly when Cedar allows it without the link.
`GOVDATA_DIFFERENTIAL_CASES` sets how many (policy, row) pairs, as in test_differential.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import cedarpy
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from jupyter_govdata.model.asset import Asset
from jupyter_govdata.model.predicate import FALSE
from jupyter_govdata.model.request import AccessRequest
from jupyter_govdata.policy.evaluation import Evaluator, Question
from jupyter_govdata.policy.governance import Governance
from jupyter_govdata.policy.records import read_policies
from jupyter_govdata.policy.templates import linked
from tests.oracle.predicate import keep
from tests.policy import generators as gen
from tests.policy.test_differential import CASES, PRINCIPAL, Whole, asset

ROWS = 12
EXAMPLES = max(30, CASES // (ROWS * 64))
HEAD = '@id("{0}") @request("{1}") permit (principal == ?principal, action, resource in ?resource)'
END = gen.NOW + dt.timedelta(hours=1)
seen: Counter[str] = Counter()


@st.composite
def templates(draw: Any) -> list[str]:
    """Return templates of two scopes; every action, so that heads of all kinds are linked."""
    found = []
    for i, scope in enumerate(("s", "s", "other")):
        clause = draw(st.sampled_from(["when", "when", "unless"]))
        condition = draw(gen.boolean(draw(st.sampled_from([0, 0, 1, 2]))))
        if draw(st.booleans()):  # often a consent condition, as stewards write them
            condition = f"resource.subject.consents.contains(context.purpose) && {condition}"
        found.append(f"{HEAD.format(f't{i}', scope)} {clause} {{ {condition} }};")
    return found


@st.composite
def approvals(draw: Any) -> AccessRequest:
    """Return an approval that half of the time is for exactly what is asked."""
    whose = draw(st.sampled_from(["ana", "ana", "ana", "eve"]))
    what = draw(st.sampled_from(["x.y", "x.y", "x.y", "x.z"]))
    purpose = draw(st.sampled_from(["research", "research", "model_training"]))
    return AccessRequest(
        "abc234", what, whose, purpose, "", "approved", gen.NOW, scope="s", until=END
    )


SECOND = dt.timedelta(seconds=1)
MOMENTS = (gen.NOW, END - SECOND, END, END + SECOND)


class Native(Whole):
    """Cedar's full evaluation with native links, asked at a moment."""

    def at(self, now: str) -> None:
        """Ask for another moment."""
        for request in self.requests:
            request["context"]["now"] = {"__extn": {"fn": "datetime", "arg": now}}

    def allowed(self, texts: list[str], links: list[str], request: AccessRequest) -> list[bool]:
        """Return per row whether a permit or a linked template allows it and no forbid objects."""
        document = json.loads(cedarpy.policies_to_json_str("\n".join(texts + links)))
        values = {
            "?principal": {"type": "User", "id": request.principal},
            "?resource": {"type": "Asset", "id": request.asset},
        }
        document["templateLinks"] = [
            {"templateId": name, "newId": f"link{name}", "values": values}
            for name in document["templates"]
        ]
        everything = cedarpy.PolicySet.from_json_str(json.dumps(document))
        forbids = [text for text in texts if " forbid " in text]
        answers = cedarpy.is_authorized_batch(self.requests, everything, self.entities)
        erring = self.ask(forbids) if forbids else [(True, set(), set())] * len(answers)
        return [
            answer.allowed and not errored
            for answer, (_, _, errored) in zip(answers, erring, strict=True)
        ]


def evaluator_of(texts: list[str], request: AccessRequest, card: Asset) -> Evaluator:
    """Return an evaluator of the policies with the request linked."""
    records, wrong = read_policies("policies/x.cedar", "\n".join(texts))
    assert not wrong, wrong
    governance = Governance(
        {"ana": PRINCIPAL},
        {"g": ""},
        dict.fromkeys(gen.PURPOSES, ""),
        policies=tuple(r for r in records if not r.is_template),
        templates=tuple(r for r in records if r.is_template),
    )
    return Evaluator(linked(governance, [request]), {card.name: card})


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES < 1_000,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(gen.policies(1), templates(), approvals(), st.integers(0, 2**32))
def check_links(texts: list[str], written: list[str], other: AccessRequest, seed: int) -> None:
    rng = random.Random(seed)
    card = asset("D:p")
    rows = [gen.row(rng) for _ in range(ROWS)]
    consents = {
        ("D:p", person): frozenset(p for p in gen.PURPOSES if rng.random() < 0.5)
        for person in gen.IDS
    }
    texts = [text for text in texts if '"every"' not in text]  # so that links are what opens
    native = Native(card, rows, consents)
    exact = replace(other, principal="ana", asset="x.y", purpose="research")
    for request in (exact, other):
        evaluator = evaluator_of(texts + written, request, card)
        entities = evaluator.entities(card, "x", PRINCIPAL)
        for moment in MOMENTS:
            now = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
            native.at(now)
            ask = Question(PRINCIPAL, "research", now)
            answer = evaluator.rows(ask, "select", card, entities)
            applies = request.purpose == ask.purpose and moment < END
            expected = native.allowed(texts, written[:2] if applies else [], request)
            without = native.allowed(texts, [], request)
            for row, allowed, before in zip(rows, expected, without, strict=True):
                kept = keep(answer.row_filter, row, consents)
                # What no predicate expresses grants nothing: less than Cedar, never more.
                assert allowed or not kept, (texts, written, request, now, row)
                seen["rows"] += 1
                seen["same"] += kept == allowed
                seen["opened"] += kept and not before
            mine = request.principal == "ana" and request.asset == "x.y"
            if answer.row_filter != FALSE and not (applies and mine):
                assert not any(name.startswith("request-") for name in answer.policies)


def test_row_filter_of_linked_templates_agrees_with_cedar() -> None:
    seen.clear()
    check_links()
    assert seen["rows"] >= EXAMPLES * ROWS * 2 * len(MOMENTS) * 0.9
    assert seen["same"] > 0.9 * seen["rows"], seen
    assert seen["opened"] > 0.01 * seen["rows"], seen
