"""Calls that end at the gateway, too, when nobody waits for them. Runs where a session does.

A call by `do_action` cannot be taken back once it is made; a stream can. So whoever may stop
waiting says so around its calls, and these come as streams of one message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

Then = Callable[[Callable[[], None]], None]
"""Takes what is to be called once nobody waits any more; from any thread, at once if it is so."""

ACT = b"act:"
"""What the ticket of an action begins with; its name, a line end and its JSON follow."""

_then: ContextVar[Then | None] = ContextVar("then", default=None)


@contextmanager
def ending(then: Then) -> Iterator[None]:
    """Take back the calls to the gateway that are made inside, in this thread, when told."""
    token = _then.set(then)
    try:
        yield
    finally:
        _then.reset(token)


def told_to_end() -> Then | None:
    """Return who tells when nobody waits for the calls of this thread any more."""
    return _then.get()


def only_message(stream: Any, then: Then) -> Any:
    """Return the buffer of a stream of one message; `then` is told how to take it back.

    Args:
        stream: A `FlightStreamReader`.
        then: Of `ending`.

    Raises:
        pyarrow.ArrowException: What the gateway answers, or that it was taken back.
    """
    then(stream.cancel)
    return stream.read_chunk().app_metadata
