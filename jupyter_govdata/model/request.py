"""An access request: who asks for which asset, what for, and what became of it.

Made in the gateway. The reasons are texts of people: one line each, without control characters,
but otherwise anything; a surface shows them as text.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal, get_args

RequestState = Literal["open", "approved", "refused", "withdrawn", "expired"]
REQUEST_STATES: tuple[RequestState, ...] = get_args(RequestState)


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """A request for access to one asset under one purpose.

    Args:
        id: A short word that says nothing about other requests.
        asset: Asset name.
        principal: Who asks, and who gets access.
        purpose: What for; an approval counts under this purpose only.
        reason: Why, in the requester's words.
        state: ``expired`` once `until` is past, whatever came before.
        requested_at: UTC.
        scope: Which of the lake's request templates is meant; empty leaves it to who decides.
        until: When access ends, exclusive; while open, what the requester asks for, or None.
        decided_by: Who approved, refused or withdrew it, or empty.
        decided_at: When, UTC.
        decision_reason: Why, in the decider's words.
        can_decide: Whether the caller may approve or refuse it.
        note: What else the caller should know, e.g. that an approval grants nothing any more.
    """

    id: str
    asset: str
    principal: str
    purpose: str
    reason: str
    state: RequestState
    requested_at: dt.datetime
    scope: str = ""
    until: dt.datetime | None = None
    decided_by: str = ""
    decided_at: dt.datetime | None = None
    decision_reason: str = ""
    can_decide: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class RequestScope:
    """What can be asked for: a scope of the lake's request templates.

    Args:
        name: As templates write it: ``@request("name")``.
        description: For people.
    """

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class RequestPage:
    """Some of the requests in a box.

    Args:
        total: How many there are in all.
        requests: Newest first.
        to_decide: Open requests that wait for the caller's decision.
        decides: Whether the caller may decide any request, of whatever state.
    """

    total: int
    requests: tuple[AccessRequest, ...]
    to_decide: int = 0
    decides: bool = False
