"""Lengths of time, and holding as an analyst's Python does it."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from jupyter_govdata.errors import AccessDeniedError, ConfigError
from jupyter_govdata.session.holding import end_of

UTC = dt.UTC
START = dt.datetime(2024, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("length", "end"),
    [
        ("90d", dt.datetime(2024, 4, 30, 12, tzinfo=UTC)),
        ("2w", dt.datetime(2024, 2, 14, 12, tzinfo=UTC)),
        ("1m", dt.datetime(2024, 2, 29, 12, tzinfo=UTC)),
        ("11m", dt.datetime(2024, 12, 31, 12, tzinfo=UTC)),
        ("5y", dt.datetime(2029, 1, 31, 12, tzinfo=UTC)),
        (" 5 Y ", dt.datetime(2029, 1, 31, 12, tzinfo=UTC)),
    ],
)
def test_length_of_time_ends_on_the_calendar(length: str, end: dt.datetime) -> None:
    assert end_of(length, START) == end


def test_year_from_a_leap_day_ends_on_the_last_of_february() -> None:
    assert end_of("1y", dt.datetime(2024, 2, 29, tzinfo=UTC)) == dt.datetime(
        2025, 2, 28, tzinfo=UTC
    )


@pytest.mark.parametrize("length", ["", "5", "y", "0y", "-1y", "5 years", "1.5y", "99999y"])
def test_length_of_time_that_is_none_refuses(length: str) -> None:
    with pytest.raises(ConfigError):
        end_of(length, START)


def test_hold_list_and_release(dina) -> None:
    made = dina.load(pa.table({"x": [1]}), "trials.wide")
    held = dina.hold("trials.wide", made.snapshot_id, name="paper", until="5y")
    assert (held.asset, held.name, held.snapshot_id) == ("trials.wide", "paper", made.snapshot_id)
    assert dina.holds("trials.wide") == [held]
    assert dina.lifetimes("trials.wide")[made.snapshot_id].why == "newest"
    assert dina.release("paper") == [held]
    assert dina.holds("trials.wide") == []


def test_hold_by_somebody_who_may_not_is_refused(ana) -> None:
    newest = ana.catalog.versions("trials.patients")[0].snapshot_id
    with pytest.raises(AccessDeniedError, match="hold"):
        ana.hold("trials.patients", newest, name="p", until="1y")
    with pytest.raises(ConfigError, match="time zone"):
        ana.hold("trials.patients", newest, name="p", until=dt.datetime(2030, 1, 1))
