"""The calls of the protocol about access requests: name -> function. Runs in the gateway.

What a message holds is checked here; who may ask and decide, in `requesting`.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Mapping
from typing import Any, cast

from jupyter_govdata.errors import CatalogError, ProtocolError
from jupyter_govdata.gateway.composer import Gateway
from jupyter_govdata.gateway.deciding import Verdict
from jupyter_govdata.gateway.requesting import Box
from jupyter_govdata.model.request import REQUEST_STATES, AccessRequest, RequestPage, RequestState

Data = Mapping[str, Any]

MAX_REASON = 2_000
MAX_PAGE = 500
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _text(data: Data, key: str, limit: int = 200) -> str:
    value = data.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > limit:
        raise ProtocolError(f"`{key}` must be a text of at most {limit} characters")
    return value


def _reason(data: Data) -> str:
    """Return the reason on one line.

    SECURITY: somebody else reads it in a terminal and in a browser: what could steer a terminal
    or hide or reorder words is refused.
    """
    value = data.get("reason") or ""
    if not isinstance(value, str) or len(value) > MAX_REASON:
        raise CatalogError(f"a reason has at most {MAX_REASON} characters")
    line = " ".join(value.split())
    if any(unicodedata.category(char) in _UNSAFE for char in line):
        raise CatalogError("a reason holds no control or invisible characters")
    return line


def _one_of(data: Data, key: str, known: tuple[str, ...], default: str | None = None) -> str:
    value = data.get(key, default)
    if value not in known:
        raise ProtocolError(f"`{key}` is one of " + ", ".join(f"`{k}`" for k in known))
    return str(value)


def _whole(data: Data, key: str, default: int, least: int, most: int) -> int:
    value = data.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ProtocolError(f"`{key}` is a whole number from {least} to {most}")
    return value


def _until(data: Data) -> dt.datetime | None:
    text = _text(data, "until", 100)
    if not text:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as exc:
        raise ProtocolError("`until` is an ISO time") from exc
    if moment.tzinfo is None:
        raise ProtocolError("`until` needs a time zone")
    return moment


def request_access(gateway: Gateway, principal: str, data: Data) -> AccessRequest:
    """Ask for access to `asset` under `purpose`; the same open request is returned again."""
    return gateway.requesting.ask(
        principal,
        _text(data, "asset", 1_000),
        _text(data, "purpose") or None,
        scope=_text(data, "scope"),
        reason=_reason(data),
        until=_until(data),
    )


def request_scopes(gateway: Gateway, principal: str, _data: Data) -> dict[str, Any]:
    """List what can be asked for: the scopes of the lake's request templates."""
    return {"scopes": gateway.requesting.scopes(principal)}


def requests(gateway: Gateway, principal: str, data: Data) -> RequestPage:
    """List the caller's own requests (box `mine`) or those to decide (box `inbox`)."""
    state = data.get("state")
    if state is not None:
        state = _one_of(data, "state", REQUEST_STATES)
    return gateway.requesting.page(
        principal,
        cast("Box", _one_of(data, "box", ("mine", "inbox"), "mine")),
        _text(data, "purpose") or None,
        state=cast("RequestState | None", state),
        offset=_whole(data, "offset", 0, 0, 2**31),
        limit=_whole(data, "limit", 100, 1, MAX_PAGE),
    )


def decide_request(gateway: Gateway, principal: str, data: Data) -> AccessRequest:
    """Approve or refuse the request `id`; refusing an approved one takes the access back."""
    verdict = cast("Verdict", _one_of(data, "outcome", ("approved", "refused")))
    reason = _reason(data)
    if verdict == "refused" and not reason:
        raise CatalogError("a refusal needs a reason", hint="say what would have to be different")
    return gateway.deciding.decide(
        principal,
        _text(data, "id"),
        verdict,
        _text(data, "purpose") or None,
        reason=reason,
        scope=_text(data, "scope"),
        until=_until(data),
    )


def withdraw_request(gateway: Gateway, principal: str, data: Data) -> AccessRequest:
    """Take back the caller's request `id`, or give up the access that it got."""
    return gateway.requesting.withdraw(principal, _text(data, "id"))
