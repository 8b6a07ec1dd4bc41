"""Where a session's gateway is: a child process over a local lake, or a team's address.

Runs in the kernel.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from jupyter_govdata.client.token import mint_embedded
from jupyter_govdata.config import ClientSettings
from jupyter_govdata.errors import (
    AuthenticationError,
    ConfigError,
    GatewayUnreachableError,
    LakeLockedError,
    from_wire,
)

TOKEN_SECONDS = 3600


class EmbeddedGateway:
    """A gateway over a lake folder, as a child process of whoever needed it first.

    All sessions of this OS user on one lake share it. It ends with the process that started it;
    the next call of another session then starts a new one.
    """

    tls_roots: bytes | None = None

    def __init__(self, lake: Path, user: str) -> None:
        """Use the lake folder `lake` as principal `user`.

        Raises:
            ConfigError: The folder is no lake.
        """
        if not (lake / "govdata.toml").exists():
            raise ConfigError(
                f"`{lake}` is not a lake", hint=f"make one with `jupyter govdata init {lake}`"
            )
        self.lake = lake
        self.user = user
        self._child: subprocess.Popen[bytes] | None = None
        self._token = ""
        self._renew_at = 0.0

    def __repr__(self) -> str:
        return f"EmbeddedGateway({str(self.lake)!r}, {self.user!r})"

    def location(self) -> str:
        """Return the address of the running gateway of this lake, starting one if there is none.

        Raises:
            GovDataError: It cannot start; the reason is the gateway's own.
        """
        run = self.lake / "run"
        run.mkdir(exist_ok=True)
        with (run / "start.lock").open("w") as lock:
            # Only one session starts a gateway; the others wait here and find it running.
            fcntl.flock(lock, fcntl.LOCK_EX)
            return self._running() or self._start()

    def _running(self) -> str | None:
        try:
            with (self.lake / "run" / "gateway.lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except OSError:
            with suppress(OSError, ValueError, KeyError):
                found = json.loads((self.lake / "run" / "gateway.json").read_text("utf-8"))
                return str(found["address"])
            raise LakeLockedError(
                "another gateway holds this lake but does not say where it listens",
                hint="connect to it by its address, or stop it",
            ) from None
        return None

    def _start(self) -> str:
        self.close()
        log = os.open(
            self.lake / "run" / "gateway.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )
        try:
            self._child = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
                [
                    *(sys.executable, "-m", "jupyter_govdata.gateway", "serve", "--child"),
                    *("--lake", str(self.lake)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # A Ctrl-C in the terminal or a notebook's Stop is for the query, not for it.
                start_new_session=True,
            )
        finally:
            os.close(log)
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        try:
            answer = json.loads(line)
        except ValueError as exc:
            self.close()
            raise GatewayUnreachableError(
                "the gateway did not start", hint=f"see {self.lake / 'run' / 'gateway.log'}"
            ) from exc
        if "error" in answer:
            self.close()
            raise from_wire(answer["error"])
        return str(answer["address"])

    def token(self, *, renew: bool) -> str:
        """Return a token for `user`, minted with the lake's own key.

        Raises:
            AuthenticationError: This OS user cannot read the key.
        """
        if renew or time.time() > self._renew_at:
            self._token = mint_embedded(self.lake, self.user, TOKEN_SECONDS)
            self._renew_at = time.time() + TOKEN_SECONDS - 120
        return self._token

    def close(self) -> None:
        """Let go of the child: it ends when nobody else's call is running."""
        if self._child is not None:
            assert self._child.stdin is not None
            assert self._child.stdout is not None
            with suppress(BrokenPipeError):
                self._child.stdin.close()
            self._child.stdout.close()
            self._child.wait(timeout=30)
            self._child = None


class TeamGateway:
    """A gateway at an address, run by somebody else."""

    def __init__(
        self, address: str, token: Callable[[], str], tls_roots: bytes | None = None
    ) -> None:
        """Use the gateway at `address` (``grpc+tls://host:port``).

        Raises:
            ConfigError: The address is not one, or leaves this machine without TLS.
        """
        host = address.partition("://")[2].rsplit(":", 1)[0]
        if address.startswith("grpc://") and host not in ("127.0.0.1", "localhost", "[::1]"):
            raise ConfigError(f"`{address}` would send your token in clear", hint="use grpc+tls://")
        if not address.startswith(("grpc://", "grpc+tls://")):
            raise ConfigError(f"`{address}` is not a gateway address", hint="grpc+tls://host:port")
        self._address = address
        self._source = token
        self._token = ""
        self.tls_roots = tls_roots

    def __repr__(self) -> str:
        return f"TeamGateway({self._address!r})"

    def location(self) -> str:
        """Return the address."""
        return self._address

    def token(self, *, renew: bool) -> str:
        """Return the token that the session was given a source for.

        Raises:
            AuthenticationError: The source gives none.
        """
        if renew or not self._token:
            self._token = self._source()
            if not self._token:
                raise AuthenticationError("there is no token", hint="sign in again")
        return self._token

    def close(self) -> None:
        """Do nothing: the gateway is not ours."""


def _token_source(settings: ClientSettings) -> Callable[[], str]:
    if settings.token_file:
        return lambda: Path(settings.token_file).read_text(encoding="utf-8").strip()
    if "JUPYTERHUB_API_TOKEN" in os.environ:
        return lambda: os.environ["JUPYTERHUB_API_TOKEN"]
    raise ConfigError(
        "no token is configured for this gateway",
        hint="set GOVDATA_TOKEN_FILE, or pass token=...",
    )


def default_lake() -> Path:
    """Return the lake folder that is used when nothing is configured."""
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "jupyter_govdata" / "lake"


def make_lake(folder: Path, *, steward: str | None = None, governance: Path | None = None) -> None:
    """Make a lake folder by the gateway's own `init`.

    Raises:
        GovDataError: The gateway's reason, for example that the folder is a lake already.
    """
    command = [sys.executable, "-m", "jupyter_govdata.gateway", "init", str(folder)]
    command += ["--steward", steward or getpass.getuser()]
    if governance is not None:
        command += ["--governance", str(governance)]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError) as exc:
        raise ConfigError(
            f"the lake could not be made: {done.stderr.decode(errors='replace')[-400:]}"
        ) from exc
    if "error" in answer:
        raise from_wire(answer["error"])


def find_endpoint(
    target: str | Path | None,
    settings: ClientSettings,
    *,
    user: str | None,
    token: str | Callable[[], str] | None,
) -> EmbeddedGateway | TeamGateway:
    """Return the endpoint for a target: an address, a lake folder, or None for the default.

    With None and no settings, the default lake of this OS user is made on first use.

    Raises:
        ConfigError: No lake, no token, or an unusable address.
    """
    target = target or settings.target
    if isinstance(target, str) and target.startswith(("grpc://", "grpc+tls://")):
        if callable(token):
            source = token
        elif token:
            fixed = str(token)
            source = lambda: fixed  # noqa: E731
        else:
            source = _token_source(settings)
        roots = Path(settings.tls_roots).read_bytes() if settings.tls_roots else None
        return TeamGateway(target, source, roots)
    folder = Path(target).expanduser().absolute() if target else default_lake()
    if not target and not (folder / "govdata.toml").exists():
        make_lake(folder)
    return EmbeddedGateway(folder, user or settings.user or getpass.getuser())
