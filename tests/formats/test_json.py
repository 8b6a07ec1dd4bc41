from __future__ import annotations

import datetime as dt
import gzip
import json
from decimal import Decimal

import pytest

from jupyter_govdata.errors import LoadError
from jupyter_govdata.formats import open_source, opening
from tests.formats.reading import columns, kinds, read, rejects, write


def _lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


# -- NDJSON --------------------------------------------------------------------------------


def test_ndjson_types_are_unified_over_all_rows(tmp_path):
    text = _lines(
        {"i": 1, "f": 1, "m": 1, "s": "007", "d": "2020-01-01", "b": True, "n": None},
        {"i": 2, "f": 0.5, "m": "x", "s": "8", "d": "2020-02-29", "b": False, "new": {"a": [1]}},
    )
    source, table = read(write(tmp_path, text, "x.ndjson"))
    assert kinds(table) == {
        "i": "long", "f": "double", "m": "string", "s": "string", "d": "date", "b": "boolean",
        "n": "string", "new": "string",
    }  # fmt: skip
    assert columns(table) == {
        "i": [1, 2], "f": [1.0, 0.5], "m": ["1", "x"], "s": ["007", "8"],
        "d": [dt.date(2020, 1, 1), dt.date(2020, 2, 29)], "b": [True, False],
        "n": [None, None], "new": [None, '{"a": [1]}'],
    }  # fmt: skip
    assert len(source.notes) == 2


@pytest.mark.parametrize(
    ("values", "kind"),
    [([1, 2**63], "string"), ([2**53 + 1, 0.5], "string"), ([1, True], "string"),
     (["2020-01", "2020-01-02"], "string"), ([1, 2**62], "long"), ([1e300, -1], "double"),
     (["2020-01-01T10:00:00Z", "2020-01-01T10:00:00+01:00"], "timestamptz")],
)  # fmt: skip
def test_ndjson_never_changes_a_value_to_make_types_meet(tmp_path, values, kind):
    path = write(tmp_path, _lines(*({"v": v} for v in values)), "x.jsonl")
    _, table = read(path)
    assert kinds(table) == {"v": kind}
    if kind == "string":
        texts = [v if isinstance(v, str) else json.dumps(v) for v in values]
        assert table["v"].to_pylist() == texts


def test_ndjson_lines_that_are_no_objects_are_set_aside(tmp_path):
    text = '{"a": 1}\n\n[1]\n{"a": \n{"a": "x"}\nnull\n{"a": 1.0}\n{"a": 1.5}\n{"a": true}\n'
    out = tmp_path / "out.csv"
    source, table = read(
        write(tmp_path, text, "x.ndjson"), types={"a": "long"}, reject_file=out
    )  # fmt: skip
    assert table["a"].to_pylist() == [1, 1]
    assert [(r["line"], r["column"], r["reason"], r["raw"]) for r in rejects(out)] == [
        ("3", "", "not a JSON object", "[1]"),
        ("4", "", "not a JSON object", '{"a": '),
        ("5", "a", "not a long", '{"a": "x"}'),
        ("6", "", "not a JSON object", "null"),
        ("8", "a", "not a long", '{"a": 1.5}'),
        ("9", "a", "not a long", '{"a": true}'),
    ]
    assert source.kind == "ndjson"


def test_ndjson_in_pieces_gives_the_same(tmp_path, monkeypatch):
    rows = [{"id": i, "t": "é" * (i % 5)} for i in range(500)]
    path = write(tmp_path, gzip.compress(_lines(*rows).encode()), "x.ndjson.gz")
    expected = read(path)[1]
    monkeypatch.setattr(opening, "PIECE", 7)
    _, table = read(path)
    assert table.combine_chunks().equals(expected.combine_chunks())
    assert table.num_rows == 500


def test_ndjson_with_mark_and_utf16_is_read(tmp_path):
    text = '{"a": "ü"}\n{"a": "x"}\n'
    for encoding in ("utf-8-sig", "utf-16"):
        _, table = read(write(tmp_path, text.encode(encoding), "x.ndjson"))
        assert columns(table) == {"a": ["ü", "x"]}


@pytest.mark.parametrize("data", ["", "[]\n", "x\n", "{}\n"])
def test_ndjson_without_an_object_is_refused(tmp_path, data):
    with pytest.raises(LoadError, match="no JSON object"):
        open_source(write(tmp_path, data, "x.ndjson"))


def test_ndjson_columns_renames(tmp_path):
    _, table = read(write(tmp_path, _lines({"a": 1, "A": 2}), "x.ndjson"), columns={"a": "n"})
    assert columns(table) == {"n": [1], "A_2": [2]}


# -- Dataset-JSON --------------------------------------------------------------------------

