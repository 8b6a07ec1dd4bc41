"""Reading a notebook file for its stamps alone, in little memory.

Pure but for the file; runs wherever notebooks are read. Outputs can be hundreds of megabytes,
stamps are kilobytes: the file is mapped, everything but code, our metadata and stamps is passed
over, and what is passed over is not checked. Memory is that of what is returned, at most
`MAX_PART` bytes a part.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.stamps.bundle import METADATA_KEY
from jupyter_govdata.stamps.folding import NAMESPACE

MAX_PART = 64 << 20
"""Bytes of one decoded part: a cell's text, a stamp, our metadata."""

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TEXT = re.compile(_STRING, re.DOTALL)
_BLANK = re.compile(rb"[ \t\r\n]*+")
_PLAIN = re.compile(rb"[-+0-9.eEa-zA-Z]++")
_TO_BRACKET = re.compile(rb'[^"{}\[\]]*+(?:' + _STRING + rb'[^"{}\[\]]*+)*+', re.DOTALL)
_STAMP_KEY = re.compile(r"application/vnd\.govdata\.stamp\.v[0-9]{1,4}\+json")

Read = Callable[["_Scanner"], Any]


def read_notebook(path: Path, *, shown: bool = False) -> dict[str, Any]:
    """Return a notebook without its outputs' contents but stamps.

    What is returned is a notebook for `fold_stamps`, `stamped_cells` and `pins_of`: cells with
    id, type, text, execution count, our metadata, and as many outputs as there are.

    Args:
        path: The file.
        shown: Keep the ``text/plain`` of outputs too.

    Raises:
        ConfigError: The file cannot be read, or is not a notebook of format 4.
    """
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise _not_a_notebook(path)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
                return _notebook(_Scanner(buffer, shown), path)
    except OSError as exc:
        raise ConfigError(f"`{path}` cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise _not_a_notebook(path) from exc


def _not_a_notebook(path: Path) -> ConfigError:
    return ConfigError(
        f"`{path}` is not a notebook of format 4",
        hint="open it in Jupyter and save it, or run `jupyter nbconvert --to notebook`",
    )


def _notebook(scanner: _Scanner, path: Path) -> dict[str, Any]:
    readers: dict[str, Read] = {
        "nbformat": _Scanner.value,
        "nbformat_minor": _Scanner.value,
        "metadata": _our_metadata,
        "cells": lambda s: list(s.items(_cell)),
    }
    nb = scanner.members(readers)
    scanner.require_end()
    if nb.get("nbformat") != 4 or not isinstance(nb.get("cells"), list):
        raise _not_a_notebook(path)
    return nb


def _cell(scanner: _Scanner) -> dict[str, Any]:
    value = _Scanner.value
    readers: dict[str, Read] = dict.fromkeys(
        ("id", "cell_type", "execution_count", "source"), value
    )
    return scanner.members(
        readers | {"metadata": _our_metadata, "outputs": lambda s: list(s.items(_output))}
    )


def _output(scanner: _Scanner) -> dict[str, Any]:
    return scanner.members(
        {
            "output_type": _Scanner.value,
            "data": lambda s: s.members(s.wanted),
            "metadata": lambda s: s.members({METADATA_KEY: _Scanner.value}),
        }
    )


def _our_metadata(scanner: _Scanner) -> dict[str, Any]:
    return scanner.members({NAMESPACE: _Scanner.value})


class _Wanted:
    """Which parts of an output's data are read: stamps, and on request what was shown."""

    def __init__(self, shown: bool) -> None:
        self._shown = shown

    def get(self, key: str) -> Read | None:
        is_read = _STAMP_KEY.fullmatch(key) or (self._shown and key == "text/plain")
        return _Scanner.value if is_read else None


class _Scanner:
    """Walks JSON text in a buffer. Every error is a `ValueError`."""

    def __init__(self, buffer: mmap.mmap, shown: bool) -> None:
        self._buffer = buffer
        self._at = 3 if buffer[:3] == b"\xef\xbb\xbf" else 0
        self.wanted: Any = _Wanted(shown)

    def members(self, readers: Any) -> dict[str, Any]:
        """Read the wanted members of an object; of anything else, nothing."""
        found: dict[str, Any] = {}
        if self._peek() != b"{":
            self.skip()
            return found
        self._at += 1
        if self._ends(b"}"):
            return found
        while True:
            key = self._text()
            self._expect(b":")
            read = readers.get(key)
            if read is None:
                self.skip()
            else:
                found[key] = read(self)
            if self._ends(b"}"):
                return found
            self._expect(b",")

    def items(self, read: Read) -> Iterator[Any]:
        """Read the items of an array; of anything else, none."""
        if self._peek() != b"[":
            self.skip()
            return
        self._at += 1
        if self._ends(b"]"):
            return
        while True:
            yield read(self)
            if self._ends(b"]"):
                return
            self._expect(b",")

    def value(self) -> Any:
        """Decode the next value."""
        self._peek()
        start = self._at
        self.skip()
        if self._at - start > MAX_PART:
            raise ValueError("too large")
        try:
            return json.loads(self._buffer[start : self._at])
        except RecursionError as exc:
            raise ValueError("too deep") from exc

    def skip(self) -> None:
        """Pass over the next value without looking into it."""
        first = self._peek()
        if first == b'"':
            self._move(_TEXT)
        elif first in (b"{", b"["):
            depth = 0
            while True:
                self._move(_TO_BRACKET)
                bracket = self._buffer[self._at : self._at + 1]
                if not bracket or bracket == b'"':
                    raise ValueError("unfinished")
                depth += 1 if bracket in (b"{", b"[") else -1
                self._at += 1
                if depth == 0:
                    return
        else:
            self._move(_PLAIN)

    def require_end(self) -> None:
        """Check that nothing follows."""
        if self._peek():
            raise ValueError("more than one value")

    def _text(self) -> str:
        self._peek()
        start = self._at
        self._move(_TEXT)
        if self._at - start > MAX_PART:
            raise ValueError("too large")
        return str(json.loads(self._buffer[start : self._at]))

    def _move(self, pattern: re.Pattern[bytes]) -> None:
        match = pattern.match(self._buffer, self._at)
        if match is None:
            raise ValueError("unexpected")
        self._at = match.end()

    def _peek(self) -> bytes:
        self._move(_BLANK)
        return self._buffer[self._at : self._at + 1]

    def _ends(self, bracket: bytes) -> bool:
        if self._peek() != bracket:
            return False
        self._at += 1
        return True

    def _expect(self, mark: bytes) -> None:
        if self._peek() != mark:
            raise ValueError("unexpected")
        self._at += 1
