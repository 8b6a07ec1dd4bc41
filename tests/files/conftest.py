"""A lake whose tables lie in a bucket, from which kernels may read large ones."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from jupyter_govdata.session import Session, connect
from tests.files.tables_world import make_tables_world
from tests.gateway.world import World
from tests.storage.s3_service import Bucket, Service

Made = tuple[World, Bucket]


@pytest.fixture(scope="module")
def service() -> Service:
    return Service.running()


@pytest.fixture
def lakes(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Made]]:
    """Make lakes of a test."""
    service.environment(monkeypatch)
    # UPSTREAM: Ceph 16 refuses the trailing checksums of newer clients.
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    with ExitStack() as made:

        def make(way: str = "signed", **settings: str | int) -> Made:
            bucket = service.bucket({})
            folder = tmp_path / bucket.name
            folder.mkdir()
            world = make_tables_world(folder, service, bucket, way, **settings)
            made.callback(world.close)
            return world, bucket

        yield make


@pytest.fixture(scope="module")
def shared_world(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A lake that no test changes."""
    with pytest.MonkeyPatch.context() as patch:
        service.environment(patch)
        patch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
        made = make_tables_world(tmp_path_factory.mktemp("tables"), service, service.bucket({}))
        yield made
        made.close()


@pytest.fixture
def shared(shared_world: World) -> Iterator[Session]:
    """Its steward, who sees tables as they are stored."""
    with connect(shared_world.lake, user="dina") as session:
        yield session


@pytest.fixture
def world(lakes: Callable[..., Made]) -> World:
    return lakes()[0]


@pytest.fixture
def dina(world: World) -> Iterator[Session]:
    """The steward, who sees tables as they are stored."""
    with connect(world.lake, user="dina") as session:
        yield session


@pytest.fixture
def unused_port() -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