COLUMNS = [
    {"name": "USUBJID", "label": "Unique Subject Identifier", "dataType": "string"},
    {"name": "AGE", "label": "Age", "dataType": "integer"},
    {"name": "BMI", "label": "BMI", "dataType": "float"},
    {"name": "TRTSDT", "label": "Start", "dataType": "date", "displayFormat": "DATE9."},
    {"name": "LBDTC", "label": "Taken", "dataType": "datetime"},
    {"name": "AEDTC", "label": "Onset", "dataType": "date"},
    {"name": "DOSE", "label": "Dose", "dataType": "decimal", "targetDataType": "decimal"},
    {"name": "FL", "label": "Flag", "dataType": "boolean"},
]
ROWS = [
    ["S1", 63, 25, "2014-01-02", "2014-01-02T10:00:00", "2014-03", "1.50", True],
    ["S2", None, 30.5, "", "2014-01-03T10:30:00", "2014-03-01", "20.125", False],
    ["", 64, None, None, None, None, None, None],
]
TOP = {"datasetJSONVersion": "1.1.0", "records": 3, "name": "AE", "label": "Adverse Events"}
EXPECTED = {
    "USUBJID": ["S1", "S2", None],
    "AGE": [63, None, 64],
    "BMI": [25.0, 30.5, None],
    "TRTSDT": [dt.date(2014, 1, 2), None, None],
    "LBDTC": [dt.datetime(2014, 1, 2, 10), dt.datetime(2014, 1, 3, 10, 30), None],
    "AEDTC": ["2014-03", "2014-03-01", None],
    "DOSE": [Decimal("1.500"), Decimal("20.125"), None],
    "FL": [True, False, None],
}


def _ndjson(top: dict[str, object], rows: list[object]) -> str:
    return _lines({**top, "columns": COLUMNS}, *rows)


def test_dataset_ndjson_keeps_labels_and_partial_dates(tmp_path):
    source, table = read(write(tmp_path, _ndjson(TOP, ROWS), "ae.ndjson"))
    assert source.kind == "dataset-json"
    assert columns(table) == EXPECTED
    assert source.schema.field("TRTSDT").metadata == {
        b"description": b"Start",
        b"format": b"DATE9.",
    }
    assert source.metadata["label"] == "Adverse Events"


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("indent", [None, 1])
def test_dataset_json_object_is_read_wherever_its_rows_stand(tmp_path, first, indent):
    body = {"columns": COLUMNS}
    whole = {"rows": ROWS, **TOP, **body} if first else {**TOP, **body, "rows": ROWS}
    source, table = read(write(tmp_path, json.dumps(whole, indent=indent), "ae.json"))
    assert source.kind == "dataset-json"
    assert columns(table) == EXPECTED


def test_dataset_json_object_is_read_in_pieces(tmp_path, monkeypatch):
    from jupyter_govdata.formats import json_rows

    many = [["Ü" * (i % 7), i, 0.25, None, None, None, None, None] for i in range(300)]
    whole = {**TOP, "records": 300, "columns": COLUMNS, "rows": many}
    path = write(tmp_path, json.dumps(whole, indent=1, ensure_ascii=False), "ae.json")
    expected = read(path)[1]
    monkeypatch.setattr(json_rows, "PIECE", 5)
    assert read(path)[1].equals(expected)
    assert expected["AGE"].to_pylist() == list(range(300))


def test_dataset_json_rows_that_do_not_fit_are_set_aside(tmp_path):
    rows = [*ROWS, ["S4"], {"a": 1}, ["S5", "old", *[None] * 6], ["S6", 1.5, *[None] * 6]]
    out = tmp_path / "out.csv"
    path = write(tmp_path, _ndjson({**TOP, "records": 7}, rows), "ae.ndjson")
    _, table = read(path, reject_file=out)
    assert table.num_rows == 3
    assert [(r["line"], r["column"]) for r in rejects(out)] == [
        ("5", ""), ("6", ""), ("7", "AGE"), ("8", "AGE"),
    ]  # fmt: skip
    assert rejects(out)[0]["raw"] == '["S4"]'


def test_dataset_json_object_names_the_line_of_a_reject(tmp_path):
    rows = [ROWS[0], ["S4"]]
    text = '{"columns": ' + json.dumps(COLUMNS) + ',\n"datasetJSONVersion": "1.1.0", "rows": [\n'
    text += ",\n".join(map(json.dumps, rows)) + "\n]}"
    source, _ = read(write(tmp_path, text, "ae.json"))
    assert [r.line for r in source.reject.reasons] == [4]


def test_dataset_json_with_fewer_records_than_it_says_is_refused(tmp_path):
    path = write(tmp_path, _ndjson({**TOP, "records": 4}, ROWS), "ae.ndjson")
    with pytest.raises(LoadError, match="4 records and has 3"):
        list(open_source(path).batches())


def test_truncated_dataset_json_is_refused(tmp_path):
    text = json.dumps({**TOP, "columns": COLUMNS, "rows": ROWS})
    path = write(tmp_path, text[:-30], "ae.json")
    with pytest.raises(LoadError, match="broken JSON at line 1"):
        list(open_source(path).batches())


def test_dataset_json_without_columns_is_refused(tmp_path):
    path = write(tmp_path, _lines(TOP, ["x"]), "ae.ndjson")
    with pytest.raises(LoadError, match="does not list its columns"):
        open_source(path)


@pytest.mark.parametrize("indent", [None, 2])
def test_json_array_of_objects_is_read_with_its_lines(tmp_path, indent):
    rows = [{"a": 1, "b": "x"}, {"a": 2}, {"a": "y"}]
    path = write(tmp_path, json.dumps(rows, indent=indent), "x.json")
    source, table = read(path, types={"a": "long"})
    assert columns(table) == {"a": [1, 2], "b": ["x", None]}
    assert [r.line for r in source.reject.reasons] == [1 if indent is None else 9]


def test_truncated_json_array_is_refused(tmp_path):
    path = write(tmp_path, '[{"a": 1}, {"a": 2', "x.json")
    with pytest.raises(LoadError, match="broken JSON at line 1"):
        open_source(path)
