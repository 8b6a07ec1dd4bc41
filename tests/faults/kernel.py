"""A kernel in a process of its own, to be killed: it reads, and loads commits that it is told.

python -m tests.faults.kernel LAKE      # numbers on standard input; "done N" on its output
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from jupyter_govdata.errors import GovDataError
from jupyter_govdata.session import connect
from tests.faults.site import commit_of


def main() -> None:
    """Work until somebody ends it."""
    with connect(Path(sys.argv[1]), user="dina") as session:
        print("ready", flush=True)
        for line in sys.stdin:
            number = int(line)
            try:
                session.load(commit_of(number), "lab.events", mode="append")
                print(f"done {number}", flush=True)
                session.sql(
                    "SELECT a.*, b.value FROM lab.events a, lab.events b LIMIT 40000"
                ).arrow()
            except GovDataError as error:
                print(f"failed {number} {error.code}", flush=True)


def start(lake: Path) -> subprocess.Popen[str]:
    """Start a kernel that is ready."""
    made = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.kernel", str(lake)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert made.stdout is not None
    assert made.stdout.readline() == "ready\n"
    return made


if __name__ == "__main__":
    main()
