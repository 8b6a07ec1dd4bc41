"""Downloads: whole or not there, resumed, stopped, refused, and never outside of the folder."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_govdata.errors import AccessDeniedError, ConfigError, StorageError
from jupyter_govdata.files.download import JOURNAL, FilesProgress
from jupyter_govdata.files.words import relative_paths, safe_part
from jupyter_govdata.session import Session, connect
from tests.gateway.files_world import row, table
from tests.session.files_lake import BIG, contents

FILES = contents()
PART = ".govdata-*.part"


def gateway_process(lake: Path) -> int:
    """Return the process id of the lake's gateway."""
    return int(json.loads((lake / "run" / "gateway.json").read_text("utf-8"))["pid"])


def parts(folder: Path) -> list[Path]:
    return sorted(folder.rglob(PART))


def test_download_writes_every_file_whole(steward: Session, tmp_path: Path) -> None:
    seen: list[FilesProgress] = []
    files = steward.files("imaging.slides")
    paths = files.download(tmp_path / "out", on_progress=seen.append)
    assert [p.read_bytes() for p in paths] == list(FILES.values())
    assert all(p.stat().st_mode & 0o077 == 0 for p in paths)
    assert parts(tmp_path) == []
    last = seen[-1]
    assert (last.done, last.files_done, last.bytes_done, last.missing) == (
        True,
        len(FILES),
        sum(map(len, FILES.values())),
        0,
    )
    assert [s.bytes_done for s in seen] == sorted(s.bytes_done for s in seen)


def test_download_names_files_so_that_none_hides_another(steward: Session, tmp_path: Path) -> None:
    """`two/same.bin` and `two/SAME.bin` are one file on a disk that does not tell case apart."""
    paths = steward.files("imaging.slides").paths
    assert "one/same.bin" in paths
    told_apart = [p for p in paths if p.lower().startswith("two/same~")]
    assert len(told_apart) == 2
    assert "names/_.hidden" in paths
    assert "names/a_b_c.bin" in paths
    assert len({p.casefold() for p in paths}) == len(paths)


def test_download_again_fetches_nothing(steward: Session, tmp_path: Path) -> None:
    files = steward.files("imaging.slides")[:6]
    before = [p.stat().st_mtime_ns for p in files.download(tmp_path)]
    assert [p.stat().st_mtime_ns for p in files.download(tmp_path)] == before


def test_download_keeps_what_is_not_its_own(steward: Session, tmp_path: Path) -> None:
    files = steward.files("imaging.slides")["scans/small.bin"], FILES["scans/small.bin"]
    file, content = files
    mine = tmp_path / "mine.bin"
    mine.write_bytes(b"mine")
    with pytest.raises(StorageError, match="holds something else"):
        file.download(mine)
    assert mine.read_bytes() == b"mine"
    assert file.download(mine, overwrite=True) == mine
    assert mine.read_bytes() == content
    assert file.download(tmp_path) == tmp_path / "small.bin"


def test_download_that_is_stopped_goes_on(steward: Session, tmp_path: Path) -> None:
    files = steward.files("imaging.slides")

    def stop(progress: FilesProgress) -> None:
        if progress.bytes_done and not progress.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.download(tmp_path, parallel=1, on_progress=stop)
    assert not (tmp_path / "two").exists() or len(list(tmp_path.rglob("*.bin"))) < 10
    assert [p.read_bytes() for p in files.download(tmp_path)] == list(FILES.values())
    assert parts(tmp_path) == []


def test_download_goes_on_where_a_part_ends(steward: Session, tmp_path: Path) -> None:
    """What came is not asked for again: the gateway serves only the rest."""
    file, content = steward.files("imaging.slides")[BIG], FILES[BIG]
    target = tmp_path / "big.bin"
    _begin(file, target)
    (part,) = parts(tmp_path)
    there = part.stat().st_size
    assert 0 < there < len(content)
    asked: list[int] = []
    reader = file._granted.read

    def watched(position: int, offset: int = 0, length: int | None = None) -> object:
        asked.append(offset)
        return reader(position, offset, length)

    file._granted.read = watched  # type: ignore[assignment]
    assert file.download(target).read_bytes() == content
    assert asked == [there]


def test_download_of_a_damaged_part_begins_anew(steward: Session, tmp_path: Path) -> None:
    file, target = steward.files("imaging.slides")[BIG], tmp_path / "big.bin"
    _begin(file, target)
    (part,) = parts(tmp_path)
    with part.open("r+b") as damaged:
        damaged.write(b"damage")
    assert file.download(target).read_bytes() == FILES[BIG]


