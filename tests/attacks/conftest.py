from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_govdata.session import Session, connect
from tests.attacks.world import State, audit_hash, build, leaks, state
from tests.gateway.conftest import fresh_world, world
from tests.notebook.conftest import Notebook, bare, shell
from tests.server.jupyter import Server

__all__ = ["bare", "fresh_world", "shell", "world"]


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake of canaries; no attack changes it."""
    return build(tmp_path_factory.mktemp("attacks"))


@pytest.fixture(scope="session")
def dina(lake: Path) -> Iterator[Session]:
    """The steward, who keeps the gateway running and sees what changed."""
    with connect(lake, user="dina") as session:
        yield session


@pytest.fixture(scope="session")
def ana(lake: Path, dina: Session) -> Iterator[Session]:
    """The attacker: an analyst with some rights, in a kernel of her own."""
    with connect(lake, user="ana") as session:
        yield session


@pytest.fixture
def notebook(bare: Notebook, lake: Path, dina: Session) -> Notebook:
    """The attacker at a notebook."""
    assert bare.run(f"%govdata connect {lake} --as ana").success
    return bare


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, lake: Path, dina: Session) -> Iterator[Server]:
    """The attacker's Jupyter server."""
    environment = {"GOVDATA_LAKE": str(lake), "GOVDATA_USER": "ana", "GOVDATA_GATEWAY": None}
    made = Server(tmp_path_factory.mktemp("desk"), environment=environment)
    assert made.get("catalog").status == 200
    yield made
    made.close()


@pytest.fixture(scope="session")
def ear() -> Iterator[socket.socket]:
    """A port of this machine that nobody has a reason to connect to."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


@pytest.fixture
def untouched(
    lake: Path,
    dina: Session,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[State]:
    """Whatever the test tries: nothing of the lake changes, and nothing is said or logged."""
    log = lake / "run" / "gateway.log"
    size = log.stat().st_size if log.exists() else 0
    before = state(dina, lake)
    yield before
    after = state(dina, lake)
    report = dina.audit(after.audited - before.audited + 1)
    assert report["chain"]["ok"], report["chain"]
    assert audit_hash(lake, before.audited) == before.head
    assert after.epoch == before.epoch
    assert after.versions == before.versions
    assert after.files == before.files
    assert after.rows == before.rows
    said = capfd.readouterr()
    logged = log.read_bytes()[size:].decode() if log.exists() else ""
    assert not leaks(caplog.text, said.out, said.err, logged, "\n".join(report["lines"]))
    assert "failed inside" not in logged
    assert "Traceback" not in logged
