"""Sessions on the demo lake, one per principal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_govdata.session import Session, connect


def _session(lake: Path, user: str, purpose: str) -> Iterator[Session]:
    with connect(lake, user=user, purpose=purpose) as session:
        yield session


@pytest.fixture(scope="session")
def dina(demo_lake: Path) -> Iterator[Session]:
    yield from _session(demo_lake, "dina", "research")


@pytest.fixture(scope="session")
def ana(demo_lake: Path) -> Iterator[Session]:
    yield from _session(demo_lake, "ana", "research")


@pytest.fixture(scope="session")
def miko(demo_lake: Path) -> Iterator[Session]:
    yield from _session(demo_lake, "miko", "model_training")


@pytest.fixture(scope="session")
def pia(demo_lake: Path) -> Iterator[Session]:
    yield from _session(demo_lake, "pia", "research")


@pytest.fixture(scope="session")
def otto(demo_lake: Path) -> Iterator[Session]:
    yield from _session(demo_lake, "otto", "process_improvement")


@pytest.fixture(scope="session")
def ada(demo_lake: Path) -> Iterator[Session]:
    yield from _session(demo_lake, "ada", "audit")
