"""Streams a table ten times larger than the gateway's memory limit, and says what it took.

    python benchmarks/memory.py [--rows 10000000] [--memory 128MB] [--lake DIR]

The reader drops every batch at once, so the kernel's memory says nothing here; the gateway's peak
is its resident set as the system counts it (``VmHWM``).
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from queries import build

from jupyter_govdata.client.token import mint_embedded
from jupyter_govdata.model.scan import Scan, ScanRequest
from jupyter_govdata.session import connect


def peak_mb(pid: int) -> float:
    """Return the peak resident set of a process in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found.group(1)) / 1024


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--memory", default="128MB")
    parser.add_argument("--lake", type=Path)
    options = parser.parse_args()
    folder = (options.lake or Path(tempfile.mkdtemp()) / "lake").absolute()
    build(folder, options.rows)
    config = folder.parent / "memory.toml"
    config.write_text(f'lake = "{folder}"\n[limits]\nmemory = "{options.memory}"\n')
    command = [sys.executable, "-m", "jupyter_govdata.gateway", "serve", "--config", str(config)]
    gateway = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert gateway.stdout is not None
    address = json.loads(gateway.stdout.readline())["address"]
    idle = peak_mb(gateway.pid)
    with connect(address, token=mint_embedded(folder, "whole")) as session:
        began = time.perf_counter()
        stream = session.open_scan(ScanRequest(Scan("bench.lineitem")))
        rows = size = 0
        for batch in stream.reader():
            rows, size = rows + batch.num_rows, size + batch.nbytes
        seconds = time.perf_counter() - began
    print(
        f"{rows:,} rows, {size / 1e6:,.0f} MB of Arrow under a limit of {options.memory}: "
        f"{seconds:.1f} s, gateway peak {peak_mb(gateway.pid):,.0f} MB (idle {idle:,.0f} MB)"
    )
    gateway.terminate()
    gateway.wait()
    gateway.stdout.close()


if __name__ == "__main__":
    main()
