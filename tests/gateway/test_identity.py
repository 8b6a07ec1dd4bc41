"""Signing in: only what is configured, signed, meant for this lake and still valid."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from jupyter_govdata.client.token import EMBEDDED_ISSUER as CLIENT_ISSUER
from jupyter_govdata.client.token import mint, mint_embedded
from jupyter_govdata.config import GatewayConfig, HubConfig, OidcConfig
from jupyter_govdata.errors import AuthenticationError, ConfigError, GatewayError
from jupyter_govdata.gateway.identity import EMBEDDED_ISSUER, HUB_CACHE_SECONDS, Identity
from jupyter_govdata.gateway.keyset import FRESH_SECONDS, RETRY_SECONDS
from jupyter_govdata.gateway.signing import Keys
from tests.gateway.issuers import (
    EC_KEY,
    ED_KEY,
    OTHER_RSA_KEY,
    RSA_KEY,
    PrivateKey,
    Site,
    a_site,
    jwk,
)

LAKE = "lake-1"
KEY = secrets.token_bytes(32)
ISSUER = "https://login.example.org/realm"
AUDIENCE = "govdata"


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def bearer(token: str) -> str:
    return f"Bearer {token}"


def in_seconds(seconds: float) -> int:
    return int(time.time() + seconds)


def embedded(tmp_path: Path) -> Identity:
    return Identity(GatewayConfig(lake=tmp_path), LAKE, KEY)


@pytest.fixture
def site() -> Iterator[Site]:
    with a_site() as opened:
        yield opened


# -- the header --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YW5hOmFuYQ==",
        "Bearer x",
        "Bearer a.b.c",
        "Bearer " + "a" * 100_000,
        "Bearer a\nb",
        "Bearer é.é.é",
        "Bearer \x00",
    ],
)
def test_header_without_a_usable_token_is_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(AuthenticationError):
        embedded(tmp_path).authenticate(header)


@pytest.mark.attack("T57", surface="flight")
def test_refusal_never_repeats_the_token(tmp_path: Path) -> None:
    token = mint(secrets.token_bytes(32), LAKE, "ana", 60)
    with pytest.raises(AuthenticationError) as caught:
        embedded(tmp_path).authenticate(bearer(token))
    assert token not in repr(caught.value) + str(caught.value.detail)


# -- embedded ----------------------------------------------------------------------------------


def test_embedded_token_of_the_client_proves_its_principal(tmp_path: Path) -> None:
    claims = embedded(tmp_path).authenticate(bearer(mint(KEY, LAKE, "ana", 60)))
    assert (claims.principal, claims.kind) == ("ana", "embedded")
    assert claims.expires is not None
    left = claims.expires - dt.datetime.now(dt.UTC)
    assert dt.timedelta(0) < left <= dt.timedelta(seconds=60)
    assert CLIENT_ISSUER == EMBEDDED_ISSUER


def test_embedded_token_from_a_lake_folder_is_accepted_by_its_gateway(tmp_path: Path) -> None:
    (tmp_path / "govdata.toml").write_text('format = 1\nlake_id = "abc"\n')
    keys = Keys.open(tmp_path / "keys")
    identity = Identity(GatewayConfig(lake=tmp_path), "abc", keys.embedded)
    token = mint_embedded(tmp_path, "ana", 10**9)
    claims = identity.authenticate(bearer(token))
    assert claims.principal == "ana"
    assert claims.expires is not None
    assert claims.expires <= dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)


def test_embedded_token_cannot_be_minted_without_the_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a lake"):
        mint_embedded(tmp_path, "ana")
    (tmp_path / "govdata.toml").write_text('format = 1\nlake_id = "abc"\n')
    with pytest.raises(AuthenticationError, match="cannot sign in"):
        mint_embedded(tmp_path, "ana")


def _embedded_claims(**changes: Any) -> dict[str, Any]:
    claims = {
        "iss": EMBEDDED_ISSUER,
        "aud": LAKE,
        "sub": "ana",
        "iat": in_seconds(0),
        "exp": in_seconds(600),
    }
    return {k: v for k, v in {**claims, **changes}.items() if v is not None}


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "lake-2"},
        {"aud": None},
        {"iss": "somebody"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "a\nb"},
        {"sub": "a" * 500},
        {"sub": 7},
        {"exp": None},
        {"iat": None},
        {"iat": in_seconds(90_000), "exp": in_seconds(93_600)},
        {"exp": in_seconds(90_000)},  # made at collection: minutes may pass before the test
        {"exp": "soon"},
        {"nbf": in_seconds(90_000)},
    ],
)
def test_embedded_token_with_a_wrong_claim_is_refused(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(AuthenticationError):
        claims = _embedded_claims(**changes)
        embedded(tmp_path).authenticate(bearer(_encode(claims, KEY)))


def _encode(claims: dict[str, Any], key: bytes) -> str:
    """Sign claims that a well-behaved library would refuse to sign."""

    def part(data: bytes) -> bytes:
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    import hmac

    head = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    return (head + b"." + part(hmac.digest(key, head, "sha256"))).decode()


def test_embedded_token_that_expired_says_how_to_renew(tmp_path: Path) -> None:
    token = _encode(_embedded_claims(iat=in_seconds(-700), exp=in_seconds(-60)), KEY)
    with pytest.raises(AuthenticationError, match="expired") as caught:
        embedded(tmp_path).authenticate(bearer(token))
    assert caught.value.hint is not None
    assert "connect again" in caught.value.hint


@pytest.mark.attack("T66", surface="flight")
def test_embedded_token_just_expired_passes_within_the_leeway(tmp_path: Path) -> None:
    token = _encode(_embedded_claims(iat=in_seconds(-60), exp=in_seconds(-3)), KEY)
    assert embedded(tmp_path).authenticate(bearer(token)).principal == "ana"


@pytest.mark.parametrize("algorithm", ["none", "HS384", "HS512"])
def test_embedded_token_under_another_algorithm_is_refused(tmp_path: Path, algorithm: str) -> None:
    key = None if algorithm == "none" else KEY * 2
    token = jwt.encode(_embedded_claims(), key, algorithm=algorithm)  # type: ignore[arg-type]
    with pytest.raises(AuthenticationError):
        embedded(tmp_path).authenticate(bearer(token))


@pytest.mark.attack("T47", surface="flight")
def test_embedded_token_changed_in_any_character_is_refused(tmp_path: Path) -> None:
    identity = embedded(tmp_path)
    token = mint(KEY, LAKE, "ana", 60)
    body_end = token.rindex(".")
    for place in range(0, body_end, 7):
        if token[place] == ".":
            continue
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(AuthenticationError):
            identity.authenticate(bearer(changed))


def test_embedded_token_is_refused_where_it_is_not_configured(tmp_path: Path) -> None:
    config = GatewayConfig(
        lake=tmp_path, embedded=False, oidc=OidcConfig(ISSUER, AUDIENCE, "unused.json")
    )
    with pytest.raises(AuthenticationError):
        Identity(config, LAKE, KEY).authenticate(bearer(mint(KEY, LAKE, "ana", 60)))


def test_embedded_sign_in_of_a_lake_without_id_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lake_id"):
        Identity(GatewayConfig(lake=tmp_path), "", KEY)


# -- OpenID Connect ----------------------------------------------------------------------------


def _oidc_claims(**changes: Any) -> dict[str, Any]:
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ana",
        "exp": in_seconds(600),
        "roles": ["ml", "clinical", "ml"],
    }
    return {k: v for k, v in {**claims, **changes}.items() if v is not None}


def _signed(
    key: PrivateKey = RSA_KEY, algorithm: str = "RS256", kid: str | None = "k1", **changes: Any
) -> str:
    headers = {"kid": kid} if kid else None
    return bearer(jwt.encode(_oidc_claims(**changes), key, algorithm=algorithm, headers=headers))


def _key_file(tmp_path: Path, *keys: dict[str, Any]) -> str:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": list(keys)}))
    return str(path)


def oidc(tmp_path: Path, jwks: str, clock: Clock | None = None, **changes: Any) -> Identity:
    config = GatewayConfig(
        lake=tmp_path, embedded=False, oidc=OidcConfig(ISSUER, AUDIENCE, jwks, **changes)
    )
    return Identity(config, LAKE, KEY, clock=clock or Clock())


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(RSA_KEY, "RS256"), (RSA_KEY, "PS384"), (EC_KEY, "ES256"), (ED_KEY, "EdDSA")],
)
def test_oidc_token_of_each_kind_of_key_proves_its_principal(
    tmp_path: Path, key: PrivateKey, algorithm: str
) -> None:
    identity = oidc(tmp_path, _key_file(tmp_path, jwk(key, "k1")), algorithms=(algorithm,))
    claims = identity.authenticate(_signed(key, algorithm))
    assert (claims.principal, claims.kind) == ("ana", "oidc")


def test_oidc_claim_for_the_user_is_as_configured(tmp_path: Path) -> None:
    keys = _key_file(tmp_path, jwk(RSA_KEY, "k1"))
    identity = oidc(tmp_path, keys, principal_claim="upn")
    claims = identity.authenticate(_signed(upn="a.lima@example.org"))
    assert claims.principal == "a.lima@example.org"
    with pytest.raises(AuthenticationError):
        identity.authenticate(_signed())


def test_oidc_address_counts_only_when_it_was_verified(tmp_path: Path) -> None:
    keys = _key_file(tmp_path, jwk(RSA_KEY, "k1"))
    identity = oidc(tmp_path, keys, principal_claim="email")
    mine = {"email": "ana@example.org"}
    assert identity.authenticate(_signed(email_verified=True, **mine)).principal == mine["email"]
    for verified in (None, False, "true"):
        with pytest.raises(AuthenticationError, match="verified"):
            identity.authenticate(_signed(email_verified=verified, **mine))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://login.example.org/other"},
        {"iss": None},
        {"iss": EMBEDDED_ISSUER},
        {"aud": "other"},
        {"aud": None},
        {"exp": None},
        {"nbf": in_seconds(90_000)},
        {"sub": None},
        {"sub": ""},
        {"sub": "a\x1b[2J"},
        {"kid": "k2"},
        {"key": OTHER_RSA_KEY},
        {"key": EC_KEY, "algorithm": "ES256"},
        {"algorithm": "RS512"},
        {"algorithm": "PS256"},
    ],
)
def test_oidc_token_with_a_wrong_claim_or_key_is_refused(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    identity = oidc(tmp_path, _key_file(tmp_path, jwk(RSA_KEY, "k1")))
    assert identity.authenticate(_signed()).principal == "ana"
    with pytest.raises(AuthenticationError):
        identity.authenticate(_signed(**changes))


def test_oidc_token_that_expired_says_how_to_renew(tmp_path: Path) -> None:
    identity = oidc(tmp_path, _key_file(tmp_path, jwk(RSA_KEY, "k1")))
    assert identity.authenticate(_signed(exp=in_seconds(-3))).principal == "ana"
    with pytest.raises(AuthenticationError, match="expired") as caught:
        identity.authenticate(_signed(exp=in_seconds(-30)))
    assert caught.value.hint is not None
    assert "renew" in caught.value.hint


def test_oidc_token_signed_with_the_public_key_as_a_secret_is_refused(tmp_path: Path) -> None:
    identity = oidc(tmp_path, _key_file(tmp_path, jwk(RSA_KEY, "k1")))
    pem = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(AuthenticationError):
        identity.authenticate(bearer(_encode(_oidc_claims(), pem)))
    unsigned = jwt.encode(_oidc_claims(), None, algorithm="none")  # type: ignore[arg-type]
    with pytest.raises(AuthenticationError):
        identity.authenticate(bearer(unsigned))


@pytest.mark.parametrize("algorithms", [("HS256",), ("RS256", "none"), ("RS256", "HS512"), ()])
def test_oidc_algorithm_that_is_not_asymmetric_cannot_be_configured(
    tmp_path: Path, algorithms: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError, match="algorithms"):
        oidc(tmp_path, "unused.json", algorithms=algorithms)


def test_oidc_ignores_keys_that_are_no_signing_keys(tmp_path: Path) -> None:
    symmetric = {"kty": "oct", "kid": "k1", "k": base64.urlsafe_b64encode(KEY).decode()}
    others: list[Any] = [
        symmetric,
        jwk(RSA_KEY, "enc", use="enc"),
        {"kty": "RSA", "kid": "broken"},
        {"kid": ["list"], "kty": "RSA"},
        "text",
    ]
    identity = oidc(tmp_path, _key_file(tmp_path, *others, jwk(RSA_KEY, "k9")))
    assert identity.authenticate(_signed(kid="k9")).principal == "ana"
    for kid in ("k1", "enc", "broken", None):
        with pytest.raises(AuthenticationError):
            identity.authenticate(_signed(kid=kid))


def test_oidc_key_that_names_its_algorithm_serves_no_other(tmp_path: Path) -> None:
    keys = _key_file(tmp_path, jwk(RSA_KEY, "k1", alg="RS256"))
    identity = oidc(tmp_path, keys, algorithms=("RS256", "RS512"))
    assert identity.authenticate(_signed()).principal == "ana"
    with pytest.raises(AuthenticationError):
        identity.authenticate(_signed(algorithm="RS512"))


def test_oidc_token_without_key_id_needs_a_single_key(tmp_path: Path) -> None:
    identity = oidc(tmp_path, _key_file(tmp_path, jwk(RSA_KEY, "k1")))
    assert identity.authenticate(_signed(kid=None)).principal == "ana"
    identity = oidc(tmp_path, _key_file(tmp_path, jwk(RSA_KEY, "k1"), jwk(EC_KEY, "k2")))
    with pytest.raises(AuthenticationError):
        identity.authenticate(_signed(kid=None))


def test_oidc_keys_from_a_url_are_fetched_once_and_rotated_keys_are_found(
    tmp_path: Path, site: Site
) -> None:
    clock = Clock()
    site.say("/jwks", {"keys": [jwk(RSA_KEY, "k1")]})
    identity = oidc(tmp_path, f"{site.url}/jwks", clock)
    for _ in range(5):
        identity.authenticate(_signed())
    assert len(site.asked) == 1
    site.say("/jwks", {"keys": [jwk(OTHER_RSA_KEY, "k2")]})
    rotated = _signed(OTHER_RSA_KEY, kid="k2")
    for _ in range(50):  # forged key ids cannot make the gateway ask faster
        with pytest.raises(AuthenticationError):
            identity.authenticate(rotated)
    assert len(site.asked) == 1
    clock.now += RETRY_SECONDS
    assert identity.authenticate(rotated).principal == "ana"
    assert len(site.asked) == 2
    with pytest.raises(AuthenticationError):
        identity.authenticate(_signed())


@pytest.mark.attack("T60", "T65", surface="storage")
def test_oidc_outage_is_survived_shortly_and_then_lets_nobody_in(
    tmp_path: Path, site: Site
) -> None:
    clock = Clock()
    site.say("/jwks", {"keys": [jwk(RSA_KEY, "k1")]})
    identity = oidc(tmp_path, f"{site.url}/jwks", clock)
    identity.authenticate(_signed())
    site.say("/jwks", b"<html>", status=503)
    clock.now += FRESH_SECONDS - 1
    assert identity.authenticate(_signed()).principal == "ana"
    clock.now += 2
    for _ in range(3):
        with pytest.raises(GatewayError):
            identity.authenticate(_signed())
    assert len(site.asked) == 2
    site.say("/jwks", {"keys": [jwk(RSA_KEY, "k1")]})
    clock.now += RETRY_SECONDS
    assert identity.authenticate(_signed()).principal == "ana"


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"keys": 1}', b"x" * 2_000_000, b"[" * 100_000])
def test_oidc_keys_that_cannot_be_read_let_nobody_in(
    tmp_path: Path, site: Site, answer: bytes
) -> None:
    site.say("/jwks", answer)
    with pytest.raises(GatewayError):
        oidc(tmp_path, f"{site.url}/jwks").authenticate(_signed())
    with pytest.raises(GatewayError):
        oidc(tmp_path, str(tmp_path / "missing.json")).authenticate(_signed())


@pytest.mark.attack("T55", surface="storage")
def test_oidc_keys_are_not_followed_through_a_redirect(tmp_path: Path, site: Site) -> None:
    site.say("/real", {"keys": [jwk(RSA_KEY, "k1")]})
    site.say("/jwks", b"", status=302, Location=f"{site.url}/real")
    with pytest.raises(GatewayError):
        oidc(tmp_path, f"{site.url}/jwks").authenticate(_signed())
    assert [path for path, _ in site.asked] == ["/jwks"]


@pytest.mark.parametrize(
    "jwks", ["http://login.example.org/jwks", "ftp://127.0.0.1/jwks", "file:///etc/passwd"]
)
def test_oidc_keys_off_this_machine_need_tls(tmp_path: Path, jwks: str) -> None:
    with pytest.raises(ConfigError, match="https"):
        oidc(tmp_path, jwks)


def test_each_issuer_counts_only_by_its_own_way(tmp_path: Path) -> None:
    """With both ways configured, neither key speaks for the other's issuer."""
    keys = _key_file(tmp_path, jwk(RSA_KEY, "k1"))
    config = GatewayConfig(lake=tmp_path, oidc=OidcConfig(ISSUER, AUDIENCE, keys))
    identity = Identity(config, LAKE, KEY)
    assert identity.authenticate(bearer(mint(KEY, LAKE, "ana", 60))).kind == "embedded"
    assert identity.authenticate(_signed()).kind == "oidc"
    with pytest.raises(AuthenticationError):
        identity.authenticate(_signed(iss=EMBEDDED_ISSUER, aud=LAKE, iat=in_seconds(0)))
    with pytest.raises(AuthenticationError):
        identity.authenticate(bearer(_encode(_oidc_claims(), KEY)))


