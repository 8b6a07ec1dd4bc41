"""Who may do what, and the record of every answer. Runs in the gateway.

Every permission question of the gateway goes through `Access`, and every answer is in the audit
chain before it counts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Literal, NoReturn

from jupyter_govdata.errors import (
    AccessDeniedError,
    AuthenticationError,
    NotVisibleError,
    PurposeError,
    RefusalError,
)
from jupyter_govdata.gateway.health import Metrics
from jupyter_govdata.gateway.state import PolicyState, PolicyStates
from jupyter_govdata.ledger import AuditRecord, Ledger, Pending
from jupyter_govdata.model.asset import NAME_PART, namespace_of
from jupyter_govdata.model.decision import Action, Decision
from jupyter_govdata.model.identity import Principal


def utc_now() -> dt.datetime:
    """Return the moment that decisions are made for."""
    return dt.datetime.now(dt.UTC)


def _is_asset_name(name: str) -> bool:
    namespace, _, rest = name.partition(".")
    return bool(NAME_PART.fullmatch(namespace) and NAME_PART.fullmatch(rest))


class Access:
    """Decides and records."""

    def __init__(self, states: PolicyStates, ledger: Ledger, metrics: Metrics) -> None:
        self._states = states
        self._ledger = ledger
        self._metrics = metrics

    def state(self) -> PolicyState:
        """Return the policy state of this moment."""
        return self._states.current()

    def principal(self, state: PolicyState, principal: str) -> Principal:
        """Return the principal as declared.

        Raises:
            AuthenticationError: A valid token for somebody the lake does not know.
        """
        found = state.governance.principals.get(principal)
        if found is None:
            raise AuthenticationError(
                f"`{principal}` is not a principal of this lake",
                hint="ask a steward to add you to `principals.yaml`",
            )
        return found

    def purpose(self, state: PolicyState, principal: str, declared: str | None) -> str:
        """Return the purpose that counts: the declared one, or the principal's own.

        Raises:
            PurposeError: None declared, or one that the lake does not know.
        """
        purpose = declared or self.principal(state, principal).purpose
        known = ", ".join(f"`{p}`" for p in sorted(state.governance.purposes))
        if not purpose:
            raise PurposeError(
                "no purpose is declared", hint=f"declare one with `%govdata purpose`: {known}"
            )
        if purpose not in state.governance.purposes:
            raise PurposeError(
                f"the purpose `{purpose[:100]}` is not declared in this lake",
                hint=f"choose one of {known}",
            )
        return purpose

    def discovers(self, state: PolicyState, principal: str, asset: str, purpose: str) -> bool:
        """Return whether the principal may know of an asset; missing ones give False."""
        if asset not in state.assets:
            return False
        return state.decide(principal, "discover", asset, purpose, utc_now()).permitted

    def require_visible(
        self, state: PolicyState, principal: str, asset: str, purpose: str, action: Action
    ) -> None:
        """Refuse with the one answer for missing and hidden assets (invariant 5).

        Raises:
            NotVisibleError: Missing or hidden.
        """
        if not _is_asset_name(asset) or not self.discovers(state, principal, asset, purpose):
            refusal = NotVisibleError.for_asset(asset[:200])
            self.record_refusal(state, principal, action, asset, purpose, refusal)
            raise refusal

    def select(
        self,
        principal: str,
        asset: str,
        declared: str | None,
        action: Literal["select", "open"] = "select",
    ) -> tuple[PolicyState, str, Decision]:
        """Decide an action on rows of an asset: the state, the purpose, a decision that permits.

        Raises:
            RefusalError: Not visible, no purpose, or not permitted; recorded.
        """
        state = self.state()
        self.principal(state, principal)
        try:
            purpose = self.purpose(state, principal, declared)
        except PurposeError as refusal:
            self.record_refusal(state, principal, action, asset, declared or "", refusal)
            raise
        self.require_visible(state, principal, asset, purpose, action)
        decision = state.decide(principal, action, asset, purpose, utc_now())
        if not decision.permitted:
            self.refuse(state, decision)
        return state, purpose, decision

    def require(
        self, principal: str, action: Action, resource: str, declared: str | None
    ) -> Decision:
        """Decide an action on an asset, a namespace or the lake (``*``).

        Raises:
            RefusalError: Not permitted; recorded. An invisible asset is `NotVisibleError`.
        """
        state = self.state()
        own = self.principal(state, principal).purpose
        purpose = declared or own or next(iter(sorted(state.governance.purposes)), "")
        if resource in state.assets:
            self.require_visible(state, principal, resource, purpose, action)
        decision = state.decide(principal, action, resource, purpose, utc_now())
        if not decision.permitted:
            self.refuse(state, decision)
        self.record(principal, action, resource, decision).wait()
        return decision

    def require_publish(self, principal: str, asset: str, declared: str | None) -> Decision:
        """Decide `publish`: on the asset, or on its namespace while it does not exist.

        Raises:
            RefusalError: Not permitted; recorded.
        """
        known = asset in self.state().assets
        return self.require(principal, "publish", asset if known else namespace_of(asset), declared)

    def refuse(self, state: PolicyState, decision: Decision) -> NoReturn:
        """Record a decision that does not permit, and refuse by it.

        Raises:
            AccessDeniedError: Always.
        """
        named = "the lake" if decision.asset == "*" else f"`{decision.asset}`"
        refusal = AccessDeniedError(
            f"refused: `{decision.action}` on {named}: "
            + (
                f"policy {', '.join(f'`{p}`' for p in decision.policies)} forbids it"
                if decision.policies
                else f"no policy permits it to you for purpose `{decision.purpose}`"
            ),
            hint=self._way_out(state, decision),
            detail={"action": decision.action, "purpose": decision.purpose},
        )
        self.record_refusal(
            state, decision.principal, decision.action, decision.asset, decision.purpose, refusal
        )
        raise refusal

    @staticmethod
    def _way_out(state: PolicyState, decision: Decision) -> str:
        card = state.assets.get(decision.asset)
        if card is None:
            return "ask a steward of the lake"
        steward = f"; its steward is `{card.steward}`" if card.steward else ""
        if decision.action in ("select", "open"):
            own = state.governance.principals[decision.principal].purpose
            other = "" if decision.purpose == own else f" --purpose {decision.purpose}"
            return (
                f"ask for it with `%govdata request {card.name}{other}`,"
                f" see why with `%govdata explain {card.name}`{steward}"
            )
        return f"see why with `%govdata explain {card.name}`{steward}"

    def record(
        self,
        principal: str,
        action: Action,
        resource: str,
        decision: Decision,
        *,
        snapshot_id: int = 0,
        detail: Mapping[str, Any] | None = None,
    ) -> Pending:
        """Begin to record a permitted decision in the audit chain.

        INVARIANT 4: the caller waits for what this returns before anything leaves.
        """
        self._metrics.decided(action, permitted=True)
        return self._ledger.begin(
            AuditRecord(
                when=utc_now(),
                principal=principal,
                action=action,
                asset=resource,
                purpose=decision.purpose,
                decision_id=decision.decision_id,
                permitted=True,
                reason="permitted",
                epoch=decision.epoch,
                snapshot_id=snapshot_id,
                detail=dict(detail or {}),
            )
        )

    def record_refusal(
        self,
        state: PolicyState,
        principal: str,
        action: Action,
        resource: str,
        purpose: str,
        refusal: RefusalError,
    ) -> None:
        """Append a refusal to the audit chain; durable on return."""
        self._metrics.decided(action, permitted=False)
        self._ledger.append(
            AuditRecord(
                when=utc_now(),
                principal=principal,
                action=action,
                asset=resource[:200],
                purpose=purpose[:100],
                decision_id="",
                permitted=False,
                reason=refusal.code,
                epoch=state.epoch,
                snapshot_id=0,
                detail={},
            )
        )
