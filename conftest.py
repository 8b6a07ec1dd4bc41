"""What every test runs under: how much is tried, and what is skipped with the way to run it."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import settings

pytest_plugins = ("tests.attacks.counting", "tests.canary_scan")

ALL = os.environ.get("GOVDATA_TEST_ALL") == "1"
"""Set by `make test-all`."""

# No deadline: a shared machine may stall any single example.
settings.register_profile("quick", deadline=None, max_examples=60)
settings.register_profile("all", deadline=None, max_examples=400)
settings.load_profile("all" if ALL else "quick")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-headless-shell")
SERVICES = {
    "postgres": ("GOVDATA_TEST_POSTGRES", "PostgreSQL"),
    "s3": ("GOVDATA_TEST_S3", "a Ceph gateway"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what was not asked for, and say how to ask."""
    for item in items:
        if not ALL and item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="takes long: run `make test-all`"))
        if item.get_closest_marker("browser"):
            if not ALL:
                item.add_marker(pytest.mark.skip(reason="drives a browser: run `make test-all`"))
            elif not CHROMIUM:
                reason = "there is no Chromium: apt-get install chromium"
                item.add_marker(pytest.mark.skip(reason=reason))
        for marker in item.iter_markers("services"):
            variable, what = SERVICES[marker.args[0] if marker.args else "postgres"]
            if variable not in os.environ:
                item.add_marker(pytest.mark.skip(reason=f"needs {what}: run `make test-all`"))
