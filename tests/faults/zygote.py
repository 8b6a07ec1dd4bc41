"""Forks gateways from a process that has imported everything: a start takes a tenth of the time.

python -m tests.faults.zygote      # a lake folder a line; answers what the gateway prints
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from jupyter_govdata.gateway import __main__ as gateway


class Zygote:
    """Starts gateways from another process."""

    def __init__(self, log: Path) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.zygote"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def start(self, lake: Path) -> str:
        """Start a gateway; return what it says when it listens, or cannot."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{lake}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def close(self) -> None:
        """End it, and with it the gateways that it started."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()


def main() -> None:
    """Fork a gateway for every line; all of them end with this process."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    held: list[int] = []
    for line in sys.stdin:
        read, write = os.pipe()
        held.append(write)
        if os.fork() == 0:
            for end in held:
                os.close(end)
            os.dup2(read, 0)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            os._exit(gateway.main(["serve", "--child", "--lake", line.strip()]))
        os.close(read)


if __name__ == "__main__":
    main()
