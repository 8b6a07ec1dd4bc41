"""Stop, as a user presses it: SIGINT to a real kernel at different moments of a governed query.

    python benchmarks/interrupt.py [--tries 20] [--rows 4000000] [--lake DIR]

Starts a gateway with its metrics, and an IPython kernel. In each try a query runs, the interrupt
comes after a random time, and three things are measured: how long until the kernel answers, how
long until the gateway streams nothing any more, and how long the next query takes. A try is good
if the kernel answers with KeyboardInterrupt within a second, the gateway's streams are gone within
five, and the next query gives the right answer.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager
from queries import build

SET_UP = """
import os
os.environ |= {{"GOVDATA_LAKE": {lake!r}, "GOVDATA_USER": "filtered"}}
%load_ext jupyter_govdata
before = %govsql SELECT count(*) AS n FROM bench.orders
shell = get_ipython()
"""
CHECK = """
found = %govsql SELECT count(*) AS n FROM bench.orders
assert found.arrow().equals(before.arrow())
"""
PLANNING = """
for i in range(10_000):
    shell.run_line_magic("govsql", f"SELECT {i} AS i FROM bench.orders LIMIT 1")
"""
STREAMING = """%%govsql
SELECT max(md5(comment)), min(md5(md5(comment))), max(md5(comment || lot)) FROM bench.lineitem
"""
JOINING = """%%govsql
SELECT sum(a.quantity * b.quantity % 7) FROM bench.lineitem a, bench.lineitem b
"""
CONVERTING = """
for i in range(10_000):
    result = shell.run_cell_magic("govsql", "", "FROM bench.lineitem")
    result.df()
    result = None
"""
POSITIONS = {
    # a cell, and when the interrupt comes, in seconds after the cell began
    "planning": (PLANNING, (0.05, 0.5)),
    "streaming": (STREAMING, (0.1, 1.0)),
    "joining": (JOINING, (0.5, 4.0)),
    "converting": (CONVERTING, (0.1, 2.0)),
}


def metric(health: str, name: str) -> float:
    """Return a gateway's metric."""
    with urllib.request.urlopen(f"{health}/metrics", timeout=10) as answer:
        found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
    assert found, f"the gateway has no metric {name}"
    return float(found[1])


@contextmanager
def gateway(lake: Path) -> Iterator[str]:
    """Serve the lake; give the address of its metrics."""
    config = lake.parent / "interrupt.toml"
    config.write_text(f'lake = "{lake}"\nhealth = "127.0.0.1:0"\n', encoding="utf-8")
    command = [sys.executable, "-m", "jupyter_govdata.gateway", "serve", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            yield str(json.loads(process.stdout.readline())["health"])
        finally:
            process.terminate()


@contextmanager
def kernel() -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    """Run an IPython kernel."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def run(client: BlockingKernelClient, code: str) -> dict[str, Any]:
    """Run a cell and return its reply."""
    content: dict[str, Any] = client.execute(code, reply=True, timeout=120)["content"]
    return content


def wait_for_start(client: BlockingKernelClient, message: str) -> None:
    """Wait until the kernel begins with a cell."""
    while True:
        told = client.get_iopub_msg(timeout=120)
        if told["msg_type"] == "execute_input" and told["parent_header"]["msg_id"] == message:
            return


def one_try(
    manager: KernelManager, client: BlockingKernelClient, health: str, position: str
) -> dict[str, Any]:
    """Interrupt one query and return what was measured, in seconds."""
    code, (earliest, latest) = POSITIONS[position]
    wait_for_start(client, client.execute(code))
    delay = random.uniform(earliest, latest)
    time.sleep(delay)
    began = time.perf_counter()
    manager.interrupt_kernel()
    reply = client.get_shell_msg(timeout=120)["content"]
    answered = time.perf_counter() - began
    while metric(health, "govdata_active_streams") and time.perf_counter() - began < 30:
        time.sleep(0.02)
    idle = time.perf_counter() - began
    began = time.perf_counter()
    usable = run(client, CHECK)["status"] == "ok"
    return {
        "position": position,
        "delay": delay,
        "error": reply.get("ename", reply["status"]),
        "answered": answered,
        "idle": idle,
        "next": time.perf_counter() - began,
        "good": reply.get("ename") == "KeyboardInterrupt" and answered < 1 and idle < 5 and usable,
    }


def main() -> int:
    """Print every try, then how many were good."""
    parser = argparse.ArgumentParser(description="Interrupt governed queries.")
    parser.add_argument("--tries", type=int, default=20)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--lake", type=Path)
    options = parser.parse_args()
    folder = options.lake or Path(tempfile.mkdtemp(prefix="govdata-bench-"))
    lake = folder / "lake"
    build(lake, options.rows)
    tries = []
    with gateway(lake) as health, kernel() as (manager, client):
        ready = run(client, SET_UP.format(lake=str(lake)))
        assert ready["status"] == "ok", ready
        for i in range(options.tries):
            done = one_try(manager, client, health, list(POSITIONS)[i % len(POSITIONS)])
            tries.append(done)
            print(
                f"{done['position']:10} after {done['delay']:5.2f} s: {done['error']:17} "
                f"answered {done['answered'] * 1e3:5.0f} ms, "
                f"gateway idle {done['idle'] * 1e3:5.0f} ms, "
                f"next query {done['next'] * 1e3:5.0f} ms{'' if done['good'] else '   <-- bad'}",
                flush=True,
            )
    good = sum(t["good"] for t in tries)
    answered = [t["answered"] for t in tries]
    print(
        f"{good} of {len(tries)} good; the kernel answered after "
        f"{statistics.median(answered) * 1e3:.0f} ms (median), "
        f"{max(answered) * 1e3:.0f} ms (slowest)"
    )
    return 0 if good == len(tries) else 1


if __name__ == "__main__":
    sys.exit(main())
