"""Asking for access, and deciding what others ask, as one session does it. Runs in the kernel.

Nothing is decided here: the gateway says who may decide, and what an approval opens.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.model.request import AccessRequest, RequestPage, RequestScope, RequestState
from jupyter_govdata.model.wire_requests import (
    access_request_from_wire,
    request_page_from_wire,
    scopes_from_wire,
)
from jupyter_govdata.session.holding import end_of


class RequestingMixin:
    """What a session may do about access that it has not, or that others ask for."""

    def _act(self, action: str, data: dict[str, Any]) -> Any:
        raise NotImplementedError

    def request_access(
        self,
        asset: str,
        *,
        purpose: str | None = None,
        scope: str = "",
        reason: str = "",
        until: dt.datetime | str | None = None,
    ) -> AccessRequest:
        """Ask for access to an asset; asking again while it is open returns the same request.

        Args:
            asset: ``namespace.name``; you must be able to find it.
            purpose: What for; the session's purpose by default.
            scope: What is asked for, of `request_scopes`; empty leaves it to who decides.
            reason: Why, for who decides: one line of text.
            until: How long: an aware moment, or a length of time from now: ``90d``, ``6m``.

        Raises:
            NotVisibleError: Missing or hidden.
            PurposeError: No purpose, or one that is not declared.
            LimitError: Too many open requests.
            CatalogError: No such scope, or an end that is past or too far ahead.
        """
        data = {"asset": asset, "scope": scope, "reason": reason, "until": _until(until)}
        if purpose is not None:
            data["purpose"] = purpose
        return access_request_from_wire(self._act("request_access", data))

    def request_scopes(self) -> tuple[RequestScope, ...]:
        """Return what can be asked for in this lake, sorted by name."""
        return scopes_from_wire(self._act("request_scopes", {}))

    def requests(
        self,
        box: Literal["mine", "inbox"] = "mine",
        *,
        state: RequestState | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> RequestPage:
        """Return your own requests, or in the ``inbox`` those that you may decide.

        Args:
            box: ``mine`` or ``inbox``.
            state: ``open``, ``approved``, ``refused``, ``withdrawn`` or ``expired``.
            offset: How many of the newest to leave out.
            limit: How many to return, at most 500.
        """
        data = {"box": box, "state": state, "offset": offset, "limit": limit}
        return request_page_from_wire(self._act("requests", data))

    def approve(
        self,
        request_id: str,
        *,
        reason: str = "",
        scope: str = "",
        until: dt.datetime | str | None = None,
    ) -> AccessRequest:
        """Approve a request of somebody else; access works at once.

        Args:
            request_id: Of the request.
            reason: For the requester.
            scope: What to open, where the request leaves it open or asks for something else.
            until: When access ends; what was asked for by default, else 90 days.

        Raises:
            NotVisibleError: No such request, or not yours to decide.
            AccessDeniedError: Your own request.
            CatalogError: Decided already, or an approval would open nothing.
        """
        data = {"id": request_id, "outcome": "approved", "reason": reason, "scope": scope}
        answer = self._act("decide_request", {**data, "until": _until(until)})
        return access_request_from_wire(answer)

    def refuse(self, request_id: str, *, reason: str) -> AccessRequest:
        """Refuse a request; of an approved one this takes the access back at once.

        Raises:
            NotVisibleError: No such request, or not yours to decide.
            AccessDeniedError: Your own request.
            CatalogError: Refused, withdrawn or expired already, or no reason.
        """
        data = {"id": request_id, "outcome": "refused", "reason": reason}
        return access_request_from_wire(self._act("decide_request", data))

    def withdraw_request(self, request_id: str) -> AccessRequest:
        """Take back your own request, or give up the access that it got.

        Raises:
            NotVisibleError: No such request, or somebody else's.
            CatalogError: It has ended already.
        """
        return access_request_from_wire(self._act("withdraw_request", {"id": request_id}))


def _until(until: dt.datetime | str | None) -> str | None:
    if until is None:
        return None
    moment = end_of(until, dt.datetime.now(dt.UTC)) if isinstance(until, str) else until
    if moment.tzinfo is None:
        raise ConfigError("the end of an access needs a time zone")
    return moment.isoformat()
