"""Cells as text, exactly: what Python's own types would round or refuse. Runs in the kernel.

Trusts nothing; the text is not yet safe to look at, see `visible`. Work and length are bounded,
whatever a cell holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from jupyter_govdata.query.show.times import (
    date_text,
    duration_text,
    equal_fractions,
    interval_text,
    time_text,
    timestamp_text,
)

NULL = "NULL"
MAX_TEXT = 10_000
_MAX_BYTES = 64
_LONG = 60  # the end of longer text is folded away
_DECIMALS = 6
_LARGE, _SMALL = 1e15, 1e-4

types = pa.types


class Cell(NamedTuple):
    """One cell.

    Args:
        text: Its text, at most `MAX_TEXT` characters.
        kind: ``null``, ``text`` for what is stored as text, ``value`` for the rest.
        exact: The exact number where `text` is rounded, or empty.
        left_out: Characters (of text) or bytes that `text` leaves out.
    """

    text: str
    kind: Literal["null", "text", "value"]
    exact: str = ""
    left_out: int = 0


def cells_of(column: pa.ChunkedArray | pa.Array) -> list[Cell]:
    """Return the cells of a column, numbers and times with equally many decimals."""
    kind = column.type
    if types.is_floating(kind):
        return _floats([scalar.as_py() for scalar in column])
    found = [_cell(scalar) for scalar in column]
    if is_time(kind):
        texts = equal_fractions([c.text for c in found])
        return [cell._replace(text=text) for cell, text in zip(found, texts, strict=True)]
    return found


def cell_of(scalar: pa.Scalar) -> Cell:
    """Return the cell of one value."""
    return _floats([scalar.as_py()])[0] if types.is_floating(scalar.type) else _cell(scalar)


def quoted(cell: Cell) -> str:
    """Return a cell's text, in quotes where it could be taken for NULL, nothing or blanks.

    >>> quoted(Cell("NULL", "text")), quoted(Cell("", "text")), quoted(Cell("NULL", "null"))
    ("'NULL'", "''", 'NULL')
    """
    text = cell.text
    if cell.kind != "text" or cell.left_out:
        return text
    is_padded = text != (text.strip() if len(text) < _LONG else text.lstrip())
    is_plain = text and text != NULL and not is_padded and text[0] + text[-1] != "''"
    return text if is_plain else _in_quotes(text)


def is_number(kind: pa.DataType) -> bool:
    """Return whether values of the type are aligned to the right."""
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def is_time(kind: pa.DataType) -> bool:
    """Return whether values of the type are points in time."""
    return bool(types.is_date(kind) or types.is_timestamp(kind) or types.is_time(kind))


def value_text(value: Any) -> str:
    """Return a Python value as text."""
    return _cell(pa.scalar(value)).text if isinstance(value, bool | float) else str(value)


def _cell(scalar: pa.Scalar) -> Cell:
    while isinstance(scalar, pa.DictionaryScalar | pa.RunEndEncodedScalar) and scalar.is_valid:
        is_dictionary = isinstance(scalar, pa.DictionaryScalar)
        scalar = scalar.value if is_dictionary else pa.scalar(scalar.as_py())
    if not scalar.is_valid:
        return Cell(NULL, "null")
    kind = scalar.type
    if _is_text(kind):
        text = scalar.as_py()
        return Cell(text[:MAX_TEXT], "text", left_out=max(len(text) - MAX_TEXT, 0))
    if _is_bytes(kind):
        data = scalar.as_buffer()
        return Cell(_hex(data), "value", left_out=max(data.size - _MAX_BYTES, 0))
    parts, length = [], 0
    for part in _parts(scalar):
        parts.append(part)
        length += len(part)
        if length > MAX_TEXT:
            return Cell("".join(parts)[: MAX_TEXT - 1] + "…", "value")
    return Cell("".join(parts), "value")


def _parts(scalar: pa.Scalar) -> Iterator[str]:
    """Yield the text of a value, piece by piece, so that the reader can stop."""
    kind = scalar.type
    if not scalar.is_valid:
        yield NULL
    elif _is_text(kind):
        yield _in_quotes(scalar.as_py()[:MAX_TEXT])
    elif types.is_map(kind):
        entries = scalar.values
        yield from _joined("{", (_entry(entries[i]) for i in range(len(entries))), "}")
    elif types.is_struct(kind):
        fields = (_field(kind.field(i).name, scalar[i]) for i in range(kind.num_fields))
        yield from _joined("{", fields, "}")
    elif _is_list(kind):
        values = scalar.values
        yield from _joined("[", (_parts(values[i]) for i in range(len(values))), "]")
    elif types.is_union(kind) or types.is_dictionary(kind):
        yield from _parts(scalar.value)
    elif isinstance(kind, pa.BaseExtensionType):
        yield from _extension(scalar)
    else:
        yield next((write for is_kind, write in _WRITERS if is_kind(kind)), str)(scalar)


def _joined(opening: str, items: Iterator[Iterator[str]], closing: str) -> Iterator[str]:
    yield opening
    for i, item in enumerate(items):
        if i:
            yield ", "
        yield from item
    yield closing


def _entry(pair: pa.StructScalar) -> Iterator[str]:
    yield from _parts(pair[0])
    yield ": "
    yield from _parts(pair[1])


def _field(name: str, value: pa.Scalar) -> Iterator[str]:
    yield f"{_in_quotes(name)}: "
    yield from _parts(value)


def _extension(scalar: pa.ExtensionScalar) -> Iterator[str]:
    kind = scalar.type
    if kind.extension_name == "arrow.uuid":
        yield str(scalar.as_py())
    elif getattr(kind, "type_name", "") == "bignum":
        yield _bignum(scalar.value.as_py())
    else:
        yield from _parts(scalar.value)


def _bignum(data: bytes) -> str:
    """Return DuckDB's BIGNUM: sign and length in 3 bytes, then the number, highest byte first."""
    if data[0] & 0x80:
        return str(int.from_bytes(data[3:], "big"))
    return str(-int.from_bytes(bytes(255 - b for b in data[3:]), "big"))


