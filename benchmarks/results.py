"""How a benchmark tells what it found: a table on the terminal, and files where asked.

`--results DIR` writes ``DIR/<name>.md`` and ``DIR/<name>.json``; the JSON has the machine and the
versions. With `GOVDATA_EVIDENCE` set, lines that were given a command go into the evidence, too.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.evidence import circumstances, record


@dataclass
class Results:
    """Tables and lines of one benchmark."""

    name: str
    folder: Path | None = None
    command: str = ""
    tables: list[tuple[str, list[str], list[list[str]]]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, options: argparse.Namespace, command: str) -> Results:
        """Return the results that the options ask for."""
        return cls(name, options.results, command)

    def leave_out(self, what: str, why: str) -> None:
        """Name what is not compared."""
        self.left_out.append(f"{what}: {why}")
        print(f"left out: {what}: {why}", flush=True)

    def line(self, what: str, value: float, unit: str, conditions: str = "") -> None:
        """Keep one figure for the evidence."""
        told = {"what": what, "value": round(value, 4), "unit": unit, "command": self.command}
        self.lines.append({**told, **({"conditions": conditions} if conditions else {})})

    def count(self, what: str, count: int, of: int | None = None, conditions: str = "") -> None:
        """Keep one count for the evidence."""
        told: dict[str, Any] = {"what": what, "count": count, "command": self.command}
        told |= {} if of is None else {"of": of}
        self.lines.append({**told, **({"conditions": conditions} if conditions else {})})

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table and keep it."""
        self.tables.append((title, list(header), [list(row) for row in rows]))
        widths = [max(len(r[i]) for r in (header, *rows)) for i in range(len(header))]
        print(f"\n{title}")
        for row in (header, *rows):
            first, *rest = zip(row, widths, strict=True)
            print(f"  {first[0]:<{first[1]}}  " + "  ".join(f"{c:>{w}}" for c, w in rest))
        sys.stdout.flush()

    def markdown(self) -> str:
        """Return all tables, with machine and versions."""
        found = circumstances()
        machine, versions = found["machine"], found["versions"]
        parts = [f"# {self.name}", ""]
        parts.append(
            f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, load "
            f"{machine['load']}; {', '.join(f'{k} {v}' for k, v in versions.items())}; commit "
            f"{found['commit']}."
        )
        for title, header, rows in self.tables:
            parts += ["", f"## {title}", "", f"| {' | '.join(header)} |"]
            parts.append(f"| --- |{' ---: |' * (len(header) - 1)}")
            parts += [f"| {' | '.join(row)} |" for row in rows]
        if self.left_out:
            parts += ["", "Left out:", "", *(f"- {what}" for what in self.left_out)]
        return "\n".join(parts) + "\n"

    def write(self) -> None:
        """Write what was asked for."""
        record(self.name, self.lines)
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{self.name}.md").write_text(self.markdown(), encoding="utf-8")
        whole = {**circumstances(), "lines": self.lines, "left_out": self.left_out}
        text = json.dumps({**whole, "tables": self.tables}, indent=2, ensure_ascii=False)
        (self.folder / f"{self.name}.json").write_text(text + "\n", encoding="utf-8")


def add_results(parser: argparse.ArgumentParser) -> None:
    """Add `--results`."""
    parser.add_argument(
        "--results", type=Path, metavar="DIR", help="write Markdown and JSON into a folder"
    )
