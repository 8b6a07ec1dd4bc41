"""Storages as `govdata.toml` writes them: what is wrong opens nothing, and no key is looked for."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import botocore.session
import pyarrow as pa
import pytest

from jupyter_govdata.config import CredentialsConfig, read_storages
from jupyter_govdata.errors import ConfigError, StorageError
from jupyter_govdata.storage.places import Expected, checked
from jupyter_govdata.storage.s3_client import s3_client
from jupyter_govdata.storage.s3_credentials import Credentials, read_credentials
from jupyter_govdata.storage.s3_files import S3Files
from jupyter_govdata.storage.stores import Stores

KEYS = {"access_key_env": "GD_KEY", "secret_key_env": "GD_SECRET"}
S3 = {
    "type": "s3",
    "assets": ["imaging"],
    "bucket": "slides",
    "endpoint": "http://127.0.0.1:9",
    "region": "eu-central-1",
    "credentials": KEYS,
}
LOCAL = {"type": "local", "root": "files", "assets": ["imaging"]}


@pytest.mark.parametrize(
    "section",
    [
        {"type": "ftp"},
        {"type": "local", "assets": ["imaging"]},
        LOCAL | {"unknown": 1},
        LOCAL | {"assets": []},
        LOCAL | {"tables": True},
        LOCAL | {"ways": {"public": "signed"}},
        {k: v for k, v in S3.items() if k != "credentials"},
        S3 | {"prefix": "trial-4"},
        S3 | {"sign_seconds": 61},
        S3 | {"sign_seconds": 0},
        S3 | {"ways": {"public": "open"}},
        S3 | {"ways": {"public": "session"}},
        S3 | {"addressing": "other"},
        S3 | {"credentials": {}},
        S3 | {"credentials": {"access_key": "AKIA", "secret_key": "s"}},
        S3 | {"credentials": KEYS | {"file": "x"}},
        S3 | {"sts": {"credentials": KEYS}},
        "text",
    ],
    ids=str,
)
def test_setting_that_is_wrong_is_refused(section: Any) -> None:
    with pytest.raises(ConfigError):
        read_storages({"x": section})


@pytest.mark.attack("T15", surface="storage")
@pytest.mark.parametrize("root", [".", "..", "/", "keys", "keys/public", "run", "governance"])
def test_root_that_holds_the_lakes_own_files_is_refused(tmp_path: Path, root: str) -> None:
    configs = read_storages({"x": LOCAL | {"root": root}})
    with pytest.raises(ConfigError, match="own files"):
        Stores(configs, tmp_path)


@pytest.mark.attack("T55", surface="storage")
def test_address_is_served_by_the_longest_place_of_its_asset(tmp_path: Path) -> None:
    configs = read_storages(
        {
            "all": S3,
            "trial": S3 | {"prefix": "trial-4/"},
            "other": S3 | {"bucket": "other", "assets": ["lab.scans"]},
        }
    )
    stores = Stores(configs, tmp_path)

    def prefix(address: str, asset: str = "imaging.x") -> str:
        store, _ = stores.find(address, asset, tables=False)
        assert isinstance(store, S3Files)
        return store.base

    assert prefix("s3://slides/trial-4/a") == "s3://slides/trial-4/"
    assert prefix("s3://slides/trial-42/a") == "s3://slides/"
    assert prefix("s3://other/a", "lab.scans") == "s3://other/"
    for address, asset in (("s3://other/a", "imaging.x"), ("s3://slidesx/a", "imaging.x")):
        with pytest.raises(StorageError, match="no storage"):
            prefix(address, asset)
    mixed = pa.chunked_array([["s3://slides/trial-4/a", "s3://slides/b"]])
    common = stores.common(mixed, "imaging.x", tables=False)
    assert common is not None
    assert common.base == "s3://slides/"


@pytest.mark.attack("T49", surface="storage")
@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a\nb"]
)
def test_key_that_is_read_in_two_ways_is_refused(key: str) -> None:
    with pytest.raises(StorageError):
        checked(key)


@pytest.mark.parametrize("key", ["a", "a/b", "...", "a/.hidden", "a..b/c.", "a b/%2e%2e/é*?"])
def test_key_that_has_one_meaning_is_taken_as_it_is(key: str) -> None:
    assert checked(key) == key


@pytest.mark.attack("T60", surface="storage")
def test_credentials_are_taken_from_what_is_named_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ambient")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ambient")
    with pytest.raises(ConfigError, match="GD_KEY"):
        read_credentials(CredentialsConfig(**KEYS))
    monkeypatch.setenv("GD_KEY", "own")
    monkeypatch.setenv("GD_SECRET", "")
    with pytest.raises(ConfigError, match="GD_SECRET"):
        read_credentials(CredentialsConfig(**KEYS))
    monkeypatch.setenv("GD_SECRET", "own secret")
    assert read_credentials(CredentialsConfig(**KEYS)) == Credentials("own", "own secret")


@pytest.mark.attack("T59", surface="storage")
@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ('{"access_key": "k-in-file", "secret_key": "s-in-file"}', 0o644),
        ('{"access_key": "k-in-file"}', 0o600),
        ('{"access_key": "k-in-file", "secret_key": ""}', 0o600),
        ("s-in-file: no json", 0o600),
        ("[]", 0o600),
    ],
)
def test_credentials_file_that_is_unfit_is_refused_without_a_word_of_it(
    tmp_path: Path, text: str, mode: int
) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(ConfigError) as refused:
        read_credentials(CredentialsConfig(file=str(path)))
    told = "".join(traceback.format_exception(refused.value))
    assert "s-in-file" not in told
    assert "k-in-file" not in told


@pytest.mark.attack("T60", surface="storage")
def test_client_finds_no_key_but_the_one_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "missing")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere.example")
    client = s3_client(
        "http://127.0.0.1:9", "eu-central-1", "path", "", Credentials("own", "secret")
    )
    assert client._request_signer._credentials.access_key == "own"
    assert client.meta.endpoint_url == "http://127.0.0.1:9"
    client.close()
    with pytest.raises(botocore.exceptions.ProfileNotFound):
        botocore.session.Session().get_credentials()


def test_store_that_does_not_answer_says_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GD_KEY", "own-key")
    monkeypatch.setenv("GD_SECRET", "own-secret")
    store = S3Files(read_storages({"x": S3})["x"])
    key = "-".join(("trial/patient", "7.svs"))  # so that no line of this test holds it
    with pytest.raises(StorageError, match="does not answer") as failed:
        store.open(key, Expected(), (0, None))
    told = "".join(traceback.format_exception(failed.value))
    for secret in ("patient-7", "own-key", "own-secret", "127.0.0.1:9"):
        assert secret not in told, secret
    assert "own" not in repr(store)