def _begin(file: object, target: Path) -> None:
    """Start a download and stop it after the first bytes."""
    from jupyter_govdata.files.copies import StoppedError
    from jupyter_govdata.files.file import GovernedFile

    assert isinstance(file, GovernedFile)
    came = 0

    def stop(count: int) -> None:
        nonlocal came
        came += count
        if came:
            raise StoppedError

    with pytest.raises(StoppedError):
        file._copies.download(file, target, on_bytes=stop)
    assert not target.exists()


def test_download_survives_a_gateway_that_is_killed(own_files_lake: Path, tmp_path: Path) -> None:
    lake, killed = own_files_lake, []

    with connect(lake, user="dina") as session:
        files = session.files("imaging.slides")

        def kill(progress: FilesProgress) -> None:
            if progress.bytes_done > 0 and not killed:
                killed.append(gateway_process(lake))
                os.kill(killed[0], signal.SIGKILL)

        paths = files.download(tmp_path / "out", parallel=2, on_progress=kill)
        assert killed
        assert gateway_process(lake) != killed[0]
        assert [p.read_bytes() for p in paths] == list(FILES.values())
        assert session.audit()["chain"]["ok"]


def test_reader_survives_a_gateway_that_is_killed(own_files_lake: Path) -> None:
    with (
        connect(own_files_lake, user="dina") as session,
        session.files("imaging.slides")[BIG].open() as stream,
    ):
        first = stream.read(1_000_000)
        os.kill(gateway_process(own_files_lake), signal.SIGKILL)
        assert first + stream.read() == FILES[BIG]


def test_filesystem_survives_a_gateway_that_is_killed(own_files_lake: Path) -> None:
    with connect(own_files_lake, user="dina") as session:
        fs = session.files("imaging.slides").fs()
        with fs.open(BIG, "rb") as stream:
            first = stream.read(1_000_000)
            killed = gateway_process(own_files_lake)
            os.kill(killed, signal.SIGKILL)
            assert first + stream.read() == FILES[BIG]
        assert fs.cat_file("scans/small.bin", 10, 5_000) == FILES["scans/small.bin"][10:5_000]
        assert gateway_process(own_files_lake) != killed
        assert session.audit()["chain"]["ok"]


def test_download_of_files_without_a_checksum_fetches_each_once(
    own_files_lake: Path, tmp_path: Path
) -> None:
    """Nothing but the journal of the folder can tell that such a file is there already."""
    rows = [row(f"files/{path}", b, "P1", "S1") | {"sha256": None} for path, b in FILES.items()]
    with connect(own_files_lake, user="dina") as session:
        session.load(table(rows), "imaging.named", mode="overwrite")
        files = session.files("imaging.named", "bytes > 0 and bytes < 100000")
        assert not any(file.checksum for file in files)
        paths = files.download(tmp_path)
        asked: list[int] = []
        reader = files._granted.read

        def watched(position: int, offset: int = 0, length: int | None = None) -> object:
            asked.append(position)
            return reader(position, offset, length)

        files._granted.read = watched  # type: ignore[method-assign, assignment]
        assert files.download(tmp_path) == paths
        assert asked == []
        # The journal is believed for files that nobody touched, and it is no list of orders.
        edited = bytes(reversed(paths[-1].read_bytes()))
        paths[-1].write_bytes(edited)
        with pytest.raises(StorageError, match="1 of"):
            files.download(tmp_path)
        assert paths[-1].read_bytes() == edited
        (tmp_path / JOURNAL).write_bytes(b"\xff not JSON\n[]\n")
        with pytest.raises(StorageError, match=f"{len(paths)} of"):
            files.download(tmp_path)
        assert files.download(tmp_path, overwrite=True) == paths
        assert len(asked) >= len(paths)


FORK = """
import os, sys
from jupyter_govdata.errors import GatewayError
from jupyter_govdata.session import connect
with connect(sys.argv[1], user="dina") as session:
    file = session.files("imaging.slides")["scans/one.bin"]
    assert file.read() == bytes(1)
    child = os.fork()
    if not child:
        try:
            file.read()
        except GatewayError as error:
            os._exit(7 if "forkserver" in str(error) else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert file.read_range(0, 1) == bytes(1)
print("told and went on")
"""


