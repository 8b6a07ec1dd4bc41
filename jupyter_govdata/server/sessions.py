"""Whose session a request uses, and its state. Runs in the Jupyter server, on its event loop.

SECURITY: a request acts at the gateway as whoever the server's own kernels act as, and only where
the identity that Jupyter gives is that person. Nobody else's session is ever lent.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from jupyter_govdata import __version__
from jupyter_govdata.config import read_client_settings
from jupyter_govdata.errors import (
    AuthenticationError,
    ConfigError,
    GatewayUnreachableError,
    GovDataError,
)
from jupyter_govdata.server.forms import status_json
from jupyter_govdata.server.problems import ProblemError, problem, status_of
from jupyter_govdata.server.work import SECONDS, Stop, Workers, apart

T = TypeVar("T")
SignIn = Callable[[Any], Mapping[str, Any] | None]

READY, STARTING, UNREACHABLE, UNCONFIGURED = "ready", "starting", "unreachable", "unconfigured"
CALL_SECONDS = 20.0
"""That one call to the gateway may take."""

PATIENCE = 1.0
"""That a question for the state waits for a session that is being opened."""

NOBODY: Mapping[str, Any] = {
    "state": STARTING,
    "principal": None,
    "name": None,
    "groups": [],
    "purpose": None,
    "purposes": [],
    "wall": None,
    "epoch": None,
    "lake": None,
    "version": __version__,
    "stewards": False,
    "to_decide": 0,
    "error": None,
}

OWNER = ""
"""Key of the person whose server this is."""


class Link:
    """One person's session: opened on first use, kept, and opened again after a failure.

    Args:
        arguments: Of `connect`.
        workers: Where its calls run.
    """

    def __init__(self, arguments: Mapping[str, Any], workers: Workers) -> None:
        self.arguments = dict(arguments)
        self._workers = workers
        self.principal = ""
        self._session: Any = None
        self._opening: asyncio.Task[Any] | None = None

    @property
    def target(self) -> str:
        """Lake folder or address of the gateway; empty for the user's own lake."""
        return str(_target(self.arguments))

    @property
    def lake(self) -> str:
        """Name of the lake for people: the last part of its folder, or its gateway's host."""
        target = self.target
        return target.partition("://")[2] or Path(target).name or "lake"

    async def close(self, seconds: float) -> None:
        """Close the session; what takes longer than `seconds` goes on alone."""
        if self._opening is not None:
            # Its thread has been told; one that is importing must not be torn off.
            await asyncio.wait([self._opening], timeout=seconds)
            if self._opening.cancel():
                await asyncio.wait([self._opening])
        session, self._session, self._opening = self._session, None, None
        if session is not None:
            with suppress(TimeoutError):
                # It waits for the end of a gateway that it started.
                await apart(session.close, seconds)

    def _open(self) -> asyncio.Task[Any]:
        # One attempt at a time, however many requests wait for it.
        if self._opening is None or (self._opening.done() and self._session is None):
            self._opening = asyncio.ensure_future(self._connect())
            self._opening.add_done_callback(_seen)
        return self._opening

    async def _connect(self) -> Any:
        self._session, self.principal = await self._workers.run(
            lambda stop: _connect(self.arguments, stop), seconds=120
        )
        return self._session

    async def status(self) -> dict[str, Any]:
        """Return the state of the gateway and who is signed in to it; never raises for a state."""
        try:
            return await self.call(
                lambda s, _: status_json(s, self.lake), seconds=10, patience=PATIENCE
            )
        except NotReadyError as error:
            return self._closed(error.state, error.problem)
        except ProblemError:
            return self._closed(STARTING, None)
        except GovDataError as error:
            is_ours = isinstance(error, AuthenticationError | ConfigError)
            return self._closed(UNCONFIGURED if is_ours else UNREACHABLE, problem(error))

    def _closed(self, state: str, error: dict[str, Any] | None) -> dict[str, Any]:
        return {**NOBODY, "state": state, "error": error}

    async def call(
        self, work: Callable[[Any, Stop], T], *, seconds: float = SECONDS, patience: float = SECONDS
    ) -> T:
        """Run `work` on the session in a thread and return what it returns.

        Args:
            work: Takes the session and what tells it that nobody waits any more.
            seconds: That it may take.
            patience: Seconds to wait for a session that is being opened.

        Raises:
            ProblemError: There is no session: 503, with the state as its code's reason.
            GovDataError: What the gateway answers.
        """
        session = self._session
        if session is None:
            try:
                session = await asyncio.wait_for(asyncio.shield(self._open()), patience)
            except TimeoutError:
                raise _starting() from None
            except GovDataError as error:
                raise NotReadyError(error) from error

        def asked(stop: Stop) -> T:
            with import_module("jupyter_govdata.session").ending(stop.then):
                return work(session, stop)

        return await self._workers.run(asked, seconds=seconds)


