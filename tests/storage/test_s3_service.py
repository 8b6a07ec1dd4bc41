"""What leaves the gateway is refused by the store itself, wherever it goes beyond a grant.

Every refusal here is the store's own answer to a request that was really sent.
"""

from __future__ import annotations

import datetime as dt
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.fs
import pytest

from jupyter_govdata.errors import (
    AccessDeniedError,
    ConfigError,
    FileChangedError,
    GovDataError,
    StorageError,
)
from jupyter_govdata.model.files import FilesGrant
from tests.gateway.files_world import Reader, apply, consents, make_files_world, row, table
from tests.gateway.world import World
from tests.storage.s3_service import Bucket, Service, needs_ceph, status

pytestmark = needs_ceph
REFUSED = (400, 403)
IN = {
    f"trial-4/{name}": f"in scope: {name}".encode() * 9
    for name in ("a.svs", "b c+d=e&f.svs", "é.svs", "sub/x.svs")
}
OUT = {"trial-42/a.svs": b"sibling", "trial-4b": b"sibling", "other/a.svs": b"other"}


@pytest.fixture(scope="module")
def service() -> Service:
    return Service.running()


@pytest.fixture
def environment(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.environment(monkeypatch)


class Lake:
    """A lake over a bucket, and ana who may open study S1 of it."""

    def __init__(self, folder: Path, service: Service, bucket: Bucket, toml: str) -> None:
        self.service, self.bucket = service, bucket
        self.world = make_files_world(folder, toml, classification="public")
        self.world.load("governance.consent", consents({"P0": True}))
        self.reader = Reader(self.world.connect("ana"))

    def inventory(self, objects: dict[str, bytes], **facts: dict[str, str]) -> None:
        """Load an inventory; `versions` and `tags` map keys to what the store told."""
        rows = []
        for key, content in objects.items():
            one = row(f"s3://{self.bucket.name}/{key}", content, "P0", "S1")
            one["version"] = facts.get("versions", {}).get(key)
            if "tags" in facts:
                one["sha256"] = f"etag:{facts['tags'][key]}"
            rows.append(one)
        mode = "overwrite" if self.world.gateway.catalog.exists("imaging.slides") else "create"
        self.world.load("imaging.slides", table(rows), mode=mode)

    def session(self, grant: FilesGrant) -> Any:
        """Return a boto3 client by a session grant."""
        told = self.reader.act("files_session", grant)
        keys = told["access_key"], told["secret_key"], told["session_token"]
        return self.service.client(*keys)


@pytest.fixture
def make(tmp_path: Path, service: Service, environment: None) -> Iterator[Any]:
    made: list[World] = []

    def lake(
        way: str, objects: dict[str, bytes], *, versioned: bool = False, **options: Any
    ) -> Lake:
        bucket = service.bucket(objects, versioned=versioned)
        toml = service.toml(bucket.name, f'public = "{way}"', **options)
        found = Lake(tmp_path / f"l{len(made)}", service, bucket, toml)
        made.append(found.world)
        return found

    yield lake
    for world in made:
        world.close()


def fetch(url: str, method: str = "GET", data: bytes | None = None, **headers: str) -> int:
    request = urllib.request.Request(
        url, method=method, data=data, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    try:
        with urllib.request.urlopen(request) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as exc:
        with exc:
            return int(exc.code)


def everything_else_is_refused(client: Any, bucket: str, keys: list[str]) -> None:
    for key in keys:
        for call in (
            lambda k=key: client.get_object(Bucket=bucket, Key=k),
            lambda k=key: client.head_object(Bucket=bucket, Key=k),
            lambda k=key: client.get_object(Bucket=bucket, Key=k, Range="bytes=0-1"),
            lambda k=key: client.put_object(Bucket=bucket, Key=k, Body=b""),
            lambda k=key: client.delete_object(Bucket=bucket, Key=k),
        ):
            assert status(call) in REFUSED, key
    for call in (
        lambda: client.list_objects_v2(Bucket=bucket),
        lambda: client.list_objects_v2(Bucket=bucket, Prefix="trial-4"),
        lambda: client.list_objects_v2(Bucket=bucket, Prefix="trial-42/"),
        lambda: client.list_object_versions(Bucket=bucket),
        lambda: client.list_buckets(),
    ):
        assert status(call) in REFUSED


# -- proxied -----------------------------------------------------------------------------------


def test_proxied_reads_whole_and_in_ranges(make: Any) -> None:
    lake = make("proxied", IN | OUT)
    lake.inventory(IN)
    grant = lake.reader.grant()
    assert grant.way == "proxied"
    for name, index in lake.reader.indexes(grant).items():
        content = next(c for k, c in IN.items() if k.endswith(f"/{name}"))
        assert lake.reader.read(grant, index) == content
        assert lake.reader.read(grant, index, 3, 4) == content[3:7]
        assert lake.reader.read(grant, index, len(content) + 9) == b""
        assert lake.reader.act("files_stat", grant, index=index)["size"] == len(content)
    for action in ("files_session", "files_sign"):
        with pytest.raises(AccessDeniedError):
            lake.reader.act(action, grant, **({"indexes": [0]} if action == "files_sign" else {}))


@pytest.mark.attack("T53", surface="storage")
@pytest.mark.parametrize("known_by", ["sha256", "tag", "version"])
def test_proxied_notices_an_overwritten_object(make: Any, known_by: str) -> None:
    lake = make("proxied", {}, versioned=known_by == "version")
    version, tag = lake.bucket.put("a.svs", b"first!")
    facts = {"tag": {"tags": {"a.svs": tag}}, "version": {"versions": {"a.svs": version}}}
    lake.inventory({"a.svs": b"first!"}, **facts.get(known_by, {}))
    grant = lake.reader.grant()
    assert lake.reader.read(grant, 0) == b"first!"
    lake.bucket.put("a.svs", b"other!")
    if known_by == "version":
        assert lake.reader.read(grant, 0) == b"first!"
        return
    with pytest.raises(FileChangedError):
        lake.reader.read(grant, 0)


@pytest.mark.attack("T49", surface="storage")
@pytest.mark.parametrize("key", ["trial-4/../other/a.svs", "trial-4//a.svs", "/a.svs", "trial-4/"])
def test_key_that_a_reader_might_resolve_is_refused(make: Any, key: str) -> None:
    lake = make("session", IN | OUT)
    lake.inventory({key: b""})
    grant = lake.reader.grant()
    with pytest.raises(GovDataError):
        lake.reader.read(grant, 0)


@pytest.mark.attack("T46", surface="storage")
def test_address_of_another_bucket_is_served_by_no_storage(make: Any, service: Service) -> None:
    lake, other = make("proxied", IN), service.bucket({"a.svs": b"other bucket"})
    one = row(f"s3://{other.name}/a.svs", b"other bucket", "P0", "S1")
    lake.world.load("imaging.slides", table([one]))
    grant = lake.reader.grant()
    with pytest.raises(StorageError, match="no storage"):
        lake.reader.read(grant, 0)


@pytest.mark.attack("T60", surface="storage")
def test_credentials_that_are_missing_open_nothing(
    make: Any, service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No ambient key is tried: not of the environment, not of a shared file."""
    lake = make("session", IN)
    lake.inventory(IN)
    monkeypatch.delenv("GD_OWNER_KEY")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", service.owner[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", service.owner[1])
    shared = tmp_path / "shared"
    shared.write_text(
        f"[default]\naws_access_key_id={service.owner[0]}\n"
        f"aws_secret_access_key={service.owner[1]}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(shared))
    grant = lake.reader.grant()
    with pytest.raises(ConfigError, match="GD_OWNER_KEY"):
        lake.reader.read(grant, 0)


@pytest.mark.attack("T57", surface="storage")
def test_wrong_credentials_say_no_address_and_no_key(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = make("proxied", IN)
    lake.inventory(IN)
    monkeypatch.setenv("GD_OWNER_SECRET", "wrong")
    grant = lake.reader.grant()
    with pytest.raises(StorageError) as refused:
        lake.reader.read(grant, 0)
    for secret in (lake.bucket.name, "trial-4", "wrong", lake.service.owner[0], "http"):
        assert secret not in str(refused.value)


# -- signed ------------------------------------------------------------------------------------


def signed_lake(make: Any, *, versioned: bool) -> tuple[Lake, FilesGrant]:
    lake = make("signed", OUT, versioned=versioned)
    told = {key: lake.bucket.put(key, content) for key, content in IN.items()}
    if versioned:
        lake.inventory(IN, versions={k: v for k, (v, _) in told.items()})
    else:
        lake.inventory(IN, tags={k: t for k, (_, t) in told.items()})
    grant = lake.reader.grant()
    assert grant.way == "signed"
    return lake, grant


@pytest.mark.attack("T47", "T48", surface="storage")
@pytest.mark.parametrize("versioned", [True, False])
def test_signed_opens_one_object_and_nothing_else(make: Any, versioned: bool) -> None:
    lake, grant = signed_lake(make, versioned=versioned)
    told = lake.reader.act("files_sign", grant, indexes=list(range(grant.count)))
    heads = lake.reader.act("files_sign", grant, indexes=[0], method="HEAD")
    assert {t["method"] for t in told} == {"GET"}
    for one in told:
        url, headers = one["url"], one["headers"]
        assert fetch(url, **headers) == 200
        assert fetch(url, Range="bytes=0-3", **headers) == 206
        assert dt.datetime.fromisoformat(one["expires_at"]) <= dt.datetime.now(
            dt.UTC
        ) + dt.timedelta(seconds=60)
        for method in ("HEAD", "PUT", "DELETE", "POST"):
            data = b"" if method in ("PUT", "POST") else None
            assert fetch(url, method, data, **headers) in REFUSED
        assert fetch(url.replace("trial-4/", "trial-42/"), **headers) in REFUSED
        assert fetch(url.replace("X-Amz-Expires=60", "X-Amz-Expires=600"), **headers) in REFUSED
        if not versioned:
            assert fetch(url) in REFUSED
            assert fetch(url, if_match='"0"') in REFUSED
    assert fetch(heads[0]["url"], "HEAD", **heads[0]["headers"]) == 200
    assert fetch(heads[0]["url"], "GET", **heads[0]["headers"]) in REFUSED


@pytest.mark.parametrize("versioned", [True, False])
def test_signed_reads_the_granted_content_or_nothing(make: Any, versioned: bool) -> None:
    lake, grant = signed_lake(make, versioned=versioned)
    index = lake.reader.indexes(grant)["a.svs"]
    one = lake.reader.act("files_sign", grant, indexes=[index])[0]
    lake.bucket.put("trial-4/a.svs", b"another object")
    if versioned:
        with urllib.request.urlopen(one["url"]) as answer:
            assert answer.read() == IN["trial-4/a.svs"]
    else:
        assert fetch(one["url"], **one["headers"]) == 412


@pytest.mark.attack("T51", surface="storage")
def test_signed_ends_by_itself(tmp_path: Path, service: Service, environment: None) -> None:
    bucket = service.bucket({})
    _, tag = bucket.put("a.svs", b"content")
    toml = service.toml(bucket.name, 'public = "signed"').replace(
        "[storage.slides.sts]", "sign_seconds = 1\n[storage.slides.sts]"
    )
    lake = Lake(tmp_path, service, bucket, toml)
    try:
        lake.inventory({"a.svs": b"content"}, tags={"a.svs": tag})
        grant = lake.reader.grant()
        one = lake.reader.act("files_sign", grant, indexes=[0])[0]
        assert fetch(one["url"], **one["headers"]) == 200
        until = dt.datetime.fromisoformat(one["expires_at"]) + dt.timedelta(seconds=1)
        _wait_for(until)
        assert fetch(one["url"], **one["headers"]) in REFUSED
    finally:
        lake.world.close()


def _wait_for(moment: dt.datetime) -> None:
    """Wait for a moment: that time passes is what is tested."""
    while (left := (moment - dt.datetime.now(dt.UTC)).total_seconds()) > 0:
        time.sleep(left)


def test_signed_is_not_given_without_a_version_or_tag(make: Any) -> None:
    lake = make("signed", IN)
    lake.inventory(IN)
    assert lake.reader.grant().way == "proxied"


@pytest.mark.attack("T50", surface="storage")
def test_signed_is_refused_after_the_withdrawal(make: Any) -> None:
    lake, _ = signed_lake(make, versioned=False)
    miko = Reader(lake.world.connect("miko"))
    grant = miko.grant()
    assert miko.act("files_sign", grant, indexes=[0])
    lake.world.gateway.loading.consent(
        "dina", "T:patient", "P0", "model_training", "withdrawn", "letter"
    )
    with pytest.raises(AccessDeniedError):
        miko.act("files_sign", grant, indexes=[0])


def test_reclassified_asset_is_no_longer_signed(make: Any) -> None:
    lake, grant = signed_lake(make, versioned=False)
    apply(lake.world, classification="restricted")
    with pytest.raises(AccessDeniedError):
        lake.reader.act("files_sign", grant, indexes=[0])
    assert lake.reader.read(grant, 0)
    assert lake.reader.grant().way == "proxied"


# -- session -----------------------------------------------------------------------------------


@pytest.mark.attack("T48", surface="storage")
def test_session_of_exact_keys_opens_them_and_nothing_else(make: Any) -> None:
    lake = make("session", IN | OUT)
    lake.inventory(IN)
    grant = lake.reader.grant()
    assert grant.way == "session"
    client = lake.session(grant)
    told = lake.reader.act("files_session", grant)
    assert (told["prefix"], sorted(told["keys"].values())) == ("", sorted(IN))
    for key, content in IN.items():
        assert client.get_object(Bucket=lake.bucket.name, Key=key)["Body"].read() == content
        assert status(lambda k=key: client.head_object(Bucket=lake.bucket.name, Key=k)) == 200
        assert (
            status(lambda k=key: client.put_object(Bucket=lake.bucket.name, Key=k, Body=b""))
            in REFUSED
        )
    everything_else_is_refused(client, lake.bucket.name, list(OUT))


@pytest.mark.attack("T46", surface="storage")
def test_session_of_a_prefix_opens_what_lies_below_and_nothing_else(make: Any) -> None:
    many = {f"trial-4/{i:03d}.svs": bytes([i]) for i in range(60)}
    lake = make("session", many | OUT)
    lake.inventory(many)
    grant = lake.reader.grant()
    assert grant.way == "session"
    told = lake.reader.act("files_session", grant)
    assert told["prefix"] == "trial-4/"
    client = lake.session(grant)
    for key, content in many.items():
        assert client.get_object(Bucket=lake.bucket.name, Key=key)["Body"].read() == content
    listed = client.list_objects_v2(Bucket=lake.bucket.name, Prefix="trial-4/")
    assert {e["Key"] for e in listed["Contents"]} == set(many)
    everything_else_is_refused(client, lake.bucket.name, list(OUT))


def test_session_of_a_prefix_that_holds_more_is_not_given(make: Any) -> None:
    many = {f"trial-4/{i:03d}.svs": bytes([i]) for i in range(60)}
    lake = make("session", many | {"trial-4/not-granted": b"x"})
    lake.inventory(many)
    assert lake.reader.grant().way == "proxied"


def test_session_is_not_renewed_when_its_prefix_holds_more(make: Any) -> None:
    many = {f"trial-4/{i:03d}.svs": bytes([i]) for i in range(60)}
    lake = make("session", many)
    lake.inventory(many)
    grant = lake.reader.grant()
    assert lake.session(grant)
    lake.bucket.put("trial-4/late.svs", b"no row")
    with pytest.raises(AccessDeniedError):
        lake.reader.act("files_session", grant)


@pytest.mark.parametrize(
    "key", ["a*.svs", "a?.svs", "a$b.svs", "a:b.svs", "a\\b", "a%2fb", "日.svs"]
)
def test_session_is_not_given_for_a_key_that_may_mean_more(make: Any, key: str) -> None:
    lake = make("session", {})
    _, tag = lake.bucket.put(key, b"content")
    lake.inventory({key: b"content"}, tags={key: tag})
    grant = lake.reader.grant()
    assert grant.way == "signed"
    one = lake.reader.act("files_sign", grant, indexes=[0])[0]
    assert fetch(one["url"], **one["headers"]) == 200
    assert lake.reader.read(grant, 0) == b"content"


def test_session_ends_by_itself(make: Any) -> None:
    lake = make("session", IN, seconds=2)
    lake.inventory(IN)
    grant = lake.reader.grant()
    told = lake.reader.act("files_session", grant)
    client = lake.service.client(told["access_key"], told["secret_key"], told["session_token"])
    key = "trial-4/a.svs"
    assert status(lambda: client.get_object(Bucket=lake.bucket.name, Key=key)) == 200
    presigned = client.generate_presigned_url(
        "get_object", Params={"Bucket": lake.bucket.name, "Key": key}, ExpiresIn=600
    )
    _wait_for(dt.datetime.fromisoformat(told["expires_at"]) + dt.timedelta(seconds=1.5))
    assert status(lambda: client.get_object(Bucket=lake.bucket.name, Key=key)) in REFUSED
    assert fetch(presigned) in REFUSED


def test_session_cannot_assume_its_role_again(make: Any, service: Service) -> None:
    lake = make("session", IN | OUT)
    lake.inventory(IN)
    told = lake.reader.act("files_session", lake.reader.grant())
    sts = service.client(
        told["access_key"], told["secret_key"], told["session_token"], service="sts"
    )
    assert status(lambda: sts.assume_role(RoleArn=service.role, RoleSessionName="again")) in REFUSED


def test_session_of_a_role_that_can_be_assumed_again_is_not_given(
    make: Any, service: Service
) -> None:
    lake = make("session", IN | OUT, role=service.loose_role)
    lake.inventory(IN)
    grant = lake.reader.grant()
    with pytest.raises(ConfigError, match="again"):
        lake.reader.act("files_session", grant)
    with pytest.raises(ConfigError):
        lake.reader.act("files_session", grant)


def test_session_ends_at_once_when_its_role_is_closed(make: Any, service: Service) -> None:
    lake = make("session", IN)
    lake.inventory(IN)
    client = lake.session(lake.reader.grant())
    key = "trial-4/a.svs"
    assert status(lambda: client.get_object(Bucket=lake.bucket.name, Key=key)) == 200
    iam = service.client(*service.owner, service="iam")
    deny = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["s3:*"],'
        f'"Resource":["arn:aws:s3:::{lake.bucket.name}/*"]}}]}}'
    )
    iam.put_role_policy(RoleName="vend", PolicyName="closed", PolicyDocument=deny)
    try:
        assert status(lambda: client.get_object(Bucket=lake.bucket.name, Key=key)) in REFUSED
    finally:
        iam.delete_role_policy(RoleName="vend", PolicyName="closed")


def test_session_is_refused_when_a_row_was_withdrawn(make: Any) -> None:
    lake = make("session", IN)
    lake.inventory(IN)
    miko = Reader(lake.world.connect("miko"))
    grant = miko.grant()
    assert miko.act("files_session", grant)["keys"]
    lake.world.gateway.loading.consent(
        "dina", "T:patient", "P0", "model_training", "withdrawn", "letter"
    )
    with pytest.raises(AccessDeniedError):
        miko.act("files_session", grant)


def test_broker_itself_reads_nothing(make: Any, service: Service) -> None:
    lake = make("session", IN)
    broker, bucket = service.client(*service.broker), lake.bucket.name
    for key in IN:
        assert status(lambda k=key: broker.get_object(Bucket=bucket, Key=k)) in REFUSED
        assert status(lambda k=key: broker.head_object(Bucket=bucket, Key=k)) in REFUSED
    assert status(lambda: broker.list_objects_v2(Bucket=bucket)) in REFUSED


# -- readers -----------------------------------------------------------------------------------


def test_readers_take_session_grants(make: Any) -> None:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.table({"x": list(range(1_000))}), sink)
    objects = {"trial-4/t.parquet": sink.getvalue(), "trial-42/t.parquet": sink.getvalue()}
    lake = make("session", objects)
    lake.inventory({"trial-4/t.parquet": objects["trial-4/t.parquet"]})
    told = lake.reader.act("files_session", lake.reader.grant())
    scheme, _, host = lake.service.endpoint.partition("://")
    arrow = pyarrow.fs.S3FileSystem(
        access_key=told["access_key"],
        secret_key=told["secret_key"],
        session_token=told["session_token"],
        endpoint_override=host,
        scheme=scheme,
        region=told["region"],
    )
    base = lake.bucket.name
    assert pq.read_table(f"{base}/trial-4/t.parquet", filesystem=arrow).num_rows == 1_000
    with pytest.raises(OSError, match="ACCESS_DENIED"):
        pq.read_table(f"{base}/trial-42/t.parquet", filesystem=arrow)

    import polars as pl

    options = {
        "aws_access_key_id": told["access_key"],
        "aws_secret_access_key": told["secret_key"],
        "aws_session_token": told["session_token"],
        "aws_endpoint_url": told["endpoint"],
        "aws_region": told["region"],
        "aws_allow_http": "true",
    }
    found = pl.scan_parquet(
        f"s3://{base}/trial-4/t.parquet", storage_options=options, glob=False
    ).collect()
    assert found.height == 1_000
    with pytest.raises(Exception, match=r"403|denied|Forbidden|Permission"):
        pl.scan_parquet(
            f"s3://{base}/trial-42/t.parquet", storage_options=options, glob=False
        ).collect()
