"""A JupyterLab of its own for a browser test: a process, a folder, a free port, a random token."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[2] / "jupyter_govdata"

_PLACES = (
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_RUNTIME_DIR",
    "JUPYTERLAB_SETTINGS_DIR",
    "JUPYTERLAB_WORKSPACES_DIR",
    "IPYTHONDIR",
)


def cells(*sources: str) -> dict[str, Any]:
    """A notebook that never ran, with cells `c0`, `c1` ..."""
    code = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"c{place}",
            "metadata": {},
            "outputs": [],
            "source": source,
        }
        for place, source in enumerate(sources)
    ]
    spec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": code, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Lab:
    """A running JupyterLab of one person.

    Args:
        folder: Where its files and settings go.
        environment: What is set for it and its kernels.
        app: `lab`, or `notebook` for Notebook 7.
        enabled: The server extension is switched on.
    """

    folder: Path
    environment: dict[str, str]
    app: str = "lab"
    enabled: bool = True
    port: int = field(default_factory=free_port)
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    process: subprocess.Popen[bytes] | None = None
    _said: threading.Event = field(default_factory=threading.Event)

    @property
    def root(self) -> Path:
        return self.folder / "work"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def launch(self) -> Lab:
        """Start the process; `__enter__` waits for it."""
        self.root.mkdir(parents=True, exist_ok=True)
        places = {name: str(self.folder / name.lower()) for name in _PLACES}
        news = Path(places["JUPYTERLAB_SETTINGS_DIR"]) / "@jupyterlab" / "apputils-extension"
        news.mkdir(parents=True, exist_ok=True)
        (news / "notification.jupyterlab-settings").write_text(
            json.dumps({"fetchNews": "false", "checkForUpdates": False})
        )
        # What the tree holds now, whatever an installation copied.
        extension = Path(places["JUPYTER_DATA_DIR"]) / "labextensions" / "jupyter-govdata"
        extension.parent.mkdir(parents=True, exist_ok=True)
        if not extension.is_symlink():
            extension.symlink_to(PACKAGE / "labextension")
        switch = Path(places["JUPYTER_CONFIG_DIR"]) / "jupyter_server_config.d"
        switch.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACKAGE / "server" / "enable.json", switch / "jupyter_govdata.json")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("GOVDATA_")}
        command = [
            *(sys.executable, "-m", "jupyterlab" if self.app == "lab" else self.app),
            *("--no-browser", "--ip=127.0.0.1", f"--port={self.port}", "--allow-root"),
            *("--ServerApp.port_retries=0", f"--IdentityProvider.token={self.token}"),
            f"--ServerApp.root_dir={self.root}",
            "--LabApp.expose_app_in_browser=True",
            "--JupyterNotebookApp.expose_app_in_browser=True",
            f"--ServerApp.jpserver_extensions=jupyter_govdata={self.enabled}",
        ]
        self.process = subprocess.Popen(
            command,
            env={**inherited, **places, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        threading.Thread(target=self._keep_log, args=(self.process,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop the server; it stops its kernels."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)

    def __enter__(self) -> Lab:
        if self.process is None:
            self.launch()
        assert self._said.wait(60), f"JupyterLab did not start:\n{self.log()[-3000:]}"
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Write a notebook."""
        (self.root / name).write_text(json.dumps(content))

    def address(self, page: str) -> str:
        return f"{self.url}/{page}?token={self.token}"

    def stop_kernels(self) -> None:
        """End the sessions of all notebooks, for kernels of tests that are over take memory."""
        for session in json.loads(self._ask("GET", "api/sessions") or b"[]"):
            self._ask("DELETE", f"api/sessions/{session['id']}")

    def _ask(self, method: str, path: str) -> bytes:
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.url}/{path}", headers=headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return bytes(answer.read())

    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    def _keep_log(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout
        with process.stdout as lines, (self.folder / "server.log").open("ab") as log:
            for line in lines:
                log.write(line)
                log.flush()
                if b"is running at" in line:
                    self._said.set()
        self._said.set()  # it ended, and `_wait` says so

    def _wait(self) -> None:
        # It says that it runs a moment before it listens.
        assert self.process
        end = time.monotonic() + 60
        while True:
            try:
                self._ask("GET", "api/status")
                return
            except (urllib.error.URLError, ConnectionError):
                assert self.process.poll() is None, f"JupyterLab ended:\n{self.log()[-3000:]}"
                assert time.monotonic() < end, f"JupyterLab is silent:\n{self.log()[-3000:]}"
