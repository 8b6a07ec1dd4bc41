"""What a file set holds, and that a file read through it is the file on the disk."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_govdata.errors import (
    AccessDeniedError,
    CatalogError,
    ColumnNotFoundError,
    ConfigError,
    FileChangedError,
    GatewayError,
    NotVisibleError,
    PurposeError,
    QueryError,
    StorageError,
)
from jupyter_govdata.files.file import LARGEST_WINDOW
from jupyter_govdata.session import Session, connect
from tests.session.files_lake import BIG, WITHDRAWN, contents

FILES = contents()


# -- the set -----------------------------------------------------------------------------------


def test_set_tells_what_it_holds(steward: Session) -> None:
    files = steward.files("imaging.slides")
    assert len(files) == files.count == len(FILES)
    assert files.bytes == sum(map(len, FILES.values()))
    assert files.formats["bin"] == 10
    assert (files.way, files.asset, files.purpose) == ("proxied", "imaging.slides", "research")
    assert files.receipt.asset == "imaging.slides"
    assert [f.path for f in files] == list(files.paths)
    assert len(set(files.paths)) == len(FILES)


def test_set_shows_its_first_files_and_what_it_is(steward: Session) -> None:
    files = steward.files("imaging.slides")
    text, html = repr(files), files._repr_html_()
    for shown in (text, html):
        assert "scans/big.bin" in shown
        assert "20.0 MB" in shown
        assert "7 more" in shown
        assert "17 files" in shown
        assert "through the gateway" in shown


def test_set_holds_exactly_the_files_whose_rows_permit(trainer: Session) -> None:
    files = trainer.files("imaging.slides")
    rows = list(enumerate(FILES))
    assert len(files) == sum(f"P{i % 10}" != WITHDRAWN for i, _ in rows)
    assert BIG not in files.paths  # the fourth file is of the patient who withdrew


def test_set_is_indexed_sliced_and_narrowed(steward: Session) -> None:
    files = steward.files("imaging.slides")
    assert files[0].path == files.paths[0]
    assert files[-1].path == files.paths[-1]
    assert [f.path for f in files[2:5]] == list(files.paths[2:5])
    assert files["images/tile.png"].read() == FILES["images/tile.png"]
    small = files.where(lambda file: file.size < 10)
    assert 0 < len(small) < len(files)
    assert all(file.size < 10 for file in small)
    assert small[0].read() == FILES[small[0].path]
    with pytest.raises(StorageError, match="no file `nothing`"):
        files["nothing"]
    with pytest.raises(IndexError):
        files[len(files)]


def test_set_rows_are_the_governed_rows(trainer: Session) -> None:
    files = trainer.files("imaging.slides")
    table = files.table()
    assert table.columns == ["path", "uri", "bytes", "sha256", "version", "patient", "study"]
    row = next(iter(table))
    assert row["path"] == files[0].path
    assert row["patient"].startswith("p_")  # masked, as in any scan
    assert files[0].row["patient"] == row["patient"]
    assert table.receipts == (files.receipt,)


def test_set_of_masked_addresses_is_named_by_pseudonyms(files_lake: Path) -> None:
    with connect(files_lake, user="ana") as ana:
        files = ana.files("imaging.named")
        names = {Path(path).name for path in FILES}
        assert not names & {file.name for file in files}
        assert all("/" not in path for path in files.paths)
        whole = {file.read() for file in files if file.size < 100_000}
        assert whole <= set(FILES.values())


@pytest.mark.parametrize(
    ("where", "least", "most"),
    [
        ("bytes > 1e7", 1, 1),
        ("study = 'S1' AND bytes BETWEEN 1 AND 10", 1, 4),
        ("NOT (study = 'S1' OR study IS NULL)", 8, 8),
        ("study IN ('S2') OR bytes <= 0", 9, 9),
        ({"study": "S2"}, 8, 8),
        ([("bytes", ">", 10_000_000)], 1, 1),
        ("bytes < -5", 0, 0),
    ],
)
def test_set_is_chosen_by_a_condition(
    steward: Session, where: object, least: int, most: int
) -> None:
    assert least <= len(steward.files("imaging.slides", where)) <= most  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "where", ["lower(study) = 's1'", "bytes > (SELECT 1)", "study = 'S1' ORDER BY bytes", "a b c"]
)
def test_condition_that_the_gateway_cannot_answer_is_refused(steward: Session, where: str) -> None:
    with pytest.raises(QueryError):
        steward.files("imaging.slides", where)


def test_asking_in_a_wrong_way_tells_the_right_one(steward: Session, files_lake: Path) -> None:
    with pytest.raises(CatalogError, match="no inventory"):
        steward.files("governance.consent")
    with pytest.raises(ColumnNotFoundError):
        steward.files("imaging.slides", "nothing = 1")
    with pytest.raises(PurposeError):
        steward.files("imaging.slides", purpose="nonsense")
    with pytest.raises(ConfigError):
        steward.files()
    with connect(files_lake, user="nobody") as nobody:
        texts = set()
        for asset in ("imaging.slides", "imaging.missing"):
            with pytest.raises(NotVisibleError) as refused:
                nobody.files(asset)
            texts.add(str(refused.value).replace(asset, "X"))
        assert len(texts) == 1
    with (
        connect(files_lake, user="ana", purpose="marketing") as ana,
        pytest.raises(AccessDeniedError, match=r"`open` on `imaging\.slides`"),
    ):
        ana.files("imaging.slides")


def test_empty_set_is_whole(steward: Session, tmp_path: Path) -> None:
    files = steward.files("imaging.slides", "bytes < -5")
    assert (len(files), files.bytes, files.formats) == (0, 0, {})
    assert "0 files" in repr(files)
    assert "0 files" in files._repr_html_()
    assert "<table" not in files._repr_html_()
    assert files.download(tmp_path / "out") == []


# -- one file ----------------------------------------------------------------------------------


def test_file_tells_what_it_is(steward: Session) -> None:
    file = steward.files("imaging.slides")["images/CT_small.dcm"]
    assert (file.name, file.size, file.format) == ("CT_small.dcm", 39206, "dcm")
    assert len(file.checksum) == 64
    assert repr(file) == "<GovernedFile images/CT_small.dcm, 39.2 kB, dcm>"
    assert file.row["study"] in ("S1", "S2")


@pytest.mark.parametrize("which", range(len(FILES)), ids=list(FILES))
def test_file_read_whole_is_the_file(steward: Session, which: int) -> None:
    content = list(FILES.values())[which]
    file = steward.files("imaging.slides")[which]
    assert file.read() == content
    with file.open() as stream:
        assert stream.read() == content
        assert stream.read() == b""
    assert file.local_path().read_bytes() == content


def test_file_ranges_end_at_its_end(steward: Session) -> None:
    file = steward.files("imaging.slides")["scans/small.bin"]
    content = FILES["scans/small.bin"]
    assert file.read_range(0, 0) == b""
    assert file.read_range(10, 20) == content[10:30]
    assert file.read_range(file.size - 3, 100) == content[-3:]
    assert file.read_range(file.size + 3, 100) == b""
    with pytest.raises(ConfigError):
        file.read_range(-1, 5)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(0, 9_000_000)),
        st.tuples(st.just("read"), st.integers(0, 5_000)),
        st.tuples(st.just("seek"), st.integers(0, 20_500_000)),
        st.tuples(st.just("back"), st.integers(0, 300_000)),
        st.tuples(st.just("end"), st.integers(0, 500_000)),
        st.tuples(st.just("line"), st.just(0)),
    ),
    max_size=12,
)


@given(steps=steps)
def test_reader_walked_at_random_gives_the_bytes_on_the_disk(
    steps: list[tuple[str, int]], files_lake: Path
) -> None:
    with connect(files_lake, user="dina") as session:
        opened = session.files("imaging.slides")[BIG].open()
        real = io.BytesIO(FILES[BIG])
        with opened:
            for kind, number in steps:
                if kind == "seek":
                    assert opened.seek(number) == real.seek(number)
                elif kind == "back":
                    number = min(number, real.tell())
                    assert opened.seek(-number, os.SEEK_CUR) == real.seek(-number, os.SEEK_CUR)
                elif kind == "end":
                    assert opened.seek(-number, os.SEEK_END) == real.seek(-number, os.SEEK_END)
                elif kind == "line":
                    assert opened.readline() == real.readline()
                else:
                    assert opened.read(number) == real.read(number)
                assert opened.tell() == real.tell()


def test_reader_read_in_small_pieces_reads_ahead(steward: Session) -> None:
    content = FILES[BIG]
    with steward.files("imaging.slides")[BIG].open() as stream:
        found = bytearray()
        while piece := stream.read(100_000):
            found += piece
        assert bytes(found) == content
        assert stream.raw._next_size == LARGEST_WINDOW  # type: ignore[attr-defined]


def test_reader_refuses_what_files_refuse(steward: Session) -> None:
    stream = steward.files("imaging.slides")["scans/small.bin"].open()
    assert stream.readable()
    assert stream.seekable()
    assert not stream.writable()
    with pytest.raises(ValueError, match="negative"):
        stream.seek(-1)
    with pytest.raises(io.UnsupportedOperation):
        stream.write(b"x")
    stream.close()
    with pytest.raises(ValueError, match="closed"):
        stream.read(1)


def test_local_copy_is_private_made_once_and_gone_with_the_session(files_lake: Path) -> None:
    with connect(files_lake, user="dina") as session:
        file = session.files("imaging.slides")["images/region.svs"]
        path = file.local_path()
        assert path.suffix == ".svs"
        assert path.stat().st_mode & 0o777 == 0o400
        assert path.parent.parent.stat().st_mode & 0o077 == 0
        assert session.files("imaging.slides")["images/region.svs"].local_path() == path
    assert not path.exists()
    assert not path.parent.parent.exists()


# -- permission is current ---------------------------------------------------------------------


def test_consent_withdrawn_takes_the_file_away_and_leaves_the_others(
    own_files_lake: Path,
) -> None:
    with (
        connect(own_files_lake, user="miko") as miko,
        connect(own_files_lake, user="dina") as dina,
    ):
        files = miko.files("imaging.slides")
        gone = files["scans/small.bin"]  # of P2
        opened = gone.open()
        assert opened.read(10) == FILES["scans/small.bin"][:10]
        dina.consent("T:patient", "P2", "model_training", "withdrawn")
        with pytest.raises(AccessDeniedError, match=r"`small\.bin`") as refused:
            gone.read_range(0, 10)
        assert "files/" not in str(refused.value)
        assert refused.value.detail["file"] == "small.bin"
        with pytest.raises(AccessDeniedError):
            gone.local_path()
        assert files["scans/one.bin"].read() == b"\x00"
        dina.consent("T:patient", "P2", "model_training", "given")
        assert gone.read() == FILES["scans/small.bin"]


def test_file_replaced_under_its_row_is_noticed(own_files_lake: Path) -> None:
    with connect(own_files_lake, user="dina") as dina:
        file = dina.files("imaging.slides")["scans/small.bin"]
        stored = own_files_lake / "files" / "scans" / "small.bin"
        stored.write_bytes(bytes(reversed(stored.read_bytes())))
        with pytest.raises(FileChangedError, match=r"`small\.bin`"):
            file.read()


def test_session_that_is_closed_reads_no_more(files_lake: Path, steward: Session) -> None:
    session = connect(files_lake, user="dina")
    file = session.files("imaging.slides")["scans/one.bin"]
    assert file.read() == b"\x00"
    session.close()
    with pytest.raises(GatewayError, match="closed"):
        file.read()
