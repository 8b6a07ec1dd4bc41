from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_govdata.session import Session, connect, init_lake
from tests.gateway.world import FILES, PATIENTS
from tests.session.files_lake import build_files, put_back


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


@pytest.fixture(scope="session")
def files_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lake of files that all tests share and leave as it is, with its gateway kept running."""
    lake = build_files(tmp_path_factory.mktemp("files"))
    with connect(lake, user="dina"):
        yield lake


@pytest.fixture(scope="session")
def changing_files_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lake of files of which tests withdraw consents, change files and kill the gateway."""
    lake = build_files(tmp_path_factory.mktemp("changing"))
    with connect(lake, user="dina"):
        yield lake


@pytest.fixture
def own_files_lake(changing_files_lake: Path) -> Iterator[Path]:
    """That lake, put back afterwards."""
    yield changing_files_lake
    with connect(changing_files_lake, user="dina") as dina:
        put_back(dina, changing_files_lake)


@pytest.fixture
def steward(files_lake: Path) -> Iterator[Session]:
    """A session of the steward, who opens every file."""
    with connect(files_lake, user="dina") as session:
        yield session


@pytest.fixture
def trainer(files_lake: Path) -> Iterator[Session]:
    """A session of an ML engineer, who opens files of patients that consent to training."""
    with connect(files_lake, user="miko") as session:
        yield session
