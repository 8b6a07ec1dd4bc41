"""How long a single consent takes, by how many persons the register holds.

    python benchmarks/consents.py [--persons 100000] [--runs 7]

The time ends when the call returns: from then on nobody reads a row that the consent withdraws.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import statistics
import tempfile
import time
from pathlib import Path

import pyarrow as pa

from jupyter_govdata.session import connect, init_lake

FILES = {
    "principals.yaml": """
groups: {stewards: {description: all}}
principals: {dina: {name: Dina, groups: [stewards], purpose: research}}
""",
    "purposes.yaml": "purposes: {research: {description: research}}\n",
    "tags.yaml": "tags: {register: {scope: [asset], values: [consent]}}\n",
    "assets/bench.yaml": """
assets:
  governance.consent: {owner: dina, steward: stewards, tags: {register: consent}}
""",
    "policies/bench.cedar": """
@id("stewards") permit (principal in Group::"stewards", action, resource);
""",
}


def register(persons: int) -> pa.Table:
    """Return the consents of so many persons."""
    moment = pa.scalar(dt.datetime(2025, 1, 1, tzinfo=dt.UTC), pa.timestamp("us", "UTC"))
    return pa.table(
        {
            "person_key": [f"S:p|{i:07d}" for i in range(persons)],
            "purpose": ["research"] * persons,
            "status": ["given"] * persons,
            "recorded_at": pa.repeat(moment, persons),
            "source": ["form"] * persons,
        }
    )


def measure(persons: int, runs: int) -> float:
    """Return the median milliseconds of a withdrawal."""
    with tempfile.TemporaryDirectory() as made:
        source = Path(made) / "governance"
        for name, text in FILES.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(text, encoding="utf-8")
        lake = init_lake(Path(made) / "lake", source, "dina")
        taken = []
        with connect(lake, user="dina") as dina:
            dina.load(register(persons), "governance.consent")
            for number in range(runs):
                began = time.perf_counter()
                dina.consent("S:p", f"{number:07d}", "research", "withdrawn")
                taken.append((time.perf_counter() - began) * 1e3)
    return statistics.median(taken)


def main() -> None:
    """Print a line for a small register and one for a large one."""
    parser = argparse.ArgumentParser(description="How long a single consent takes.")
    parser.add_argument("--persons", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    for persons in (options.runs, options.persons):
        print(f"{persons:>9,} persons: {measure(persons, options.runs):7.1f} ms", flush=True)
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
