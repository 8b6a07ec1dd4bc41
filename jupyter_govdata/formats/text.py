"""Text to typed columns: exact, vectorised, and explicit about what does not fit.

Runs in the client process; trusts nothing. `convert` never invents a NULL: a value is converted,
or it is one of the texts that mean *missing*, or it is marked as bad.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

MARKERS = ("NA", "N/A", "n/a", "#N/A", "NULL", "Null", "null", "None", "NaT", "<NA>", ".")
"""Texts that mean *missing* in a typed column unless the user says otherwise. In a text column
they stay what they are; in all columns an empty unquoted field is NULL."""

_TRUE = ("true", "t", "yes", "y", "1")
_FALSE = ("false", "f", "no", "n", "0")


@dataclass(frozen=True, slots=True)
class Converted:
    """A converted column.

    Args:
        array: Typed values; NULL at bad places.
        bad: True where a value does not fit, or None if all do.
        marked: True if a text that means *missing* became NULL.
    """

    array: pa.Array
    bad: pa.Array | None = None
    marked: bool = False


def fits(text: pa.Array, kind: pa.DataType) -> bool:
    """Return True if all values convert to `kind`, which is neither text nor boolean."""
    array = _cast(text, kind)
    if array is None:
        text = _cleaned(text, kind)
        array = _cast(text, kind)
    return array is not None and _checked(text, array).bad is None


def convert(
    text: pa.Array, kind: pa.DataType, null_values: Sequence[str] | None = None
) -> Converted:
    """Convert a text column.

    Args:
        text: `string` values.
        kind: A type of `iceberg_types.arrow_type`.
        null_values: Texts that mean *missing*; None for `MARKERS`. If given they count in text
            columns too.
    """
    if pa.types.is_string(kind):
        if not null_values:
            return Converted(text)
        array, marked = _without(text, null_values)
        return Converted(array, None, marked)
    if pa.types.is_binary(kind):
        return Converted(text.cast(kind))
    if pa.types.is_boolean(kind):
        return _booleans(text, null_values)
    # The common case costs one cast; the texts are cleaned only if that fails. A cast that fails
    # at many places is slow, so a few values are tried first.
    if not null_values and _cast(text.slice(0, 256), kind) is not None:
        array = _cast(text, kind)
        if array is not None:
            return _checked(text, array)
    marks = MARKERS if null_values is None else tuple(null_values)
    left, marked = _without(text, ("", *marks))
    array = _cast(left, kind)
    if array is None:
        left = _cleaned(left, kind)
        array = _cast(left, kind)
    if array is None:
        array = piecewise(left, kind)
    done = _checked(left, array)
    return Converted(done.array, done.bad, marked)


def leading_zero(text: pa.Array) -> bool:
    """Return True if a value is written as codes are: ``007``, ``-01``, ``0x1f``, ``+5``.

    A number of at least 2**53 without a decimal point is another matter: see `infer`.
    """
    suspect = pc.and_(
        pc.or_(pc.starts_with(text, "0"), pc.or_(pc.starts_with(text, "-"), _plus(text))),
        pc.greater(pc.binary_length(text), 1),
    )
    if not pc.any(suspect).as_py():
        return False
    picked = text.filter(suspect)
    return bool(pc.any(pc.match_substring_regex(picked, r"^\s*[+-]?0[0-9xX]")).as_py())


def count_true(mask: pa.Array | None) -> int:
    """Return how many values of a mask are true."""
    return 0 if mask is None else int(pc.sum(mask).as_py() or 0)


def _plus(text: pa.Array) -> pa.Array:
    return pc.or_(pc.starts_with(text, "+"), pc.starts_with(text, " "))


def _without(text: pa.Array, marks: Sequence[str]) -> tuple[pa.Array, bool]:
    """Return the text with `marks` as NULL, and whether one other than "" was found."""
    hit = pc.is_in(text, value_set=pa.array(list(marks), pa.string()))
    if not pc.any(hit).as_py():
        return text, False
    marked = pc.any(pc.and_(hit, pc.not_equal(text, ""))).as_py()
    return pc.if_else(hit, pa.scalar(None, pa.string()), text), bool(marked)


def _cast(text: pa.Array, kind: pa.DataType) -> pa.Array | None:
    try:
        if pa.types.is_time(kind) and pa.types.is_string(text.type):
            # UPSTREAM: Arrow has no cast from text to a time of day.
            moment = pc.binary_join_element_wise("1970-01-01", text, " ")
            return moment.cast(pa.timestamp("us")).cast(kind)
        return text.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _cleaned(text: pa.Array, kind: pa.DataType) -> pa.Array:
    """Bring other ways to write the same value to the one that Arrow reads."""
    text = pc.utf8_trim_whitespace(text)
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    t = pa.types
    if t.is_integer(kind):
        text = pc.replace_substring_regex(text, r"^\+([0-9])", r"\1")
        text = pc.replace_substring_regex(text, r"^([+-]?[0-9]+)\.0*$", r"\1")
    elif t.is_date(kind):
        text = pc.replace_substring_regex(text, r"^(.{10})[ T]00:00(:00(\.0+)?)?$", r"\1")
    elif t.is_timestamp(kind):
        text = pc.replace_substring_regex(text, r" ?UTC$", "Z")
        text = pc.replace_substring_regex(text, r"(\.[0-9]{6})0+(Z|[+-][0-9:]+)?$", r"\1\2")
    return text


def piecewise(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cast what can be cast, NULL elsewhere: halve until the bad values stand alone."""
    parts: list[pa.Array] = []
    todo = [values]
    while todo:
        part = todo.pop()
        array = _cast(part, kind)
        if array is None and len(part) == 1:
            array = pa.nulls(1, kind)
        if array is not None:
            parts.append(array)
            continue
        half = len(part) // 2
        todo += [part.slice(half), part.slice(0, half)]
    return pa.concat_arrays(parts)


