from __future__ import annotations

import bz2
import datetime as dt
import gzip
import lzma
import math
import stat
import zipfile
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from jupyter_govdata.errors import LoadError
from jupyter_govdata.formats import describe_schema, open_source
from tests.formats.reading import columns, kinds, read, rejects, write

# -- delimiters, headers, comments ---------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_csv_with_any_delimiter_is_split(tmp_path, delimiter):
    text = "id;name;w\n1;a b;0.5\n2;c;1\n".replace(";", delimiter)
    _, table = read(write(tmp_path, text))
    assert columns(table) == {"id": [1, 2], "name": ["a b", "c"], "w": [0.5, 1.0]}


def test_csv_with_decimal_commas_is_split_at_semicolons(tmp_path):
    _, table = read(write(tmp_path, "id;w;v\n1;0,5;1,5\n2;1,5;2,25\n"))
    assert columns(table) == {"id": [1, 2], "w": ["0,5", "1,5"], "v": ["1,5", "2,25"]}


def test_csv_of_one_column_keeps_empty_lines_as_missing(tmp_path):
    _, table = read(write(tmp_path, "w\n1\n\n3\n"))
    assert columns(table) == {"w": [1, None, 3]}


@pytest.mark.parametrize("text", ["note\nhello, world\nfoo\n a; b\n", "word\nx\ny\nz\n"])
def test_single_column_of_text_is_not_split(tmp_path, text):
    source, table = read(write(tmp_path, text))
    assert columns(table) == {text.split()[0]: text.splitlines()[1:]}
    assert not source.reject


def test_separator_line_of_a_spreadsheet_is_no_header(tmp_path):
    source, table = read(write(tmp_path, "sep=;\r\na;b\r\n1;2\r\nx;3\r\n"), types={"a": "int"})
    assert columns(table) == {"a": [1], "b": [2]}
    assert source.reject.reasons[0].line == 4


@pytest.mark.parametrize("delimiter", ["\\t", "tab", "\t"])
def test_tab_may_be_written_in_words(tmp_path, delimiter):
    _, table = read(write(tmp_path, "a\tb\n1\t2\n"), delimiter=delimiter)
    assert columns(table) == {"a": [1], "b": [2]}


@pytest.mark.parametrize("delimiter", ["", ",,", "é", '"', "\n"])
def test_delimiter_that_is_none_is_refused(tmp_path, delimiter):
    with pytest.raises(LoadError, match="one ASCII character"):
        open_source(write(tmp_path, "a,b\n1,2\n"), delimiter=delimiter)


def test_csv_blank_lines_between_rows_are_no_rows(tmp_path):
    source, table = read(write(tmp_path, "a,b\n1,2\n\n3,4\n\n\n"))
    assert columns(table) == {"a": [1, 3], "b": [2, 4]}
    assert not source.reject


def test_csv_given_delimiter_that_the_header_lacks_is_refused(tmp_path):
    with pytest.raises(LoadError, match="delimiter") as caught:
        open_source(write(tmp_path, "a,b\n1,2\n"), delimiter=";")
    assert "','" in (caught.value.hint or "")


def test_cbioportal_comments_become_descriptions_and_the_empty_column_goes(tmp_path):
    text = (
        "#Patient\tSex\tOS\t\n#Who it is\tSex of it\tMonths since\t\n"
        "#STRING\tSTRING\tNUMBER\t\n#1\t1\t1\t\n"
        "PATIENT_ID\tSEX\tOS_MONTHS\t\n1\tF\t4.9\t\n2\tM\t12\t\n"
    )
    source, table = read(write(tmp_path, text, "data_clinical_patient.txt"))
    assert columns(table) == {"PATIENT_ID": [1, 2], "SEX": ["F", "M"], "OS_MONTHS": [4.9, 12.0]}
    assert source.schema.field("OS_MONTHS").metadata == {b"description": b"Months since"}
    assert any("comment" in note for note in source.notes)
    assert any("left out" in note for note in source.notes)


