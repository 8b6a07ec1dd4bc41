"""A TCP proxy in front of an HTTP service that can be told to misbehave."""

from __future__ import annotations

import socket
import struct
import threading
from types import TracebackType
from urllib.parse import urlsplit

BUSY = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
WRONG = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Proxy:
    """Passes bytes both ways; `fault` says how it fails connections that carry data from now on."""

    FAULTS = ("busy", "error", "cut", "reset", "slow")

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        assert parts.hostname is not None
        self._target = (parts.hostname, parts.port or 80)
        self.fault = ""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()

    def __enter__(self) -> Proxy:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._open):
            shut(one)
        for thread in self._threads:
            thread.join(30)
        for one in self._open:
            one.close()

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._open |= {client, server}
            self._start(self._requests, client, server)
            self._start(self._answers, server, client)

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while data := client.recv(65_536):
                if self.fault in ("busy", "error"):
                    client.sendall(BUSY if self.fault == "busy" else WRONG)
                    break
                server.sendall(data)
        except OSError:
            pass
        finally:
            shut(client)
            shut(server)

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        try:
            while data := server.recv(65_536):
                if self.fault == "cut":
                    client.sendall(data[: len(data) // 2])
                    break
                if self.fault == "reset":
                    # Closing without lingering resets the connection.
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
                if self.fault == "slow":
                    for start in range(0, len(data), 4096):
                        self._ended.wait(0.02)
                        client.sendall(data[start : start + 4096])
                    continue
                client.sendall(data)
        except OSError:
            pass
        finally:
            shut(server)
            shut(client)


def shut(connection: socket.socket) -> None:
    """End a connection; harmless if it has ended."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