# -- numbers -------------------------------------------------------------------------------------


def _floats(values: Sequence[float | None]) -> list[Cell]:
    """Return numbers with equally many decimals, as many as they need and 6 at most.

    Where that would lose small or hide large numbers, each has 6 significant digits of its own.
    """
    finite = [float(v) for v in values if v is not None and math.isfinite(v)]
    sizes = [abs(v) for v in finite if v]
    if sizes and (max(sizes) >= _LARGE or min(sizes) < _SMALL):
        return [_float_cell(v, _general) for v in values]
    needed = [len(f"{v:.{_DECIMALS}f}".rstrip("0").partition(".")[2]) for v in finite]
    decimals = max([1, *needed])
    return [_float_cell(v, lambda x: f"{x:.{decimals}f}") for v in values]


def _float_cell(value: float | None, write: Callable[[float], str]) -> Cell:
    if value is None:
        return Cell(NULL, "null")
    value = float(value)  # a half float is NumPy's
    if not math.isfinite(value):
        return Cell(_float(value), "value")
    text, exact = write(value), _float(value)
    return Cell(text, "value", exact="" if float(text) == value else exact)


def _general(value: float) -> str:
    text = f"{value:.{_DECIMALS}g}"
    return text if "." in text or "e" in text else f"{text}.0"


def _float(value: float) -> str:
    return repr(float(value))


# -- types ---------------------------------------------------------------------------------------


def _is_text(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return _is_text(kind.storage_type)  # JSON
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
    )


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def _hex(data: pa.Buffer) -> str:
    shown = bytes(data.slice(0, _MAX_BYTES)) if data.size > _MAX_BYTES else bytes(data)
    return f"\\x{shown.hex()}" + ("…" if data.size > _MAX_BYTES else "")


def _bytes(scalar: pa.Scalar) -> str:
    return _hex(scalar.as_buffer())


def _in_quotes(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _boolean(scalar: pa.Scalar) -> str:
    return "true" if scalar.as_py() else "false"


def _decimal(scalar: pa.Scalar) -> str:
    value = scalar.as_py()
    assert isinstance(value, Decimal)
    return f"{value:f}"


_WRITERS: tuple[tuple[Callable[[pa.DataType], Any], Callable[[pa.Scalar], str]], ...] = (
    (types.is_boolean, _boolean),
    (types.is_integer, lambda scalar: str(scalar.as_py())),
    (types.is_floating, lambda scalar: _float(scalar.as_py())),
    (types.is_decimal, _decimal),
    (types.is_date, date_text),
    (types.is_timestamp, timestamp_text),
    (types.is_time, time_text),
    (types.is_duration, duration_text),
    (types.is_interval, interval_text),
    (_is_bytes, _bytes),
)
