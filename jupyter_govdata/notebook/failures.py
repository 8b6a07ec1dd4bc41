"""Errors in a notebook: one or two clear lines, and the cell fails. Runs in the kernel.

The exception is raised, so that nbclient and papermill notice; only its traceback is short.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from jupyter_govdata.errors import GovDataError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_WINDOW = 100


@contextmanager
def short_errors(shell: InteractiveShell, text: str = "", first_line: int = 1) -> Iterator[None]:
    """Shorten the tracebacks of errors that are meant for the user.

    Args:
        shell: Where they will be shown; with ``%xmode Verbose`` tracebacks stay long.
        text: What the user wrote; positions in errors refer to it.
        first_line: Line of the cell that `text` starts on.
    """
    try:
        yield
    except GovDataError as error:
        _shorten(shell, error, error_lines(error, text, first_line))
        raise
    except KeyboardInterrupt as error:
        _shorten(shell, error, ["KeyboardInterrupt: the query was stopped"])
        raise


def error_lines(error: GovDataError, text: str = "", first_line: int = 1) -> list[str]:
    """Return message, place and way out, as lines."""
    line, column = error.detail.get("line"), error.detail.get("column")
    place: list[str] = []
    where = ""
    if isinstance(line, int) and isinstance(column, int) and text:
        where = f" (line {line + first_line - 1}, column {column})"
        place = _caret(text.split("\n"), line, column)
    lines = [f"{type(error).__name__}: {error.message}{where}", *place]
    return lines if error.hint is None else [*lines, f"hint: {error.hint}"]


def _caret(lines: list[str], line: int, column: int) -> list[str]:
    if not 1 <= line <= len(lines) or not lines[line - 1].strip():
        return []
    source = lines[line - 1].replace("\t", " ")
    start = max(0, column - 1 - _WINDOW // 2) if len(source) > _WINDOW else 0
    head = source[start : column - 1]
    left, right = "…" * (start > 0), "…" * (start + _WINDOW < len(source))
    shown = f"{left}{source[start : start + _WINDOW]}{right}"
    return [f"  {shown}", f"  {' ' * (len(left) + _width(head))}^"]


def _width(text: str) -> int:
    return len(text) + sum(unicodedata.east_asian_width(c) in "WF" for c in text)


def _shorten(shell: InteractiveShell, error: BaseException, lines: list[str]) -> None:
    def render() -> list[str]:
        formatter = shell.InteractiveTB
        if formatter.mode != "Verbose":
            return lines
        # SECURITY: Verbose prints the variables of every frame, and the client's hold a token.
        formatter.set_mode("Context")
        try:
            return [str(part) for part in _long(shell, error, error.__traceback__)]
        finally:
            formatter.set_mode("Verbose")

    error._render_traceback_ = render  # type: ignore[attr-defined]  # IPython's protocol


def _long(
    shell: InteractiveShell, error: BaseException, traceback: TracebackType | None
) -> list[str]:
    found: list[str] = shell.InteractiveTB.structured_traceback(type(error), error, traceback)
    return found
