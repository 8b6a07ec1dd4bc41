"""`files`, `manifest` and `inventory` on the command line, as a scientist types them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_govdata.cli import main
from jupyter_govdata.files.download import JOURNAL
from jupyter_govdata.session import connect
from tests.gateway.files_world import make_files_world, row, table
from tests.session.files_lake import BIG, WITHDRAWN, build_files, contents, put_back

FILES = contents()
OPEN = [path for i, path in enumerate(FILES) if f"P{i % 10}" != WITHDRAWN]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lake of files, with its gateway kept running."""
    made = build_files(tmp_path_factory.mktemp("files"))
    with connect(made, user="dina"):
        yield made


@pytest.fixture
def changed(lake: Path) -> Iterator[Path]:
    """That lake, put back afterwards."""
    yield lake
    with connect(lake, user="dina") as dina:
        put_back(dina, lake)


class Terminal:
    """Types commands."""

    def __init__(self, lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.lake = lake
        self._capsys = capsys

    def run(self, *words: object, user: str = "miko") -> tuple[int, str, str]:
        options = ["--lake", str(self.lake), "--user", user]
        status = main([*(str(w) for w in words), *options])
        said = self._capsys.readouterr()
        return status, said.out, said.err


def stamps(folder: Path) -> dict[Path, int]:
    """Return file -> time of its last change, without the journal of downloads."""
    found = (p for p in folder.rglob("*") if p.is_file() and p.name != JOURNAL)
    return {p: p.stat().st_mtime_ns for p in found}


@pytest.fixture
def terminal(lake: Path, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(lake, capsys)


# -- files -------------------------------------------------------------------------------------


def test_ls_lists_exactly_the_files_that_may_be_opened(terminal: Terminal) -> None:
    status, out, err = terminal.run("files", "ls", "imaging.slides", "--json")
    listed = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert err == ""
    assert sorted(one["size"] for one in listed) == sorted(len(FILES[path]) for path in OPEN)
    assert not any("address" in one or "uri" in one for one in listed)


def test_ls_lists_names_for_people_and_sums_them_up(terminal: Terminal) -> None:
    status, out, err = terminal.run("files", "ls", "imaging.slides", user="dina")
    assert status == 0
    assert len(out.splitlines()) == len(FILES)
    assert f"{len(FILES[BIG]):,}" in out
    assert f"{len(FILES)} files" in err


def test_ls_with_a_condition_lists_what_fits(terminal: Terminal) -> None:
    status, out, _ = terminal.run(
        "files", "ls", "imaging.slides", "--where", "bytes > 10000000", user="dina"
    )
    assert (status, len(out.splitlines())) == (0, 1)
    status, out, err = terminal.run("files", "ls", "imaging.slides", "--where", "bytes < 0")
    assert (status, out) == (0, "")
    assert "0 files" in err


def test_get_writes_the_files_and_a_second_one_changes_none(
    terminal: Terminal, tmp_path: Path
) -> None:
    folder = tmp_path / "my files"
    status, out, _ = terminal.run("files", "get", "imaging.slides", "--to", folder)
    assert (status, out) == (0, f"{len(OPEN)} files in {folder}\n")
    written = stamps(folder)
    assert sorted(p.read_bytes() for p in written) == sorted(FILES[path] for path in OPEN)
    assert terminal.run("files", "get", "imaging.slides", "--to", folder)[0] == 0
    assert stamps(folder) == written


def test_get_keeps_a_file_of_its_owner_unless_told_otherwise(
    terminal: Terminal, tmp_path: Path
) -> None:
    words = ("files", "get", "imaging.slides", "--where", "bytes = 1", "--to", tmp_path)
    assert terminal.run(*words)[0] == 0
    (mine,) = stamps(tmp_path)
    mine.write_bytes(b"my own notes")
    status, _, err = terminal.run(*words)
    assert status == 1
    assert mine.name in err
    assert mine.read_bytes() == b"my own notes"
    assert terminal.run(*words, "--overwrite")[0] == 0
    assert mine.read_bytes() == b"\x00"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("governance.consent",), "no inventory"),
        (("imaging.slides", "--where", "byts > 1"), "`byts`"),
        (("imaging.slides", "--where", "bytes > "), "not SQL"),
        ((), "manifest"),
    ],
)
def test_ls_of_what_cannot_be_listed_says_why(
    terminal: Terminal, words: tuple[str, ...], told: str
) -> None:
    status, out, err = terminal.run("files", "ls", *words, user="dina")
    assert (status, out) == (1, "")
    assert told in err
    assert "Traceback" not in err


def test_hidden_inventory_reads_like_a_missing_one(terminal: Terminal) -> None:
    said = []
    for asset in ("imaging.named", "imaging.absent"):
        status, out, err = terminal.run("files", "ls", asset)
        assert (status, out) == (1, "")
        said.append(err.replace(asset, "ASSET"))
    assert said[0] == said[1]


