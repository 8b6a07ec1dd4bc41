"""Whether somebody still waits for the answer to a call. Runs in the gateway.

What takes long asks between its steps and stops. Only what reads asks: what changes something is
done to its end, whoever waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from jupyter_govdata.errors import GatewayError

_is_gone: ContextVar[Callable[[], bool] | None] = ContextVar("is_gone", default=None)


@contextmanager
def heeding(is_gone: Callable[[], bool]) -> Iterator[None]:
    """Let what runs inside, in this thread, know whether the caller has hung up."""
    token = _is_gone.set(is_gone)
    try:
        yield
    finally:
        _is_gone.reset(token)


def still_wanted() -> None:
    """Go on only while somebody waits.

    Raises:
        GatewayError: The caller has hung up, or its time is over.
    """
    is_gone = _is_gone.get()
    if is_gone is not None and is_gone():
        raise GatewayError("the call was stopped")