# -- JupyterHub --------------------------------------------------------------------------------

# What JupyterHub 6.1 answers to GET /hub/api/user, shortened.
HUB_USER = {
    "name": "ana",
    "kind": "user",
    "admin": False,
    "groups": ["from-the-hub"],
    "token_id": "a2",
    "session_id": None,
    "scopes": ["access:servers!server=ana/", "users:activity!user=ana"],
}
HUB_SERVICE = {"name": "svc", "kind": "service", "admin": False, "token_id": "a1", "scopes": []}


@pytest.fixture
def hub(site: Site) -> Site:
    """A stand-in for the Hub API: real HTTP on loopback, with the answers of a real hub."""
    site.say("/hub/api/user", {"status": 403, "message": None}, status=403)
    site.say("/hub/api/user token right", HUB_USER)
    site.say("/hub/api/user token service", HUB_SERVICE)
    return site


def at_hub(tmp_path: Path, api: str, clock: Clock | None = None) -> Identity:
    config = GatewayConfig(lake=tmp_path, embedded=False, hub=HubConfig(api))
    return Identity(config, LAKE, KEY, clock=clock or Clock())


def test_hub_token_proves_the_hub_user_without_the_hubs_groups(tmp_path: Path, hub: Site) -> None:
    claims = at_hub(tmp_path, f"{hub.url}/hub/api/").authenticate("Bearer right")
    assert (claims.principal, claims.expires) == ("ana", None)
    assert hub.asked == [("/hub/api/user", "token right")]


