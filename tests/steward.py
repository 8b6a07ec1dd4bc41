"""The steward of a lake, for the rooms of tests that each have one lake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_govdata.session import Session, connect


@pytest.fixture(scope="session")
def dina(lake: Path) -> Iterator[Session]:
    """The steward, in a kernel of her own; keeps the gateway running for everybody."""
    with connect(lake, user="dina") as session:
        yield session
