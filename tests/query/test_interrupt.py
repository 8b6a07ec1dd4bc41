"""The Stop button, as a real signal to a real kernel."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).parents[2]
SET_UP = """
import threading
from tests.query.lake import small_lake
from jupyter_govdata.query.engine import QueryEngine
lake = small_lake()
engine = QueryEngine(lake, scan_cache=0)
engine.run("SELECT count(*) FROM imaging.slides")
started = threading.Event()
"""
ENDLESS = {
    "in DuckDB": """
print("ready", flush=True)
engine.run("SELECT sum(a.range * b.range) FROM range(1000000000) a, range(1000000000) b")
""",
    "in a scan that stands still": """
def stand_still(stream, batch):
    print("ready", flush=True)
    stream.cancelled.wait()
lake.on_batch = stand_still
engine.run("CREATE TABLE part AS SELECT * FROM imaging.slides")
""",
    "in a rest": """
result = engine.run("SELECT a.range AS x, b.range AS y FROM range(1000000) a, range(1000000) b")
assert not result.complete
print("ready", flush=True)
result.arrow()
""",
    "in an aggregate after the scan": """
def told(stream, batch):
    print("ready", flush=True)
lake.on_batch = told
engine.run("SELECT sum(length(s.stain) * a.range * b.range) "
           "FROM imaging.slides s, range(1000000) a, range(1000000) b")
""",
}


@pytest.fixture(scope="module")
def kernel() -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(ROOT))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        assert reply(client, SET_UP)["status"] == "ok"
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def reply(client: BlockingKernelClient, code: str) -> dict:
    return client.execute(code, reply=True, timeout=60)["content"]


def wait_for_output(client: BlockingKernelClient, text: str) -> None:
    while True:
        message = client.get_iopub_msg(timeout=60)
        if text in message["content"].get("text", ""):
            return


@pytest.mark.parametrize("where", ENDLESS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_interrupt_returns_within_a_second_and_leaves_the_session_usable(
    kernel: tuple[KernelManager, BlockingKernelClient], where: str
) -> None:
    manager, client = kernel
    # An error drops the cells queued behind it for a moment; the one below comes in that moment.
    client.execute(ENDLESS[where], stop_on_error=False)
    wait_for_output(client, "ready")
    began = time.monotonic()
    manager.interrupt_kernel()
    answer = client.get_shell_msg(timeout=60)["content"]
    assert time.monotonic() - began < 1
    assert answer["status"] == "error"
    assert answer["ename"] == "KeyboardInterrupt"
    after = reply(
        client,
        "lake.on_batch = None\n"
        "assert len(engine.run('FROM imaging.slides')) == 3\n"
        "assert 'part' not in str(engine.run('SHOW TABLES'))",
    )
    assert after["status"] == "ok", after