class NotReadyError(ProblemError):
    """There is no session, for the reason that `connect` gave."""

    def __init__(self, error: GovDataError) -> None:
        told = problem(error)
        is_ours = isinstance(error, AuthenticationError | ConfigError)
        self.state = UNCONFIGURED if is_ours else UNREACHABLE
        status = 503 if status_of(error) in (400, 403) else status_of(error)
        super().__init__(status, told["code"], told["message"], told["hint"])


def _starting() -> ProblemError:
    return ProblemError(503, "gateway_starting", "the gateway is starting", "ask again in a moment")


def _seen(task: asyncio.Task[Any]) -> None:
    """Take note of an attempt's end, which nobody may have waited for."""
    if not task.cancelled():
        task.exception()


def _connect(arguments: Mapping[str, Any], stop: Stop) -> tuple[Any, str]:
    """Open a session as a kernel of this server would, and say whose it is; make no lake."""
    room = import_module("jupyter_govdata.session")
    if not _target(arguments) and not (room.default_lake() / "govdata.toml").exists():
        raise ConfigError(
            "no lake or gateway is configured",
            hint="set GOVDATA_GATEWAY or GOVDATA_LAKE, or run `%govdata ls` once in a notebook",
        )
    _check(stop)
    session = room.connect(timeout=CALL_SECONDS, **arguments)
    try:
        principal = str(session.whoami()["principal"])
        _check(stop)
    except BaseException:
        session.close()
        raise
    return session, principal


def _check(stop: Stop) -> None:
    if stop.stopped:
        raise GatewayUnreachableError("nobody waits for this session any more")


def _target(arguments: Mapping[str, Any]) -> Any:
    return arguments.get("target") or read_client_settings(os.environ).target


class Links:
    """The sessions of one Jupyter server, by identity.

    Args:
        workers: Where calls run.
        owner: User name of the person whose server this is, or None where everybody who may sign
            in has one and the same secret.
        is_shared: The identity provider tells several people apart.
        sign_in: From the configuration: arguments of `connect` for an identity, or None to
            refuse.
    """

    def __init__(
        self,
        workers: Workers,
        *,
        owner: str | None = None,
        is_shared: bool = False,
        sign_in: SignIn | None = None,
    ) -> None:
        self._workers = workers
        self._owner = owner
        self._is_shared = is_shared
        self._sign_in = sign_in
        self._links: dict[str, Link] = {}

    def of(self, user: Any) -> Link:
        """Return the link of an identity (`jupyter_server.auth.User`).

        Raises:
            ProblemError: 403: the session is somebody else's.
        """
        key, arguments = self._arguments(user)
        if key not in self._links:
            self._links[key] = Link(arguments, self._workers)
        return self._links[key]

    def key(self, user: Any) -> str:
        """Return what the things of an identity are kept under."""
        return self._arguments(user)[0]

    def _arguments(self, user: Any) -> tuple[str, Mapping[str, Any]]:
        name = str(user.username)
        if self._sign_in is not None:
            found = self._sign_in(user)
            if found is None:
                raise _somebody_elses()
            return f"user:{name}", found
        if self._owner is not None and name != self._owner:
            raise _somebody_elses()
        if self._owner is None and self._is_shared:
            raise _somebody_elses()
        return OWNER, {}

    async def close(self, seconds: float) -> None:
        """Close all sessions at once; wait for `seconds` at most."""
        links = tuple(self._links.values())
        self._links.clear()
        await asyncio.gather(*(link.close(seconds) for link in links), return_exceptions=True)


def _somebody_elses() -> ProblemError:
    return ProblemError(
        403,
        "not_your_server",
        "this server's session at the gateway is another person's",
        "use your own server, or ask its administrator for `GovDataExtension.sign_in`",
    )
