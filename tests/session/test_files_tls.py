"""Files from a store with a certificate of its own, by the name of the bucket and by its path."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from jupyter_govdata.client.objects import ObjectReader
from jupyter_govdata.errors import GatewayUnreachableError, StorageError
from jupyter_govdata.model.files import FilesRequest
from jupyter_govdata.session import connect
from tests.gateway.files_world import consents, make_files_world, row, table
from tests.gateway.world import World
from tests.storage.s3_service import Service, needs_ceph

pytestmark = needs_ceph
CONTENT = b"of a slide" * 1_000
KEY = "slides/a b ü.svs"


@pytest.fixture(params=["proxied", "signed", "session"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["path", "virtual"])
def settings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Addressing and endpoint; names of buckets resolve to this machine."""
    service = Service.running()
    service.environment(monkeypatch)
    if request.param == "path":
        return "path", service.secure
    real = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        is_ours = isinstance(name, str) and name.endswith("s3.test")
        return real("127.0.0.1" if is_ours else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return "virtual", f"https://s3.test:{urlsplit(service.secure).port}"


@pytest.fixture
def storage(way: str, settings: tuple[str, str]) -> tuple[str, str]:
    """The bucket, and the storage as a steward writes it, but for `ca`."""
    addressing, endpoint = settings
    service = Service.running()
    bucket = service.bucket({KEY: CONTENT}, versioned=way == "signed")
    told = replace(service, endpoint=endpoint).toml(bucket.name, f'internal = "{way}"')
    return bucket.name, told.replace(
        "[storage.slides]", f'[storage.slides]\naddressing = "{addressing}"'
    )


def served(folder: Path, storage: tuple[str, str], ca: str) -> World:
    bucket, told = storage
    named = told.replace("[storage.slides]", f'[storage.slides]\nca = "{ca}"') if ca else told
    made = make_files_world(folder, named)
    client = Service.running().client(*Service.running().owner)
    version = client.head_object(Bucket=bucket, Key=KEY).get("VersionId", "")
    made.load("governance.consent", consents({"P0": True}))
    made.load("imaging.slides", table([row(f"s3://{bucket}/{KEY}", CONTENT, "P0", "S1", version)]))
    return made


@pytest.fixture
def world(storage: tuple[str, str], tmp_path: Path) -> Iterator[World]:
    made = served(tmp_path, storage, Service.running().ca)
    yield made
    made.close()


def test_file_comes_over_tls_that_an_own_authority_certifies(
    world: World, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", Service.running().ca)
    with connect(world.lake, user="dina") as dina:
        files = dina.files("imaging.slides")
        assert files.way == way
        assert files[0].read() == CONTENT
        assert files[0].read_range(3, 5) == CONTENT[3:8]


@pytest.mark.parametrize("way", ["signed"], indirect=True)
@pytest.mark.parametrize("settings", ["path"], indirect=True)
def test_gateway_that_does_not_know_the_authority_opens_nothing(
    storage: tuple[str, str], tmp_path: Path
) -> None:
    made = served(tmp_path, storage, "")
    try:
        filing = made.gateway.filing
        granted = filing.grant("dina", FilesRequest("imaging.slides"))
        with pytest.raises(StorageError, match="does not answer"):
            filing.stat("dina", granted.grant, 0)
    finally:
        made.close()


@pytest.mark.parametrize("way", ["signed"], indirect=True)
@pytest.mark.parametrize("settings", ["path"], indirect=True)
def test_kernel_that_does_not_know_the_authority_reads_nothing(world: World) -> None:
    filing = world.gateway.filing
    granted = filing.grant("dina", FilesRequest("imaging.slides"))
    [address] = filing.sign("dina", granted.grant, [0], "GET")
    with pytest.raises(GatewayUnreachableError):
        list(ObjectReader().read(address, 0, 4))
