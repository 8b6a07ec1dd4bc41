"""Run work in a thread so that an interrupt stops it. Runs in the kernel.

The main thread stays in Python, where Jupyter's Stop button arrives as KeyboardInterrupt; a
query in the main thread would hold it up inside DuckDB.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")

_POLL = 0.1  # On Windows, a wait without a timeout cannot be interrupted.
_STOP_WITHIN = 0.5
_STOP_AGAIN = 0.05


@contextmanager
def interrupts_in_one_line() -> Iterator[None]:
    """Let IPython show an interrupt of the block as one line.

    It takes up to a second to show a traceback, and where a wait stood says nothing.
    """
    try:
        yield
    except KeyboardInterrupt as stopped:
        line = "KeyboardInterrupt: the query was stopped"
        stopped._render_traceback_ = lambda: [line]  # type: ignore[attr-defined]  # its protocol
        raise


class Tick(Protocol):
    """What the waiting thread calls now and then."""

    def __call__(self, *, done: bool) -> None:
        """Look at what came so far; `done` the last time."""


class Job(Generic[T]):
    """Work in a thread of its own.

    Args:
        work: What to do.
        stop: Makes `work` end soon; called from the interrupted thread, perhaps several times,
            for a query that has not started yet has nothing to stop.
        tick: Called in the waiting thread, about ten times a second, and at the end.
    """

    def __init__(
        self, work: Callable[[], T], stop: Callable[[], None], tick: Tick | None = None
    ) -> None:
        self._work = work
        self._stop = stop
        self._tick = tick
        self._done = threading.Event()
        self._result: list[T] = []
        self._error: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, name="govdata-query", daemon=True)

    def _run(self) -> None:
        try:
            self._result.append(self._work())
        except BaseException as error:  # noqa: BLE001  # carried over to the waiting thread
            self._error.append(error)
        finally:
            self._done.set()

    @property
    def done(self) -> bool:
        """True when the work has ended."""
        return self._done.is_set()

    @property
    def is_current(self) -> bool:
        """True in the thread of the work."""
        return threading.current_thread() is self._thread

    def wait(self) -> T:
        """Start the work and return its result, or raise its error.

        On an interrupt the work is stopped, and within a second the interrupt goes on; `done`
        says whether the work has ended by then.
        """
        try:
            self._thread.start()
            self.join()
        except BaseException:
            self._end()
            raise
        finally:
            if self._tick is not None:
                self._tick(done=True)
        if self._error:
            raise self._error[0]
        return self._result[0]

    def join(self) -> None:
        """Wait until the work has ended; can be interrupted."""
        while not self._done.wait(_POLL):
            if self._tick is not None:
                self._tick(done=False)

    def _end(self) -> None:
        tries = int(_STOP_WITHIN / _STOP_AGAIN)
        for _ in range(tries):
            self._stop()
            if self._done.wait(_STOP_AGAIN):
                return
