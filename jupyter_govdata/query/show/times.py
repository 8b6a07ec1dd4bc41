"""Dates, times and spans as text, exactly: any year, nanoseconds, zones, infinity. Runs in the
kernel.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Sequence

import pyarrow as pa

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY = 86_400
_INFINITE = {2**31 - 1, 1 - 2**31, 2**63 - 1, 1 - 2**63}  # how DuckDB hands it over
_FRACTION = re.compile(r"(?<=:\d\d)\.(\d+)")
_CLOCK = re.compile(r"\d\d:\d\d:\d\d")

types = pa.types


def date_text(scalar: pa.Scalar) -> str:
    """Return a date."""
    days = scalar.value
    if types.is_date64(scalar.type):
        days //= 1000 * _DAY
    return _infinite(scalar.value) or _civil(days)


def timestamp_text(scalar: pa.Scalar) -> str:
    """Return a timestamp; one with a zone as that zone tells it, with its offset."""
    per_second = _PER_SECOND[scalar.type.unit]
    seconds, fraction = divmod(scalar.value, per_second)
    if infinite := _infinite(scalar.value):
        return infinite
    offset = _offset(scalar.type.tz, seconds) if scalar.type.tz else 0
    days, second = divmod(seconds + offset, _DAY)
    text = f"{_civil(days)} {_clock(second, fraction, per_second)}"
    if scalar.type.tz is None:
        return text
    minutes = abs(offset) // 60
    return f"{text}{'-' if offset < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"


def _offset(zone: str, seconds: int) -> int:
    """Return a zone's seconds east of UTC; 0 where the zone or the year is not known."""
    if re.fullmatch(r"[+-]\d\d:\d\d", zone):
        return (int(zone[1:3]) * 60 + int(zone[4:])) * 60 * (-1 if zone[0] == "-" else 1)
    try:
        moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
        offset = moment.astimezone(zoneinfo.ZoneInfo(zone)).utcoffset()
    except (OverflowError, ValueError, LookupError, OSError):
        return 0
    return int(offset.total_seconds()) if offset is not None else 0


def time_text(scalar: pa.Scalar) -> str:
    """Return a time of day; DuckDB knows 24:00:00."""
    per_second = _PER_SECOND[scalar.type.unit]
    seconds, fraction = divmod(scalar.value, per_second)
    return _clock(seconds, fraction, per_second)


def duration_text(scalar: pa.Scalar) -> str:
    """Return a span of time."""
    per_second = _PER_SECOND[scalar.type.unit]
    return _span(0, 0, scalar.value * (10**9 // per_second))


def interval_text(scalar: pa.Scalar) -> str:
    """Return an interval: months, days and the rest apart, as they don't convert."""
    value = scalar.as_py()
    return _span(value.months, value.days, value.nanoseconds)


def _span(months: int, days: int, nanoseconds: int) -> str:
    years, months = _divided(months, 12)
    parts = [
        f"{number} {noun}{'' if abs(number) == 1 else 's'}"
        for number, noun in ((years, "year"), (months, "month"), (days, "day"))
        if number
    ]
    seconds, fraction = divmod(abs(nanoseconds), 10**9)
    if nanoseconds or not parts:
        parts.append(("-" if nanoseconds < 0 else "") + _clock(seconds, fraction, 10**9))
    return " ".join(parts)


def _divided(number: int, by: int) -> tuple[int, int]:
    sign = -1 if number < 0 else 1
    return sign * (abs(number) // by), sign * (abs(number) % by)


def _clock(seconds: int, fraction: int, per_second: int) -> str:
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if not fraction:
        return text
    digits = f"{fraction:0{len(str(per_second)) - 1}}".rstrip("0")
    return f"{text}.{digits.ljust(-(-len(digits) // 3) * 3, '0')}"


def _civil(days: int) -> str:
    """Return a day since 1970 as a date of the Gregorian calendar, of any year."""
    # Counted in eras of 400 years that begin in March, so that the leap day is the last.
    era, day = divmod(days + 719_468, 146_097)
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5
    year += era * 400 + (month >= 10)
    month += 3 if month < 10 else -9
    text = f"{year if year > 0 else 1 - year:04}-{month:02}-{day + 1:02}"
    return text if year > 0 else f"{text} (BC)"


def _infinite(value: int) -> str:
    return "" if value not in _INFINITE else "infinity" if value > 0 else "-infinity"


def equal_fractions(texts: Sequence[str]) -> list[str]:
    """Return times with equally many digits behind the second.

    >>> equal_fractions(["10:00:00", "10:00:00.500"])
    ['10:00:00.000', '10:00:00.500']
    """
    digits = max((len(m[1]) for text in texts if (m := _FRACTION.search(text))), default=0)
    return [_with_digits(text, digits) for text in texts] if digits else list(texts)


def _with_digits(text: str, digits: int) -> str:
    if found := _FRACTION.search(text):
        return f"{text[: found.start()]}.{found[1].ljust(digits, '0')}{text[found.end() :]}"
    clock = _CLOCK.search(text)
    return text if not clock else f"{text[: clock.end()]}.{'0' * digits}{text[clock.end() :]}"
