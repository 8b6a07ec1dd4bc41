"""Signed addresses are byte for byte those of botocore; policies mean exactly what is granted."""

from __future__ import annotations

import datetime as dt
import json
import re
from unittest import mock
from urllib.parse import quote

import botocore.auth
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_govdata.storage.s3_credentials import Credentials
from jupyter_govdata.storage.s3_policy import (
    MAX_KEYS,
    MAX_POLICY,
    Scope,
    exact,
    folder,
    is_expressible,
    policy,
)
from jupyter_govdata.storage.s3_signing import Presigner, Target

NOW = dt.datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=dt.UTC)
KEYS = (
    "a/b.svs",
    "a b/c+d=e&f.svs",
    "p=1/x:y@z,$;!*'().bam",
    "é/e\u0301/日本/\U0001f9ec.svs",
    "100%/%2e%2e/%41",
    "q?r#s[t]{u}|v\\w^`~",
    '"quoted"<tag>',
)
TARGETS = (
    Target("http://127.0.0.1:7480", "us-east-1", "slides"),
    Target("https://s3.eu-central-1.amazonaws.com", "eu-central-1", "my.slides"),
    Target("https://s3.eu-central-1.amazonaws.com:443", "eu-central-1", "slides", "virtual"),
    Target("http://[::1]:80", "eu-central-1", "slides"),
)


def by_botocore(
    target: Target, key: str, method: str, *, token: str = "", version: str = "", tag: str = ""
) -> str:
    """Return botocore's address of the same object."""
    origin, _, root = target.base()
    url = f"{origin}{root}{quote(key, safe='/-._~')}"
    if version:
        url += f"?versionId={quote(version, safe='-._~')}"
    headers = {"If-Match": tag} if tag else {}
    request = AWSRequest(method=method, url=url, headers=headers)
    request.context["signing"] = {}
    keys = BotoCredentials("AKIA/KEY", "secret+key", token or None)
    moment = NOW.replace(tzinfo=None)
    with (
        mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: moment),
    ):
        S3SigV4QueryAuth(keys, "s3", target.region, expires=60).add_auth(request)
    return str(request.url)


def parts(url: str) -> tuple[str, dict[str, str]]:
    path, _, query = url.partition("?")
    return path, dict(p.split("=", 1) for p in query.split("&"))


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: f"{t.endpoint}-{t.addressing}")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("token", ["", "to/ken+with=signs" * 20])
def test_url_equals_botocores(target: Target, method: str, token: str) -> None:
    batch = Presigner(target, Credentials("AKIA/KEY", "secret+key", token)).batch(method, NOW, 60)
    for key in KEYS:
        for version in ("", "null", "v+1/=x"):
            mine = batch.url(key, version)
            theirs = by_botocore(target, key, method, token=token, version=version)
            # botocore puts version and token elsewhere in the query; the order has no meaning.
            assert parts(mine) == parts(theirs)
            assert mine == theirs or version or token


def test_url_with_a_content_tag_equals_botocores() -> None:
    keys = Credentials("AKIA/KEY", "secret+key")
    batch = Presigner(TARGETS[0], keys).batch("GET", NOW, 60, matched=True)
    for key in KEYS:
        tag = '"0123abc-2"'
        assert parts(batch.url(key, tag=tag)) == parts(by_botocore(TARGETS[0], key, "GET", tag=tag))


@pytest.mark.attack("T47", "T49", surface="storage")
@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1, max_size=60))
def test_url_of_any_key_equals_botocores(key: str) -> None:
    if any(0xD800 <= ord(c) < 0xE000 for c in key) or any(c in key for c in "\r\n\t"):
        return
    batch = Presigner(TARGETS[0], Credentials("AKIA/KEY", "secret+key")).batch("GET", NOW, 60)
    assert parts(batch.url(key)) == parts(by_botocore(TARGETS[0], key, "GET"))


