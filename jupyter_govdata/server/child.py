"""The process of a job: the command line, which ends when the server that started it is gone.

Run as ``python -m jupyter_govdata.server.child ARGUMENTS`` with a pipe as its standard input that
nobody writes to. When the other side closes it, by will or by dying, the command is interrupted as
by Ctrl-C, and a while later it is killed with everything that it started.
"""

from __future__ import annotations

import os
import runpy
import signal
import threading

GRACE = 10.0


def watch(pipe: int) -> None:
    """Wait until the other side of a pipe is closed, then end this process."""
    while os.read(pipe, 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait(GRACE)
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Run the command line."""
    pipe = os.dup(0)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123  (a descriptor is wanted)
        os.dup2(nothing.fileno(), 0)
    # A server that a shell started in the background has it ignored, and so would this.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=watch, args=(pipe,), daemon=True).start()
    runpy.run_module("jupyter_govdata.cli", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