def test_maf_version_line_is_no_header(tmp_path):
    text = "#version 2.4\nHugo_Symbol\tStart\nFLT3\t100\n"
    _, table = read(write(tmp_path, text, "x.maf"))
    assert columns(table) == {"Hugo_Symbol": ["FLT3"], "Start": [100]}


def test_marked_header_above_data_names_the_columns(tmp_path):
    text = "##file=1\n#CHROM\tPOS\tREF\n20\t100\tA\n20\t105\tC\n"
    _, table = read(write(tmp_path, text, "x.tsv"))
    assert columns(table) == {"CHROM": [20, 20], "POS": [100, 105], "REF": ["A", "C"]}


def test_hash_in_data_stays_unless_comment_is_given(tmp_path):
    path = write(tmp_path, "id,n\n#1,2\n3,4\n")
    assert columns(read(path)[1]) == {"id": ["#1", "3"], "n": [2, 4]}
    source, table = read(path, comment="#")
    assert columns(table) == {"id": [3], "n": [4]}
    assert not source.reject


def test_lines_behind_inner_comments_keep_their_number(tmp_path):
    path = write(tmp_path, "id,n\n1,2\n# note, with comma\n3,x\n")
    source, table = read(path, comment="#", types={"n": "long"})
    assert columns(table) == {"id": [1], "n": [2]}
    assert [(r.line, r.column) for r in source.reject.reasons] == [(4, "n")]


def test_empty_duplicate_and_odd_names_are_usable(tmp_path):
    text = '"",id,ID,a b [%],id,"  ",x.y\n1,2,3,4,5,6,7\n'
    source, table = read(write(tmp_path, text))
    assert table.column_names == ["column_1", "id", "ID_2", "a b [%]", "id_3", "column_6", "x.y"]
    assert len(source.notes) == 4


def test_invented_names_do_not_take_a_real_one(tmp_path):
    _, table = read(write(tmp_path, "a,a,a_2,,column_4\n1,2,3,4,5\n"))
    assert table.column_names == ["a", "a_3", "a_2", "column_4_2", "column_4"]


def test_header_with_one_name_less_is_an_r_table(tmp_path):
    _, table = read(write(tmp_path, "x\ty\nr1\t1\t2\nr2\t3\t4\n", "x.tsv"))
    assert columns(table) == {"column_1": ["r1", "r2"], "x": [1, 3], "y": [2, 4]}


def test_delimiter_at_the_end_of_rows_only_is_dropped(tmp_path):
    _, table = read(write(tmp_path, "a,b\n1,2,\n3,4,\n"))
    assert columns(table) == {"a": [1, 3], "b": [2, 4]}


def test_unnamed_last_column_with_values_is_kept(tmp_path):
    _, table = read(write(tmp_path, "a,\n1,\n2,x\n"))
    assert columns(table) == {"a": [1, 2], "column_2": [None, "x"]}


def test_columns_renames_and_types_takes_either_name(tmp_path):
    path = write(tmp_path, "a,b\n1,2\n")
    _, table = read(path, columns={"a": "n"}, types={"n": "string", "b": "double"})
    assert columns(table) == {"n": ["1"], "b": [2.0]}
    _, table = read(path, columns={"a": "n"}, types={"a": "string"})
    assert columns(table) == {"n": ["1"], "b": [2]}


@pytest.mark.parametrize("option", ["columns", "types"])
def test_unknown_column_in_an_option_lists_the_known(tmp_path, option):
    with pytest.raises(LoadError, match="`c`") as caught:
        open_source(write(tmp_path, "a,b\n1,2\n"), **{option: {"c": "string"}})
    assert "`a`, `b`" in (caught.value.hint or "")


