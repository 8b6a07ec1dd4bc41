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
def shared_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lake that the tests of one module share, with its gateway kept running.

    They leave ``trials.patients`` as it is and give assets of their own names of their own.
    """
    lake = build(tmp_path_factory.mktemp("shared"))
    with connect(lake, user="dina"):
        yield lake


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
def dina(shared_lake: Path) -> Iterator[Session]:
    """A session of the steward."""
    with connect(shared_lake, user="dina") as session:
        yield session
