"""The routes about access requests. Run in the Jupyter server; the gateway decides who may what."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from jupyter_govdata.model.request import REQUEST_STATES
from jupyter_govdata.model.wire import to_wire
from jupyter_govdata.server.handlers import GovDataHandler
from jupyter_govdata.server.inputs import Body, checked_asset
from jupyter_govdata.server.problems import bad_input

ID = r"([^/]+)"
_REQUEST = re.compile(r"[A-Za-z0-9_-]{1,100}")
BOXES = ("mine", "inbox")
MAX_REASON = 2_000


class Requests(GovDataHandler):
    """Requests for access: one's own, and those that one may decide."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """List a box, newest first."""
        query = self.query
        offset, limit = query.page()
        box, state = query.text("box") or "mine", query.text("state")
        if box not in BOXES:
            raise bad_input("`box` is `mine` or `inbox`")
        if state is not None and state not in REQUEST_STATES:
            raise bad_input(f"`state` is one of {', '.join(REQUEST_STATES)}")
        page = await self.ask(lambda s, _: s.requests(box, state=state, offset=offset, limit=limit))
        self.answer_to((box, state, offset, limit), to_wire(page))

    @authenticated
    @authorized
    async def post(self) -> None:
        """Ask for access."""
        body = self.body("asset", "purpose", "scope", "reason", "until")
        asset = checked_asset(body.text("asset"))
        asked: dict[str, Any] = {
            "purpose": body.purpose(),
            "scope": body.optional("scope", 200) or "",
            "reason": body.optional("reason", MAX_REASON) or "",
            "until": end(body),
        }
        made = await self.ask(lambda s, _: s.request_access(asset, **asked))
        self.answer(to_wire(made), 201)


class Scopes(GovDataHandler):
    """What can be asked for in this lake."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """List the scopes."""
        found = await self.ask(lambda s, _: s.request_scopes())
        self.answer_to((), {"scopes": to_wire(found)})


class Approve(GovDataHandler):
    """Somebody else's request is approved."""

    @authenticated
    @authorized
    async def post(self, request_id: str) -> None:
        """Approve it; access works at once."""
        made, body = checked_request(request_id), self.body("reason", "scope", "until")
        said: dict[str, Any] = {
            "reason": body.optional("reason", MAX_REASON) or "",
            "scope": body.optional("scope", 200) or "",
            "until": end(body),
        }
        self.answer(to_wire(await self.ask(lambda s, _: s.approve(made, **said))))


class Refuse(GovDataHandler):
    """Somebody else's request is refused."""

    @authenticated
    @authorized
    async def post(self, request_id: str) -> None:
        """Refuse it, with a reason."""
        made, reason = checked_request(request_id), self.body("reason").text("reason", MAX_REASON)
        self.answer(to_wire(await self.ask(lambda s, _: s.refuse(made, reason=reason))))


class Withdraw(GovDataHandler):
    """One's own request is taken back."""

    @authenticated
    @authorized
    async def post(self, request_id: str) -> None:
        """Take it back, or give up the access that it got."""
        made = checked_request(request_id)
        self.body()
        self.answer(to_wire(await self.ask(lambda s, _: s.withdraw_request(made))))


def checked_request(text: str) -> str:
    """Return the id of a request."""
    if not _REQUEST.fullmatch(text):
        raise bad_input("this is not the id of a request")
    return text


def end(body: Body, name: str = "until") -> dt.datetime | str | None:
    """Return when something ends: an aware moment, a length of time, or None."""
    text = body.optional(name, 100)
    if not text or not text.strip():
        return None
    try:
        moment = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        return text.strip()
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


ROUTES = (
    ("requests", Requests),
    ("requests/scopes", Scopes),
    (rf"requests/{ID}/approve", Approve),
    (rf"requests/{ID}/refuse", Refuse),
    (rf"requests/{ID}/withdraw", Withdraw),
)