def _checked(text: pa.Array, array: pa.Array) -> Converted:
    """Mark what was NULLed by `piecewise`, and numbers that became infinite by overflow."""
    if pa.types.is_floating(array.type):
        infinite = pc.fill_null(pc.is_inf(array), False)
        if pc.any(infinite).as_py():
            spelt = pc.match_substring(text, "inf", ignore_case=True)
            grown = pc.and_(infinite, pc.invert(pc.fill_null(spelt, False)))
            array = pc.if_else(grown, pa.scalar(None, array.type), array)
    elif pa.types.is_integer(array.type):
        # UPSTREAM: Arrow reads `0x1f` as an integer; nobody else does.
        hexadecimal = pc.match_substring_regex(text, "^-?0[xX]") if _zeros(text) else None
        if hexadecimal is not None and pc.any(hexadecimal).as_py():
            array = pc.if_else(hexadecimal, pa.scalar(None, array.type), array)
    if array.null_count == text.null_count:
        return Converted(array)
    return Converted(array, pc.and_(pc.is_null(array), pc.is_valid(text)))


def _zeros(text: pa.Array) -> bool:
    found = pc.and_(pc.starts_with(text, "0"), pc.greater(pc.binary_length(text), 2))
    return bool(pc.any(found).as_py()) or bool(pc.any(pc.starts_with(text, "-0")).as_py())


def _booleans(text: pa.Array, null_values: Sequence[str] | None) -> Converted:
    marks = MARKERS if null_values is None else tuple(null_values)
    left, marked = _without(text, ("", *marks))
    low = pc.utf8_lower(pc.utf8_trim_whitespace(left))
    yes = pc.is_in(low, value_set=pa.array(_TRUE))
    no = pc.is_in(low, value_set=pa.array(_FALSE))
    array = pc.if_else(pc.or_(yes, no), yes, pa.scalar(None, pa.bool_()))
    if array.null_count == left.null_count:
        return Converted(array, None, marked)
    return Converted(array, pc.and_(pc.is_null(array), pc.is_valid(left)), marked)
