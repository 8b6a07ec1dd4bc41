"""Many kernels on a small machine: latency, fairness, memory, refusals, and no wrong answer.

    python benchmarks/load.py [--seconds 60] [--kernels 16] [--rows 200000] [--results DIR]

One gateway process; `--kernels` processes, each a session as a kernel has it, of four principals:
the first has more than half of the kernels, so that fairness can be seen. A kernel asks one thing
after the other, drawn by weight: a row (`tiny`), a day (`selective`), an aggregate, the first rows
of a large table, and the whole table. Every answer is checked: rows that the row filter hides, or
a cell that the mask hides, would be a `leak`. What is refused must be refused with a code; a
principal may stream `--streams` scans at a time. Memory is the gateway's resident set, sampled ten
times: the first third against the last.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from results import Results, add_results

from jupyter_govdata.client.token import mint_embedded
from jupyter_govdata.errors import GovDataError
from jupyter_govdata.session import Session, connect, init_lake

PRINCIPALS = ("greedy", "ana", "miko", "otto")
WEIGHTS = {"tiny": 50, "selective": 25, "aggregate": 15, "first rows": 7, "whole": 3}
QUERIES = {
    "tiny": "SELECT * FROM lab.rows WHERE id = {id}",
    "selective": "SELECT id, flag FROM lab.rows WHERE day = {day} AND value > 0.5",
    "aggregate": "SELECT flag, count(*) AS n, sum(day) AS s FROM lab.rows GROUP BY flag",
    "first rows": "SELECT * FROM lab.rows LIMIT 100",
    "whole": "SELECT id, flag, day, note FROM lab.rows",
}
FILES = {
    "principals.yaml": "groups: {stewards: {description: s}}\nprincipals:\n"
    "  dina: {groups: [stewards], purpose: research}\n"
    + "".join(f"  {name}: {{purpose: research}}\n" for name in PRINCIPALS),
    "purposes.yaml": "purposes: {research: {description: r}}\n",
    "tags.yaml": "tags: {free: {scope: [column], values: [text]}}\n",
    "assets/lab.yaml": """
assets:
  lab.rows: {owner: dina, steward: stewards, columns: {note: {tags: {free: text}}}}
""",
    "policies/lab.cedar": """
@id("stewards") permit (principal in Group::"stewards", action, resource);
@id("look") permit (principal, action in [Action::"discover", Action::"reveal"], resource);
@id("rows") permit (principal, action == Action::"select", resource)
  when { ["A", "N"].contains(resource.flag) };
@id("mask") @mask("null") forbid (principal, action == Action::"reveal", resource)
  when { resource.hasTag("free") } unless { principal in Group::"stewards" };
""",
}


def build(folder: Path, rows: int) -> Path:
    """Make the lake."""
    source = folder / "governance"
    for name, text in FILES.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    lake = init_lake(folder / "lake", source, "dina")
    draw = random.Random(7)
    table = pa.table(
        {
            "id": range(rows),
            "flag": [("A", "N", "R")[i % 3] for i in range(rows)],
            "day": [i * 365 // rows for i in range(rows)],
            "value": [draw.random() for _ in range(rows)],
            "note": [f"note {i}" for i in range(rows)],
        }
    )
    with connect(lake, user="dina") as dina:
        dina.load(table, "lab.rows")
    return lake


# -- one kernel ----------------------------------------------------------------------------------


def work(address: str, lake: Path, user: str, rows: int, seconds: float, seed: int) -> None:
    """Ask until the time is over; print a line of JSON an answer."""
    draw = random.Random(seed)
    with connect(address, token=lambda: mint_embedded(lake, user)) as session:
        print("ready", flush=True)
        sys.stdin.readline()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            kind = draw.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            sql = QUERIES[kind].format(id=draw.randrange(rows), day=draw.randrange(365))
            began = time.perf_counter()
            try:
                outcome = checked(session, kind, sql, rows)
            except GovDataError as error:
                outcome = error.code
            except Exception as error:  # noqa: BLE001  (that it came at all is what is reported)
                outcome = f"untyped {type(error).__name__}"
            print(json.dumps([user, kind, time.perf_counter() - began, outcome]), flush=True)


def checked(session: Session, kind: str, sql: str, rows: int) -> str:
    """Return ``ok``, or what is wrong with an answer."""
    table = session.sql(sql).arrow()
    if "flag" in table.column_names and set(table["flag"].to_pylist()) - {"A", "N"}:
        return "leak"
    if "note" in table.column_names and table["note"].null_count != table.num_rows:
        return "leak"
    shown = rows - rows // 3
    right = {
        "whole": table.num_rows == shown,
        "aggregate": kind != "aggregate" or sum(table["n"].to_pylist()) == shown,
        "tiny": table.num_rows <= 1,
        "first rows": table.num_rows == 100,
    }
    return "ok" if right.get(kind, True) else "wrong"


# -- all of them ---------------------------------------------------------------------------------


@dataclass
class Run:
    """What was measured."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    small: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    answered: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    memory: list[float] = field(default_factory=list)

    def take(self, line: str) -> None:
        user, kind, seconds, outcome = json.loads(line)
        self.outcomes[outcome] += 1
        if outcome == "ok":
            self.times[kind].append(seconds)
            self.answered[user] += 1
            if kind == "tiny":
                self.small[user].append(seconds)


