"""JSON forms of access requests; `wire.to_wire` makes them. Runs everywhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from jupyter_govdata.model.request import AccessRequest, RequestPage, RequestScope


def access_request_from_wire(data: Mapping[str, Any]) -> AccessRequest:
    """Reverse `to_wire` for an `AccessRequest`."""
    fields = dict(data)
    for key in ("requested_at", "until", "decided_at"):
        fields[key] = _moment(data[key])
    return AccessRequest(**fields)


def request_page_from_wire(data: Mapping[str, Any]) -> RequestPage:
    """Reverse `to_wire` for a `RequestPage`."""
    fields = dict(data)
    fields["requests"] = tuple(access_request_from_wire(r) for r in data["requests"])
    return RequestPage(**fields)


def scopes_from_wire(data: Mapping[str, Any]) -> tuple[RequestScope, ...]:
    """Return the scopes that the gateway lists."""
    return tuple(RequestScope(s["name"], s["description"]) for s in data["scopes"])


def _moment(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text)