@pytest.mark.parametrize("token", ["wrong", "service"])
def test_hub_token_that_is_unknown_or_a_services_is_refused(
    tmp_path: Path, hub: Site, token: str
) -> None:
    identity = at_hub(tmp_path, f"{hub.url}/hub/api")
    for _ in range(2):
        with pytest.raises(AuthenticationError):
            identity.authenticate(f"Bearer {token}")
    assert len(hub.asked) == 2, "a refusal is not remembered"


@pytest.mark.parametrize(
    "scopes",
    [
        None,
        [],
        "access:servers",
        ["read:users:name!user=ana"],
        ["access:servers!server=bo/"],
        ["access:servers!user=ana2"],
        ["access:servers!server=ana2/"],
        ["access:services!service=x", 7],
    ],
)
def test_hub_token_that_cannot_open_its_users_server_does_not_stand_for_the_user(
    tmp_path: Path, hub: Site, scopes: object
) -> None:
    hub.say("/hub/api/user token right", {**HUB_USER, "scopes": scopes})
    with pytest.raises(AuthenticationError, match="stand for"):
        at_hub(tmp_path, f"{hub.url}/hub/api").authenticate("Bearer right")


@pytest.mark.parametrize("scope", ["access:servers", "access:servers!user=ana"])
def test_hub_token_of_the_user_or_an_administrator_stands_for_the_user(
    tmp_path: Path, hub: Site, scope: str
) -> None:
    hub.say("/hub/api/user token right", {**HUB_USER, "scopes": [scope]})
    assert at_hub(tmp_path, f"{hub.url}/hub/api").authenticate("Bearer right").principal == "ana"


