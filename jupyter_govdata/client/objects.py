"""Reads ranges of objects by signed addresses. Runs in the kernel.

SECURITY: an address opens its file for whoever has it. It is handed to `http.client`, which logs
nothing, and whatever fails is told without it: errors are raised outside of the `except` block,
so that no traceback holds a frame that knows it.
"""

from __future__ import annotations

import http.client
import os
import ssl
import threading
import weakref
from collections.abc import Iterator
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from jupyter_govdata.errors import GatewayUnreachableError, StorageError
from jupyter_govdata.model.files import SignedFile

CHUNK = 1 << 20
IDLE_CONNECTIONS = 16
TIMEOUT = 60.0
CONNECT_TIMEOUT = 10.0
_LOST = (OSError, http.client.HTTPException)
_STOPPED = -1


class ExpiredError(Exception):
    """The store refuses the address: it expired, or the permission behind it is gone."""


class ObjectReader:
    """Reads by signed addresses over connections that are kept open; thread-safe.

    Args:
        connect_timeout: Seconds that a store has to take a connection.
    """

    def __init__(self, connect_timeout: float = CONNECT_TIMEOUT) -> None:
        self._connect_timeout = connect_timeout
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str], list[http.client.HTTPConnection]] = {}
        self._context: ssl.SSLContext | None = None
        weakref.finalize(self, _close_all, self._idle)

    def __repr__(self) -> str:
        return "ObjectReader(...)"

    def read(self, address: SignedFile, offset: int, length: int) -> Iterator[bytes]:
        """Yield bytes ``[offset, offset + length)`` of an object.

        Raises:
            ExpiredError: The store refuses the address.
            GatewayUnreachableError: The store does not answer, or broke off.
            StorageError: The object is gone, or the store answers something else.
        """
        if length == 0:
            return
        place, connection, response, status = self._asked(address, offset, length)
        if status == _STOPPED:
            raise KeyboardInterrupt
        if response is None or status in (500, 502, 503, 504):
            _close(connection)
            raise GatewayUnreachableError("the object store does not answer", hint="try again")
        if status not in (200, 206) or (status == 200 and offset):
            _close(connection)
            raise _refusal(status)
        left = length
        try:
            while left:
                part = _part(response, min(CHUNK, left))
                if not part:
                    raise GatewayUnreachableError("the object store broke off", hint="try again")
                left -= len(part)
                yield part
        finally:
            # A whole object that was asked for by a range leaves bytes on the wire.
            if left or not response.isclosed():
                _close(connection)
            else:
                self._keep(place, connection)

    def close(self) -> None:
        """Close all connections that are kept."""
        with self._lock:
            _close_all(self._idle)

    def _asked(
        self, address: SignedFile, offset: int, length: int
    ) -> tuple[
        tuple[str, str], http.client.HTTPConnection | None, http.client.HTTPResponse | None, int
    ]:
        """Send the request, over a connection that is open already if there is one."""
        parts = urlsplit(address.url)
        place = (parts.scheme, parts.netloc)
        headers = {**address.headers, "Range": f"bytes={offset}-{offset + length - 1}"}
        target = f"{parts.path}?{parts.query}"
        for is_kept in (True, False):
            # A kept connection may have been closed by the other side; a new one has not.
            connection = self._take(place) if is_kept else self._made(place)
            if connection is None:
                continue
            try:
                if not is_kept:
                    connection.connect()
                    connection.sock.settimeout(TIMEOUT)
                connection.request(address.method, target, headers=headers)
                response = connection.getresponse()
            except _LOST:
                connection.close()
            except KeyboardInterrupt:
                connection.close()
                return place, None, None, _STOPPED
            else:
                return place, connection, response, response.status
        return place, None, None, 0

    def _take(self, place: tuple[str, str]) -> http.client.HTTPConnection | None:
        with self._lock:
            kept = self._idle.get(place)
            return kept.pop() if kept else None

    def _keep(self, place: tuple[str, str], connection: http.client.HTTPConnection | None) -> None:
        with self._lock:
            kept = self._idle.setdefault(place, [])
            if connection is not None and len(kept) < IDLE_CONNECTIONS:
                kept.append(connection)
                return
        _close(connection)

    def _made(self, place: tuple[str, str]) -> http.client.HTTPConnection:
        scheme, host = place
        if scheme != "https":
            return http.client.HTTPConnection(host, timeout=self._connect_timeout)
        proxy = None if proxy_bypass(host) else getproxies().get(scheme)
        target = host if proxy is None else urlsplit(proxy).netloc
        connection = http.client.HTTPSConnection(
            target, timeout=self._connect_timeout, context=self._trust()
        )
        if proxy is not None:
            connection.set_tunnel(host)
        return connection

    def _trust(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))
        return self._context


def _part(response: http.client.HTTPResponse, size: int) -> bytes:
    try:
        return response.read(size)
    except _LOST:
        return b""


def _refusal(status: int) -> Exception:
    if status in (400, 401, 403):
        return ExpiredError()
    if status in (404, 410, 412):
        return StorageError(
            "the file is not there any more, or was replaced", hint="ask for the files again"
        )
    return StorageError(f"the object store answers with status {status}")


def _close_all(idle: dict[tuple[str, str], list[http.client.HTTPConnection]]) -> None:
    while idle:
        _, connections = idle.popitem()
        for connection in connections:
            connection.close()


def _close(connection: http.client.HTTPConnection | None) -> None:
    if connection is not None:
        connection.close()
