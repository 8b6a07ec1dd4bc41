"""What every route shares: who asks, errors as JSON, ETags, and the end of what nobody waits for.

Runs in the Jupyter server. A method of a route is `@authenticated` and `@authorized`, both;
`tests/server/test_routes.py` walks every route.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from jupyter_core.utils import ensure_async
from jupyter_server.base.handlers import APIHandler
from tornado.web import Finish, HTTPError

from jupyter_govdata.errors import GovDataError
from jupyter_govdata.server.inputs import Body, Query
from jupyter_govdata.server.problems import ProblemError, problem, problem_of_status, status_of
from jupyter_govdata.server.sessions import Link
from jupyter_govdata.server.shared import Shared
from jupyter_govdata.server.work import SECONDS, Stop

T = TypeVar("T")

RESOURCE = "jupyter_govdata"
MAX_BODY = 1_000_000


class GovDataHandler(APIHandler):
    """A route of ours."""

    auth_resource = RESOURCE
    _running: asyncio.Future[Any] | None = None
    _is_gone = False

    @property
    def shared(self) -> Shared:
        """What all routes of this server use."""
        found: Shared = self.settings[RESOURCE]
        return found

    @property
    def link(self) -> Link:
        """The session of whoever asks.

        Raises:
            ProblemError: 403: the session is somebody else's.
        """
        return self.shared.links.of(self.current_user)

    @property
    def key(self) -> str:
        """What the things of whoever asks are kept under."""
        return self.shared.links.key(self.current_user)

    @property
    def query(self) -> Query:
        """The query parameters."""
        names = self.request.query_arguments
        return Query({name: self.get_query_arguments(name, strip=False) for name in names})

    def body(self, *fields: str, limit: int = MAX_BODY) -> Body:
        """Return the JSON object of the request."""
        return Body(self.request.body, fields, limit)

    async def may(self, action: str, resource: str) -> None:
        """Refuse whoever may not do this by the server's own routes either.

        Raises:
            HTTPError: 403.
        """
        user = self.current_user
        if not await ensure_async(self.authorizer.is_authorized(self, user, action, resource)):
            raise HTTPError(403, "not authorized to %s %s", action, resource)

    # -- asking ------------------------------------------------------------------------------

    async def ask(
        self, work: Callable[[Any, Stop], T], *, seconds: float = SECONDS, **more: float
    ) -> T:
        """Run `work` on the session of whoever asks; stopped when the browser is gone."""
        return await self.until_gone(self.link.call(work, seconds=seconds, **more))

    async def until_gone(self, work: Awaitable[T]) -> T:
        """Wait for work, or until the browser has hung up."""
        running: asyncio.Future[T] = asyncio.ensure_future(work)
        self._running = running
        try:
            return await running
        except asyncio.CancelledError:
            if self._is_gone:
                raise Finish from None
            raise
        finally:
            self._running = None

    def on_connection_close(self) -> None:
        """Stop the work that a browser which is gone has asked for."""
        self._is_gone = True
        if self._running is not None:
            self._running.cancel()
        super().on_connection_close()

    # -- answering ---------------------------------------------------------------------------

    def answer(self, data: Any, status: int = 200) -> None:
        """Answer with JSON."""
        self.set_status(status)
        self.finish(json.dumps(data, ensure_ascii=False, allow_nan=False))

    def answer_to(self, asked_for: Sequence[Any], data: Any) -> None:
        """Answer a GET with JSON and an ETag of its own for each principal and question.

        INVARIANT: the tag is a digest of who asks, what for, and of the whole answer: what has
        changed, by policy or by data, is never taken for what it was.
        """
        text = json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
        if not self._is_known(asked_for, text):
            self.finish(text)

    def answer_png(self, asked_for: Sequence[Any], data: bytes) -> None:
        """Answer a GET with a picture that was made here, and an ETag as that of `answer_to`."""
        if not self._is_known(asked_for, data):
            self.finish(data, set_content_type="image/png")

    def _is_known(self, asked_for: Sequence[Any], data: bytes) -> bool:
        """Set the ETag; if the browser has the answer already, say so and return True."""
        asked = json.dumps([self.link.principal, self.request.path, *asked_for])
        digest = hashlib.sha256(f"{asked}\n".encode() + data).hexdigest()[:32]
        self.set_header("ETag", f'"{digest}"')
        if not self.check_etag_header():
            return False
        self.set_status(304)
        self.finish()
        return True

    def compute_etag(self) -> str | None:
        """Return None: `answer_to` sets the only ones."""
        return None

    def set_default_headers(self) -> None:
        """Add what keeps an answer from being taken for a page, or for somebody else's."""
        super().set_default_headers()
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "private, no-cache")
        self.set_header("Vary", "Authorization, Cookie")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with the JSON of an error; never with its traceback."""
        error = (kwargs.get("exc_info") or (None, None))[1]
        if isinstance(error, ProblemError):
            told = error.problem
        elif isinstance(error, GovDataError):
            self.set_status(status_of(error))
            told = problem(error)
        else:
            told = problem_of_status(status_code)
            if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
                self.set_header("Allow", ", ".join(self._methods()))
        self.finish(json.dumps(told, ensure_ascii=False))

    def _methods(self) -> list[str]:
        """Return the methods that the route has."""
        names = ("get", "post", "delete")
        return [n.upper() for n in names if getattr(type(self), n) is not getattr(APIHandler, n)]

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log what nobody expected; without the request, whose address may hold a token."""
        if isinstance(value, GovDataError | HTTPError):
            self.log.debug("%s %s: %s", self.request.method, self.request.path, typ.__name__)
        else:
            told = (self.request.method, self.request.path)
            self.log.error("jupyter_govdata: %s %s failed", *told, exc_info=(typ, value, tb))
