"""Health and metrics of a gateway over HTTP, on loopback by default. Runs in the gateway.

SECURITY: whoever may scrape metrics may not therefore know who reads what: no label holds a
principal, an asset, a purpose or anything else that a request chose.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from jupyter_govdata.errors import ConfigError, GovDataError
from jupyter_govdata.model.decision import ACTIONS

LOOPBACK = ("127.0.0.1", "localhost", "::1")
REQUEST_SECONDS = 5.0
_DECISION_BUCKETS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
_SCAN_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


def _codes(kind: type[GovDataError]) -> frozenset[str]:
    return frozenset({kind.code}).union(*(_codes(child) for child in kind.__subclasses__()))


class Metrics:
    """Counts and times of one gateway, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self._decisions = Counter(
            "govdata_decisions", "Decisions.", ("action", "permitted"), registry=registry
        )
        self._refusals = Counter(
            "govdata_refusals", "Errors answered, by code.", ("code",), registry=registry
        )
        self._rows = Counter("govdata_scan_rows", "Rows streamed.", registry=registry)
        self._bytes = Counter("govdata_scan_bytes", "Arrow bytes streamed.", registry=registry)
        self._active = Gauge("govdata_active_streams", "Scans being streamed.", registry=registry)
        self._decision_seconds = Histogram(
            "govdata_decision_seconds",
            "Time to decide.",
            buckets=_DECISION_BUCKETS,
            registry=registry,
        )
        self._scan_seconds = Histogram(
            "govdata_scan_seconds",
            "Time to stream a part.",
            buckets=_SCAN_BUCKETS,
            registry=registry,
        )
        self._known_codes = _codes(GovDataError)

    def decided(self, action: str, *, permitted: bool) -> None:
        """Count a decision."""
        known = action if action in ACTIONS else "other"
        self._decisions.labels(known, "yes" if permitted else "no").inc()

    def refused(self, code: str) -> None:
        """Count an error that was answered, by its code."""
        self._refusals.labels(code if code in self._known_codes else "other").inc()

    def streamed(self, rows: int, size: int) -> None:
        """Count a batch of `rows` rows and `size` bytes."""
        self._rows.inc(rows)
        self._bytes.inc(size)

    @contextmanager
    def decision_timer(self) -> Iterator[None]:
        """Time a decision, permitted or not."""
        with self._decision_seconds.time():
            yield

    @contextmanager
    def active_stream(self) -> Iterator[None]:
        """Count a stream as active while it runs, and time it."""
        start = time.perf_counter()
        self._active.inc()
        try:
            yield
        finally:
            self._active.dec()
            self._scan_seconds.observe(time.perf_counter() - start)

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class HealthServer:
    """Answers ``/healthz`` and ``/metrics``, from a thread of its own, until it is closed.

    Attributes:
        address: ``http://host:port`` it listens on.
    """

    def __init__(self, address: str, metrics: Metrics, check: Callable[[], dict[str, Any]]) -> None:
        """Listen on `address` (``host:port``; port 0 picks one).

        Args:
            address: Where.
            metrics: What ``/metrics`` shows.
            check: What ``/healthz`` shows; an exception makes it answer 503.

        Raises:
            ConfigError: The address is malformed or taken.
        """
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        if not host or not port.isdigit():
            raise ConfigError(f"`health` `{address}` is not `host:port`")
        try:
            self._server = _Server((host, int(port)), metrics, check)
        except (OSError, OverflowError) as exc:
            raise ConfigError(
                f"`health` `{address}` cannot be listened on", hint="choose another port"
            ) from exc
        shown = f"[{host}]" if ":" in host else host
        self.address = f"http://{shown}:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="govdata-health", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(
        self, address: tuple[str, int], metrics: Metrics, check: Callable[[], dict[str, Any]]
    ) -> None:
        self.metrics = metrics
        self.check = check
        self.local = address[0] in LOOPBACK
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Answer)

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent about clients that hang up."""


class _Answer(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_SECONDS
    server_version = "govdata"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer a request."""
        if self.server.local and self._named_host() not in LOOPBACK:
            # SECURITY: a web page that rebinds its name to this machine names itself here.
            self._send(421, "text/plain", b"wrong host\n")
        elif self.path == "/metrics":
            self._send(200, CONTENT_TYPE_PLAIN_0_0_4, self.server.metrics.exposition())
        elif self.path == "/healthz":
            self._health()
        else:
            self._send(404, "text/plain", b"not found\n")

    def do_HEAD(self) -> None:
        """Answer a request without its body."""
        self.do_GET()

    def _named_host(self) -> str:
        host = self.headers.get("Host", "")
        return host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]

    def _health(self) -> None:
        try:
            answer, status = {"status": "ok", **self.server.check()}, 200
        except GovDataError as exc:
            # The text may name a setting or an address; the code says enough to be alerted.
            answer, status = {"status": "failing", "code": exc.code}, 503
        except Exception:  # noqa: BLE001  (whatever it is, the gateway is not healthy)
            answer, status = {"status": "failing", "code": "error"}, 503
        self._send(status, "application/json", json.dumps(answer).encode())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (inherited name)
        """Keep requests out of the gateway's log."""
