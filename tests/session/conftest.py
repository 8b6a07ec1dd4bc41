from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_govdata.session import Session, connect, init_lake
from tests.gateway.world import FILES, PATIENTS


def build(folder: Path) -> Path:
    """Make a lake the way a user does: init, then load as the steward."""
    source = folder / "source"
    for name, text in FILES.items():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    lake = init_lake(folder / "lake", source, "dina")
    with connect(lake, user="dina") as dina:
        dina.load(PATIENTS, "trials.patients")
    return lake


@pytest.fixture(scope="module")
def shared_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake that the tests of one module only read."""
    return build(tmp_path_factory.mktemp("shared"))


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake of one's own."""
    return build(tmp_path)


@pytest.fixture
def ana(shared_lake: Path) -> Iterator[Session]:
    """A session of a clinical analyst."""
    with connect(shared_lake, user="ana") as session:
        yield session


@pytest.fixture
def dina(lake: Path) -> Iterator[Session]:
    """A session of the steward on a lake of one's own."""
    with connect(lake, user="dina") as session:
        yield session