def test_header_alone_gives_an_empty_table_of_text(tmp_path):
    _, table = read(write(tmp_path, "a,b\n"))
    assert table.num_rows == 0
    assert kinds(table) == {"a": "string", "b": "string"}


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf", b"#only\n#comments\n"])
def test_file_without_data_is_refused(tmp_path, data):
    with pytest.raises(LoadError, match=r"empty|no data"):
        open_source(write(tmp_path, data))


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(LoadError, match=r"no file `x\.csv`"):
        open_source(tmp_path / "x.csv")


def test_brackets_in_a_file_name_are_no_pattern(tmp_path):
    _, table = read(write(tmp_path, "a,b\n1,2\n", "TMA1_[3,B] x.csv"))
    assert table.num_rows == 1


# -- encodings -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_unicode_of_any_form_is_found(tmp_path, encoding):
    text = "name,n\nMüller ≥ 3,1\nŁukasz,2\n"
    _, table = read(write(tmp_path, text.encode(encoding)))
    assert columns(table) == {"name": ["Müller ≥ 3", "Łukasz"], "n": [1, 2]}


def test_one_mac_roman_byte_far_down_is_found_and_reported(tmp_path):
    rows = "".join(f"{i},plain text\n" for i in range(200_000))
    data = b"id,note\n" + rows.encode() + b"7,ester content \xb399 %\n"
    source, table = read(write(tmp_path, data))
    assert table["note"][-1].as_py() == "ester content ≥99 %"
    assert any("mac_roman" in note for note in source.notes)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Müller, 20 °C, 5 µg; naïve café", "cp1252"),
        ("“Qualität” – größer", "cp1252"),
        ("Müller sagte: größer als bei Jörg", "mac_roman"),
    ],
)
def test_western_text_is_told_apart(tmp_path, text, encoding):
    data = b"id\tt\n" + f"1\t{text}\n".encode(encoding)
    source, table = read(write(tmp_path, data, "x.tsv"))
    assert table["t"][0].as_py() == text
    assert any(encoding in note for note in source.notes)


def test_given_encoding_is_believed(tmp_path):
    path = write(tmp_path, b"a,b\n\xb3,1\n")
    assert read(path, encoding="latin-1")[1]["a"][0].as_py() == "³"
    assert read(path, encoding="mac_roman")[1]["a"][0].as_py() == "≥"


def test_unknown_encoding_is_refused(tmp_path):
    with pytest.raises(LoadError, match="not an encoding"):
        open_source(write(tmp_path, "a,b\n"), encoding="klingon")


def test_bad_byte_in_declared_utf8_rejects_its_row_only(tmp_path):
    data = "a,b\nü,1\n".encode() + b"\xff,2\n\xfe\n" + "ä,3\n".encode()
    out = tmp_path / "out.csv"
    source, table = read(write(tmp_path, data), encoding="utf-8", reject_file=out)
    assert columns(table) == {"a": ["ü", "ä"], "b": [1, 3]}
    assert [(r.line, r.reason) for r in source.reject.reasons] == [
        (3, "a byte does not fit the encoding"),
        (4, "a byte does not fit the encoding"),
    ]
    assert rejects(out)[0]["raw"] == "\\udcff,2"


def test_mostly_utf8_stays_utf8_and_says_so(tmp_path):
    data = b"a,b\n" + "öäü,1\n".encode() * 20 + b"\xfc,2\n"
    source, table = read(write(tmp_path, data))
    assert table.num_rows == 20
    assert source.reject.count == 1
    assert any("UTF-8 but for 1 byte" in note for note in source.notes)


def test_byte_without_meaning_in_the_encoding_rejects_its_row(tmp_path):
    source, table = read(write(tmp_path, b"a,b\n\x81,1\n\xe4,2\n"), encoding="cp1252")
    assert columns(table) == {"a": ["ä"], "b": [2]}
    assert source.reject.reasons[0].line == 2


# -- compression ---------------------------------------------------------------------------


