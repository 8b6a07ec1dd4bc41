"""Blocking calls off the event loop: few threads, few that wait, a limit of time for each.

Runs in the Jupyter server. Whoever asked and is gone, or has waited too long, gives back what can
be given back: what waits is dropped, what runs is told, and so is the gateway behind it. What does
not listen ends by the time limit of its own connection, and keeps nobody waiting until then. The
server's own end waits for none of them: Python joins the threads of a
`ThreadPoolExecutor` before it exits, so there is none here.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

from jupyter_govdata.errors import BusyError, LimitError

T = TypeVar("T")

THREADS = 8
WAITING = 64
SPARE = 16
"""Calls that may run on though nobody waits for them, beside those of `THREADS`."""
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


class Daemons:
    """Threads that run calls in turn, and that no exit of the process waits for.

    Args:
        most: Threads at a time; each is started when it is first needed.
        spare: More threads, in place of those whose call nobody waits for and that run on.
    """

    def __init__(self, most: int, spare: int = 0) -> None:
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._most = most
        self._spare = spare
        self._threads = 0
        self._lock = threading.Lock()
        self._running: set[Future[Any]] = set()
        self._alone: set[Future[Any]] = set()

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Run a call when a thread is free. To be called from one thread only."""
        future: Future[T] = Future()
        self._calls.put((future, call))
        if not self._idle.acquire(blocking=False):
            self._begin()
        return future

    def let_go(self, future: Future[Any]) -> None:
        """Wait for a call no longer: it is dropped, or runs on alone in a thread that then ends.

        To be called from the thread that submits.
        """
        if future.done() or future.cancel():
            return
        with self._lock:
            if future not in self._running or len(self._alone) >= self._spare:
                return
            self._alone.add(future)
        self._threads -= 1
        if not self._calls.empty():
            self._begin()

    def _begin(self) -> None:
        if self._threads < self._most:
            self._threads += 1
            threading.Thread(target=self._work, name="jupyter_govdata", daemon=True).start()

    def _work(self) -> None:
        while (asked := self._calls.get()) is not None:
            if not self._run(*asked):
                return
            del asked  # what it holds is not kept until there is another
            self._idle.release()

    def _run(self, future: Future[T], call: Callable[[], T]) -> bool:
        """Run a call; return False if it was let go meanwhile, and its thread with it."""
        with self._lock:
            self._running.add(future)
        _settle(future, call)
        with self._lock:
            self._running.discard(future)
            was_let_go = future in self._alone
            self._alone.discard(future)
        return not was_let_go

    def close(self) -> None:
        """Let every thread end after what runs and waits; wait for none."""
        for _ in range(self._threads):
            self._calls.put(None)


def _settle(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(call())
    except BaseException as error:  # noqa: BLE001  (whoever waits gets it)
        future.set_exception(error)


async def apart(call: Callable[[], T], seconds: float) -> T:
    """Run a call in a thread of its own; wait for `seconds` at most.

    Raises:
        TimeoutError: It goes on alone.
        Exception: What the call raises.
    """
    alone = Daemons(1)
    try:
        return await asyncio.wait_for(asyncio.wrap_future(alone.submit(call)), seconds)
    finally:
        alone.close()


class Workers:
    """The threads that calls to gateways run in."""

    def __init__(self, threads: int = THREADS, waiting: int = WAITING, spare: int = SPARE) -> None:
        self._pool = Daemons(threads, spare)
        self._most = threads + waiting
        self._asked: set[Stop] = set()

    async def run(self, work: Callable[[Stop], T], *, seconds: float = SECONDS) -> T:
        """Run `work` in a thread and return what it returns.

        Raises:
            BusyError: Too many wait already.
            LimitError: It took longer than `seconds`.
            Exception: What the work raises.
        """
        if len(self._asked) >= self._most:
            raise BusyError("the server has too many requests to the gateway", hint="try again")
        stop = Stop()
        self._asked.add(stop)
        call = self._pool.submit(lambda: work(stop))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(call), seconds)
        except TimeoutError:
            raise LimitError(
                "the gateway took too long", hint="try again, or ask for less"
            ) from None
        finally:
            self._asked.discard(stop)
            stop.stop()
            self._pool.let_go(call)

    def close(self) -> None:
        """Stop what can be stopped; what runs ends by itself, or with the process."""
        for stop in tuple(self._asked):
            stop.stop()
        self._pool.close()