def test_url_of_another_day_is_signed_with_that_days_key() -> None:
    keys = Credentials("AKIA/KEY", "secret+key")
    presigner = Presigner(TARGETS[0], keys)
    first = presigner.batch("GET", NOW, 60).url("a")
    presigner.batch("GET", NOW + dt.timedelta(days=1), 60)
    assert presigner.batch("GET", NOW, 60).url("a") == first


@pytest.mark.attack("T48", "T51", surface="storage")
@pytest.mark.parametrize(
    ("method", "seconds"), [("PUT", 60), ("DELETE", 1), ("GET", 61), ("GET", 0)]
)
def test_url_for_more_than_a_minute_or_a_change_is_not_signed(method: str, seconds: int) -> None:
    with pytest.raises(ValueError, match="at most a minute"):
        Presigner(TARGETS[0], Credentials("a", "b")).batch(method, NOW, seconds)


def test_secrets_are_in_no_repr() -> None:
    keys = Credentials("AKIAKEY", "very-secret", "very-token")
    batch = Presigner(TARGETS[0], keys).batch("GET", NOW, 60)
    for told in (repr(keys), repr(batch), repr(Scope(prefix="study/"))):
        assert not re.search("AKIAKEY|secret|token=|study", told.replace("secret_key", ""))


# -- policies ----------------------------------------------------------------------------------


def matches(document: str, key: str) -> bool:
    """Return whether a policy allows to get a key, read as a store reads it: `*` and `?` are
    patterns."""
    for statement in json.loads(document)["Statement"]:
        if statement["Action"] != "s3:GetObject":
            continue
        for arn in statement["Resource"]:
            pattern = re.escape(arn).replace(r"\*", ".*").replace(r"\?", ".")
            if re.fullmatch(pattern, f"arn:aws:s3:::slides/{key}", re.DOTALL):
                return True
    return False


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.text("ab*?$:\\%/. é日4", min_size=1, max_size=8), min_size=1, max_size=8),
    st.text("ab*?$:\\%/. é日4", min_size=1, max_size=8),
)
def test_policy_of_exact_keys_allows_them_and_nothing_else(keys: list[str], other: str) -> None:
    scope = exact("slides", keys)
    if scope is None:
        assert not all(map(is_expressible, keys))
        return
    document = policy("slides", scope)
    assert document is not None
    assert all(matches(document, key) for key in keys)
    assert matches(document, other) == (other in keys)


@pytest.mark.attack("T49", surface="storage")
@pytest.mark.parametrize("character", [*"*?$:\\%{}\"'\n\x7f\x85Ā日", "\ud800"])
def test_policy_never_names_a_key_that_may_mean_more(character: str) -> None:
    assert not is_expressible(f"a{character}b")
    assert policy("slides", Scope(keys=(f"a{character}b",))) is None
    assert policy("slides", Scope(prefix=f"a{character}b/")) is None


@pytest.mark.attack("T46", surface="storage")
def test_policy_of_a_prefix_stops_at_the_slash() -> None:
    document = policy("slides", Scope(prefix="trial-4/"))
    assert document is not None
    assert matches(document, "trial-4/x")
    assert not matches(document, "trial-42/x")
    assert policy("slides", Scope(prefix="trial-4")) is None


def test_policy_is_compact_ascii_and_small_enough() -> None:
    document = policy("slides", Scope(keys=("with space/é.svs",)))
    assert document is not None
    assert " " not in document
    assert document.isascii()
    assert exact("slides", [f"k{i}" for i in range(MAX_KEYS)]) is not None
    assert exact("slides", [f"k{i}" for i in range(MAX_KEYS + 1)]) is None
    assert exact("slides", ["k" * MAX_POLICY]) is None
    assert exact("slides", []) is None


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        (["a/b/1", "a/b/2"], "a/b/"),
        (["a/b/1", "a/b2/1"], "a/"),
        (["trial-4/x", "trial-42/x"], ""),
        (["a/b/1"], "a/b/"),
        (["a/b/1", "a/b/1/2"], "a/b/"),
        (["1", "2"], ""),
        ([], ""),
    ],
)
def test_folder_is_the_longest_common_prefix_with_its_slash(keys: list[str], found: str) -> None:
    assert folder(keys) == found