def _zip(data: bytes, path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, data)


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst", ".zip"])
def test_compressed_csv_is_read(tmp_path, suffix):
    data = b"a,b\n" + b"1,x\n" * 50_000
    path = tmp_path / f"x.csv{suffix}"
    if suffix == ".zip":
        _zip(data, path, "x.csv", "__MACOSX/._x.csv")
    elif suffix == ".zst":
        with pa.CompressedOutputStream(str(path), "zstd") as file:
            file.write(data)
    else:
        packer = {".gz": gzip, ".bz2": bz2, ".xz": lzma}[suffix]
        path.write_bytes(packer.compress(data))
    source, table = read(path)
    assert table.num_rows == 50_000
    assert source.sha256 is not None and len(source.sha256) == 64


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_truncated_compressed_file_is_refused(tmp_path, suffix):
    whole, path = tmp_path / f"w.csv{suffix}", tmp_path / f"x.csv{suffix}"
    data = "".join(f"{i},{i * 7919 % 1013}\n" for i in range(100_000)).encode()
    if suffix == ".zst":
        with pa.CompressedOutputStream(str(whole), "zstd") as file:
            file.write(data)
    else:
        packer = {".gz": gzip, ".bz2": bz2, ".xz": lzma}[suffix]
        whole.write_bytes(packer.compress(data))
    path.write_bytes(whole.read_bytes()[:-2000])
    with pytest.raises(LoadError, match="in the middle"):
        list(open_source(path).batches())


def test_damaged_gzip_is_refused(tmp_path):
    data = bytearray(gzip.compress(b"a,b\n" + b"1,x\n" * 1000))
    data[-6] ^= 0xFF
    with pytest.raises(LoadError, match="not a sound gzip"):
        open_source(write(tmp_path, bytes(data), "x.csv.gz"))


def test_zip_of_two_files_is_refused(tmp_path):
    _zip(b"a\n1\n", tmp_path / "x.zip", "a.csv", "b.csv")
    with pytest.raises(LoadError, match="holds 2 files"):
        open_source(tmp_path / "x.zip", format="csv")


def test_encrypted_zip_is_refused(tmp_path):
    path = tmp_path / "x.csv.zip"
    _zip(b"a,b\n1,2\n", path, "x.csv")
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x03\x04") + 6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(data))
    with pytest.raises(LoadError, match="encrypted"):
        open_source(path)


def test_compression_is_known_by_content_not_by_name(tmp_path):
    _, table = read(write(tmp_path, gzip.compress(b"a,b\n1,2\n"), "x.csv"))
    assert columns(table) == {"a": [1], "b": [2]}


# -- quotes --------------------------------------------------------------------------------


def test_quoted_newlines_delimiters_and_quotes_are_kept(tmp_path):
    text = 'id,t\n1,"a\nb, ""c""\r\n"\n2,""\n3,\n'
    _, table = read(write(tmp_path, text))
    assert columns(table) == {"id": [1, 2, 3], "t": ['a\nb, "c"\r\n', "", None]}


def test_line_numbers_count_lines_within_quotes(tmp_path):
    text = 'id,t\n1,"a\nb\n\nc"\nx,d\n3,"e\nf"\ny,g\n'
    source, table = read(write(tmp_path, text), types={"id": "long"})
    assert table["id"].to_pylist() == [1, 3]
    assert [r.line for r in source.reject.reasons] == [6, 9]


def test_quotes_inside_of_plain_fields_are_text(tmp_path):
    text = "id\tt\n" + "".join(f'{i}\t{i}" pipe\n' for i in range(50))
    _, table = read(write(tmp_path, text, "x.tsv"))
    assert table["t"][3].as_py() == '3" pipe'


def test_file_whose_quotes_are_never_closed_is_read_without_quotes(tmp_path):
    text = "id\tt\n" + "".join(f'{i}\t"open {i}\n' for i in range(51))
    source, table = read(write(tmp_path, text, "x.tsv"))
    assert table.num_rows == 51
    assert not source.reject


