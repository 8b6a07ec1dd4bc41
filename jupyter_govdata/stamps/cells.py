"""Arrow values as cells of two 64-bit words, the same for every physical layout of equal values.

Pure; runs in the kernel; trusts nothing. `docs/reference/stamp.md` specifies the encoding, so
a change here is a new digest version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jupyter_govdata.errors import StampError
from jupyter_govdata.stamps.fold import ALL, NOTHING, U64, Cells, fold, segment_sums
from jupyter_govdata.stamps.text import blake, text_cells

NULL_WORD = 0x4E554C4C4E554C4C
"""Second word of NULL (its first is 0); in ASCII ``NULLNULL``."""

_NAN = np.uint64(0x7FF8000000000000)
_NULL: U64 = np.full(1, NULL_WORD, np.uint64)

types = pa.types


@lru_cache(maxsize=256)
def type_form(kind: pa.DataType) -> Any:
    """Return the logical type as JSON data: a name, or a list of a name and its parts.

    Raises:
        StampError: The digest does not define the type.
    """
    if isinstance(kind, pa.BaseExtensionType):
        return type_form(kind.storage_type)
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return type_form(kind.value_type)
    if types.is_struct(kind):
        return ["struct", [[f.name, type_form(f.type)] for f in kind]]
    if types.is_union(kind):
        return ["union", [[f.name, type_form(f.type)] for f in kind]]
    if types.is_map(kind):
        return ["map", type_form(kind.key_type), type_form(kind.item_type)]
    if _is_list(kind):
        return ["list", type_form(kind.value_type)]
    for name, holds, _ in _FLAT:
        if holds(kind):
            return name
    raise StampError(f"a result column of type `{kind}` has no digest")


def cells_of(array: pa.Array) -> Cells:
    """Return the two words of every value; NULL is ``(0, NULL_WORD)``.

    Raises:
        StampError: The digest does not define the type.
    """
    if array.null_count == len(array):
        return _null(array)  # a column whose mask is `null` costs nothing
    return _encoder(array.type)(array)


@lru_cache(maxsize=256)
def _encoder(kind: pa.DataType) -> Callable[[pa.Array], Cells]:
    if isinstance(kind, pa.BaseExtensionType):
        return lambda array: cells_of(array.storage)
    if types.is_run_end_encoded(kind):
        return lambda array: cells_of(pc.run_end_decode(array))
    if types.is_dictionary(kind):
        return _dictionary
    if types.is_union(kind):
        return _union
    if types.is_struct(kind):
        return lambda array: _with_nulls(array, _struct(array))
    if types.is_map(kind) or _is_list(kind):
        return lambda array: _with_nulls(array, _list(array))
    for _, holds, encode in _FLAT:
        if holds(kind):
            return lambda array: _with_nulls(array, encode(array))
    raise StampError(f"a result column of type `{kind}` has no digest")


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def _with_nulls(array: pa.Array, cells: Cells) -> Cells:
    if array.null_count == 0:
        return cells
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    return np.where(valid, cells[0], NOTHING), np.where(valid, cells[1], _NULL)


def _values(array: pa.Array, dtype: Any) -> NDArray[Any]:
    """View the values buffer, NULL slots included."""
    buffer = array.buffers()[1]
    if buffer is None or len(array) == 0:
        return np.zeros(len(array), dtype)
    size = np.dtype(dtype).itemsize
    return np.frombuffer(buffer, dtype, len(array), array.offset * size)


# -- numbers -----------------------------------------------------------------------------------


def _null(array: pa.Array) -> Cells:
    return np.zeros(len(array), np.uint64), _NULL


def _bool(array: pa.Array) -> Cells:
    # INVARIANT: NULL slots may hold anything; `_with_nulls` overwrites them for every type.
    return _unsigned(array.cast(pa.uint8()), np.uint8)


def _unsigned(array: pa.Array, dtype: Any) -> Cells:
    return _values(array, dtype).astype(np.uint64, copy=False), NOTHING


def _signed(values: NDArray[Any]) -> Cells:
    wide = values.astype(np.int64, copy=False)
    if len(wide) and wide.min() < 0:
        return wide.view(np.uint64), (wide >> 63).view(np.uint64)
    return wide.view(np.uint64), NOTHING


def _int(array: pa.Array) -> Cells:
    dtype = array.type.to_pandas_dtype()
    if types.is_unsigned_integer(array.type):
        return _unsigned(array, dtype)
    return _signed(_values(array, dtype))


def _float(array: pa.Array) -> Cells:
    values = _values(array, array.type.to_pandas_dtype())
    with np.errstate(all="ignore"):
        wide = np.add(values, 0.0, dtype=np.float64)  # -0.0 + 0.0 is 0.0: SQL holds them equal
    words = wide.view(np.uint64)
    nan = np.isnan(wide)
    if nan.any():
        words[nan] = _NAN
    return words, NOTHING


def _decimal(array: pa.Array) -> Cells:
    scale = array.type.scale
    parts = array.type.bit_width // 64
    if parts == 0 or scale < 0:
        return _decimal_slowly(array)
    words = _values(array, np.dtype(("<u8", (parts,)))).reshape(len(array), parts)
    low = np.array(words[:, 0], np.uint64).view(np.int64)
    sign = (low >> 63).view(np.uint64)
    wide = (words[:, 1:] != sign[:, None]).any(axis=1)
    if array.null_count:
        wide &= array.is_valid().to_numpy(zero_copy_only=False)
    left = np.full(len(array), scale, np.uint64)
    for step in (16, 8, 4, 2, 1):
        quotient, rest = np.divmod(low, 10**step)
        exact = (rest == 0) & (left >= step)
        low = np.where(exact, quotient, low)
        left[exact] -= np.uint64(step)
    if wide.any():
        at = np.flatnonzero(wide)
        slow = _decimal_slowly(array.take(pa.array(at)))
        low[at], left[at] = slow[0].view(np.int64), slow[1]
    return low.view(np.uint64), left


def _decimal_slowly(array: pa.Array) -> Cells:
    first, second = np.zeros(len(array), np.uint64), np.zeros(len(array), np.uint64)
    for i, value in enumerate(array.to_pylist()):
        if value is not None:
            first[i], second[i] = decimal_words(value)
    return first, second


def decimal_words(value: Decimal) -> tuple[int, int]:
    """Return the two words of one decimal number."""
    sign, digits, exponent = value.as_tuple()
    whole = int("".join(map(str, digits)) or "0")
    scale = -int(exponent)
    if scale < 0:
        whole, scale = whole * 10**-scale, 0
    while scale and whole % 10 == 0:
        whole, scale = whole // 10, scale - 1
    whole = -whole if sign else whole
    if -(2**63) <= whole < 2**63:
        return whole & ALL, scale
    return blake(f"{whole}e-{scale}".encode())


# -- time --------------------------------------------------------------------------------------


def _date(array: pa.Array) -> Cells:
    if types.is_date64(array.type):
        return _signed(np.floor_divide(_values(array, np.int64), 86_400_000))
    return _signed(_values(array, np.int32))


def _moment(array: pa.Array) -> Cells:
    """Microseconds in the first word, the nanoseconds left over (0 to 999) in the second."""
    unit = array.type.unit
    width = np.int32 if array.type.bit_width == 32 else np.int64
    values = _values(array, width).astype(np.int64, copy=False)
    if unit == "us":
        return values.view(np.uint64), NOTHING
    if unit == "ns":
        micros, rest = np.divmod(values, 1_000)
        return micros.view(np.uint64), rest.astype(np.uint64)
    factor = 1_000_000 if unit == "s" else 1_000
    words = values.view(np.uint64) * np.uint64(factor)
    limit = 2**63 // factor
    far = np.flatnonzero((values >= limit) | (values < -limit))
    if not len(far):
        return words, NOTHING
    # Beyond 292,000 years (and for "infinity") microseconds need more than 64 bits.
    above = np.zeros(len(values), np.uint64)
    above[far] = [((v * factor + 2**63) >> 64) & ALL for v in values[far].tolist()]
    return words, above


def _interval(array: pa.Array) -> Cells:
    layout = np.dtype([("months", "=i4"), ("days", "=i4"), ("nanos", "=i8")])
    values = _values(array, layout)
    months = values["months"].astype(np.int64).view(np.uint64) << np.uint64(32)
    days = values["days"].astype(np.int64).view(np.uint64) & np.uint64(0xFFFFFFFF)
    return values["nanos"].astype(np.int64).view(np.uint64), months | days


# -- nested ------------------------------------------------------------------------------------


def _struct(array: pa.StructArray) -> Cells:
    return fold(len(array), (cells_of(field) for field in array.flatten()))


def _dictionary(array: pa.DictionaryArray) -> Cells:
    if len(array.dictionary) > len(array):
        return cells_of(array.dictionary_decode())
    indices = array.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    if not len(array.dictionary):
        return _null(array)
    first, second = cells_of(array.dictionary)
    second = np.broadcast_to(second, first.shape)
    return _with_nulls(array.indices, (first[indices], second[indices]))


def _union(array: pa.UnionArray) -> Cells:
    # UPSTREAM: `type_codes` and `offsets` of a sliced union start at the unsliced beginning.
    codes = _values(array, np.int8)
    rows: NDArray[Any] = np.arange(len(array))
    if array.type.mode == "dense" and len(array):
        rows = np.frombuffer(array.buffers()[2], np.int32, len(array), array.offset * 4)
    first, second = np.zeros(len(array), np.uint64), np.zeros(len(array), np.uint64)
    for position, code in enumerate(array.type.type_codes):
        here = np.flatnonzero(codes == code)
        value = cells_of(array.field(position).take(pa.array(rows[here])))
        chosen = np.full(1, position, np.uint64), NOTHING
        first[here], second[here] = fold(len(here), (chosen, value))
    return first, second


def _list(array: pa.Array) -> Cells:
    if types.is_map(array.type):
        array = _map_entries(array)
    lengths = pc.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)
    if array.null_count:
        lengths = np.where(array.is_valid().to_numpy(zero_copy_only=False), lengths, 0)
    lengths = lengths.astype(np.int64)
    values = array.flatten()
    starts = np.cumsum(lengths) - lengths
    positions = np.arange(len(values), dtype=np.int64) - np.repeat(starts, lengths)
    elements = fold(len(values), ((positions.view(np.uint64), NOTHING), cells_of(values)))
    sums = segment_sums(elements[0], lengths), segment_sums(elements[1], lengths)
    return fold(len(array), (sums, (lengths.astype(np.uint64), NOTHING)))


def _map_entries(array: pa.MapArray) -> pa.ListArray:
    kind = array.type
    entries = pa.struct([("key", kind.key_type), ("value", kind.item_type)])
    return array.cast(pa.list_(entries))


def _any(*tests: Callable[[pa.DataType], bool]) -> Callable[[pa.DataType], bool]:
    return lambda kind: any(test(kind) for test in tests)


_FLAT: Iterable[tuple[str, Callable[[pa.DataType], bool], Callable[[pa.Array], Cells]]] = (
    ("null", types.is_null, _null),
    ("bool", types.is_boolean, _bool),
    ("int", types.is_integer, _int),
    ("float", types.is_floating, _float),
    ("decimal", types.is_decimal, _decimal),
    ("date", types.is_date, _date),
    ("time", types.is_time, _moment),
    ("timestamp", lambda kind: types.is_timestamp(kind) and kind.tz is None, _moment),
    ("instant", lambda kind: types.is_timestamp(kind) and kind.tz is not None, _moment),
    ("duration", types.is_duration, _moment),
    ("interval", lambda kind: kind == pa.month_day_nano_interval(), _interval),
    (
        "string",
        _any(types.is_string, types.is_large_string, types.is_string_view),
        text_cells,
    ),
    (
        "binary",
        _any(
            types.is_binary,
            types.is_large_binary,
            types.is_fixed_size_binary,
            types.is_binary_view,
        ),
        text_cells,
    ),
)
