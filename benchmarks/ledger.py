"""What the ledger costs: the epoch (read for every batch), an audit record (one per scan), a
consent lookup after a withdrawal, and the check of the whole chain.

    python benchmarks/ledger.py                     SQLite in a temporary folder
    python benchmarks/ledger.py postgresql://...    an empty PostgreSQL database
"""

from __future__ import annotations

import argparse
import datetime as dt
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from jupyter_govdata.ledger import AuditRecord, Ledger
from jupyter_govdata.model.asset import Asset, Column

NOW = dt.datetime.now(dt.UTC)


def record(number: int) -> AuditRecord:
    return AuditRecord(
        when=NOW,
        principal="ana",
        action="select",
        asset="trials.outcomes",
        purpose="research",
        decision_id="d" * 64,
        permitted=True,
        reason="permitted",
        epoch=3,
        snapshot_id=number,
        detail={"columns": [f"column_{i}" for i in range(20)], "fragment": "f" * 64},
    )


def times(call: Callable[[int], object], count: int) -> list[float]:
    taken = []
    for number in range(count):
        start = time.perf_counter()
        call(number)
        taken.append(time.perf_counter() - start)
    return sorted(taken)


def show(what: str, taken: list[float], scale: float, unit: str) -> None:
    median, worst = statistics.median(taken) * scale, taken[int(len(taken) * 0.99)] * scale
    print(f"{what:<44} median {median:9.2f} {unit}   p99 {worst:9.2f} {unit}")


def together(call: Callable[[int], object], threads: int, each: int) -> float:
    """Return calls a second of `threads` threads."""
    barrier = threading.Barrier(threads + 1)

    def work() -> None:
        barrier.wait()
        for number in range(each):
            call(number)

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    barrier.wait()
    start = time.perf_counter()
    for thread in running:
        thread.join()
    return threads * each / (time.perf_counter() - start)


def measure(ledger: Ledger, ids: int) -> None:
    card = Asset("trials.outcomes", columns=tuple(Column(f"c{i}", "long", i) for i in range(40)))
    ledger.apply(
        {"principals.yaml": "x" * 20_000}, {f"n.a{i}": Asset(f"n.a{i}") for i in range(500)}, "ana"
    )
    show("epoch", times(lambda _: ledger.epoch(), 5_000), 1e6, "us")
    print(f"{'epoch, 8 threads':<44} {together(lambda _: ledger.epoch(), 8, 2_000):16.0f} /s")
    show("audit append", times(lambda n: ledger.append(record(n)), 500), 1e3, "ms")
    for threads in (4, 16):
        rate = together(lambda n: ledger.append(record(n)), threads, 200)
        print(f"{f'audit append, {threads} threads':<44} {rate:16.0f} /s")
    show("put_card", times(lambda _: ledger.put_card(card, "ana"), 50), 1e3, "ms")
    show(
        "state after a change, 500 cards",
        times(lambda _: (ledger.put_card(card, "ana"), ledger.state()), 30),
        1e3,
        "ms",
    )
    aliases = ((f"d{n % 4}", f"id-{n}", f"P{n // 4}") for n in range(ids))
    show(f"mirror {ids} aliases", times(lambda _: ledger.replace_aliases(aliases), 1), 1, "s")
    consents = (
        (f"P{n}", "research", "given" if n % 3 else "withdrawn", NOW, "form")
        for n in range(ids // 4)
    )
    show(
        f"mirror {ids // 4} consents", times(lambda _: ledger.replace_consents(consents), 1), 1, "s"
    )

    def withdraw(number: int) -> None:
        ledger.set_consent("d0", f"id-{number * 4}", "research", "withdrawn", "dina", "letter")

    show("set_consent", times(withdraw, 20), 1e3, "ms")
    show(
        f"consenting after a change, {ids} ids",
        times(lambda n: (withdraw(n), ledger.consenting("d0", "research")), 5),
        1e3,
        "ms",
    )
    show(
        "consenting, unchanged",
        times(lambda _: ledger.consenting("d0", "research"), 2_000),
        1e6,
        "us",
    )
    start = time.perf_counter()
    report = ledger.verify()
    rate = report.entries / (time.perf_counter() - start)
    print(f"{f'verify, {report.entries} records':<44} {rate:16.0f} /s")
    assert report.ok


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", default="")
    parser.add_argument("--ids", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.url or f"sqlite:///{Path(folder) / 'store.db'}"
        with Ledger.open(url, create=True) as ledger:
            measure(ledger, options.ids)
    return 0


if __name__ == "__main__":
    sys.exit(main())