def test_forked_process_is_told_instead_of_waiting_for_ever(files_lake: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, str(files_lake)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ran.stdout, ran.returncode) == ("told and went on\n", 0), ran.stderr


def test_download_in_which_a_consent_is_withdrawn_names_the_file_and_ends_the_others(
    own_files_lake: Path, tmp_path: Path
) -> None:
    with (
        connect(own_files_lake, user="miko") as miko,
        connect(own_files_lake, user="dina") as dina,
    ):
        out = tmp_path / "out"
        files = miko.files("imaging.slides")
        refused = {p for p, f in zip(files.paths, files, strict=True) if f.row["study"] == "S1"}
        for i in range(0, 10, 2):
            dina.consent("T:patient", f"P{i}", "model_training", "withdrawn")
        with pytest.raises(AccessDeniedError, match=f"{len(refused)} of {len(files)}") as error:
            files.download(out)
        assert set(error.value.detail["files"]) == refused
        assert "/lake/" not in str(error.value)
        there = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
        assert there - {".govdata-files.jsonl"} == set(files.paths) - refused
        assert parts(out) == []


def test_part_of_a_file_is_removed_when_the_file_is_refused(
    own_files_lake: Path, tmp_path: Path
) -> None:
    with (
        connect(own_files_lake, user="miko") as miko,
        connect(own_files_lake, user="dina") as dina,
    ):
        dina.consent("T:patient", "P3", "model_training", "given")
        file, target = miko.files("imaging.slides")[BIG], tmp_path / "big.bin"
        _begin(file, target)
        assert len(parts(tmp_path)) == 1
        dina.consent("T:patient", "P3", "model_training", "withdrawn")
        with pytest.raises(AccessDeniedError, match=r"`big\.bin`"):
            file.download(target)
        assert list(tmp_path.glob("*.bin")) == []
        assert parts(tmp_path) == []


def test_part_that_is_whole_is_not_given_its_name_without_permission(
    own_files_lake: Path, tmp_path: Path
) -> None:
    with (
        connect(own_files_lake, user="miko") as miko,
        connect(own_files_lake, user="dina") as dina,
    ):
        file, target = miko.files("imaging.slides")["scans/small.bin"], tmp_path / "small.bin"
        _begin(file, target)
        (part,) = parts(tmp_path)
        part.write_bytes(FILES["scans/small.bin"])
        dina.consent("T:patient", "P2", "model_training", "withdrawn")
        with pytest.raises(AccessDeniedError):
            file.download(target)
        assert not target.exists()


# -- where it may write --------------------------------------------------------------------------


def test_download_follows_no_link_out_of_the_folder(steward: Session, tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (inside / "scans").symlink_to(outside)
    with pytest.raises(StorageError, match=r"leads elsewhere|holds something else") as error:
        steward.files("imaging.slides").download(inside)
    assert list(outside.iterdir()) == []
    assert all(path.startswith("scans/") for path in error.value.detail["files"])


def test_download_takes_no_link_for_a_file(steward: Session, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"v")
    (tmp_path / "one.bin").symlink_to(victim)
    with pytest.raises(StorageError, match="holds something else"):
        steward.files("imaging.slides")["scans/one.bin"].download(tmp_path / "one.bin")
    assert victim.read_bytes() == b"v"


def test_download_into_a_file_is_told(steward: Session, tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be made"):
        steward.files("imaging.slides").download(tmp_path / "taken")
    with pytest.raises(ConfigError, match="parallel"):
        steward.files("imaging.slides").download(tmp_path / "x", parallel=0)


names = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    ["..", ".", "", "/", "a/../../b", "C:\\x", "con", "x" * 400, "é" * 300 + ".svs", "\u202egpj.x"]
)


@given(names=st.lists(names, max_size=8), folders=st.lists(names, max_size=8))
def test_paths_are_relative_safe_and_unique(names: list[str], folders: list[str]) -> None:
    count = min(len(names), len(folders))
    names = names[:count]
    keys = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(count)]
    addresses = [f"s3://b/{f}/{n}" for f, n in zip(folders, names, strict=False)]
    for found in (relative_paths(names, addresses, keys), relative_paths(names, None, keys)):
        assert len({path.casefold() for path in found}) == count
        for path in found:
            assert not Path(path).is_absolute()
            for part in path.split("/"):
                assert part not in ("", ".", "..")
                assert not part.startswith(".")
                assert len(part.encode()) < 255
                assert part == safe_part(part) or "~" in part
