"""Tokens for an embedded gateway, minted with the lake's own key. Runs in the kernel.

Whoever can read ``keys/embedded.key`` of a lake may sign in as anybody: that is what `advisory`
means. A team's gateway does not accept these tokens, and its key folder is not readable.
"""

from __future__ import annotations

import binascii
import datetime as dt
import tomllib
from pathlib import Path

import jwt

from jupyter_govdata.errors import AuthenticationError, ConfigError

EMBEDDED_ISSUER = "govdata-embedded"
MAX_SECONDS = 3_600


def mint(key: bytes, lake_id: str, principal: str, seconds: int) -> str:
    """Return a token (JWT, HS256) that says its bearer is `principal` of the lake.

    Args:
        key: The lake's embedded key.
        lake_id: `lake_id` of the lake's ``govdata.toml``.
        principal: Principal id.
        seconds: Until it expires, at most an hour.
    """
    now = dt.datetime.now(dt.UTC)
    claims = {
        "iss": EMBEDDED_ISSUER,
        "aud": lake_id,
        "sub": principal,
        "iat": now,
        "exp": now + dt.timedelta(seconds=min(seconds, MAX_SECONDS)),
    }
    return jwt.encode(claims, key, algorithm="HS256")


def mint_embedded(lake: Path, principal: str, seconds: int = MAX_SECONDS) -> str:
    """Return a token for a lake folder, see `mint`.

    Raises:
        AuthenticationError: This OS user cannot read the lake's key.
        ConfigError: The folder is no lake.
    """
    try:
        text = (lake / "govdata.toml").read_text(encoding="utf-8")
        lake_id = str(tomllib.loads(text)["lake_id"])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError) as exc:
        raise ConfigError(
            f"`{lake}` is not a lake", hint=f"make one with `jupyter govdata init {lake}`"
        ) from exc
    try:
        key = binascii.unhexlify((lake / "keys" / "embedded.key").read_bytes().strip())
    except (OSError, binascii.Error, ValueError) as exc:
        raise AuthenticationError(
            "you cannot sign in to this lake by its folder",
            hint="connect to its team's gateway, with a token",
        ) from exc
    return mint(key, lake_id, principal, seconds)
