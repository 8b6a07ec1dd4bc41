"""What a Cedar expression over one row may come to, before it is compared.

Runs in the gateway; pure. A value in a residual is one of a few alternatives, each under a
guard (a predicate of the row); the guards exclude each other. No alternative at all means:
evaluating it is an error for every row.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from jupyter_govdata.errors import PolicyFileError
from jupyter_govdata.model.predicate import FALSE, TRUE, IsNull, Predicate, Value, all_of

CedarType = Literal[
    "bool", "long", "string", "decimal", "datetime", "duration", "ip", "entity", "record", "set"
]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_DECIMAL_TYPE = re.compile(r"decimal\((\d+),\s*(\d+)\)")
_PLAIN_TYPES: Mapping[str, CedarType] = {
    "string": "string",
    "int": "long",
    "long": "long",
    "boolean": "bool",
    "date": "datetime",
    "timestamp": "datetime",
    "timestamptz": "datetime",
}
MAX_DECIMAL_SCALE = 4
LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Const:
    """A known value.

    `value` is a bool, int, str, Decimal, or milliseconds (datetime since 1970 UTC, duration),
    an `(type, id)` pair for an entity; None for a record or an address, which can only differ
    from values of other types. The checker puts stand-ins of its own here.
    """

    type: CedarType
    value: Any


@dataclass(frozen=True, slots=True)
class Col:
    """A column of the row; `shift` milliseconds are added to a date or time."""

    column: str
    type: CedarType
    shift: int = 0


@dataclass(frozen=True, slots=True)
class Elapsed:
    """The duration `origin - column` (or `column - origin` when `forward`), in milliseconds."""

    column: str
    origin: int
    forward: bool
    type: CedarType = "duration"


@dataclass(frozen=True, slots=True)
class SetOf:
    """A set of terms."""

    elements: tuple[Term, ...]
    type: CedarType = "set"


@dataclass(frozen=True, slots=True)
class SubjectOf:
    """`resource.subject`: whom the row is about."""

    type: CedarType = "record"


@dataclass(frozen=True, slots=True)
class ConsentsOf:
    """`resource.subject.consents`: purposes that the row's subject has agreed to."""

    type: CedarType = "set"


Term = Const | Col | Elapsed | SetOf | SubjectOf | ConsentsOf
Alternatives = tuple[tuple[Predicate, Term], ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """When an expression is true, and when it is false, without an error.

    Args:
        yes: It evaluates to true.
        no: It evaluates to false.
        needs: Columns such that it evaluates without error exactly when none of them is NULL,
            or None if that is no plain conjunction.
    """

    yes: Predicate
    no: Predicate
    needs: frozenset[str] | None = None


ALWAYS = Truth(TRUE, FALSE, frozenset())
NEVER = Truth(FALSE, TRUE, frozenset())
ERROR = Truth(FALSE, FALSE)


def column_type(iceberg: str) -> CedarType | None:
    """Return the Cedar type that holds a column's values exactly, or None if there is none.

    >>> column_type("decimal(9, 2)")
    'decimal'
    >>> column_type("double") is None
    True
    """
    match = _DECIMAL_TYPE.fullmatch(iceberg)
    if match is not None:
        return "decimal" if int(match.group(2)) <= MAX_DECIMAL_SCALE else None
    return _PLAIN_TYPES.get(iceberg)


def decimal_scale(iceberg: str) -> int:
    """Return the scale of a decimal column type."""
    match = _DECIMAL_TYPE.fullmatch(iceberg)
    return int(match.group(2)) if match is not None else MAX_DECIMAL_SCALE


def not_null(columns: frozenset[str]) -> Predicate:
    """Return the predicate that none of `columns` is NULL."""
    return all_of(*(IsNull(column, negated=True) for column in sorted(columns)))


# -- literals of Cedar's extension types -----------------------------------------------------

_DATETIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{3}))?(?:Z|([+-])(\d{2})(\d{2})))?",
    re.ASCII,
)
_DURATION = re.compile(
    r"(-?)(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII
)
_UNITS = (86_400_000, 3_600_000, 60_000, 1_000, 1)
_DECIMAL = re.compile(r"-?\d+\.\d{1,4}", re.ASCII)


def parse_datetime(text: str) -> int:
    """Return milliseconds since 1970 UTC of a Cedar datetime literal.

    Raises:
        PolicyFileError: Not such a literal.
    """
    match = _DATETIME.fullmatch(text)
    try:
        if match is None or int(match.group(7) or 0) > 23 or int(match.group(8) or 0) > 59:
            raise ValueError(text)
        day, hour, minute, second, milli, sign, off_h, off_m = match.groups()
        moment = dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC)
        if hour is not None:
            moment = moment.replace(
                hour=int(hour),
                minute=int(minute),
                second=int(second),
                microsecond=int(milli or 0) * 1000,
            )
    except ValueError as exc:
        raise PolicyFileError(
            f"`{text[:60]}` is not a datetime",
            hint='write `datetime("2026-01-31")` or `datetime("2026-01-31T12:00:00Z")`',
        ) from exc
    offset = 0
    if sign is not None:
        offset = (int(off_h) * 60 + int(off_m)) * 60_000 * (1 if sign == "+" else -1)
    return (moment - _EPOCH) // dt.timedelta(milliseconds=1) - offset


def parse_duration(text: str) -> int:
    """Return the milliseconds of a Cedar duration literal, e.g. ``1d12h``.

    Raises:
        PolicyFileError: Not such a literal.
    """
    match = _DURATION.fullmatch(text[:100])
    total = 0
    if match is not None:
        parts = zip(match.groups()[1:], _UNITS, strict=True)
        total = sum(int(part or 0) * unit for part, unit in parts)
    if match is None or total > LONG_MAX:
        raise PolicyFileError(
            f"`{text[:60]}` is not a duration", hint='write `duration("365d")` or `"1d12h"`'
        )
    return -total if match.group(1) else total


def parse_decimal(text: str) -> Decimal:
    """Return the value of a Cedar decimal literal.

    Raises:
        PolicyFileError: Not such a literal.
    """
    if (
        _DECIMAL.fullmatch(text[:40]) is None
        or len(text) > 40
        or abs(Decimal(text)) * 10**4 > LONG_MAX
    ):
        raise PolicyFileError(
            f"`{text[:60]}` is not a decimal",
            hint='write `decimal("3.5")`, with one to four digits after the point',
        )
    return Decimal(text)


def moment(millis: int, iceberg: str) -> Value | None:
    """Return a moment as a constant for a column of that type; None if no such date exists."""
    try:
        value = _EPOCH + dt.timedelta(milliseconds=millis)
    except OverflowError:
        return None
    if iceberg == "date":
        return value.date()
    return value if iceberg == "timestamptz" else value.replace(tzinfo=None)
