"""Where the time of a small governed query goes, piece by piece.

    python benchmarks/pieces.py [--runs 300]

Gateway and kernel run in this one process, so that timers can stand around the pieces of both. They
share one interpreter then: the whole takes longer than with a gateway of its own, which `tiny.py`
measures. A piece that holds others is followed by them, indented.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

os.environ["GOVDATA_SCAN_CACHE"] = "0"

from tiny import QUERY, build

from jupyter_govdata.client.connection import Connection
from jupyter_govdata.client.token import mint_embedded
from jupyter_govdata.config import GatewayConfig
from jupyter_govdata.gateway import scans as scanning
from jupyter_govdata.gateway import server as serving
from jupyter_govdata.gateway.access import Access
from jupyter_govdata.gateway.composer import Gateway
from jupyter_govdata.gateway.guard import Guard
from jupyter_govdata.gateway.identity import Identity
from jupyter_govdata.gateway.scans import Scans
from jupyter_govdata.gateway.server import Server
from jupyter_govdata.gateway.signing import Signer
from jupyter_govdata.ledger.audit import Pending
from jupyter_govdata.query.engine import QueryEngine
from jupyter_govdata.query.handover import Handover
from jupyter_govdata.query.run import Run
from jupyter_govdata.session import connect
from jupyter_govdata.storage.reader import ScanReader

PIECES: tuple[tuple[str, Any, str], ...] = (
    ("query, as the session runs it", QueryEngine, "run"),
    ("  in the kernel: read the text, find the assets", Run, "_statements"),
    ("  in the kernel: see that it is a scan, ask, take the rows", Handover, "rows"),
    ("    one message there and back", Connection, "_one_message"),
    ("      in the gateway: all of it", Server, "do_action"),
    ("        who asks: the token", Identity, "authenticate"),
    ("        decide, plan, sign", Scans, "begin"),
    ("          decide", Access, "select"),
    ("          sign the receipt", Signer, "sign_receipt"),
    ("        prepare to read", scanning, "open_scan"),
    ("        check that the decision still holds", Guard, "check"),
    ("        read the rows", ScanReader, "__next__"),
    ("        wait for the audit record", Pending, "wait"),
    ("        put the answer together", serving, "in_one_message"),
)
STAMP = "stamp: digest of the result"


def timed(runs: int, folder: Path) -> dict[str, list[float]]:
    """Return the milliseconds of each piece, one value a query."""
    gateway = Gateway(GatewayConfig(lake=folder, listen="grpc://127.0.0.1:0"))
    server = Server(gateway)
    spent: dict[str, float] = defaultdict(float)
    for name, owner, method in PIECES:
        around(spent, name, owner, method)
    found: dict[str, list[float]] = {name: [] for name in (*(p[0] for p in PIECES), STAMP)}
    with connect(server.address, token=mint_embedded(folder, "dina")) as session:
        for run in range(runs + 20):
            spent.clear()
            result = session.sql(QUERY.format(table="bench.tiny"))
            began = time.perf_counter()
            assert result.stamp is not None
            spent[STAMP] = (time.perf_counter() - began) * 1e3
            if run >= 20:
                for name, values in found.items():
                    values.append(spent[name])
    server.shutdown()
    gateway.close()
    return found


def around(spent: dict[str, float], name: str, owner: Any, method: str) -> None:
    """Put a timer around a method."""
    inner = getattr(owner, method)

    def outer(*args: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return inner(*args, **named)
        finally:
            spent[name] += (time.perf_counter() - began) * 1e3

    setattr(owner, method, outer)


def main() -> None:
    """Print a line for each piece."""
    parser = argparse.ArgumentParser(description="Where the time of a small query goes.")
    parser.add_argument("--runs", type=int, default=300)
    options = parser.parse_args()
    lake = build(Path(tempfile.mkdtemp(prefix="govdata-bench-")))
    print(f"{'milliseconds':62}{'median':>8}{'best 10%':>10}", flush=True)
    for name, values in timed(options.runs, lake).items():
        tenth = sorted(values)[len(values) // 10]
        print(f"{name:62}{statistics.median(values):8.2f}{tenth:10.2f}")
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
