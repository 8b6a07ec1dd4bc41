"""A team's gateway in the test's own process, at an address that stays the same over a stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from jupyter_govdata.config import GatewayConfig
from jupyter_govdata.gateway.composer import Gateway
from jupyter_govdata.gateway.server import Server
from tests.browser.lab import free_port


@dataclass
class Team:
    """A gateway over `lake` that is started and stopped at will."""

    lake: Path
    address: str = field(default_factory=lambda: f"grpc://127.0.0.1:{free_port()}")
    _running: tuple[Gateway, Server] | None = None

    def start(self) -> None:
        gateway = Gateway(GatewayConfig(lake=self.lake, listen=self.address))
        self._running = gateway, Server(gateway)

    def stop(self) -> None:
        if self._running is not None:
            gateway, server = self._running
            server.shutdown()
            gateway.close()
            self._running = None
