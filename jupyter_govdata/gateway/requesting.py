"""Asking for access, and looking at requests. Runs in the gateway.

Asking takes that one may find the asset. Nobody is told of requests that are neither his own nor
his to decide, not even how many there are.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

from jupyter_govdata.errors import CatalogError, NotVisibleError
from jupyter_govdata.gateway.access import Access, utc_now
from jupyter_govdata.gateway.deciding import (
    Deciding,
    end_of_access,
    found_request,
    require_scope,
    same_person,
    settled,
    told,
    unknown_request,
)
from jupyter_govdata.gateway.state import PolicyState
from jupyter_govdata.ledger import Ledger
from jupyter_govdata.model.request import (
    AccessRequest,
    RequestPage,
    RequestScope,
    RequestState,
)
from jupyter_govdata.policy.templates import scopes

Box = Literal["mine", "inbox"]


class Requesting:
    """Asks, lists and withdraws on behalf of a principal."""

    def __init__(self, access: Access, ledger: Ledger, deciding: Deciding) -> None:
        self._access = access
        self._ledger = ledger
        self._deciding = deciding

    # -- asking ------------------------------------------------------------------------------

    def ask(
        self,
        principal: str,
        asset: str,
        declared: str | None,
        *,
        scope: str = "",
        reason: str = "",
        until: dt.datetime | None = None,
    ) -> AccessRequest:
        """Ask for access to an asset under a purpose; return the open request.

        Raises:
            NotVisibleError: Missing or hidden.
            PurposeError: No purpose, or one that is not declared.
            LimitError: Too many open requests.
            CatalogError: No such scope, an end that is past or too far, or nothing to ask for.
        """
        now = utc_now()
        state = self._access.state()
        self._access.principal(state, principal)
        self._require_visible(state, principal, asset, declared)
        purpose = self._access.purpose(state, principal, declared)
        require_scope(state, scope)
        if state.decide(principal, "select", asset, purpose, now).whole and not scope:
            raise CatalogError(f"you may read all of `{asset}` for `{purpose}` already")
        end = None if until is None else end_of_access(until, now)
        return self._ledger.requests.ask(
            AccessRequest(
                id="",
                asset=asset,
                principal=principal,
                purpose=purpose,
                reason=reason,
                state="open",
                requested_at=now,
                scope=scope,
                until=end,
            )
        )

    def _require_visible(
        self, state: PolicyState, principal: str, asset: str, declared: str | None
    ) -> None:
        """Refuse what the principal may not discover under any purpose (invariant 5)."""
        now = utc_now()
        if asset in state.assets and any(
            state.decide(principal, "discover", asset, purpose, now).permitted
            for purpose in ("", *sorted(state.governance.purposes))
        ):
            return
        refusal = NotVisibleError.for_asset(asset[:200])
        self._access.record_refusal(
            state, principal, "discover", asset, (declared or "")[:100], refusal
        )
        raise refusal

    def scopes(self, principal: str) -> tuple[RequestScope, ...]:
        """Return what can be asked for in this lake."""
        state = self._access.state()
        self._access.principal(state, principal)
        return scopes(state.governance)

    # -- looking -----------------------------------------------------------------------------

    def page(
        self,
        principal: str,
        box: Box,
        declared: str | None,
        *,
        state: RequestState | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> RequestPage:
        """Return requests of one's own, or those that one may decide.

        Raises:
            PurposeError: A purpose was declared that the lake does not know.
        """
        policy = self._access.state()
        me = self._access.principal(policy, principal)
        now = utc_now()
        kept = self._ledger.requests
        assets = [a for a in kept.assets() if self._deciding.may_decide(policy, me, a, declared)]
        others = [p.id for p in policy.governance.principals.values() if same_person(me, p)]
        decides, _ = kept.find(now, assets=assets, without=others, limit=1)
        waiting, _ = kept.find(now, state="open", assets=assets, without=others, limit=1)
        if box == "mine":
            total, found = kept.find(
                now, state=state, principal=principal, offset=offset, limit=limit
            )
        else:
            total, found = kept.find(
                now, state=state, assets=assets, without=others, offset=offset, limit=limit
            )
        shown = tuple(told(policy, r, inbox=box == "inbox") for r in found)
        return RequestPage(total, shown, waiting, decides > 0)

    def withdraw(self, principal: str, request_id: str) -> AccessRequest:
        """Take back one's own request, or give up the access that it got.

        Raises:
            NotVisibleError: No such request, or somebody else's.
            CatalogError: It has ended already.
        """
        return settled(lambda: self._withdraw(principal, request_id))

    def _withdraw(self, principal: str, request_id: str) -> AccessRequest:
        now = utc_now()
        policy = self._access.state()
        self._access.principal(policy, principal)
        found = found_request(self._ledger, request_id, now)
        if found is None or found.principal != principal:
            raise unknown_request(request_id)
        if found.state not in ("open", "approved"):
            raise CatalogError(f"request `{found.id}` is {found.state} already")
        return self._ledger.requests.settle(
            found, "withdrawn", by=principal, reason="", now=now, epoch=policy.epoch
        )
