"""Access requests: who may ask, who may decide, and what an approval opens. Runs in the gateway.

Nobody decides his own request, and an approval opens what a request template of the governance
files says and no more: consent conditions, forbids and masks hold for it as for every policy.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from typing import Literal

from jupyter_govdata.errors import (
    AccessDeniedError,
    CatalogError,
    NotVisibleError,
    PurposeError,
    RefusalError,
    StaleDecisionError,
)
from jupyter_govdata.gateway.access import Access, utc_now
from jupyter_govdata.gateway.state import PolicyState
from jupyter_govdata.ledger import Ledger
from jupyter_govdata.model.identity import Principal
from jupyter_govdata.model.request import (
    AccessRequest,
    RequestPage,
    RequestScope,
    RequestState,
)

Box = Literal["mine", "inbox"]
Verdict = Literal["approved", "refused"]

USUAL = dt.timedelta(days=90)
"""How long an approval lasts where nobody says how long."""
LONGEST = dt.timedelta(days=2 * 366)
_TRIES = 5
_ID = re.compile(r"[2-9a-z]{1,16}")


def same_person(one: Principal, other: Principal) -> bool:
    """Return whether two principals are, or may be, one person.

    SECURITY: the four-eyes rule counts persons. Equal ids but for case, equal names, or an equal
    attribute `person` count as one: in doubt somebody else decides.
    """
    if one.id.casefold() == other.id.casefold():
        return True
    names = [" ".join(p.name.split()).casefold() for p in (one, other)]
    persons = [p.attributes.get("person") for p in (one, other)]
    return (bool(names[0]) and names[0] == names[1]) or (
        persons[0] is not None and persons[0] == persons[1]
    )


class Requesting:
    """Asks, decides and withdraws on behalf of a principal."""

    def __init__(self, access: Access, ledger: Ledger) -> None:
        self._access = access
        self._ledger = ledger

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
        self._require_scope(state, scope)
        end = None if until is None else _end(until, now)
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
        return ()

    def _require_scope(self, state: PolicyState, scope: str) -> None:
        if scope:
            raise CatalogError(f"there is no scope `{scope[:100]}` to ask for")

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
        mine = self._ledger.requests
        assets = [a for a in mine.assets() if self._may_decide(policy, me, a, declared)]
        others = [p.id for p in policy.governance.principals.values() if same_person(me, p)]
        decides, _ = mine.find(now, assets=assets, without=others, limit=1)
        waiting, _ = mine.find(now, state="open", assets=assets, without=others, limit=1)
        if box == "mine":
            total, found = mine.find(
                now, state=state, principal=principal, offset=offset, limit=limit
            )
        else:
            total, found = mine.find(
                now, state=state, assets=assets, without=others, offset=offset, limit=limit
            )
        told = tuple(self._told(policy, r, inbox=box == "inbox") for r in found)
        return RequestPage(total, told, waiting, decides > 0)

    def _told(self, policy: PolicyState, request: AccessRequest, *, inbox: bool) -> AccessRequest:
        can_decide = inbox and request.state in ("open", "approved")
        return replace(request, can_decide=can_decide)

    def _may_decide(
        self, policy: PolicyState, me: Principal, asset: str, declared: str | None
    ) -> bool:
        if asset not in policy.assets:
            return False
        purpose = declared or me.purpose or next(iter(sorted(policy.governance.purposes)), "")
        try:
            return policy.decide(me.id, "approve", asset, purpose, utc_now()).permitted
        except PurposeError:
            if declared:
                raise
            return False

    # -- deciding ----------------------------------------------------------------------------

    def decide(
        self,
        principal: str,
        request_id: str,
        verdict: Verdict,
        declared: str | None,
        *,
        reason: str = "",
        scope: str = "",
        until: dt.datetime | None = None,
    ) -> AccessRequest:
        """Approve or refuse a request; refusing an approved one takes the access back at once.

        Raises:
            NotVisibleError: No such request, or not the caller's to decide.
            AccessDeniedError: The caller's own request.
            CatalogError: Decided already, or nothing that an approval could open.
        """
        for _ in range(_TRIES):
            try:
                return self._decide(principal, request_id, verdict, declared, reason, scope, until)
            except StaleDecisionError as exc:
                stale = exc
        raise stale

    def _decide(
        self,
        principal: str,
        request_id: str,
        verdict: Verdict,
        declared: str | None,
        reason: str,
        scope: str,
        until: dt.datetime | None,
    ) -> AccessRequest:
        now = utc_now()
        policy = self._access.state()
        me = self._access.principal(policy, principal)
        found = self._found(request_id, now)
        if found is None or not self._may_decide(policy, me, found.asset, declared):
            refusal: RefusalError = _unknown(request_id)
            asset = found.asset if found else ""
            self._access.record_refusal(
                policy, principal, "approve", asset, declared or "", refusal
            )
            raise refusal
        self._require_other_eyes(policy, me, found)
        self._access.require(principal, "approve", found.asset, declared)
        _require_undecided(found, verdict)
        if verdict == "approved":
            until = _end(until or found.until or now + USUAL, now)
            scope = self._scope_to_open(policy, found, scope)
        return self._ledger.requests.settle(
            found,
            verdict,
            by=principal,
            reason=reason,
            now=now,
            epoch=policy.epoch,
            scope=scope or None,
            until=until if verdict == "approved" else None,
        )

    def _found(self, request_id: str, now: dt.datetime) -> AccessRequest | None:
        if not _ID.fullmatch(request_id):
            return None
        return self._ledger.requests.get(request_id, now)

    def _require_other_eyes(
        self, policy: PolicyState, me: Principal, request: AccessRequest
    ) -> None:
        # INVARIANT: nobody decides his own request, under whatever name he asked (four eyes).
        asker = policy.governance.principals.get(request.principal, Principal(request.principal))
        if not same_person(me, asker):
            return
        refusal = AccessDeniedError(
            "refused: nobody decides his own request",
            hint="another steward decides it; take it back with"
            f" `%govdata requests withdraw {request.id}`",
            detail={"action": "approve"},
        )
        self._access.record_refusal(
            policy, me.id, "approve", request.asset, request.purpose, refusal
        )
        raise refusal

    def _scope_to_open(self, policy: PolicyState, request: AccessRequest, scope: str) -> str:
        raise CatalogError("this lake has no request template: nothing says what to open")

    def withdraw(self, principal: str, request_id: str) -> AccessRequest:
        """Take back one's own request, or give up the access that it got.

        Raises:
            NotVisibleError: No such request, or somebody else's.
            CatalogError: It has ended already.
        """
        for _ in range(_TRIES):
            now = utc_now()
            policy = self._access.state()
            self._access.principal(policy, principal)
            found = self._found(request_id, now)
            if found is None or found.principal != principal:
                raise _unknown(request_id)
            if found.state not in ("open", "approved"):
                raise CatalogError(f"request `{found.id}` is {found.state} already")
            try:
                return self._ledger.requests.settle(
                    found,
                    "withdrawn",
                    by=principal,
                    reason="",
                    now=now,
                    epoch=policy.epoch,
                )
            except StaleDecisionError as exc:
                stale = exc
        raise stale


def _require_undecided(request: AccessRequest, verdict: Verdict) -> None:
    """Check that a request is open, or approved and to be taken back."""
    if request.state == "open" or (request.state == "approved" and verdict == "refused"):
        return
    hint = "refusing it takes the access back" if request.state == "approved" else "ask again"
    raise CatalogError(f"request `{request.id}` is {request.state} already", hint=hint)


def _unknown(request_id: str) -> NotVisibleError:
    # SECURITY: one text for a request that is not there and for one of somebody else.
    return NotVisibleError(
        f"request `{request_id[:40]}` does not exist or is not yours to decide",
        hint="list yours with `%govdata requests`, those you may decide with"
        " `%govdata requests inbox`",
    )


def _end(until: dt.datetime, now: dt.datetime) -> dt.datetime:
    # Whole seconds, as decisions count them; rounded down, so that nothing lasts longer.
    end = until.astimezone(dt.UTC).replace(microsecond=0)
    if not now < end <= now + LONGEST:
        raise CatalogError(
            "access ends in the future, at most two years ahead",
            hint="check the clock of this machine" if end <= now else None,
        )
    return end
