"""Whose session a request gets, and what is said while there is none. Real gateways come and go."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth import User

from jupyter_govdata.client.token import mint_embedded
from jupyter_govdata.config import GatewayConfig
from jupyter_govdata.gateway.composer import Gateway
from jupyter_govdata.gateway.server import Server as GatewayServer
from jupyter_govdata.server.sessions import Links, NotReadyError
from jupyter_govdata.server.work import Workers
from jupyter_govdata.session import Session, connect
from tests.server.conftest import PEOPLE
from tests.server.description import check
from tests.server.jupyter import API, Server
from tests.server.test_notebooks import started, wait_for_end
from tests.session.conftest import build
from tests.stamps.notebooks import notebook, query_cell, stamp

NOWHERE: dict[str, str | None] = {
    "GOVDATA_GATEWAY": None,
    "GOVDATA_LAKE": None,
    "GOVDATA_USER": None,
    "GOVDATA_TOKEN_FILE": None,
}


@pytest.fixture(scope="module")
def small_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake that has no gateway but those of the tests of this module."""
    return build(tmp_path_factory.mktemp("small"))


def status(server: Server, user: str = "") -> Any:
    answer = server.get("status", user=user)
    assert answer.status == 200, answer.text
    return check("GET", "status", answer)


def ready(server: Server) -> Any:
    """Return the state once the session is there."""
    assert server.get("catalog").status == 200
    return status(server)


def settled(server: Server) -> Any:
    """Return the state once an attempt to open a session has ended; each question waits for it."""
    while (told := status(server))["state"] == "starting":
        pass
    return told


# -- the gateway -------------------------------------------------------------------------------


def test_server_without_configuration_says_so_and_makes_no_lake(
    tmp_path: Path, small_lake: Path
) -> None:
    data = tmp_path / "data-home"
    environment = NOWHERE | {"XDG_DATA_HOME": str(data), "GOVDATA_USER": "ana"}
    server = Server(tmp_path / "server", environment=environment)
    try:
        # Arrow and DuckDB are imported by the first question.
        assert server.get("catalog").status == 503
        told = settled(server)
        assert (told["state"], told["error"]["code"]) == ("unconfigured", "config")
        assert (told["principal"], told["wall"]) == (None, None)
        for path in ("catalog", "assets/trials.patients", "requests"):
            answer = server.get(path)
            assert (answer.status, check("GET", path, answer)["code"]) == (503, "config")
        assert not data.exists()
        (data / "jupyter_govdata").mkdir(parents=True)
        (data / "jupyter_govdata" / "lake").symlink_to(small_lake)
        assert ready(server)["state"] == "ready"
    finally:
        server.close()


