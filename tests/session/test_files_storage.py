"""Files that come from the store itself: by signed addresses and by credentials, with no trace."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.ultratb import VerboseTB

from jupyter_govdata.client.sigv4 import signed_get
from jupyter_govdata.errors import AccessDeniedError, GovDataError
from jupyter_govdata.files.fileset import FileSet
from jupyter_govdata.model.files import FileSession
from jupyter_govdata.session import Session, connect
from tests.gateway.files_world import consents, make_files_world, row, table
from tests.gateway.world import World
from tests.storage.s3_service import Service, needs_ceph

CONTENT = {
    f"slides/{name}": random.Random(i).randbytes(size)
    for i, (name, size) in enumerate(
        {"a.svs": 3_000_000, "b with space.svs": 10, "ü=x+y.svs": 70_000, "empty.svs": 0}.items()
    )
}
TRACES = ("X-Amz-Signature", "X-Amz-Credential", "AWS4-HMAC", "Bearer ")


@pytest.fixture(params=["signed", "session"])
def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """A lake whose files are in a bucket, opened by one of the two direct ways."""
    service = Service.running()
    service.environment(monkeypatch)
    bucket = service.bucket({}, versioned=request.param == "signed")
    rows = []
    for i, (key, content) in enumerate(CONTENT.items()):
        version, _ = bucket.put(key, content)
        rows.append(row(f"s3://{bucket.name}/{key}", content, f"P{i}", "S1", version))
    made = make_files_world(tmp_path, service.toml(bucket.name, f'internal = "{request.param}"'))
    made.load("governance.consent", consents({f"P{i}": True for i in range(len(CONTENT))}))
    made.load("imaging.slides", table(rows))
    yield made
    made.close()


@pytest.fixture
def steward(world: World) -> Iterator[Session]:
    with connect(world.lake, user="dina") as session:
        yield session


@needs_ceph
def test_files_come_from_the_store_whole_and_in_ranges(steward: Session, tmp_path: Path) -> None:
    files = steward.files("imaging.slides")
    assert files.way in ("signed", "session")
    for file, content in zip(files, CONTENT.values(), strict=True):
        assert file.read() == content
        assert file.read_range(3, 5) == content[3:8]
        with file.open() as stream:
            stream.seek(max(0, len(content) - 4))
            assert stream.read() == content[-4:]
    paths = files.download(tmp_path / "out")
    assert [p.read_bytes() for p in paths] == list(CONTENT.values())


@needs_ceph
def test_address_that_ended_is_made_anew(steward: Session) -> None:
    files = steward.files("imaging.slides")
    content = CONTENT["slides/a.svs"]
    assert files["a.svs"].read_range(0, 10) == content[:10]
    for known in (files._granted._signed, {}):
        for position, address in known.items():
            past = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
            url = address.url[:-4] + "0000"  # the store refuses it
            known[position] = type(address)(address.index, "GET", url, address.headers, past)
    assert files["a.svs"].read() == content


@needs_ceph
def test_withdrawal_ends_what_comes_from_the_store(world: World) -> None:
    with connect(world.lake, user="miko") as miko, connect(world.lake, user="dina") as dina:
        files = miko.files("imaging.slides")
        first, last = files[0], files[2]
        whole = last.read()
        dina.consent("T:patient", "P0", "model_training", "withdrawn")
        # Addresses live for a minute, credentials longer: here they end at once.
        files._granted._signed.clear()
        files._granted._session = None
        with pytest.raises(AccessDeniedError) as refused:
            first.read()
        assert refused.value.detail["file"] == first.name
        assert last.read() == whole


@needs_ceph
def test_no_secret_is_shown_anywhere(
    steward: Session, world: World, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    files = steward.files("imaging.slides")
    seen = [repr(files), files._repr_html_()]
    file = files[0]
    stream = file.open()
    stream.read(10)
    files.download(tmp_path / "out")
    secrets = list(_secrets(files))
    assert secrets
    for shown in (steward, files, file, stream, files.fs(), files.table(), files._granted):
        seen += [repr(shown), str(shown), repr(getattr(shown, "__dict__", ""))]
    bucket = Service.running()
    client = bucket.client(*bucket.owner)
    name = str(file.row["uri"]).split("/")[2]
    for found in client.list_object_versions(Bucket=name).get("Versions", ()):
        client.delete_object(Bucket=name, Key=found["Key"], VersionId=found["VersionId"])
    with pytest.raises(GovDataError) as failed:
        file.read()
    seen.append(repr(failed.value) + str(failed.value) + repr(failed.value.detail))
    seen.append(VerboseTB().text(failed.type, failed.value, failed.tb))
    assert failed.value.__context__ is None or "http" not in repr(failed.value.__context__)
    # The boto3 of this very test logs what it does; the log of the product is what counts.
    own = [r for r in caplog.records if not r.name.startswith(("botocore", "boto3", "urllib3"))]
    seen += [r.getMessage() for r in own]
    for text in seen:
        for secret in (*secrets, *TRACES):
            assert secret not in text


def _secrets(files: FileSet) -> Iterator[str]:
    """Yield what must be seen nowhere; it is there, in private attributes."""
    granted = files._granted
    for address in granted._signed.values():
        yield address.url.rpartition("=")[2]
    if granted._session is not None:
        yield granted._session.secret_key
        yield granted._session.session_token


@pytest.mark.parametrize("key", ["a/b.svs", "b with space", "ü/試=x+y&z.svs", "a:b;c@d$,e~f'()!*"])
def test_signature_is_that_of_the_stores_own_library(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = pytest.importorskip("botocore.auth")
    request = pytest.importorskip("botocore.awsrequest").AWSRequest
    credentials = pytest.importorskip("botocore.credentials").Credentials
    now = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)
    session = FileSession(
        access_key="AK",
        secret_key=hashlib.sha256(key.encode()).hexdigest(),
        session_token="t/+=k",
        endpoint="https://s3.example.org:9000",
        region="eu-central-1",
        expires_at=now + dt.timedelta(hours=1),
        bucket="my-bucket",
        prefix="",
        keys={7: key},
    )
    ours = signed_get(session, 7, now)
    assert ours.expires_at == now + dt.timedelta(seconds=60)

    class Clock(dt.datetime):
        @classmethod
        def utcnow(cls) -> Any:
            return now.replace(tzinfo=None)

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return now.astimezone(tz) if tz else now.replace(tzinfo=None)

    if hasattr(auth, "get_current_datetime"):
        monkeypatch.setattr(auth, "get_current_datetime", lambda *a, **k: now.replace(tzinfo=None))
    else:
        monkeypatch.setattr(auth.datetime, "datetime", Clock)
    theirs = request("GET", ours.url.partition("?")[0])
    auth.S3SigV4QueryAuth(
        credentials("AK", session.secret_key, "t/+=k"), "s3", "eu-central-1", expires=60
    ).add_auth(theirs)
    assert (
        theirs.url.rpartition("X-Amz-Signature=")[2] == ours.url.rpartition("X-Amz-Signature=")[2]
    )