def test_get_into_a_file_says_so(terminal: Terminal, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    status, _, err = terminal.run("files", "get", "imaging.slides", "--to", taken)
    assert status == 1
    assert "taken" in err
    assert taken.read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_get_into_a_folder_that_cannot_be_written_says_so(
    terminal: Terminal, tmp_path: Path
) -> None:
    tmp_path.chmod(0o500)
    try:
        status, _, err = terminal.run("files", "get", "imaging.slides", "--to", tmp_path / "in")
    finally:
        tmp_path.chmod(0o700)
    assert status == 1
    assert "in" in err


def test_get_below_a_file_says_so(terminal: Terminal, tmp_path: Path) -> None:
    """Nobody, not even root, makes a folder below a file."""
    (tmp_path / "taken").write_text("mine")
    status, _, err = terminal.run("files", "get", "imaging.slides", "--to", tmp_path / "taken/in")
    assert status == 1
    assert "Traceback" not in err


# -- manifests ---------------------------------------------------------------------------------


def test_manifest_is_made_verified_and_says_what_to_drop(
    changed: Path, terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "train.jsonl"
    status, out, _ = terminal.run("manifest", "make", "imaging.slides", "-o", file)
    assert status == 0
    assert f"{len(OPEN)} files" in out
    assert terminal.run("manifest", "verify", file)[0] == 0
    status, out, _ = terminal.run("manifest", "diff", file, "--json")
    assert status == 0
    assert not any(json.loads(out)[what] for what in ("dropped", "changed", "added"))

    with connect(changed, user="dina") as dina:
        dina.consent("T:patient", "P2", "model_training", "withdrawn")
    status, out, _ = terminal.run("manifest", "diff", file)
    assert status == 3
    assert "drop" in out
    assert "small.bin" in out
    status, out, err = terminal.run("files", "ls", "--manifest", file, "--json")
    assert status == 0
    withdrawn = sum(i % 10 == 2 for i in range(len(FILES)))
    assert len(out.splitlines()) == len(OPEN) - withdrawn
    assert err.count("permitted no more") == withdrawn


def test_manifest_that_was_edited_is_refused(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    assert terminal.run("manifest", "make", "imaging.slides", "-o", file)[0] == 0
    lines = file.read_bytes().splitlines(keepends=True)
    for edited in (lines[:-1], [lines[0].replace(b"miko", b"dina"), *lines[1:]], [b"{}\n"], []):
        file.write_bytes(b"".join(edited))
        for verb in ("verify", "diff"):
            status, out, err = terminal.run("manifest", verb, file)
            assert (status, out) == (1, "")
            assert "Traceback" not in err
    status, _, err = terminal.run("manifest", "verify", tmp_path / "absent.jsonl")
    assert status == 1
    assert "absent.jsonl" in err


# -- inventories -------------------------------------------------------------------------------


def test_inventory_scan_fills_an_inventory_and_finds_what_changed(
    lake: Path, terminal: Terminal
) -> None:
    scan = ("inventory", "scan", "files/scans", "--into", "imaging.scanned", "--json")
    status, out, _ = terminal.run(*scan, user="dina")
    assert status == 0
    first = json.loads(out)
    new = lake / "files" / "scans" / "new.bin"
    new.write_bytes(b"new")
    try:
        status, out, _ = terminal.run(*scan, user="dina")
        second = json.loads(out)
    finally:
        new.unlink()
    assert status == 0
    assert (second["added"], second["unchanged"]) == (1, first["added"])
    status, out, _ = terminal.run("files", "ls", "imaging.scanned", "--json", user="dina")
    assert "new.bin" in out


def test_inventory_scan_of_what_is_no_storage_says_so(terminal: Terminal) -> None:
    for address in ("/etc", "files/../keys", "s3://elsewhere/", "files/absent"):
        words = ("inventory", "scan", address, "--into", "imaging.scanned")
        status, out, err = terminal.run(*words, user="dina")
        assert (status, out) == (1, ""), address
        assert "Traceback" not in err
    words = ("inventory", "scan", "files/scans", "--into", "imaging.scanned")
    assert terminal.run(*words, user="miko")[0] == 1


def test_ls_of_files_of_unknown_size_lists_them_without_asking_for_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = make_files_world(
        tmp_path, '\n[storage.files]\ntype = "local"\nroot = "files"\nassets = ["imaging"]\n'
    )
    try:
        known, unknown = (row(f"files/{name}.svs", b"12345", "P0", "S1") for name in "ab")
        world.load("imaging.slides", table([known, unknown | {"bytes": None}]))
        with connect(world.lake, user="dina") as dina:
            rows = dina.files("imaging.slides").listing()
            assert [size for _, size, _, _ in rows] == [5, None]
        words = ["files", "ls", "imaging.slides", "--lake", str(world.lake), "--user", "dina"]
        # The files are not there: whoever asked the gateway for a size would hear of it.
        assert main(words) == 0
        said = capsys.readouterr()
        lines = [line.split() for line in said.out.splitlines()]
        assert lines == [["5", "svs", "a.svs"], ["?", "svs", "b.svs"]]
        assert "2 files of unknown size (2 svs)" in said.err
    finally:
        world.close()
