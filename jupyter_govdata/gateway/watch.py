"""Ends the engine's work when nobody waits for it any more. Runs in the gateway.

A stream looks up with each batch. An aggregate, or a filter that few rows pass, gives none for
long; somebody else has to look meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

POLL = 0.1
"""Seconds."""


class Watch:
    """Calls `stop` once, as soon as `is_over` is true, while the block runs.

    Args:
        is_over: Asked in a thread of its own.
        stop: Safe to call from that thread.
    """

    def __init__(self, is_over: Callable[[], bool], stop: Callable[[], None]) -> None:
        self._is_over = is_over
        self._stop = stop
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="govdata-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(POLL):
            if self._is_over():
                self._stop()
                return
