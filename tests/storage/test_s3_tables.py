"""Tables and inventories on a real store: DuckDB reads by grants, scans list buckets."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_govdata.config import GatewayConfig
from jupyter_govdata.gateway.composer import Gateway, initialise
from jupyter_govdata.gateway.inventory import Scanned
from jupyter_govdata.gateway.loading import LoadRequest
from jupyter_govdata.model.files import FilesGrant, FilesRequest
from tests.gateway.files_world import governance, row, table
from tests.storage.s3_service import Bucket, Service, needs_ceph

pytestmark = needs_ceph
needs_httpfs = pytest.mark.skipif(
    "GOVDATA_HTTPFS_PYTHON" not in os.environ, reason="`make test-all` sets it"
)
READER = Path(__file__).parent / "httpfs_reader.py"
ROWS = [row(f"files/{i}", bytes([i]), f"P{i}", "S1") for i in range(50)]


@pytest.fixture(scope="module")
def service() -> Service:
    return Service.running()


@pytest.fixture
def environment(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.environment(monkeypatch)
    # UPSTREAM: Ceph 16 refuses the trailing checksums of newer clients.
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")


@pytest.fixture(params=["signed", "session"])
def lake(
    request: pytest.FixtureRequest, tmp_path: Path, service: Service, environment: None
) -> Iterator[tuple[Gateway, Bucket]]:
    """A lake whose tables lie in a bucket, with one table of two files."""
    bucket = service.bucket({"secret/t.parquet": b"not granted"})
    source = tmp_path / "source"
    for name, text in governance("public").items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    initialise(tmp_path / "lake", "dina", source)
    storage = service.toml(bucket.name, f'public = "{request.param}"')
    with (tmp_path / "lake" / "govdata.toml").open("a") as out:
        out.write(storage.replace('assets = ["imaging"]', "tables = true"))
    catalog = {
        "type": "sql",
        "uri": f"sqlite:///{tmp_path / 'catalog.db'}",
        "warehouse": f"s3://{bucket.name}/warehouse",
        "s3.endpoint": service.endpoint,
        "s3.region": service.region,
        "s3.access-key-id": service.owner[0],
        "s3.secret-access-key": service.owner[1],
        "s3.force-virtual-addressing": "false",
    }
    gateway = Gateway(GatewayConfig(lake=tmp_path / "lake", catalog=catalog))
    for mode, rows in (("create", ROWS[:30]), ("append", ROWS[30:])):
        data = table(rows)
        request_ = LoadRequest("imaging.slides", mode)  # type: ignore[arg-type]
        gateway.loading.load("dina", request_, data.schema, iter(data.to_batches()), {})
    yield gateway, bucket
    gateway.close()


def read_by_httpfs(reads: list[str], secret: str = "") -> list[Any]:
    done = subprocess.run(
        [os.environ["GOVDATA_HTTPFS_PYTHON"], str(READER)],
        input=json.dumps({"reads": reads, "secret": secret}),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[Any] = json.loads(done.stdout)
    return found


def granted(gateway: Gateway) -> FilesGrant:
    return gateway.filing.table_grant("dina", FilesRequest("imaging.slides"))


@needs_httpfs
def test_duckdb_reads_a_whole_table_by_its_grant(
    lake: tuple[Gateway, Bucket], service: Service
) -> None:
    gateway, _ = lake
    grant = granted(gateway)
    count = "SELECT sum(bytes) + count(*) FROM read_parquet({})"
    assert grant.count == 2
    if grant.way == "signed":
        signed = gateway.filing.sign("dina", grant.grant, [0, 1], "GET")
        urls = [one.url for one in signed]
        changed = urls[0].replace("/warehouse/", "/secret/")
        found = read_by_httpfs([count.format(urls), count.format([changed])])
        assert found == [100, "refused"]
        with pytest.raises(urllib.error.HTTPError, match="403") as refused:
            urllib.request.urlopen(changed)
        refused.value.close()
        return
    told = gateway.filing.session("dina", grant.grant)
    host = service.endpoint.partition("://")[2]
    secret = (
        f"CREATE SECRET (TYPE s3, KEY_ID '{told.access_key}', SECRET '{told.secret_key}', "
        f"SESSION_TOKEN '{told.session_token}', ENDPOINT '{host}', USE_SSL false, "
        f"URL_STYLE 'path', REGION '{told.region}')"
    )
    own = [f"s3://{told.bucket}/{key}" for key in told.keys.values()]
    beside = f"s3://{told.bucket}/secret/t.parquet"
    everything = f"s3://{told.bucket}/warehouse/**/*.parquet"
    reads = [count.format(own), count.format([beside]), count.format([everything])]
    found = read_by_httpfs(reads, secret)
    assert found == [100, "refused", "refused"]


def test_whole_table_grant_holds_the_snapshots_files_only(lake: tuple[Gateway, Bucket]) -> None:
    gateway, bucket = lake
    grant = granted(gateway)
    data = table(ROWS[:1])
    request = LoadRequest("imaging.slides", "append")
    gateway.loading.load("dina", request, data.schema, iter(data.to_batches()), {})
    assert (grant.count, granted(gateway).count) == (2, 3)
    keys = bucket.owner.list_objects_v2(Bucket=bucket.name, Prefix="warehouse/")["Contents"]
    assert sum(e["Key"].endswith(".parquet") for e in keys) == 3


def test_scan_of_a_bucket_makes_an_inventory(
    tmp_path: Path, service: Service, environment: None
) -> None:
    objects = {"t/a.svs": b"1", "t/sub/b c.dcm": b"22", "t2/x": b"3", "t//odd": b"4", "t/": b""}
    bucket = service.bucket(objects, versioned=True)
    bucket.put("t/a.svs", b"newer")
    source = tmp_path / "source"
    for name, text in governance().items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    initialise(tmp_path / "lake", "dina", source)
    with (tmp_path / "lake" / "govdata.toml").open("a") as out:
        out.write(service.toml(bucket.name, ""))
    gateway = Gateway(GatewayConfig(lake=tmp_path / "lake"))
    try:
        scan = gateway.inventorying.scan
        *_, first = scan("dina", "imaging.scanned", f"s3://{bucket.name}/t", None)
        assert isinstance(first, Scanned)
        assert (first.added, len(first.unreadable)) == (3, 1)
        *_, again = scan("dina", "imaging.scanned", f"s3://{bucket.name}/t", None)
        assert isinstance(again, Scanned)
        assert (again.snapshot_id, again.unchanged) == (None, 3)
        grant = gateway.filing.grant("dina", FilesRequest("imaging.scanned"))
        _, batches, _ = gateway.filing.rows("dina", grant.grant, 0, None)
        rows = [one for batch in batches for one in batch.to_pylist()]
        sizes = {one["name"]: (one["size"], one["format"], bool(one["version"])) for one in rows}
        assert sizes["a.svs"] == (5, "svs", True)
        assert sizes["b c.dcm"] == (2, "dcm", True)
        assert "x" not in sizes
    finally:
        gateway.close()
