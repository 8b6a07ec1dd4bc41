"""Does the time of an answer tell a denied row from one that is not there? (attack T30)

    python benchmarks/timing.py [--probes 2000]

One row of the asset is hidden from the asker, another key exists nowhere. Both are asked for in
random order, and so are a hidden asset and a missing one. A Mann-Whitney test compares the times;
it is two-sided, at 1 %. The last lines show what it would see: a hidden row in a file of its own,
which pruning skips or does not. That one is not defended (THREAT_MODEL.md).
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parent.parent))

from jupyter_govdata.client.connection import Connection
from jupyter_govdata.client.scan import FlightScan
from jupyter_govdata.errors import NotVisibleError
from jupyter_govdata.model.predicate import Compare
from jupyter_govdata.model.scan import Filter, Scan, ScanRequest
from tests.evidence import record
from tests.gateway.world import POLICIES, make_world

ALPHA = 0.01
ROWS = 200_000
POLICY = """
@id("look") permit (principal in Group::"clinical",
  action in [Action::"discover", Action::"reveal"], resource in Asset::"trials.wide");
@id("rows") permit (principal in Group::"clinical", action == Action::"select",
  resource in Asset::"trials.wide") when { resource.study == principal.study };
"""


def mann_whitney(left: Sequence[float], right: Sequence[float]) -> float:
    """Return the two-sided p-value that both samples come from one distribution.

    By the normal approximation with a correction for ties: for some hundreds of values each.
    """
    both = sorted((value, side) for side, values in enumerate((left, right)) for value in values)
    n, m = len(left), len(right)
    ranks = ties = 0.0
    start = 0
    while start < len(both):
        end = start
        while end < len(both) and both[end][0] == both[start][0]:
            end += 1
        ranks += (start + end + 1) / 2 * sum(1 for _, side in both[start:end] if side == 0)
        ties += (end - start) ** 3 - (end - start)
        start = end
    mean = n * m / 2
    spread = n * m / 12 * ((n + m + 1) - ties / ((n + m) * (n + m - 1)))
    if spread == 0:
        return 1.0
    z = (ranks - n * (n + 1) / 2 - mean) / math.sqrt(spread)
    return math.erfc(abs(z) / math.sqrt(2))


def times(asks: Sequence[Callable[[], object]], probes: int) -> list[list[float]]:
    """Return how long each of some questions took, asked in random order, in microseconds."""
    found: list[list[float]] = [[] for _ in asks]
    order = [i for i in range(len(asks)) for _ in range(probes)]
    random.Random(30).shuffle(order)
    for ask in asks:
        for _ in range(20):
            ask()
    for i in order:
        began = time.perf_counter_ns()
        asks[i]()
        found[i].append((time.perf_counter_ns() - began) / 1_000)
    return found


def keys(connection: Connection, asset: str, key: int) -> Callable[[], object]:
    """Return a question for the row of one key."""
    request = ScanRequest(Filter(Scan(asset), Compare("key", "=", key)))
    return lambda: FlightScan(connection, request).reader().read_all()


def name(connection: Connection, asset: str) -> Callable[[], object]:
    """Return a question for an asset that is not to be seen."""

    def ask() -> None:
        with suppress(NotVisibleError):
            FlightScan(connection, ScanRequest(Scan(asset)))

    return ask


def main() -> int:
    """Ask, compare, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probes", type=int, default=2_000)
    probes = parser.parse_args().probes
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(Path(folder))
        cut, end = (POLICIES.index(f'@id("{i}")') for i in ("wide-open", "ids-as-pseudonyms"))
        world.apply(policies=POLICIES[:cut] + POLICY + POLICIES[end:])
        study = ["S1" if i % 4 else "S2" for i in range(ROWS)]
        world.load("trials.wide", pa.table({"key": range(0, 2 * ROWS, 2), "study": study}))
        far = pa.table({"key": [10 * ROWS], "study": ["S2"]})
        world.load("trials.wide", far, mode="append")
        ana = world.connect("ana")
        pairs = {
            "a denied row and no row, in one file": (
                keys(ana, "trials.wide", ROWS // 2 * 4 // 2),
                keys(ana, "trials.wide", ROWS // 2 * 4 // 2 + 1),
            ),
            "a hidden asset and a missing one": (
                name(ana, "trials.hidden"),
                name(ana, "trials.absent"),
            ),
            "a denied row in a file of its own and no row (not defended)": (
                keys(ana, "trials.wide", 10 * ROWS),
                keys(ana, "trials.wide", 10 * ROWS + 1),
            ),
        }
        for what, asks in pairs.items():
            left, right = times(asks, probes)
            p = mann_whitney(left, right)
            told = "told apart" if p < ALPHA else "not told apart"
            middle = [sorted(values)[len(values) // 2] for values in (left, right)]
            print(f"{what}: {told}, p = {p:.3g}, medians {middle[0]:.0f} and {middle[1]:.0f} us")
            lines.append(
                {
                    "what": f"time of {what}: p that it is one distribution",
                    "value": float(p),
                    "unit": told,
                    "conditions": f"{probes} probes each, Mann-Whitney, medians"
                    f" {middle[0]:.0f} and {middle[1]:.0f} us",
                    "command": f"python benchmarks/timing.py --probes {probes}",
                }
            )
        world.close()
    record("timing", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
