"""How each query of this process ended, told to whoever listens. Runs in the kernel.

A notebook stamps every governed execution in it, also those that Python code makes and those that
fail. Listeners are told in the thread that asked, once per call of the engine, before the answer
is returned or the error goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jupyter_govdata.errors import GovDataError
from jupyter_govdata.model.stamp import Receipt

if TYPE_CHECKING:
    from jupyter_govdata.query.result import QueryResult
    from jupyter_govdata.query.source import AssetSource


@dataclass(eq=False, slots=True)
class Answer:
    """What became of a query.

    Args:
        source: The session that was asked.
        query: Text as written.
        parameters: Values bound to its parameters, as far as they were bound.
        purpose: Of the call; empty for the principal's own.
        result: None unless there is one.
        error: Code of the error of a failed query, else empty.
        status: See `Stamp.status`.
        receipts: Of what was read; of a query that did not end well, as far as known.
        pins: See `Stamp.pins`.
        seconds: Wall-clock time.
    """

    source: AssetSource
    query: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    purpose: str = ""
    result: QueryResult | None = None
    error: str = ""
    status: str = "complete"
    receipts: tuple[Receipt, ...] = ()
    pins: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0


Listener = Callable[[Answer], None]
_listeners: list[Listener] = []
_running_cell: list[str] = []


def running_cell() -> str | None:
    """Return the id of the notebook cell that runs, as far as the frontend tells it.

    The same one in every thread: a cell's threads belong to it.
    """
    return _running_cell[0] if _running_cell else None


def set_running_cell(cell_id: str | None) -> None:
    """Say which cell runs; None when it has ended."""
    _running_cell[:] = [] if cell_id is None else [cell_id]


def listen(listener: Listener) -> None:
    """Tell `listener` of every answer from now on."""
    _listeners.append(listener)


def unlisten(listener: Listener) -> None:
    """Tell `listener` no more."""
    _listeners[:] = [other for other in _listeners if other != listener]


@contextmanager
def answering(answer: Answer, known: Callable[[], Mapping[str, Any]]) -> Iterator[Answer]:
    """Tell the listeners how the block ended; it sets `result` if there is one.

    Args:
        answer: What was asked.
        known: Returns `receipts` and `pins` of what was read so far; asked after a failure.
    """
    started = time.perf_counter()
    try:
        yield answer
    except BaseException as error:
        answer.status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        answer.error = _code(error)
        found = known()
        answer.receipts, answer.pins = tuple(found["receipts"]), dict(found["pins"])
        _tell(answer, started)
        raise
    result = answer.result
    if result is not None:
        answer.receipts, answer.pins = result.receipts, result.pins
    _tell(answer, started)


def _code(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return ""
    return error.code if isinstance(error, GovDataError) else "error"


def _tell(answer: Answer, started: float) -> None:
    answer.seconds = time.perf_counter() - started
    for listener in tuple(_listeners):
        listener(answer)