def test_embedded_gateway_is_started_once_and_again_after_it_was_killed(
    tmp_path: Path, small_lake: Path
) -> None:
    environment = NOWHERE | {"GOVDATA_LAKE": str(small_lake), "GOVDATA_USER": "ana"}
    server = Server(tmp_path / "server", environment=environment)
    try:
        with (small_lake / "run" / "start.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # It cannot start now: the state is said at once, and nothing else of the server waits.
            assert status(server)["state"] == "starting"
            assert server.fetch("GET", "/api/status").status == 200
        assert ready(server)["principal"] == "ana"
        run_file = small_lake / "run" / "gateway.json"
        first = json.loads(run_file.read_text())["pid"]
        with connect(small_lake, user="ana"):
            assert json.loads(run_file.read_text())["pid"] == first
        os.kill(first, signal.SIGKILL)
        wait_for_end(first)
        assert ready(server)["state"] == "ready"
        second = json.loads(run_file.read_text())["pid"]
        assert second != first
        # A gateway that cannot end does not keep the server, and ends when it can.
        os.kill(second, signal.SIGSTOP)
    finally:
        server.close()
    os.kill(second, signal.SIGCONT)
    wait_for_end(second)


def test_server_ends_while_a_session_is_being_opened(tmp_path: Path, small_lake: Path) -> None:
    later = tmp_path / "later"
    environment = NOWHERE | {"GOVDATA_LAKE": str(later), "GOVDATA_USER": "ana"}
    server = Server(tmp_path / "server", environment=environment)
    run = small_lake / "run"
    run.mkdir(exist_ok=True)
    with (run / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert server.get("catalog").status == 503
        later.symlink_to(small_lake)
        assert status(server)["state"] == "starting"
        server.close()
    assert server.process.returncode == 0, server.log.read_text()
    assert "Traceback" not in server.log.read_text()


class Team:
    """A team's gateway at an address that stays the same."""

    def __init__(self, lake: Path) -> None:
        self._lake = lake
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"grpc://127.0.0.1:{free.getsockname()[1]}"
        self._running: tuple[Gateway, GatewayServer] | None = None

    def start(self) -> None:
        gateway = Gateway(GatewayConfig(lake=self._lake, listen=self.address))
        self._running = gateway, GatewayServer(gateway)

    def stop(self) -> None:
        if self._running is not None:
            gateway, server = self._running
            server.shutdown()
            gateway.close()
            self._running = None


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    made = Team(build(tmp_path))
    yield made
    made.stop()


def test_team_gateway_that_is_down_is_unreachable_and_found_when_it_is_back(
    tmp_path: Path, team: Team
) -> None:
    token = tmp_path / "token"
    token.write_text(mint_embedded(tmp_path / "lake", "ana"))
    environment = NOWHERE | {"GOVDATA_GATEWAY": team.address, "GOVDATA_TOKEN_FILE": str(token)}
    secret = "server-token-of-this-test"
    server = Server(tmp_path / "server", environment=environment, token=secret)
    try:
        down = server.get("catalog")
        assert (down.status, down.json["code"]) == (503, "gateway_unreachable")
        assert settled(server)["state"] == "unreachable"
        team.start()
        assert ready(server)["principal"] == "ana"
        team.stop()
        told = status(server)
        assert (told["state"], told["error"]["code"]) == ("unreachable", "gateway_unreachable")
        for path in ("catalog", "assets/trials.patients", "assets/trials.patients/preview"):
            answer = server.get(path)
            assert (answer.status, check("GET", path, answer)["code"]) == (
                503,
                "gateway_unreachable",
            )
        cell = query_cell("SELECT 1", stamp("SELECT 1", {"trials.patients": 7}), id="q")
        body = {"path": "x.ipynb", "content": dict(notebook(cell))}
        pins = check("POST", "notebooks/pins", server.post("notebooks/pins", body))
        assert pins["error"]["code"] == "gateway_unreachable"
        assert [(a["asset"], a["why"]) for a in pins["assets"]] == [
            ("trials.patients", "not compared")
        ]
        team.start()
        assert ready(server)["state"] == "ready"
        server.fetch("GET", f"{API}assets/no.such?token={secret}", token="wrong")
        server.fetch("GET", f"{API}catalog?token={secret}&limit=x", token="wrong")
    finally:
        server.close()
    log = server.log.read_text()
    assert secret not in log
    assert token.read_text() not in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"GOVDATA_USER": "ghost"}, "authentication"),
        ({"GOVDATA_LAKE": "/no/such/lake"}, "config"),
        ({"GOVDATA_PINS": "{"}, "config"),
        ({"GOVDATA_GATEWAY": "grpc://elsewhere.example:1"}, "config"),
    ],
    ids=str,
)
def test_settings_that_are_wrong_are_named_without_a_path(
    lake: Path,
    dina: Session,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    code: str,
) -> None:
    environment = NOWHERE | {"GOVDATA_LAKE": str(lake), "GOVDATA_USER": "ana"} | variables
    for name, value in environment.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)

    async def asked() -> tuple[NotReadyError, Any]:
        workers = Workers()
        links = Links(workers)
        link = links.of(User("anybody"))
        with pytest.raises(NotReadyError) as caught:
            await link.call(lambda session, _: session.whoami())
        told = await link.status()
        await links.close(60)
        workers.close()
        return caught.value, told

    error, told = asyncio.run(asked())
    assert (error.state, error.status_code, error.problem["code"]) == ("unconfigured", 503, code)
    assert told["state"] in ("unconfigured", "starting")
    for folder in (str(lake.parent), "/no/such"):
        assert folder not in json.dumps([error.problem, told])


# -- whose session -----------------------------------------------------------------------------


def test_identities_that_the_configuration_tells_apart_get_sessions_of_their_own(
    shared: Server,
) -> None:
    assert {user: status(shared, user)["principal"] for user in ("ana", "dina", "miko")} == {
        "ana": "ana",
        "dina": "dina",
        "miko": "miko",
    }


def test_several_identities_without_a_rule_get_no_session(tmp_path: Path, lake: Path) -> None:
    people = PEOPLE.format(lake=str(lake)).replace("c.GovDataExtension.sign_in = sign_in", "")
    environment = NOWHERE | {"GOVDATA_LAKE": str(lake), "GOVDATA_USER": "ana"}
    server = Server(tmp_path / "server", people, environment)
    try:
        for user in ("ana", "dina", "t"):
            for path in ("status", "catalog"):
                answer = server.get(path, user=user)
                told = check("GET", path, answer)
                assert (answer.status, told["code"]) == (403, "not_your_server")
    finally:
        server.close()


def test_hub_lets_the_owner_of_the_server_alone_use_its_session(tmp_path: Path, lake: Path) -> None:
    people = PEOPLE.format(lake=str(lake)).replace("c.GovDataExtension.sign_in = sign_in", "")
    environment = NOWHERE | {
        "GOVDATA_LAKE": str(lake),
        "GOVDATA_USER": "ana",
        "JUPYTERHUB_USER": "ana",
    }
    server = Server(tmp_path / "server", people, environment)
    try:
        assert server.get("catalog", user="ana").status == 200
        assert status(server, "ana")["principal"] == "ana"
        for user in ("dina", "t"):
            answer = server.get("catalog", user=user)
            assert (answer.status, answer.json["code"]) == (403, "not_your_server")
    finally:
        server.close()


# -- the end -----------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_jobs_end_with_their_server(tmp_path: Path, lake: Path, end: signal.Signals) -> None:
    environment = NOWHERE | {"GOVDATA_LAKE": str(lake), "GOVDATA_USER": "ana"}
    server = Server(tmp_path / "server", environment=environment)
    try:
        ((_, kernel),) = started(server, "endless")
        server.process.send_signal(end)
        wait_for_end(kernel)
    finally:
        server.close()
