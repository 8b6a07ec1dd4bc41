"""Health and metrics tell an operator what is wrong, and nobody who reads what."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import prometheus_client
import pytest
from prometheus_client.parser import text_string_to_metric_families

from jupyter_govdata.errors import AccessDeniedError, ConfigError, StorageError
from jupyter_govdata.gateway.health import HealthServer, Metrics


class Check:
    """What `/healthz` asks, as the test wants it."""

    def __init__(self) -> None:
        self.failure: BaseException | None = None

    def __call__(self) -> dict[str, Any]:
        if self.failure is not None:
            raise self.failure
        return {"epoch": 7}


@pytest.fixture
def check() -> Check:
    return Check()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def server(metrics: Metrics, check: Check) -> Iterator[HealthServer]:
    opened = HealthServer("127.0.0.1:0", metrics, check)
    yield opened
    opened.close()


def ask(
    server: HealthServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(server.address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def samples(text: bytes) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_healthz_of_a_healthy_gateway_is_200_with_its_epoch(server: HealthServer) -> None:
    status, headers, body = ask(server, "/healthz")
    assert status == 200
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body) == {"status": "ok", "epoch": 7}


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (StorageError("the store at canary is gone"), "storage"),
        (RuntimeError("canary"), "error"),
        (AccessDeniedError("canary"), "access_denied"),
    ],
)
def test_healthz_of_a_failing_gateway_is_503_with_a_code_only(
    server: HealthServer, check: Check, failure: BaseException, code: str
) -> None:
    check.failure = failure
    status, _, body = ask(server, "/healthz")
    assert status == 503
    assert json.loads(body) == {"status": "failing", "code": code}
    check.failure = None
    assert ask(server, "/healthz")[0] == 200


def test_metrics_count_what_the_gateway_did(server: HealthServer, metrics: Metrics) -> None:
    metrics.decided("select", permitted=True)
    metrics.decided("select", permitted=False)
    metrics.decided("select", permitted=False)
    metrics.refused("access_denied")
    metrics.streamed(100, 4_096)
    metrics.streamed(1, 10)
    with metrics.decision_timer():
        pass
    with metrics.active_stream():
        during = samples(ask(server, "/metrics")[2])
    status, headers, body = ask(server, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    after = samples(body)
    assert after["govdata_decisions_total{action=select,permitted=yes}"] == 1
    assert after["govdata_decisions_total{action=select,permitted=no}"] == 2
    assert after["govdata_refusals_total{code=access_denied}"] == 1
    assert after["govdata_scan_rows_total"] == 101
    assert after["govdata_scan_bytes_total"] == 4_106
    assert after["govdata_decision_seconds_count"] == 1
    assert (during["govdata_active_streams"], after["govdata_active_streams"]) == (1, 0)
    assert (during["govdata_scan_seconds_count"], after["govdata_scan_seconds_count"]) == (0, 1)


def test_timers_count_what_failed_too(metrics: Metrics) -> None:
    for timer in (metrics.decision_timer, metrics.active_stream):
        with pytest.raises(KeyError), timer():
            raise KeyError
    found = samples(metrics.exposition())
    assert found["govdata_decision_seconds_count"] == found["govdata_scan_seconds_count"] == 1
    assert found["govdata_active_streams"] == 0


def test_labels_cannot_be_chosen_by_a_request(metrics: Metrics) -> None:
    for number in range(100):
        metrics.decided(f"canary-{number}", permitted=True)
        metrics.refused(f"canary-{number}")
    text = metrics.exposition()
    assert b"canary" not in text
    found = samples(text)
    assert found["govdata_decisions_total{action=other,permitted=yes}"] == 100
    assert found["govdata_refusals_total{code=other}"] == 100


def test_metrics_of_two_gateways_in_one_process_are_apart(metrics: Metrics) -> None:
    other = Metrics()
    other.streamed(5, 5)
    assert samples(metrics.exposition())["govdata_scan_rows_total"] == 0
    assert b"govdata" not in prometheus_client.generate_latest()


@pytest.mark.parametrize("path", ["/", "/metrics/../keys", "/healthz?x=1"])
def test_other_paths_are_404(server: HealthServer, path: str) -> None:
    assert ask(server, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE"])
def test_other_methods_are_refused(server: HealthServer, method: str) -> None:
    assert ask(server, "/healthz", method)[0] == 501


def test_head_answers_without_a_body(server: HealthServer) -> None:
    status, headers, body = ask(server, "/metrics", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9000", "127.0.0.1.evil.example", ""]
)
def test_page_that_rebinds_its_name_to_this_machine_is_refused(
    server: HealthServer, host: str
) -> None:
    assert ask(server, "/metrics", Host=host)[0] == 421


def test_address_is_loopback_as_configured_and_freed_on_close(
    metrics: Metrics, check: Check
) -> None:
    opened = HealthServer("127.0.0.1:0", metrics, check)
    port = urlsplit(opened.address).port
    assert opened.address == f"http://127.0.0.1:{port}"
    with pytest.raises(ConfigError, match="cannot be listened on"):
        HealthServer(f"127.0.0.1:{port}", metrics, check)
    opened.close()
    HealthServer(f"127.0.0.1:{port}", metrics, check).close()


@pytest.mark.parametrize("address", ["", "8080", ":8080", "127.0.0.1", "127.0.0.1:x", "h:99999999"])
def test_address_that_is_malformed_is_refused(metrics: Metrics, check: Check, address: str) -> None:
    with pytest.raises(ConfigError):
        HealthServer(address, metrics, check)


def test_address_of_ipv6_loopback_is_served(metrics: Metrics, check: Check) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    opened = HealthServer("[::1]:0", metrics, check)
    try:
        assert ask(opened, "/healthz")[0] == 200
    finally:
        opened.close()


def test_client_that_says_nothing_does_not_keep_others_waiting(server: HealthServer) -> None:
    parts = urlsplit(server.address)
    idle = [socket.create_connection((parts.hostname, parts.port)) for _ in range(20)]
    try:
        assert ask(server, "/healthz")[0] == 200
    finally:
        for connection in idle:
            connection.close()


def test_server_threads_end_with_it(metrics: Metrics, check: Check) -> None:
    before = {t.name for t in threading.enumerate()}
    opened = HealthServer("127.0.0.1:0", metrics, check)
    opened.close()
    assert {t.name for t in threading.enumerate()} <= before
