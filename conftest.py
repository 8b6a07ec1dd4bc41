"""What every test runs under: how much is tried, and what is skipped with the way to run it."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

ALL = os.environ.get("GOVDATA_TEST_ALL") == "1"
"""Set by `make test-all`."""

# No deadline: a shared machine may stall any single example.
settings.register_profile("quick", deadline=None, max_examples=60)
settings.register_profile("all", deadline=None, max_examples=400)
settings.load_profile("all" if ALL else "quick")

SKIPPED = {
    "slow": (ALL, "takes long: run `make test-all`"),
    "services": (
        "GOVDATA_TEST_POSTGRES" in os.environ,
        "needs PostgreSQL: run `make test-all`",
    ),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what was not asked for, and say how to ask."""
    for item in items:
        for name, (wanted, reason) in SKIPPED.items():
            if not wanted and item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=reason))
