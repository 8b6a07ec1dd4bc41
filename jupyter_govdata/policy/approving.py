"""What an approval would open, before it is given. Runs in the gateway; pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from jupyter_govdata.model.asset import Asset
from jupyter_govdata.model.decision import Decision
from jupyter_govdata.model.request import AccessRequest
from jupyter_govdata.policy.engine import PolicyEngine
from jupyter_govdata.policy.explain import explain
from jupyter_govdata.policy.governance import Governance
from jupyter_govdata.policy.templates import linked


def why_nothing_opens(
    governance: Governance,
    assets: Mapping[str, Asset],
    trial: AccessRequest,
    now: dt.datetime,
) -> str:
    """Say why approving a request would open nothing; empty where it opens something.

    Args:
        governance: In force.
        assets: In force; the requested one is among them.
        trial: The request as it would be approved.
        now: Aware.

    Raises:
        RefusalError: The requester or the purpose is not declared any more.
    """
    card = {trial.asset: assets[trial.asset]}
    with_link = linked(governance, [trial])
    before = _decisions(PolicyEngine(0, governance, card), trial, now)
    after = _decisions(PolicyEngine(0, with_link, card), trial, now)
    read = after[0]
    if not read.permitted:
        return explain(read, card[trial.asset], with_link).sentences[0]
    if len(read.hidden) == len(card[trial.asset].columns):
        return "rows without a column: no policy permits `reveal` to them"
    if [_shown(decision) for decision in before] == [_shown(decision) for decision in after]:
        return "it is open to them already"
    return ""


def _decisions(engine: PolicyEngine, trial: AccessRequest, now: dt.datetime) -> list[Decision]:
    who, what = trial.principal, trial.asset
    return [
        engine.decide(who, trial.purpose, what, now),
        engine.decide(who, trial.purpose, what, now, action="open"),
    ]


def _shown(decision: Decision) -> tuple[object, ...]:
    return decision.permitted, decision.row_filter, dict(decision.masks), decision.hidden
