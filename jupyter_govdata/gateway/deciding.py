"""Deciding access requests: who may, and what an approval opens. Runs in the gateway.

INVARIANT: nobody decides his own request, whatever else he may do. An approval links a request
template of the governance files and opens what that says, no more: consent conditions, forbids
and masks hold for it as for every policy.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Literal

from jupyter_govdata.errors import (
    AccessDeniedError,
    CatalogError,
    NotVisibleError,
    PurposeError,
    StaleDecisionError,
)
from jupyter_govdata.gateway.access import Access, utc_now
from jupyter_govdata.gateway.state import PolicyState
from jupyter_govdata.ledger import Ledger
from jupyter_govdata.model.identity import Principal
from jupyter_govdata.model.request import AccessRequest
from jupyter_govdata.policy.approving import why_nothing_opens
from jupyter_govdata.policy.templates import EXAMPLE, links_of, scopes
from jupyter_govdata.policy.yaml_source import near

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


class Deciding:
    """Approves and refuses on behalf of a principal."""

    def __init__(self, access: Access, ledger: Ledger) -> None:
        self._access = access
        self._ledger = ledger

    def may_decide(
        self, policy: PolicyState, me: Principal, asset: str, declared: str | None
    ) -> bool:
        """Return whether a principal may decide requests for an asset, if not his own.

        Raises:
            PurposeError: A purpose was declared that the lake does not know.
        """
        if asset not in policy.assets:
            return False
        purpose = declared or me.purpose or next(iter(sorted(policy.governance.purposes)), "")
        try:
            return policy.decide(me.id, "approve", asset, purpose, utc_now()).permitted
        except PurposeError:
            if declared:
                raise
            return False

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
        return settled(
            lambda: self._decide(principal, request_id, verdict, declared, reason, scope, until)
        )

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
        found = found_request(self._ledger, request_id, now)
        if found is None or not self.may_decide(policy, me, found.asset, declared):
            refusal = unknown_request(request_id)
            asset = found.asset if found else ""
            self._access.record_refusal(
                policy, principal, "approve", asset, declared or "", refusal
            )
            raise refusal
        self._require_other_eyes(policy, me, found)
        self._access.require(principal, "approve", found.asset, declared)
        _require_undecided(found, verdict)
        if verdict == "refused":
            return self._ledger.requests.settle(
                found, "refused", by=principal, reason=reason, now=now, epoch=policy.epoch
            )
        end = end_of_access(until or found.until or now + USUAL, now)
        done = self._ledger.requests.settle(
            found,
            "approved",
            by=principal,
            reason=reason,
            now=now,
            epoch=policy.epoch,
            scope=self._scope_to_open(policy, found, scope, end),
            until=end,
        )
        return told(policy, done, inbox=True)

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

    def _scope_to_open(
        self, policy: PolicyState, request: AccessRequest, scope: str, until: dt.datetime
    ) -> str:
        """Return the scope that an approval links: the one that opens something."""
        known = [found.name for found in scopes(policy.governance)]
        if not known:
            raise CatalogError(
                "no request template says what an approval opens",
                hint=f"write one into the governance files and apply them: {EXAMPLE}",
            )
        chosen = scope or request.scope
        require_scope(policy, chosen)
        failures: dict[str, str] = {}
        for name in [chosen] if chosen else known:
            trial = replace(request, state="approved", scope=name, until=until)
            failures[name] = why_nothing_opens(policy.governance, policy.assets, trial, utc_now())
        opening = [name for name, why in failures.items() if not why]
        if not opening:
            raise CatalogError(
                f"approving opens nothing: {next(iter(failures.values()))}",
                hint="see what holds for them with"
                f" `%govdata explain {request.asset} --as {request.principal}`",
            )
        if len(opening) > 1:
            raise CatalogError(
                "several scopes would open it",
                hint="choose one: " + ", ".join(f"`--scope {name}`" for name in opening),
            )
        return opening[0]


def found_request(ledger: Ledger, request_id: str, now: dt.datetime) -> AccessRequest | None:
    """Return the request of that id, or None."""
    return ledger.requests.get(request_id, now) if _ID.fullmatch(request_id) else None


def require_scope(state: PolicyState, scope: str) -> None:
    """Refuse a scope that no template has; none at all is fine.

    Raises:
        CatalogError: No such scope.
    """
    names = [known.name for known in scopes(state.governance)]
    if scope and scope not in names:
        raise CatalogError(
            f"there is no scope `{scope[:100]}` to ask for",
            hint=near(scope, names) or "leave it out: who decides chooses",
        )


def told(policy: PolicyState, request: AccessRequest, *, inbox: bool) -> AccessRequest:
    """Return a request as somebody is told of it who may decide it (`inbox`) or who asked."""
    can_decide = inbox and request.state in ("open", "approved")
    note = ""
    if request.state == "approved" and not links_of(policy.governance, request):
        note = f"it opens nothing: the policies have no template for `{request.scope}` any more"
    return replace(request, can_decide=can_decide, note=note)


def settled(attempt: Callable[[], AccessRequest]) -> AccessRequest:
    """Try again where the policy state changed between the decision and its record."""
    for _ in range(_TRIES - 1):
        with suppress(StaleDecisionError):
            return attempt()
    return attempt()


def _require_undecided(request: AccessRequest, verdict: Verdict) -> None:
    """Check that a request is open, or approved and to be taken back."""
    if request.state == "open" or (request.state == "approved" and verdict == "refused"):
        return
    hint = "refusing it takes the access back" if request.state == "approved" else "ask again"
    raise CatalogError(f"request `{request.id}` is {request.state} already", hint=hint)


def unknown_request(request_id: str) -> NotVisibleError:
    """Return the one error for a request that is not there and for one of somebody else."""
    return NotVisibleError(
        f"request `{request_id[:40]}` does not exist or is not yours to decide",
        hint="list yours with `%govdata requests`, those you may decide with"
        " `%govdata requests inbox`",
    )


def end_of_access(until: dt.datetime, now: dt.datetime) -> dt.datetime:
    """Return an end in whole seconds, as decisions count them; rounded down.

    Raises:
        CatalogError: Past, or too far ahead.
    """
    if not now < until <= now + LONGEST:
        raise CatalogError(
            "access ends in the future, at most two years ahead",
            hint="check the clock of this machine" if until <= now else None,
        )
    return until.astimezone(dt.UTC).replace(microsecond=0)