def test_hub_token_is_asked_again_after_some_seconds(tmp_path: Path, hub: Site) -> None:
    clock = Clock()
    identity = at_hub(tmp_path, f"{hub.url}/hub/api", clock)
    for _ in range(5):
        identity.authenticate("Bearer right")
    assert len(hub.asked) == 1
    hub.say("/hub/api/user token right", {"status": 403}, status=403)
    clock.now += HUB_CACHE_SECONDS - 0.1
    identity.authenticate("Bearer right")
    clock.now += 0.2
    with pytest.raises(AuthenticationError, match="does not know this token"):
        identity.authenticate("Bearer right")
    assert HUB_CACHE_SECONDS <= 10


@pytest.mark.parametrize(
    ("answer", "status"), [(b"", 500), (b"[]", 200), (b"x", 200), (b'{"name": 1}', 200)]
)
def test_hub_that_does_not_answer_as_expected_lets_nobody_in(
    tmp_path: Path, hub: Site, answer: bytes, status: int
) -> None:
    hub.say("/hub/api/user token right", answer, status=status)
    with pytest.raises(GatewayError):
        at_hub(tmp_path, f"{hub.url}/hub/api").authenticate("Bearer right")


@pytest.mark.attack("T60", surface="storage")
def test_hub_that_is_down_lets_nobody_in(tmp_path: Path) -> None:
    with a_site() as gone:
        url = gone.url
    with pytest.raises(GatewayError, match="does not answer"):
        at_hub(tmp_path, f"{url}/hub/api").authenticate("Bearer right")


