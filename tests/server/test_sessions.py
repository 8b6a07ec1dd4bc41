"""Whose session a request gets, and what is said while there is none. Real gateways come and go."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from jupyter_govdata.session import connect
from tests.server.description import check
from tests.server.jupyter import Server
from tests.server.test_notebooks import _wait_for_end
from tests.session.conftest import build

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


def test_server_without_configuration_says_so_and_makes_no_lake(
    tmp_path: Path, small_lake: Path
) -> None:
    data = tmp_path / "data-home"
    environment = NOWHERE | {"XDG_DATA_HOME": str(data), "GOVDATA_USER": "ana"}
    server = Server(tmp_path / "server", environment=environment)
    try:
        # Arrow and DuckDB are imported by the first question.
        assert server.get("catalog").status == 503
        told = status(server)
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
        _wait_for_end(first)
        assert ready(server)["state"] == "ready"
        second = json.loads(run_file.read_text())["pid"]
        assert second != first
    finally:
        server.close()
    _wait_for_end(second)
