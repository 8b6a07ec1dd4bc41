"""`%govdata files` in a real shell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_govdata.errors import (
    CatalogError,
    ColumnNotFoundError,
    GovDataError,
    NotVisibleError,
    StorageError,
)
from jupyter_govdata.files.fileset import FileSet
from jupyter_govdata.session import connect
from tests.notebook.conftest import Notebook
from tests.session.files_lake import WITHDRAWN, build_files, contents

FILES = contents()
OPEN = [path for i, path in enumerate(FILES) if f"P{i % 10}" != WITHDRAWN]


@pytest.fixture(scope="module")
def files_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lake of files, with its gateway kept running."""
    lake = build_files(tmp_path_factory.mktemp("files"))
    with connect(lake, user="dina"):
        yield lake


@pytest.fixture
def trainer(bare: Notebook, files_lake: Path) -> Notebook:
    """A notebook of an ML engineer."""
    assert bare.run(f"%govdata connect {files_lake} --as miko").success
    return bare


def test_files_are_shown_and_assigned(trainer: Notebook) -> None:
    ran = trainer.run("slides = %govdata files imaging.slides\nslides")
    assert isinstance(ran.result, FileSet)
    assert len(ran.result) == len(OPEN)
    assert f"{len(OPEN)} files" in repr(ran.result)
    assert trainer.run("slides[0].read() == b''").result is True


def test_files_take_a_condition(trainer: Notebook) -> None:
    ran = trainer.run('%govdata files imaging.slides "bytes = 1"')
    assert [file.size for file in ran.result] == [1]


def test_files_are_downloaded_and_the_progress_is_gone_at_the_end(
    trainer: Notebook, tmp_path: Path
) -> None:
    folder = tmp_path / "my files"
    ran = trainer.run(f'%govdata files imaging.slides --to "{folder}"')
    assert ran.success
    assert f"{len(OPEN)} files" in repr(ran.result)
    assert len([p for p in folder.rglob("*") if p.is_file()]) == len(OPEN) + 1  # the journal
    assert "<progress" not in repr(ran.outputs)


def test_files_that_share_a_name_are_all_there(trainer: Notebook, tmp_path: Path) -> None:
    trainer.run(f"%govdata files imaging.slides --to {tmp_path}")
    same = [p for p in tmp_path.rglob("*") if p.name.lower().startswith("same")]
    assert {p.read_bytes() for p in same} == {b"first", b"second", b"third"}


def test_manifest_narrows_files_to_its_own(
    trainer: Notebook, files_lake: Path, tmp_path: Path
) -> None:
    file = tmp_path / "train.jsonl"
    with connect(files_lake, user="miko") as miko:
        miko.manifest("imaging.slides", "bytes < 100").save(file)
    small = sum(len(FILES[path]) < 100 for path in OPEN)
    ran = trainer.run(f"%govdata files --manifest {file}")
    assert len(ran.result) == small


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("imaging.absent", NotVisibleError),
        ("imaging.named", NotVisibleError),
        ('imaging.slides "byts > 1"', ColumnNotFoundError),
        ('imaging.slides "bytes >"', GovDataError),
        ("--manifest absent.jsonl", GovDataError),
        ("", GovDataError),
    ],
)
def test_files_that_cannot_be_had_fail_the_cell_in_one_line(
    trainer: Notebook, line: str, error: type[Exception]
) -> None:
    ran = trainer.run(f"%govdata files {line}")
    assert isinstance(ran.error, error)
    assert "Traceback" not in ran.text


def test_hidden_inventory_reads_like_a_missing_one(trainer: Notebook) -> None:
    said = {
        str(trainer.run(f"%govdata files {asset}").error).replace(asset, "ASSET")
        for asset in ("imaging.named", "imaging.absent")
    }
    assert len(said) == 1


def test_table_is_no_inventory(bare: Notebook, files_lake: Path) -> None:
    assert bare.run(f"%govdata connect {files_lake} --as dina").success
    ran = bare.run("%govdata files governance.consent")
    assert isinstance(ran.error, CatalogError)
    assert "no inventory" in ran.text


def test_download_below_a_file_fails_the_cell(trainer: Notebook, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    ran = trainer.run(f"%govdata files imaging.slides --to {tmp_path / 'taken' / 'in'}")
    assert isinstance(ran.error, StorageError)
    assert (tmp_path / "taken").read_text() == "mine"
