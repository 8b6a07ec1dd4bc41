"""A Jupyter server in a process of its own, with our extension as the wheel enables it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

ROOT = Path(__file__).parent.parent.parent
TOKEN = "t"
API = "/jupyter_govdata/"
OTHERS = ("jupyter_lsp", "jupyter_server_terminals", "jupyterlab", "notebook", "notebook_shim")
"""Extensions of other packages, which take most of a server's start."""


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class Server:
    """A Jupyter server without anybody's own settings.

    Args:
        folder: Of its root, settings and log.
        config: Text of its ``jupyter_server_config.py``.
        environment: More variables; None takes one away.
        token: Of its owner.
    """

    def __init__(
        self,
        folder: Path,
        config: str = "",
        environment: Mapping[str, str | None] | None = None,
        token: str = TOKEN,
    ) -> None:
        self.token = token
        self.root = folder / "root"
        self.root.mkdir(parents=True)
        settings = folder / "settings"
        settings.mkdir()
        (settings / "jupyter_server_config.py").write_text(config)
        without = {"ServerApp": {"jpserver_extensions": dict.fromkeys(OTHERS, False)}}
        (settings / "jupyter_server_config.json").write_text(json.dumps(without))
        enabled = folder / "enabled" / "jupyter_server_config.d"
        enabled.mkdir(parents=True)
        # Where the wheel puts it; see `test_wheel_enables_the_extension`.
        shutil.copy(ROOT / "jupyter_govdata/server/enable.json", enabled / "jupyter_govdata.json")
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        variables = {
            **os.environ,
            "JUPYTER_CONFIG_DIR": str(settings),
            "JUPYTER_CONFIG_PATH": str(enabled.parent),
            "JUPYTER_NO_CONFIG": "",
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "JUPYTER_TOKEN": token,
            **(environment or {}),
        }
        self.log = folder / "log"
        options = [
            "--no-browser",
            "--allow-root",
            f"--port={self.port}",
            "--ServerApp.port_retries=0",
        ]
        command = [sys.executable, "-m", "jupyter_server", *options]
        self.process = subprocess.Popen(
            [*command, f"--ServerApp.root_dir={self.root}"],
            env={k: v for k, v in variables.items() if v is not None},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._copy_log, daemon=True)
        self._reader.start()
        assert self._ready.wait(60), self.log.read_text()
        self._connect()

    def _connect(self) -> None:
        # It says that it runs a moment before it listens.
        deadline = time.monotonic() + 60
        while True:
            try:
                self.fetch("GET", "/api/status")
                return
            except URLError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()

    def _copy_log(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines, self.log.open("w") as log:
            for line in lines:
                log.write(line)
                log.flush()
                if "is running at" in line:
                    self._ready.set()
        self._ready.set()  # it ended, and `_connect` says so

    def fetch(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "",
        headers: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> Answer:
        """Send a request, as the owner by default, and return the answer, whatever its status."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        if token is not None:
            sent["Authorization"] = f"token {token or self.token}"
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, sent, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request that has to succeed and return its JSON."""
        answer = self.fetch(method, path, body)
        assert answer.status < 300, answer.text
        return answer.json

    def get(self, path: str, *, user: str = "", **headers: str) -> Answer:
        """Ask our API."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.fetch("GET", API + path, token=user, headers=named)

    def post(self, path: str, body: Any = None, *, user: str = "") -> Answer:
        """Tell our API."""
        return self.fetch("POST", API + path, {} if body is None else body, token=user)

    def save(self, name: str, nb: Any) -> Path:
        """Save a notebook as a browser does."""
        model = {"type": "notebook", "format": "json", "content": nb}
        self.call("PUT", f"/api/contents/{name}", model)
        return self.root / name

    def close(self) -> None:
        """Stop the server as a shell does."""
        self.process.terminate()
        self.process.wait(30)
        self._reader.join(30)
