from __future__ import annotations

import datetime as dt
import sys

import pandas as pd
import pyreadstat
import pytest

from jupyter_govdata.errors import LoadError, MissingExtraError
from jupyter_govdata.formats import open_source, sas
from tests.formats.reading import columns, kinds, read, write

FRAME = pd.DataFrame(
    {
        "USUBJID": ["S1", "S2", ""],
        "AGE": [63.0, None, 64.5],
        "TRTSDT": [dt.date(2014, 1, 2), None, dt.date(1959, 12, 31)],
        "DTM": [dt.datetime(2014, 1, 2, 3, 4, 5), None, dt.datetime(1960, 1, 1)],
        "TM": [dt.time(10, 30), None, dt.time(0, 0)],
    }
)
LABELS = {"USUBJID": "Unique Subject Identifier", "AGE": "Age"}


def _xpt(folder, version=5, frame=FRAME, name="x.xpt", **options):
    path = folder / name
    pyreadstat.write_xport(
        frame,
        str(path),
        column_labels=[LABELS.get(c, "") for c in frame.columns],
        table_name="ADSL",
        file_format_version=version,
        **options,
    )
    return path


@pytest.mark.parametrize("version", [5, 8])
def test_xpt_labels_and_dates_are_kept(tmp_path, version):
    source, table = read(_xpt(tmp_path, version))
    assert source.kind == "xpt"
    assert kinds(table) == {
        "USUBJID": "string", "AGE": "double", "TRTSDT": "date", "DTM": "timestamp", "TM": "time",
    }  # fmt: skip
    assert columns(table) == {
        "USUBJID": ["S1", "S2", None],
        "AGE": [63.0, None, 64.5],
        "TRTSDT": [dt.date(2014, 1, 2), None, dt.date(1959, 12, 31)],
        "DTM": [dt.datetime(2014, 1, 2, 3, 4, 5), None, dt.datetime(1960, 1, 1)],
        "TM": [dt.time(10, 30), None, dt.time(0, 0)],
    }
    assert source.schema.field("AGE").metadata == {b"description": b"Age"}
    assert b"format" in source.schema.field("TRTSDT").metadata


def test_xpt_is_read_in_chunks(tmp_path, monkeypatch):
    frame = pd.DataFrame({"N": [float(i) for i in range(1001)], "S": ["x"] * 1001})
    path = _xpt(tmp_path, frame=frame)
    monkeypatch.setattr(sas, "_CHUNK", 100)
    source, table = read(path)
    assert table["N"].to_pylist() == frame["N"].tolist()
    assert sum(1 for _ in source.batches()) == 11


def test_xpt_dates_that_are_none_are_set_aside(tmp_path):
    frame = pd.DataFrame({"D": [19725.0, 0.5, 1e9], "T": [1.0, 2.0, 90_000.0]})
    path = _xpt(tmp_path, frame=frame, variable_format={"D": "DATE9.", "T": "TIME8."})
    source, table = read(path)
    assert columns(table) == {"D": [dt.date(2014, 1, 2)], "T": [dt.time(0, 0, 1)]}
    assert [(r.line, r.column) for r in source.reject.reasons] == [(2, "D"), (3, "D")]
    _, table = read(path, types={"D": "double", "T": "double"})
    assert columns(table) == {"D": [19725.0, 0.5, 1e9], "T": [1.0, 2.0, 90_000.0]}


@pytest.mark.parametrize(
    ("name", "family"),
    [("DATE9.", "date"), ("YYMMDD10", "date"), ("YYMMDDD10.", "date"), ("E8601DA10.", "date"),
     ("DATETIME20.", "datetime"), ("E8601DT19.", "datetime"), ("TIME8.", "time"),
     ("BEST12.", ""), ("8.2", ""), ("", ""), ("$CHAR10.", ""), ("DOLLAR8.2", ""), ("COMMA9.", "")],
)  # fmt: skip
def test_format_names_tell_dates_from_numbers(name, family):
    assert sas._family(name) == family


def test_xpt_text_of_another_encoding_is_read_when_it_is_said(tmp_path):
    data = _xpt(tmp_path, frame=pd.DataFrame({"S": ["Müller", "x"]})).read_bytes()
    path = write(tmp_path, data.replace("Müller".encode(), "Müller ".encode("latin-1")), "l.xpt")
    with pytest.raises(LoadError, match="does not fit its encoding"):
        list(open_source(path).batches())
    assert columns(read(path, encoding="latin-1")[1]) == {"S": ["Müller", "x"]}
    with pytest.raises(LoadError, match="not an encoding"):
        open_source(path, encoding="klingon")


@pytest.mark.parametrize("cut", [1, 80, 160, 240])
def test_truncated_xpt_is_refused(tmp_path, cut):
    frame = pd.DataFrame({"S": ["x" * 133 + str(i) for i in range(60)], "N": [0.5] * 60})
    data = _xpt(tmp_path, frame=frame).read_bytes()
    with pytest.raises(LoadError, match="ends in the middle"):
        open_source(
            write(tmp_path, data.rstrip(b" ")[: -cut // 80 * 80] + b"x" * (cut % 80), "cut.xpt")
        )


def test_xpt_of_several_data_sets_is_refused(tmp_path):
    one = _xpt(tmp_path).read_bytes()
    member = one.index(b"HEADER RECORD*******MEMBER")
    with pytest.raises(LoadError, match="2 data sets"):
        open_source(write(tmp_path, one + one[member:], "two.xpt"))


@pytest.mark.parametrize("name", ["x.xpt", "x.sas7bdat"])
@pytest.mark.parametrize("data", [b"", b"garbage" * 1000])
def test_broken_sas_file_is_refused(tmp_path, name, data):
    with pytest.raises(LoadError, match="not a sound SAS file"):
        open_source(write(tmp_path, data, name))


def test_sas_without_the_extra_says_what_to_install(tmp_path, monkeypatch):
    path = _xpt(tmp_path)
    monkeypatch.setitem(sys.modules, "pyreadstat", None)
    with pytest.raises(MissingExtraError) as caught:
        open_source(path)
    assert "[sas]" in (caught.value.hint or "")