@pytest.mark.parametrize("quotes", [1, 3])
def test_single_open_quote_far_down_does_not_swallow_the_rest(tmp_path, quotes):
    rows = [f"{i},text,{i}\n" for i in range(30_000)]
    rows[20_000] = '20000,"open' + "x" * quotes + ",20000\n"
    source, table = read(write(tmp_path, "id,t,n\n" + "".join(rows)))
    assert table.num_rows == 29_999
    assert [(r.line, r.reason) for r in source.reject.reasons] == [
        (20_002, "a quote is opened and never closed")
    ]


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_other_line_ends_are_lines(tmp_path, newline):
    text = "id,n\n1,2\nx,3\n4,5\n".replace("\n", newline)
    source, table = read(write(tmp_path, text), types={"id": "long"})
    assert columns(table) == {"id": [1, 4], "n": [2, 5]}
    assert source.reject.reasons[0].line == 3


# -- types ---------------------------------------------------------------------------------


def test_types_are_found(tmp_path):
    text = (
        "i,f,b,d,t,z,s,code\n"
        "1,0.5,true,2020-02-29,2020-01-01 12:30:00,2020-01-01T12:30:00+02:00,x,007\n"
        "-2,1e3,FALSE,1999-12-31,2020-01-01T12:30:00.25,2020-01-01T12:30:00Z,2,12\n"
    )
    _, table = read(write(tmp_path, text))
    assert kinds(table) == {
        "i": "long", "f": "double", "b": "boolean", "d": "date", "t": "timestamp",
        "z": "timestamptz", "s": "string", "code": "string",
    }  # fmt: skip
    assert table["z"][0].as_py() == dt.datetime(2020, 1, 1, 10, 30, tzinfo=dt.UTC)
    assert table["code"].to_pylist() == ["007", "12"]


def test_infinities_and_missing_marks_in_numbers(tmp_path):
    text = "p,days\na,-Inf\nb,12\nc,NA\nd,Inf\ne,NaN\nf,\ng,.\n"
    source, table = read(write(tmp_path, text))
    days = table["days"].to_pylist()
    assert days[:4] == [-math.inf, 12.0, None, math.inf]
    assert math.isnan(days[4])
    assert days[5:] == [None, None]
    assert source.notes == ["texts such as `NA` are read as missing in `days`"]


def test_na_in_a_text_column_stays_unless_null_values_says_so(tmp_path):
    path = write(tmp_path, "s,n\nNA,1\nx,NA\n-9,-9\n")
    assert columns(read(path)[1]) == {"s": ["NA", "x", "-9"], "n": [1, None, -9]}
    _, table = read(path, null_values=["NA", "-9"])
    assert columns(table) == {"s": [None, "x", None], "n": [1, None, None]}


def test_column_of_missing_marks_alone_is_empty_text(tmp_path):
    _, table = read(write(tmp_path, "a,b\nNA,1\nNA,2\n"))
    assert columns(table) == {"a": [None, None], "b": [1, 2]}
    _, table = read(write(tmp_path, "a,b\n-9,1\n-9,2\n"), null_values=["-9"])
    assert columns(table) == {"a": [None, None], "b": [1, 2]}
    assert kinds(table)["a"] == "string"


@pytest.mark.parametrize(
    "values",
    [
        ["007", "1"],
        ["0x1f", "2"],
        ["9223372036854775808", "1"],
        ["9007199254740993", "0.5"],
        ["2020-01", "2020-01-02"],
        ["2020-01-01", "2020-01-01 10:00:00"],
        ["1", "true"],
        ["1,5", "2"],
        ["12/05/2020", "13/05/2020"],
        ["+1-555", "2"],
    ],
)
def test_values_that_a_type_would_change_stay_text(tmp_path, values):
    text = "a;b\n" + "".join(f"{v};x\n" for v in values)
    _, table = read(write(tmp_path, text))
    assert table["a"].to_pylist() == values


def test_padded_numbers_are_numbers(tmp_path):
    _, table = read(write(tmp_path, "a, b\n 1, 0.5\n 2,  \n"))
    assert columns(table) == {"a": [1, 2], " b": [0.5, None]}


