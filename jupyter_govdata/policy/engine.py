"""The policy engine: who may do what with which asset, and what of it they see.

Runs in the gateway, one engine per epoch; trusts the governance and the cards it is built from.
Denies on doubt: no permit, any forbid, any forbid that cannot be evaluated, an unknown asset.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from typing import Literal

from jupyter_govdata.errors import PurposeError, RefusalError
from jupyter_govdata.model.asset import Asset
from jupyter_govdata.model.decision import Action, Decision, Mask
from jupyter_govdata.model.predicate import FALSE, TRUE, Predicate, all_of
from jupyter_govdata.model.wire import canonical_json, predicate_to_wire, to_wire
from jupyter_govdata.policy.columns import decide_columns
from jupyter_govdata.policy.evaluation import Evaluator, Question, namespace_in
from jupyter_govdata.policy.governance import Governance
from jupyter_govdata.policy.index import Target, target_of
from jupyter_govdata.policy.overview import Overview
from jupyter_govdata.policy.yaml_source import near

RowAction = Literal["select", "open"]
_YEARS = range(2000, 10_000)


class PolicyEngine:
    """Decide by the policies of one epoch. Safe to use from many threads.

    Args:
        epoch: Version of the policy state.
        governance: Principals, groups, purposes and policies; its cards are not used.
        assets: All assets by name: full cards with column types.
        before: The engine of an older epoch: what is the same is not worked out again.
    """

    def __init__(
        self,
        epoch: int,
        governance: Governance,
        assets: Mapping[str, Asset],
        before: PolicyEngine | None = None,
    ) -> None:
        self.epoch = epoch
        self.governance = governance
        self.assets = dict(assets)
        self._evaluator = Evaluator(governance, self.assets)
        same = before is not None and before.governance.policies == governance.policies
        self.overview: Overview = Overview(
            self._evaluator, before.overview if before is not None and same else None
        )

    @classmethod
    def build(
        cls,
        epoch: int,
        governance: Governance,
        assets: Mapping[str, Asset],
        before: PolicyEngine | None = None,
    ) -> PolicyEngine:
        """Return the engine of an epoch; nothing is parsed until it is asked for."""
        return cls(epoch, governance, assets, before)

    def decide(
        self,
        principal_id: str,
        purpose: str | None,
        asset: str,
        now: dt.datetime,
        action: RowAction = "select",
    ) -> Decision:
        """Decide what of an asset's rows and columns a principal sees.

        `select` needs `discover` on the asset too, and `open` (of the files that rows name)
        needs `select` on the row. A missing asset is refused exactly like a hidden one.

        Args:
            principal_id: Who asks.
            purpose: Declared purpose.
            asset: Asset name.
            now: Aware; only whole seconds count.
            action: ``select`` or ``open``.

        Raises:
            RefusalError: Unknown principal, or a clock out of range.
            PurposeError: No purpose, or one that is not declared.
        """
        ask = self._question(principal_id, purpose, now, action)
        card = self.assets.get(asset)
        if card is None:
            return self._decision(ask, action, asset, permitted=False)
        evaluator = self._evaluator
        entities = evaluator.entities(card, namespace_in(asset), ask.principal)
        seen = evaluator.answer(ask, "discover", target_of("Asset", asset), entities)
        if not seen.permitted:
            return self._decision(
                ask, action, asset, False, policies=seen.forbidding, now=seen.now_dependent
            )
        steps: tuple[RowAction, ...] = ("select",) if action == "select" else ("select", "open")
        rows = [evaluator.rows(ask, step, card, entities) for step in steps]
        row_filter = all_of(*(row.row_filter for row in rows))
        policies = frozenset().union(*(row.policies for row in rows))
        now_dependent = seen.now_dependent or any(row.now_dependent for row in rows)
        if row_filter == FALSE:
            return self._decision(ask, action, asset, False, policies=policies, now=now_dependent)
        columns = decide_columns(evaluator, ask, card, entities)
        return self._decision(
            ask,
            action,
            asset,
            True,
            row_filter=row_filter,
            masks=columns.masks,
            hidden=columns.hidden,
            policies=seen.granting | policies | columns.policies,
            now=now_dependent or columns.now_dependent,
        )

    def allows(
        self,
        principal_id: str,
        action: Action,
        resource: str,
        purpose: str | None,
        now: dt.datetime,
    ) -> Decision:
        """Decide an action on a whole asset, a namespace (``trials``) or the lake (``*``).

        `publish` of an asset that does not exist yet is asked on its namespace. `open`,
        `approve` and `hold` need `discover` on the asset too. `discover` needs no purpose.

        Raises:
            RefusalError: Unknown principal, an action on rows or columns, or a clock out of
                range.
            PurposeError: No purpose, or one that is not declared.
        """
        if action in ("select", "reveal"):
            raise RefusalError(f"`{action}` is decided on rows and columns, not on `{resource}`")
        ask = self._question(principal_id, purpose, now, action)
        card = self.assets.get(resource)
        target = self._target(action, resource, card)
        if target is None:
            return self._decision(ask, action, resource, permitted=False)
        evaluator = self._evaluator
        entities = evaluator.entities(card, namespace_in(resource), ask.principal)
        answer = evaluator.answer(ask, action, target, entities)
        permitted, now_dependent = answer.permitted, answer.now_dependent
        if card is not None and action in ("open", "approve", "hold"):
            seen = evaluator.answer(ask, "discover", target, entities)
            permitted = permitted and seen.permitted
            now_dependent = now_dependent or seen.now_dependent
        return self._decision(
            ask,
            action,
            resource,
            permitted,
            row_filter=TRUE if permitted else FALSE,
            policies=answer.policies if permitted else answer.forbidding,
            now=now_dependent,
        )

    def discoverable(
        self, principal_id: str, purpose: str | None, now: dt.datetime
    ) -> tuple[str, ...]:
        """Return the names of all assets that a principal may discover, sorted.

        Raises:
            RefusalError: Unknown principal, or a clock out of range.
            PurposeError: A purpose that is not declared.
        """
        ask = self._question(principal_id, purpose, now, "discover")
        return self.overview.discovery.names(ask)

    def question(self, principal_id: str, purpose: str | None, now: dt.datetime) -> Question:
        """Return the question that `overview` answers.

        Raises:
            RefusalError: Unknown principal, or a clock out of range.
            PurposeError: A purpose that is not declared.
        """
        return self._question(principal_id, purpose, now, "discover")

    def _target(self, action: Action, resource: str, card: Asset | None) -> Target | None:
        if resource == "*":
            return target_of("Lake", "")
        if "." not in resource:
            return target_of("Namespace", resource)
        if card is not None:
            return target_of("Asset", resource)
        return target_of("Namespace", namespace_in(resource)) if action == "publish" else None

    def _question(
        self, principal_id: str, purpose: str | None, now: dt.datetime, action: Action
    ) -> Question:
        principal = self.governance.principals.get(principal_id)
        if principal is None:
            raise RefusalError(
                f"principal `{principal_id[:200]}` is not known here",
                hint="ask a steward to add you to `principals.yaml`",
            )
        return Question(principal, self._purpose(purpose, action), _cedar_time(now))

    def _purpose(self, purpose: str | None, action: Action) -> str:
        known = self.governance.purposes
        if not purpose:
            if action == "discover":
                return ""
            listed = ", ".join(f"`{name}`" for name in sorted(known)) or "none"
            raise PurposeError(f"`{action}` needs a purpose", hint=f"declared purposes: {listed}")
        if purpose not in known:
            raise PurposeError(
                f"the purpose `{purpose[:200]}` is not declared", hint=near(purpose, known)
            )
        return purpose

    def _decision(
        self,
        ask: Question,
        action: Action,
        asset: str,
        permitted: bool,
        *,
        row_filter: Predicate = FALSE,
        masks: Mapping[str, Mask] | None = None,
        hidden: frozenset[str] = frozenset(),
        policies: Iterable[str] = (),
        now: bool = False,
    ) -> Decision:
        determining = tuple(sorted(policies))
        facts = {
            "principal": ask.principal.id,
            "purpose": ask.purpose,
            "action": action,
            "asset": asset,
            "epoch": self.epoch,
            "permitted": permitted,
            "row_filter": predicate_to_wire(row_filter),
            "masks": to_wire(masks or {}),
            "hidden": sorted(hidden),
            "policies": list(determining),
        }
        return Decision(
            decision_id=hashlib.sha256(canonical_json(facts)).hexdigest(),
            principal=ask.principal.id,
            purpose=ask.purpose,
            action=action,
            asset=asset,
            epoch=self.epoch,
            permitted=permitted,
            row_filter=row_filter,
            masks=masks or {},
            hidden=hidden,
            policies=determining,
            now_dependent=now,
        )


def _cedar_time(now: dt.datetime) -> str:
    # INVARIANT: whole seconds, so that equal facts in one second give one decision id.
    if now.tzinfo is None:
        raise RefusalError("the clock has no time zone")
    moment = now.astimezone(dt.UTC)
    if moment.year not in _YEARS:
        raise RefusalError("the clock is out of range")
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
