"""What the suites found, written down: one JSON file a suite, and one page from all of them.

    GOVDATA_EVIDENCE=docs/evidence make fuzz      # a suite writes its lines
    python -m tests.evidence render               # docs/evidence.md from docs/evidence/*.json

Nothing is written unless `GOVDATA_EVIDENCE` names a folder. Lines carry where they were measured:
machine, load, versions and commit, so a figure is never read without its circumstances.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "evidence"
PAGE = ROOT / "docs" / "evidence.md"
KEYS = frozenset({"what", "count", "of", "value", "unit", "conditions", "command"})
PACKAGES = ("jupyter_govdata", "duckdb", "pyarrow", "pyiceberg", "cedarpy")
RATIO = "ratio"
"""Unit of a line that compares us with something else; such lines come first on the page."""

HEAD = """# Evidence

What the test suites and benchmarks found, with the command that reproduces each line. The page is
written by `make evidence` from the files in `docs/evidence/`, which the suites write themselves.
How to run all of it: [check the wall](how-to/check-the-wall.md).

A count is of what was tried in that run. A difference, a leak or a lost commit would be a failed
run. Benchmarks are only as good as the machine was idle, so each suite names its load.
"""


def record(suite: str, lines: Sequence[Mapping[str, Any]]) -> None:
    """Write the lines of a suite to `$GOVDATA_EVIDENCE/<suite>.json`; do nothing without it.

    Args:
        suite: Lower-case words joined by hyphens.
        lines: Each with `what` and `command`, and `count` (perhaps `of` how many) or `value`
            with `unit`, and perhaps `conditions`. A line replaces an earlier one of the suite
            that has the same `what`.

    Raises:
        ValueError: A line lacks something or holds something else.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]*", suite):
        raise ValueError(f"a suite is named by lower-case words joined by hyphens, not {suite!r}")
    for line in lines:
        check(line)
    folder = os.environ.get("GOVDATA_EVIDENCE")
    if not folder:
        return
    path = Path(folder) / f"{suite}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        # Several workers may record one suite at the same time.
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read()
        known = {line["what"]: line for line in json.loads(text)["lines"]} if text else {}
        known.update({line["what"]: dict(line) for line in lines})
        found = {"suite": suite, **circumstances(), "lines": list(known.values())}
        file.seek(0)
        file.truncate()
        file.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")


def check(line: Mapping[str, Any]) -> None:
    """Raise ValueError unless a line can be rendered."""
    if unknown := set(line) - KEYS:
        raise ValueError(f"a line of evidence has no {sorted(unknown)}")
    if not all(isinstance(line.get(key), str) and line[key] for key in ("what", "command")):
        raise ValueError("a line of evidence says `what` it found and the `command` that finds it")
    if ("count" in line) == ("value" in line) or ("value" in line) != ("unit" in line):
        raise ValueError("a line of evidence has a `count`, or a `value` with its `unit`")


def circumstances() -> dict[str, Any]:
    """Return machine, versions and commit as they are now."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "machine": {
            "cpu": cpu(),
            "cores": os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "system": f"{platform.system()} {platform.release().split('-')[0]}",
            "load": round(os.getloadavg()[0], 1),
        },
        "versions": versions,
        "commit": commit(),
    }


def cpu() -> str:
    """Return the name of the processor."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = re.findall(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return names[0].strip() if names else platform.machine()


def commit() -> str:
    """Return the commit that runs, and whether package or tests differ from it."""
    git = ["git", "-C", str(ROOT)]
    try:
        name = subprocess.run(
            [*git, "rev-parse", "--short=10", "HEAD"], check=True, capture_output=True, text=True
        ).stdout.strip()
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--", "jupyter_govdata", "tests", "benchmarks"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{name} with changes" if changed else name


def render(suites: Sequence[Mapping[str, Any]]) -> str:
    """Return the page: ratios first, then each suite by name."""
    ordered = sorted(suites, key=lambda suite: suite["suite"])
    parts = [HEAD]
    ratios = [
        (suite, line) for suite in ordered for line in suite["lines"] if line.get("unit") == RATIO
    ]
    if ratios:
        parts.append("## Ratios\n")
        parts.append("Our time by theirs, in one run: below 1 we are faster.\n")
        parts.append(table([line for _, line in ratios]))
    for suite in ordered:
        rest = [line for line in suite["lines"] if line.get("unit") != RATIO]
        title = suite["suite"].replace("-", " ")
        if rest:
            parts.append(f"## {title[0].upper()}{title[1:]}\n")
            parts.append(table(rest))
    parts.append("## Where it was measured\n")
    parts.extend(where(suite) for suite in ordered)
    return "\n".join(parts).rstrip("\n") + "\n"


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return lines as a Markdown table."""
    rows = ["| what | found | conditions | command |", "| --- | ---: | --- | --- |"]
    for line in lines:
        cells = (line["what"], figure(line), line.get("conditions", ""), f"`{line['command']}`")
        rows.append("| " + " | ".join(str(c).replace("|", "\\|") for c in cells) + " |")
    return "\n".join(rows) + "\n"


def figure(line: Mapping[str, Any]) -> str:
    """Return what a line found, as one reads it."""
    if "count" in line:
        whole = f" of {line['of']:,}" if "of" in line else ""
        return f"{line['count']:,}{whole}"
    value = line["value"]
    text = f"{value:,.3g}" if isinstance(value, float) and abs(value) < 1000 else f"{value:,.0f}"
    return f"{text}x" if line["unit"] == RATIO else f"{text} {line['unit']}"


def where(suite: Mapping[str, Any]) -> str:
    """Return the circumstances of a suite as one item."""
    machine = suite["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in suite["versions"].items())
    busy = " (a loaded machine)" if machine["load"] > machine["cores"] else ""
    return (
        f"- **{suite['suite']}**: {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_gb']} GB, {machine['system']}, load {machine['load']}{busy}; "
        f"{versions}; commit {suite['commit']}."
    )


def read(folder: Path) -> list[dict[str, Any]]:
    """Return what the suites wrote into a folder."""
    return [json.loads(p.read_text(encoding="utf-8")) for p in sorted(folder.glob("*.json"))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Render the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.evidence", description=__doc__)
    parser.add_argument("command", choices=["render"])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    suites = read(options.folder)
    if not suites:
        print(f"no suite has written into {options.folder}", file=sys.stderr)
        return 1
    options.page.write_text(render(suites), encoding="utf-8")
    print(f"wrote {options.page} from {len(suites)} suites")
    return 0


if __name__ == "__main__":
    sys.exit(main())