def test_late_decimals_widen_the_column(tmp_path):
    text = "n,m\n" + "1,1\n" * 500_000 + "0.5,1\n"
    source, table = read(write(tmp_path, text))
    assert kinds(table) == {"n": "double", "m": "long"}
    assert table["n"][-1].as_py() == 0.5
    assert not source.reject


def test_late_leading_zero_makes_text_of_the_whole_column(tmp_path):
    text = "n,m\n" + "10,1\n" * 1_500_000 + "010,1\n"
    source, table = read(write(tmp_path, text))
    assert kinds(table)["n"] == "string"
    assert table["n"][-1].as_py() == "010"
    assert not source.reject


def test_rare_late_misfit_is_set_aside_and_reported(tmp_path):
    rows = [f"{i},{i}.5\n" for i in range(5_000)]
    rows[3_000] = "3000,5 mg\n"
    out = tmp_path / "out.csv"
    source, table = read(write(tmp_path, "id,w\n" + "".join(rows)), reject_file=out)
    assert kinds(table)["w"] == "double"
    assert table.num_rows == 4_999
    assert rejects(out) == [
        {"line": "3002", "column": "w", "reason": "not a double", "raw": "3000,5 mg"}
    ]
    assert any("set aside" in note for note in source.notes)
    assert "5 mg" not in str(source.reject.reasons)


def test_frequent_misfits_make_text(tmp_path):
    rows = [f"{i},{'<5' if i % 100 == 99 else i}\n" for i in range(5_000)]
    source, table = read(write(tmp_path, "id,w\n" + "".join(rows)))
    assert kinds(table)["w"] == "string"
    assert not source.reject


def test_given_types_are_applied(tmp_path):
    text = "a,b,c,d,e,f,g\n007,1.25,1,2020-01-01 00:00:00,yes,5.0,1\n"
    given = {"a": "int", "b": "decimal(9,2)", "c": "string", "d": "date", "e": "boolean",
             "f": "long", "g": "float"}  # fmt: skip
    _, table = read(write(tmp_path, text), types=given)
    assert kinds(table) == given
    assert columns(table) == {
        "a": [7], "b": [Decimal("1.25")], "c": ["1"], "d": [dt.date(2020, 1, 1)],
        "e": [True], "f": [5], "g": [1.0],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "bad"),
    [("int", "2147483648"), ("int", "1.5"), ("long", "x"), ("double", "1,5"), ("double", "1e999"),
     ("boolean", "maybe"), ("date", "2020-02-30"), ("timestamp", "2020-01-01T00:00:00Z"),
     ("timestamptz", "2020-01-01 00:00:00"), ("decimal(4,2)", "1.234"), ("decimal(4,2)", "100"),
     ("time", "25:00"), ("long", "0x1f")],
)  # fmt: skip
def test_value_that_does_not_fit_a_given_type_is_set_aside(tmp_path, kind, bad):
    path = write(tmp_path, f"id;v\n1;\n2;{bad}\n3;\n")
    source, table = read(path, types={"v": kind})
    assert columns(table) == {"id": [1, 3], "v": [None, None]}
    assert [(r.line, r.column, r.reason) for r in source.reject.reasons] == [
        (3, "v", f"not a {kind}")
    ]


def test_unknown_type_name_lists_the_known(tmp_path):
    with pytest.raises(LoadError, match="`number`") as caught:
        open_source(write(tmp_path, "a,b\n1,2\n"), types={"a": "number"})
    assert "decimal(p,s)" in (caught.value.hint or "")


# -- rejects -------------------------------------------------------------------------------


