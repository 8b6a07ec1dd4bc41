"""Access requests as rows of the store. Runs in the gateway."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, and_, or_, select

from jupyter_govdata.ledger.records import timestamp
from jupyter_govdata.ledger.schema import requests
from jupyter_govdata.model.request import AccessRequest, RequestState


def in_state(state: RequestState, now: dt.datetime | BindParameter[str]) -> ColumnElement[bool]:
    """Return the condition that a row is in a state at a moment, or at a bound `timestamp`."""
    t = requests.c
    at = now if isinstance(now, BindParameter) else timestamp(now)
    past = and_(t.until.is_not(None), t.until <= at)
    if state == "expired":
        return and_(t.state.in_(("open", "approved")), past)
    if state in ("open", "approved"):
        return and_(t.state == state, or_(t.until.is_(None), t.until > at))
    return t.state == state


def approved_in(conn: Connection, now: dt.datetime) -> tuple[AccessRequest, ...]:
    """Return the approved requests whose end is still to come, sorted by id."""
    query = select(requests).where(in_state("approved", now)).order_by(requests.c.id)
    return tuple(request_of(row._mapping, now) for row in conn.execute(query))


def row_of(request: AccessRequest) -> dict[str, Any]:
    """Return the columns of a request."""
    return {
        "id": request.id,
        "asset": request.asset,
        "principal": request.principal,
        "purpose": request.purpose,
        "scope": request.scope,
        "reason": request.reason,
        "state": request.state,
        "requested_at": timestamp(request.requested_at),
        "until": stamp(request.until),
        "decided_by": request.decided_by,
        "decided_at": stamp(request.decided_at),
        "decision_reason": request.decision_reason,
    }


def request_of(row: Mapping[Any, Any], now: dt.datetime) -> AccessRequest:
    """Return the request that a row holds, as it is at a moment."""
    fields = {str(key): value for key, value in row.items()}
    for key in ("requested_at", "until", "decided_at"):
        fields[key] = None if fields[key] is None else dt.datetime.fromisoformat(fields[key])
    if fields["state"] in ("open", "approved") and fields["until"] and fields["until"] <= now:
        fields["state"] = "expired"
    return AccessRequest(**fields)


def stamp(moment: dt.datetime | None) -> str | None:
    """Return the stored form of a moment, if there is one."""
    return None if moment is None else timestamp(moment)
