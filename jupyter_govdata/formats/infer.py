"""Which type a text column has, judged over all of its values.

Runs in the client process; trusts nothing. The rules, in order:

1. A column whose first `FIRST` values (missing ones aside) all fit one type has that type, else
   it is text. Types: long, double, boolean (``true``/``false``), date, timestamp, timestamptz
   (ISO 8601; a date without a time is no timestamp).
2. A long column that meets decimals becomes double, as long as no integer loses digits.
3. A value written as a code (``007``, ``0x1f``, an integer beyond 64 bits) makes the column text.
4. Later values that do not fit are set aside as rejects while they are at most 1 in `TOLERANCE`;
   beyond that the column is text.

The answer depends on the values and their order only, never on block sizes or threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from jupyter_govdata.formats.iceberg_types import arrow_type
from jupyter_govdata.formats.text import MARKERS, Converted, convert, count_true, fits, leading_zero

FIRST = 1_000
TOLERANCE = 1_000
_EXACT = 2**53
NUMBERS = ("long", "double", "boolean")
DATES = ("date", "timestamp", "timestamptz")


@dataclass(slots=True)
class Guess:
    """The type of one column as far as it has been seen.

    Args:
        null_values: As in `text.convert`.
        order: Types to try, in this order.
        strict: A single misfit makes the column text.
        kind: Iceberg type name, or None before the first value.
        seen: Values that are not missing.
        misfits: Values among them that do not fit `kind`.
        marked: A text that means *missing* was met.
    """

    null_values: Sequence[str] | None = None
    order: tuple[str, ...] = (*NUMBERS, *DATES)
    strict: bool = False
    kind: str | None = None
    seen: int = 0
    misfits: int = 0
    marked: bool = False
    _wide: bool = False
    _filled: bool = False
    _head: list[pa.Array] = field(default_factory=list)

    def observe(self, text: pa.Array) -> Converted | None:
        """Take in the next values.

        Returns:
            The values converted to `kind`, or None if that is text or not yet known.
        """
        if self.kind == "string":
            return None
        if self.seen < FIRST:
            return self._open(text)
        return self._go_on(text)

    @property
    def blank(self) -> bool:
        """True if every value is missing: `string`, and the texts that say so are NULL."""
        return not self._filled

    def settle(self) -> pa.DataType:
        """Return the type, after the last value."""
        allowed = 0 if self.strict else self.seen // TOLERANCE
        if self.kind in (None, "string") or self.misfits > allowed:
            self.misfits = 0
            self.kind = "string"
        return arrow_type(self.kind)

    def _open(self, text: pa.Array) -> Converted | None:
        """Judge with the first values, which all have to fit."""
        marks = MARKERS if self.null_values is None else tuple(self.null_values)
        missing = pc.is_in(text, value_set=pa.array(["", *marks, None], pa.string()))
        present = text.filter(pc.invert(missing))
        need = FIRST - self.seen
        if not len(present):
            given = pc.is_in(text, value_set=pa.array(marks, pa.string()))
            self.marked = self.marked or bool(pc.any(given).as_py())
            return None
        self._filled = True
        self._head.append(present.slice(0, need))
        head = pa.concat_arrays(self._head)
        self.kind = next((k for k in self.order if self._fits(head, k)), "string")
        if self.kind == "string":
            self._head = []
            return None
        if len(present) < need:
            self.seen += len(present)
            done = convert(text, arrow_type(self.kind), self.null_values)
            self._check_width(done)
            self.marked = self.marked or done.marked
            return done
        self._head = []
        before, self.seen = self.seen, self.seen + len(present)
        judged = self._go_on(text)
        self.seen = before + len(present)
        return judged

    def _go_on(self, text: pa.Array) -> Converted | None:
        assert self.kind is not None
        done = convert(text, arrow_type(self.kind), self.null_values)
        if self.kind == "long" and done.bad is not None:
            self._check_width(done)
            wider = convert(text, pa.float64(), self.null_values)
            if count_true(wider.bad) < count_true(done.bad):
                self.kind, done = "double", wider
        if self._is_code(text, done):
            self.kind = "string"
            return None
        self._check_width(done)
        self.marked = self.marked or done.marked
        self.seen += len(text) - done.array.null_count + count_true(done.bad)
        self.misfits += count_true(done.bad)
        return done

    def _fits(self, text: pa.Array, kind: str) -> bool:
        if kind == "boolean":
            words = pc.is_in(pc.utf8_lower(text), pa.array(["true", "false"]))
            return bool(pc.all(words).as_py())
        ends = pc.min_max(pc.binary_length(text)).as_py()
        if kind == "date" and ends["max"] > 10:
            return False
        if kind in ("timestamp", "timestamptz") and ends["min"] < 16:
            return False
        if not fits(text, arrow_type(kind)):
            return False
        return not self._is_code(text, convert(text, arrow_type(kind), ()), kind)

    def _check_width(self, done: Converted) -> None:
        if self.kind == "long" and not self._wide:
            ends = pc.min_max(done.array).as_py()
            if ends["min"] is not None:
                self._wide = max(-ends["min"], ends["max"]) > _EXACT

    def _is_code(self, text: pa.Array, done: Converted, kind: str | None = None) -> bool:
        """Return True if a number would lose what its text says."""
        kind = kind or self.kind
        if kind not in ("long", "double"):
            return False
        if leading_zero(text):
            return True
        if kind == "long":
            # An integer that misses the type only by its size.
            return done.bad is not None and _any_match(text.filter(done.bad), r"^\s*[+-]?\d+\s*$")
        if self._wide:
            return True
        large = pc.fill_null(pc.greater_equal(pc.abs(done.array), float(_EXACT)), False)
        return bool(pc.any(large).as_py()) and _any_match(text.filter(large), r"^\s*[+-]?\d+\s*$")


def _any_match(text: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(text, pattern)).as_py())