def test_hub_token_is_not_carried_to_another_host(tmp_path: Path, hub: Site) -> None:
    with a_site() as other:
        other.say("/user", HUB_USER)
        hub.say("/hub/api/user token right", b"", status=302, Location=f"{other.url}/user")
        with pytest.raises(GatewayError):
            at_hub(tmp_path, f"{hub.url}/hub/api").authenticate("Bearer right")
        assert other.asked == []


def test_hub_off_this_machine_needs_tls(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="https"):
        at_hub(tmp_path, "http://hub.example.org/hub/api")


# -- the real JupyterHub -----------------------------------------------------------------------

HUB_PYTHON = os.environ.get("GOVDATA_TEST_JUPYTERHUB") or (
    sys.executable if find_spec("jupyterhub") else ""
)
HUB_CONFIG = """
from jupyterhub.proxy import Proxy

class NoProxy(Proxy):
    should_start = False
    async def add_route(self, routespec, target, data): pass
    async def delete_route(self, routespec): pass
    async def get_all_routes(self): return {}
    async def check_routes(self, *args, **kwargs): pass

c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.hub_bind_url = "http://127.0.0.1:PORT/hub/"
c.JupyterHub.bind_url = "http://127.0.0.1:1/"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allowed_users = {"ana"}
c.JupyterHub.api_tokens = {"USER_TOKEN": "ana"}
c.JupyterHub.services = [{"name": "svc", "api_token": "SERVICE_TOKEN"}]
c.JupyterHub.db_url = "sqlite:///:memory:"
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not HUB_PYTHON,
    reason="needs `pip install jupyterhub`, or GOVDATA_TEST_JUPYTERHUB=PYTHON that has it",
)
def test_token_of_a_real_hub_proves_its_user(tmp_path: Path) -> None:
    with a_site() as free:
        port = free.url.rsplit(":", 1)[1]
    user, service = secrets.token_hex(16), secrets.token_hex(16)
    text = HUB_CONFIG.replace("PORT", port)
    text = text.replace("USER_TOKEN", user).replace("SERVICE_TOKEN", service)
    (tmp_path / "jupyterhub_config.py").write_text(text)
    hub = subprocess.Popen(
        [HUB_PYTHON, "-m", "jupyterhub", "-f", "jupyterhub_config.py"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert hub.stderr is not None
        log = []
        for line in hub.stderr:
            log.append(line)
            if "JupyterHub is now running" in line:
                break
        assert "now running" in log[-1], "".join(log)
        identity = at_hub(tmp_path, f"http://127.0.0.1:{port}/hub/api")
        assert identity.authenticate(bearer(user)).principal == "ana"
        for token in (service, secrets.token_hex(16)):
            with pytest.raises(AuthenticationError):
                identity.authenticate(bearer(token))
    finally:
        hub.kill()
        hub.communicate()
