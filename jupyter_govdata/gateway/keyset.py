"""Public keys of an identity provider, and the one way this gateway fetches JSON. Runs in the
gateway; trusts TLS, or the loopback interface.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    BaseHandler,
    HTTPRedirectHandler,
    ProxyHandler,
    Request,
    build_opener,
)

import jwt

from jupyter_govdata.errors import AuthenticationError, ConfigError, GatewayError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
FETCH_SECONDS = 5.0
FETCH_BYTES = 1_000_000
FRESH_SECONDS = 300.0
"""How long a key set is used before it is fetched again."""
RETRY_SECONDS = 10.0
"""How long an unknown key id is simply unknown: forged tokens cannot make us ask faster."""


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Refuse: a redirect would carry the token to another host."""


def require_secure(url: str, setting: str) -> None:
    """Check that a URL has TLS, or stays on this machine.

    Raises:
        ConfigError: It does not.
    """
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in LOOPBACK
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise ConfigError(f"`{setting}` must be an `https://` address")


def fetch_json(url: str, headers: Mapping[str, str]) -> tuple[int, Any]:
    """GET a URL that `require_secure` accepted; return status and parsed JSON (or None).

    Follows no redirect, and sends nothing for this machine through a proxy.

    Raises:
        GatewayError: No answer, or one that is too large.
    """
    handlers: list[BaseHandler] = [_NoRedirect()]
    if urlsplit(url).hostname in LOOPBACK:
        handlers.append(ProxyHandler({}))
    request = Request(url, headers={"Accept": "application/json", **headers})  # noqa: S310
    try:
        with build_opener(*handlers).open(request, timeout=FETCH_SECONDS) as answer:
            status, body = answer.status, answer.read(FETCH_BYTES + 1)
    except HTTPError as exc:
        with exc:
            return exc.code, None
    except (URLError, OSError, http.client.HTTPException) as exc:
        raise GatewayError("the identity provider does not answer", hint="try again") from exc
    if len(body) > FETCH_BYTES:
        raise GatewayError("the identity provider's answer is too large")
    try:
        return status, json.loads(body)
    except (ValueError, RecursionError):
        return status, None


class KeySet:
    """A JSON Web Key Set from a URL or a file, kept for some minutes."""

    def __init__(self, source: str, clock: Callable[[], float]) -> None:
        """Prepare to read `source`.

        Raises:
            ConfigError: A URL without TLS off this machine.
        """
        if "://" in source:
            require_secure(source, "oidc.jwks")
        self._source = source
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str | None, dict[str, Any]] = {}
        self._read_at: float | None = None
        self._tried_at: float | None = None

    def key(self, key_id: str | None, algorithm: str) -> jwt.PyJWK:
        """Return the key of that id for that algorithm.

        Without an id there must be only one key.

        Raises:
            AuthenticationError: No such key.
            GatewayError: The set cannot be read, and the last one is too old.
        """
        with self._lock:
            self._refresh(key_id)
            if key_id is None and len(self._keys) == 1:
                (found,) = self._keys.values()
            else:
                found = self._keys.get(key_id, {})
        # SECURITY: a key that names its algorithm serves that one, whatever a token asks for.
        if found and found.get("alg", algorithm) == algorithm:
            with suppress(jwt.PyJWTError, ValueError):
                return jwt.PyJWK.from_dict(found, algorithm)
        raise AuthenticationError(
            "the token is signed with a key that its provider does not publish",
            hint="sign in again and renew the token",
        )

    def _refresh(self, key_id: str | None) -> None:
        now = self._clock()
        fresh = self._read_at is not None and now - self._read_at < FRESH_SECONDS
        known = key_id in self._keys or (key_id is None and len(self._keys) == 1)
        if fresh and known:
            return
        if self._tried_at is not None and now - self._tried_at < RETRY_SECONDS:
            if not fresh:
                raise GatewayError("the identity provider's keys cannot be read", hint="try again")
            return
        self._tried_at = now
        try:
            self._keys = _parse(self._read())
            self._read_at = now
        except GatewayError:
            # Known keys outlive a short outage; a revoked one does not outlive `FRESH_SECONDS`.
            if not fresh:
                raise

    def _read(self) -> Any:
        if "://" in self._source:
            status, data = fetch_json(self._source, {})
            if status != 200:
                raise GatewayError("the identity provider's keys cannot be read", hint="try again")
            return data
        try:
            return json.loads(Path(self._source).read_bytes())
        except (OSError, ValueError, RecursionError) as exc:
            raise GatewayError(
                "the file of `oidc.jwks` cannot be read", hint="ask the gateway's operator"
            ) from exc


def _parse(data: Any) -> dict[str | None, dict[str, Any]]:
    listed = data.get("keys") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        raise GatewayError("the identity provider publishes no key set")
    # SECURITY: a symmetric key in a public set would be no secret; an encryption key signs
    # nothing.
    usable = [
        item
        for item in listed
        if isinstance(item, dict)
        and item.get("kty") in ("RSA", "EC", "OKP")
        and item.get("use", "sig") == "sig"
        and isinstance(item.get("kid"), str | None)
    ]
    return {item.get("kid"): item for item in usable}
