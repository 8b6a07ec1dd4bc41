from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint

import pyarrow as pa
import pytest

import jupyter_govdata.formats.registry as registry
from jupyter_govdata.errors import LoadError
from jupyter_govdata.formats import Format, Request, Source, formats, open_source
from tests.formats.reading import columns, read, write


class Upper(Source):
    """A format of somebody else: one column of words."""

    kind = "words"

    def __init__(self, request: Request) -> None:
        super().__init__(request, str(request.path))
        self._file = self._one_file(request)
        self.schema = pa.schema([("word", pa.string())])

    def _read(self) -> Iterator[pa.RecordBatch]:
        words = self._file.read_text().split()
        self.rows_read = len(words)
        yield pa.record_batch({"word": words})


words = Format("words", (".words",), Upper, lambda head: head.startswith(b"WORDS"))
fake_csv = Format("csv", (".csv",), Upper)


@pytest.fixture
def plugged(monkeypatch):
    points = [
        EntryPoint("words", f"{__name__}:words", registry.GROUP),
        EntryPoint("csv", f"{__name__}:fake_csv", registry.GROUP),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    formats.cache_clear()
    yield
    formats.cache_clear()


def test_format_of_an_entry_point_is_used(tmp_path, plugged):
    expected = {"word": ["WORDS", "a"]}
    assert columns(read(write(tmp_path, "WORDS a", "x.words"))[1]) == expected
    assert columns(read(write(tmp_path, "WORDS a", "x"))[1]) == expected
    assert columns(read(write(tmp_path, "WORDS a", "x.csv"), format="words")[1]) == expected


def test_built_in_format_is_never_replaced(tmp_path, plugged):
    assert read(write(tmp_path, "a,b\n1,2\n"))[0].kind == "csv"


def test_unknown_format_name_lists_the_known(tmp_path):
    with pytest.raises(LoadError, match="`docx`") as caught:
        open_source(write(tmp_path, "x"), format="docx")
    assert "parquet" in (caught.value.hint or "")


def test_unknown_content_lists_the_known(tmp_path):
    with pytest.raises(LoadError, match=r"format of `x\.bin` is not known"):
        open_source(write(tmp_path, b"\x00\x01\x02", "x.bin"))


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [("x", "a,b\n1,2\n", "csv"),
     ("x.dat", "a\tb\n1\t2\n", "csv"), ("x.json", '{"a": 1}\n', "ndjson"),
     ("x.ndjson", '{"datasetJSONVersion": "1.1.0", "columns": [{"name": "a"}]}\n["1"]\n',
      "dataset-json"),
     ("x.CSV", "a,b\n1,2\n", "csv")],
)  # fmt: skip
def test_format_is_found_by_name_and_content(tmp_path, name, data, kind):
    assert read(write(tmp_path, data, name))[0].kind == kind


def test_tsv_is_a_name_of_csv(tmp_path):
    assert columns(read(write(tmp_path, "a\tb\n1\t2\n", "x"), format="tsv")[1]) == {
        "a": [1],
        "b": [2],
    }


def test_all_built_in_readers_exist():
    assert [f.name for f in formats().values()][:8] == [
        "parquet", "h5ad", "xpt", "sas7bdat", "dataset-json", "ndjson", "sql", "csv",
    ]  # fmt: skip


def test_folder_is_no_text_table(tmp_path):
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(LoadError, match="is a folder"):
        open_source(tmp_path / "x.csv")


def test_workbook_is_refused_with_a_way_out(tmp_path):
    with pytest.raises(LoadError, match="is a workbook"):
        open_source(write(tmp_path, b"PK\x03\x04", "x.xlsx"))
