"""Who is calling: a bearer token becomes a principal. Runs in the gateway.

Trusts the lake's own key (embedded), the keys of one OpenID Connect provider, or one
JupyterHub's answer; never anything in a token before its signature is checked. A way of signing
in that is not configured does not exist.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import jwt

from jupyter_govdata.config import GatewayConfig, HubConfig, OidcConfig
from jupyter_govdata.errors import AuthenticationError, ConfigError, GatewayError
from jupyter_govdata.gateway.keyset import KeySet, fetch_json, require_secure

EMBEDDED_ISSUER = "govdata-embedded"
EMBEDDED_SECONDS = 3_600
LEEWAY_SECONDS = 10
TOKEN_CACHE_SECONDS = 60.0
TOKEN_CACHE_TOKENS = 10_000
HUB_CACHE_SECONDS = 10.0
HUB_CACHE_TOKENS = 10_000
MAX_TOKEN = 16_384
MAX_PRINCIPAL = 200
ASYMMETRIC = frozenset(
    f"{family}{bits}" for family in ("RS", "ES", "PS") for bits in (256, 384, 512)
) | {"EdDSA"}
"""Signature algorithms that an OpenID Connect provider may use."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token proved.

    Args:
        principal: Principal id; whether the lake knows it is not asked here.
        expires: UTC; None for a token that its issuer is asked about again and again.
        kind: ``embedded``, ``oidc`` or ``hub``.
    """

    principal: str
    expires: dt.datetime | None
    kind: str


class _Scheme(Protocol):
    def claims(self, token: str) -> Claims: ...


class Identity:
    """The ways of signing in that a gateway is configured for."""

    def __init__(
        self,
        config: GatewayConfig,
        lake_id: str,
        embedded_key: bytes,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare the configured ways; no network is used before a token asks for it.

        Raises:
            ConfigError: An algorithm that is not asymmetric, or a provider without TLS.
        """
        self._embedded = _Embedded(lake_id, embedded_key) if config.embedded else None
        self._oidc = _Oidc(config.oidc, clock) if config.oidc else None
        self._hub = _Hub(config.hub, clock) if config.hub else None
        self._clock = clock
        self._checked: OrderedDict[bytes, tuple[Claims, float]] = OrderedDict()
        self._lock = threading.Lock()

    def authenticate(self, header: str) -> Claims:
        """Return whom the ``authorization`` header (``Bearer TOKEN``) proves the caller to be.

        Raises:
            AuthenticationError: No token, or one that is malformed, expired, forged, or meant
                for somebody else.
            GatewayError: The provider or hub does not answer: nobody is let in then.
        """
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise AuthenticationError("the call carries no bearer token", hint="sign in again")
        if len(token) > MAX_TOKEN or not token.isascii() or not token.isprintable():
            raise _unknown()
        digest = hashlib.sha256(token.encode()).digest()
        claims = self._remembered(digest)
        if claims is None:
            claims = self._scheme(token).claims(token)
            self._remember(digest, claims)
        return claims

    def _remembered(self, digest: bytes) -> Claims | None:
        """Return what a token proved within the last minute, if it has not expired since."""
        with self._lock:
            claims, until = self._checked.get(digest, (None, 0.0))
        if claims is None or claims.expires is None or self._clock() >= until:
            return None
        return claims if dt.datetime.now(dt.UTC) < claims.expires else None

    def _remember(self, digest: bytes, claims: Claims) -> None:
        if claims.kind != "embedded":
            return  # a provider may withdraw a key, a hub a token, at any moment
        with self._lock:
            self._checked[digest] = claims, self._clock() + TOKEN_CACHE_SECONDS
            self._checked.move_to_end(digest)
            while len(self._checked) > TOKEN_CACHE_TOKENS:
                self._checked.popitem(last=False)

    def _scheme(self, token: str) -> _Scheme:
        # The unchecked issuer only chooses who checks: each way accepts its own issuer alone.
        issuer = _unchecked_issuer(token)
        if issuer == EMBEDDED_ISSUER and self._embedded is not None:
            return self._embedded
        if issuer is not None and self._oidc is not None:
            return self._oidc
        if issuer is None and self._hub is not None:
            return self._hub
        raise _unknown()


def _unknown() -> AuthenticationError:
    return AuthenticationError(
        "the gateway does not accept this token", hint="sign in again and renew the token"
    )


def _expired(how: str) -> AuthenticationError:
    return AuthenticationError("the token expired", hint=how)


def _unchecked_issuer(token: str) -> str | None:
    """Return `iss` of a JWT without checking anything; None if the token is no JWT."""
    if token.count(".") != 2:
        return None
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    return str(claims.get("iss", ""))


