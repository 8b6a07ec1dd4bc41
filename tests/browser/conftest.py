"""The browser of the browser tests, one a module; and a team that works in notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from jupyter_govdata.session import Session
from tests import steward
from tests.browser.desk import CHROMIUM, MINUTE, Desk
from tests.browser.desk import desk as seat
from tests.browser.lab import Lab
from tests.browser.world import build

dina = steward.dina


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=MINUTE / 2)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield made
        made.close()


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake of the tests about notebooks."""
    return build(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, lake: Path, dina: Session) -> Iterator[Lab]:
    """The JupyterLab of Ana."""
    who = {"GOVDATA_LAKE": str(lake), "GOVDATA_USER": "ana"}
    with Lab(tmp_path_factory.mktemp("ana"), who) as made:
        yield made


@pytest.fixture(scope="module")
def place(browser: Browser, lab: Lab) -> Iterator[Desk]:
    """Ana before one page, for all tests of the module: loading JupyterLab takes longest."""
    with seat(browser, lab) as made:
        yield made


@pytest.fixture
def desk(place: Desk) -> Iterator[Desk]:
    """Her desk, which everybody leaves empty."""
    yield place
    place.leave()
