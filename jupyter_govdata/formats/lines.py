"""Numbered lines of a text that holds one record a line. Runs in the client process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jupyter_govdata.errors import LoadError
from jupyter_govdata.formats import encoding as enc
from jupyter_govdata.formats.opening import Meter, ahead, pieces, reading

MAX_LINE = 256 << 20


def encoding_of(path: Path, given: str | None) -> str:
    """Return the encoding that was given or that the first bytes show."""
    if given:
        return enc.known(given)
    with reading(path) as file:
        return enc.by_head(file.read(4096))


def numbered_lines(
    path: Path, encoding: str, meter: Meter | None = None
) -> Iterator[list[tuple[int, bytes]]]:
    """Yield lines in portions: 1-based physical number and UTF-8 bytes; blank ones are skipped.

    Raises:
        LoadError: A line of more than `MAX_LINE` bytes.
    """
    number, carry = 1, b""
    for piece in ahead(enc.to_utf8(pieces(path, meter), encoding)):
        lines = (carry + piece).split(b"\n")
        carry = lines.pop()
        if len(carry) > MAX_LINE:
            raise LoadError(
                f"line {number + len(lines)} of `{path.name}` does not end",
                hint="is it one record a line?",
            )
        yield [(number + i, line) for i, line in enumerate(lines) if line.strip()]
        number += len(lines)
    if carry.strip():
        yield [(number, carry)]