def test_ragged_rows_are_set_aside_with_line_and_text(tmp_path):
    text = 'a,b,c\n1,2,3\n4,5\n"x\ny",6,7,8\n9,10,11\n,,\n12\n'
    out = tmp_path / "out.csv"
    source, table = read(write(tmp_path, text), reject_file=out)
    assert table["a"].to_pylist() == [1, 9, None]
    assert rejects(out) == [
        {"line": "3", "column": "", "reason": "2 fields instead of 3", "raw": "4,5"},
        {"line": "4", "column": "", "reason": "4 fields instead of 3", "raw": '"x\ny",6,7,8'},
        {"line": "8", "column": "", "reason": "1 field instead of 3", "raw": "12"},
    ]
    assert source.rows_read == 6


def test_row_with_two_misfits_is_one_reject(tmp_path):
    path = write(tmp_path, "a,b\nx,y\n1,2\n")
    source, table = read(path, types={"a": "long", "b": "long"})
    assert source.reject.count == 1
    assert source.reject.reasons[0].column == "a"
    assert table.num_rows == 1


def test_reject_file_is_private_and_renewed_by_each_reading(tmp_path):
    out = tmp_path / "out.csv"
    path = write(tmp_path, "a,b\nx,1\n2,2\n")
    source, _ = read(path, types={"a": "long"}, reject_file=out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    list(source.batches())
    assert len(rejects(out)) == source.reject.count == 1
    read(path, reject_file=out)
    assert not out.exists()


def test_reject_file_never_overwrites_other_data(tmp_path):
    path = write(tmp_path, "a,b\nx,1\n")
    source = open_source(path, types={"a": "long"}, reject_file=path)
    with pytest.raises(LoadError, match="not a reject file"):
        list(source.batches())
    assert path.read_text() == "a,b\nx,1\n"


def test_reading_again_gives_the_same(tmp_path):
    path = write(tmp_path, "a,b\n1,2\nx\n3,4\n")
    source, first = read(path)
    second = pa.Table.from_batches(list(source.batches()), schema=source.schema)
    assert second.equals(first)
    assert source.reject.count == 1
    assert source.reject.reasons[0].line == 3


# -- large files, progress -----------------------------------------------------------------


def test_file_larger_than_memory_allows_is_read_in_two_passes(tmp_path, monkeypatch):
    from jupyter_govdata.formats import delimited, opening

    text = "id,t\n" + "".join(f'{i},"line {i}\nnext"\n' for i in range(20_000)) + "x,y,z\n"
    path = write(tmp_path, text)
    expected = read(path)[1]
    monkeypatch.setattr(delimited, "KEEP", 1_000)
    monkeypatch.setattr(opening, "PIECE", 10_007)
    seen: list[tuple[int, int, int | None]] = []
    source, table = read(path, on_progress=lambda *args: seen.append(args))
    assert table.equals(expected)
    assert source.reject.reasons[0].line == 40_002
    assert len(seen) > 10
    assert seen == sorted(seen)
    assert seen[-1] == (20_001, path.stat().st_size, path.stat().st_size)
    assert max(b.num_rows for b in source.batches()) <= 65_536


def test_file_changed_between_the_passes_is_refused(tmp_path, monkeypatch):
    from jupyter_govdata.formats import delimited

    monkeypatch.setattr(delimited, "KEEP", 0)
    path = write(tmp_path, "a,b\n1,2\n")
    source = open_source(path)
    write(tmp_path, "a,b\n1,3\n")
    with pytest.raises(LoadError, match="changed"):
        list(source.batches())


def test_sha256_is_that_of_the_stored_file(tmp_path):
    import hashlib

    path = write(tmp_path, gzip.compress(b"a,b\n1,2\n"), "x.csv.gz")
    source, _ = read(path)
    assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert source.bytes == path.stat().st_size
    assert source.location == str(path)


def test_describe_schema_shows_types_and_descriptions(tmp_path):
    schema = pa.schema(
        [pa.field("a", pa.int64(), metadata={"description": "Age", "unit": "year"}),
         pa.field("b", pa.decimal128(9, 2))]
    )  # fmt: skip
    assert describe_schema(schema).splitlines() == [
        "column  type          unit  description",
        "------  ------------  ----  -----------",
        "a       long          year  Age",
        "b       decimal(9,2)",
    ]
