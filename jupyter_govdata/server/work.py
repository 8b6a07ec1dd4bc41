"""Blocking calls off the event loop: few threads, few that wait, a limit of time for each.

Runs in the Jupyter server. Whoever asked and is gone, or has waited too long, gives back what can
be given back: what waits is dropped, what streams is stopped; a call that runs ends by the time
limit of its own connection.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from jupyter_govdata.errors import LimitError

T = TypeVar("T")

THREADS = 8
WAITING = 64
SECONDS = 30.0


class Stop:
    """Tells the work of one request that nobody waits for it any more; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = False
        self._calls: list[Callable[[], None]] = []

    @property
    def stopped(self) -> bool:
        """True when nobody waits any more."""
        return self._stopped

    def then(self, call: Callable[[], None]) -> None:
        """Call this when the work is stopped; at once if it is stopped already."""
        with self._lock:
            if not self._stopped:
                self._calls.append(call)
                return
        call()

    def stop(self) -> None:
        """Stop the work."""
        with self._lock:
            self._stopped = True
            calls, self._calls = self._calls, []
        for call in calls:
            call()


class Workers:
    """The threads that calls to gateways run in."""

    def __init__(self, threads: int = THREADS, waiting: int = WAITING) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="jupyter_govdata")
        self._most = threads + waiting
        self._asked = 0

    async def run(self, work: Callable[[Stop], T], *, seconds: float = SECONDS) -> T:
        """Run `work` in a thread and return what it returns.

        Raises:
            LimitError: Too many wait already, or it took longer than `seconds`.
            Exception: What the work raises.
        """
        if self._asked >= self._most:
            raise LimitError("the server has too many requests to the gateway", hint="try again")
        stop = Stop()
        self._asked += 1
        try:
            running = asyncio.get_running_loop().run_in_executor(self._pool, work, stop)
            return await asyncio.wait_for(running, seconds)
        except TimeoutError:
            raise LimitError(
                "the gateway took too long", hint="try again, or ask for less"
            ) from None
        finally:
            self._asked -= 1
            stop.stop()

    def close(self) -> None:
        """Drop what waits; what runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