def _principal(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_PRINCIPAL or not value.isprintable():
        raise AuthenticationError(
            f"the token has no usable claim `{name}`", hint="ask the gateway's operator"
        )
    return value


class _Embedded:
    """Tokens that a client of the same OS user minted with the lake's key."""

    def __init__(self, lake_id: str, key: bytes) -> None:
        if not lake_id:
            raise ConfigError("the lake has no `lake_id`", hint="set it in `govdata.toml`")
        self._lake_id = lake_id
        self._key = key

    def claims(self, token: str) -> Claims:
        try:
            found = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                issuer=EMBEDDED_ISSUER,
                audience=self._lake_id,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError as exc:
            raise _expired("connect again: the client mints a new one") from exc
        except (jwt.PyJWTError, ValueError, RecursionError) as exc:
            raise _unknown() from exc
        if float(found["exp"]) - float(found["iat"]) > EMBEDDED_SECONDS:
            raise AuthenticationError("an embedded token lasts at most an hour")
        expires = dt.datetime.fromtimestamp(float(found["exp"]), dt.UTC)
        return Claims(_principal(found, "sub"), expires, "embedded")


class _Oidc:
    """Tokens that an OpenID Connect provider signed."""

    def __init__(self, config: OidcConfig, clock: Callable[[], float]) -> None:
        weak = sorted(set(config.algorithms) - ASYMMETRIC)
        if weak or not config.algorithms:
            # SECURITY: with HS256 the provider's public key would be a signing secret.
            raise ConfigError(
                f"`oidc.algorithms` cannot hold {', '.join(f'`{a}`' for a in weak) or 'nothing'}",
                hint=f"use some of {', '.join(sorted(ASYMMETRIC))}",
            )
        if not config.issuer or not config.audience:
            raise ConfigError("`oidc` needs an `issuer` and an `audience`")
        self._config = config
        self._keys = KeySet(config.jwks, clock)

    def claims(self, token: str) -> Claims:
        config = self._config
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in config.algorithms:
                raise _unknown()
            found = jwt.decode(
                token,
                self._keys.key(header.get("kid"), str(header["alg"])),
                algorithms=list(config.algorithms),
                issuer=config.issuer,
                audience=config.audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", config.principal_claim]},
            )
        except jwt.ExpiredSignatureError as exc:
            raise _expired("sign in to your identity provider again and renew the token") from exc
        except (jwt.PyJWTError, ValueError, RecursionError) as exc:
            raise _unknown() from exc
        if config.principal_claim == "email" and found.get("email_verified") is not True:
            # SECURITY: some providers let users type any address.
            raise AuthenticationError("the provider has not verified the address of this token")
        expires = dt.datetime.fromtimestamp(float(found["exp"]), dt.UTC)
        return Claims(_principal(found, config.principal_claim), expires, "oidc")


class _Hub:
    """Tokens of a JupyterHub, asked of its API at most every few seconds each.

    SECURITY: a hub also gives tokens to services that a user once signed in to; such a service
    must not read data as that user. So a token counts only if it may open its user's own server:
    whoever holds that one can run code as the user already.
    """

    def __init__(self, config: HubConfig, clock: Callable[[], float]) -> None:
        require_secure(config.api, "hub.api")
        self._url = config.api.rstrip("/") + "/user"
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: OrderedDict[bytes, tuple[float, Claims]] = OrderedDict()

    def claims(self, token: str) -> Claims:
        # Tokens are kept as digests: a dump of this process holds none of them from here.
        digest = hashlib.sha256(token.encode()).digest()
        now = self._clock()
        with self._lock:
            known = self._seen.get(digest)
            if known is not None and now - known[0] < HUB_CACHE_SECONDS:
                return known[1]
            self._seen.pop(digest, None)
        claims = self._ask(token)
        with self._lock:
            self._seen[digest] = (now, claims)
            while len(self._seen) > HUB_CACHE_TOKENS:
                self._seen.popitem(last=False)
        return claims

    def _ask(self, token: str) -> Claims:
        status, found = fetch_json(self._url, {"Authorization": f"token {token}"})
        if status in (401, 403, 404):
            raise AuthenticationError(
                "JupyterHub does not know this token, or it expired",
                hint="request a new one on the hub's page `Token`",
            )
        if status != 200 or not isinstance(found, dict):
            raise GatewayError("JupyterHub does not answer as expected", hint="try again")
        if found.get("kind", "user") != "user":
            raise AuthenticationError("a token of a hub service is not a user's")
        principal = _principal(found, "name")
        scopes = found.get("scopes")
        if not isinstance(scopes, list) or not any(_opens_server(s, principal) for s in scopes):
            raise AuthenticationError(
                "this token of the hub may not stand for its user",
                hint="use your server's own token, or one from the hub's page `Token`",
            )
        return Claims(principal, None, "hub")


def _opens_server(scope: object, user: str) -> bool:
    if not isinstance(scope, str):
        return False
    name, _, limit = scope.partition("!")
    own = limit in ("", f"user={user}") or limit.startswith(f"server={user}/")
    return name == "access:servers" and own