def owners(kernels: int) -> list[str]:
    """Return whose each kernel is: the greedy principal has all but two for each other one."""
    modest = [name for name in PRINCIPALS[1:] for _ in range(2)]
    return [*modest[: kernels - 1], *["greedy"] * max(kernels - len(modest), 1)]


def resident(pid: int) -> float:
    """Return the resident set of a process in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def run(options: argparse.Namespace, folder: Path) -> Run:
    """Start everything, wait, and collect."""
    lake = build(folder, options.rows)
    config = folder / "gateway.toml"
    config.write_text(f'lake = "{lake}"\n[limits]\nstreams_per_principal = {options.streams}\n')
    gateway = subprocess.Popen(
        [sys.executable, "-m", "jupyter_govdata.gateway", "serve", "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert gateway.stdout is not None
    address = json.loads(gateway.stdout.readline())["address"]
    found = Run()
    kernels: list[subprocess.Popen[str]] = []
    try:
        for seed, user in enumerate(owners(options.kernels)):
            command = [sys.executable, __file__, "--kernel", address, str(lake), user, str(seed)]
            command += ["--rows", str(options.rows), "--seconds", str(options.seconds)]
            with (folder / f"{seed}.txt").open("w") as out:
                kernels.append(
                    subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, text=True)
                )
        for seed in range(len(kernels)):
            while not (folder / f"{seed}.txt").read_text():
                time.sleep(0.1)
        for kernel in kernels:
            assert kernel.stdin is not None
            kernel.stdin.write("go\n")
            kernel.stdin.flush()
        for _ in range(10):
            time.sleep(options.seconds / 10)
            found.memory.append(resident(gateway.pid))
        for seed, kernel in enumerate(kernels):
            kernel.wait(600)
            for line in (folder / f"{seed}.txt").read_text().splitlines()[1:]:
                found.take(line)
    finally:
        for kernel in kernels:
            kernel.kill()
        gateway.terminate()
        gateway.wait(60)
    return found


def percentile(values: list[float], share: float) -> float:
    """Return a percentile in milliseconds."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] * 1e3


def report(found: Run, options: argparse.Namespace, results: Results) -> int:
    """Print and keep what was found; return how many answers were wrong."""
    rows = []
    for kind in WEIGHTS:
        values = found.times.get(kind, [])
        if values:
            marks = [f"{percentile(values, p):,.0f}" for p in (0.5, 0.95, 0.99)]
            rows.append([kind, f"{len(values):,}", *marks])
            results.line(f"{kind}: 95th percentile", percentile(values, 0.95), "ms")
    results.table("Milliseconds", ["query", "answers", "p50", "p95", "p99"], rows)
    shares = Counter(owners(options.kernels))
    fair = []
    for user, kernels in shares.items():
        each = found.answered[user] / kernels
        tiny = found.small.get(user) or [0.0]
        marks = [f"{percentile(tiny, p):,.0f}" for p in (0.5, 0.95)]
        fair.append([user, str(kernels), f"{each:,.0f}", *marks])
    header = ["principal", "kernels", "answers a kernel", "tiny p50", "tiny p95"]
    results.table("Fairness", header, fair)
    each = {user: found.answered[user] / kernels for user, kernels in shares.items()}
    modest = statistics.mean(each[u] for u in each if u != "greedy")
    third = max(len(found.memory) // 3, 1)
    first, last = (statistics.mean(m) for m in (found.memory[:third], found.memory[-third:]))
    told = ", ".join(f"{code} {n:,}" for code, n in found.outcomes.most_common())
    wrong = sum(n for c, n in found.outcomes.items() if c in ("leak", "wrong") or "untyped" in c)
    total = sum(found.outcomes.values())
    memory = f"gateway memory {first:,.0f} MB, then {last:,.0f} MB"
    print(f"\noutcomes: {told}\n{memory}")
    kernels = f"{options.kernels} kernels, {options.seconds:.0f} s, {options.rows:,} rows"
    results.count("answers that were wrong, leaked or failed without a code", wrong, total, kernels)
    results.line("answers a second", found.outcomes["ok"] / options.seconds, "1/s", kernels)
    greedy = "greedy principal's kernel by a modest one's, answers"
    results.line(greedy, each["greedy"] / max(modest, 1e-9), "of 1", f"{shares['greedy']} kernels")
    results.line("gateway memory, last third by first third", last / first, "of 1", memory)
    return wrong


def main() -> None:
    """Run it, or one kernel of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kernels", type=int, default=16)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--kernel", nargs=4, help=argparse.SUPPRESS)
    add_results(parser)
    options = parser.parse_args()
    if options.kernel:
        address, lake, user, seed = options.kernel
        work(address, Path(lake), user, options.rows, options.seconds, int(seed))
        return
    command = f"python benchmarks/load.py --seconds {options.seconds:.0f}"
    results = Results.of("load", options, f"{command} --kernels {options.kernels}")
    with tempfile.TemporaryDirectory(prefix="govdata-load-") as folder:
        os.environ["GOVDATA_LAKE"] = ""
        wrong = report(run(options, Path(folder)), options, results)
    results.write()
    if wrong:
        sys.exit(f"{wrong} answers are wrong")


if __name__ == "__main__":
    main()
