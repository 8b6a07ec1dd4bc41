"""The page of evidence says what the suites wrote, and nothing else."""

from __future__ import annotations

import json

import pytest

from tests.evidence import FOLDER, PAGE, check, figure, main, read, record, render

LINE = {"what": "rows hidden", "count": 3, "of": 3, "command": "make test"}


def test_record_writes_lines_with_their_circumstances_where_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("GOVDATA_EVIDENCE", str(tmp_path / "found"))
    record("wall", [LINE])
    record("wall", [{**LINE, "count": 2}, {"what": "other", "count": 1, "command": "make"}])
    found = json.loads((tmp_path / "found" / "wall.json").read_text())
    assert [(line["what"], line["count"]) for line in found["lines"]] == [
        ("rows hidden", 2),
        ("other", 1),
    ]
    assert found["machine"]["cores"] and found["versions"]["duckdb"] and found["commit"]


def test_record_writes_nothing_unless_asked(tmp_path, monkeypatch):
    monkeypatch.delenv("GOVDATA_EVIDENCE", raising=False)
    monkeypatch.chdir(tmp_path)
    record("wall", [LINE])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "line",
    [
        {"what": "x", "command": "make"},
        {"what": "x", "count": 1},
        {"what": "x", "value": 1.0, "command": "make"},
        {"what": "x", "count": 1, "value": 1.0, "unit": "ms", "command": "make"},
        {"what": "x", "count": 1, "command": "make", "claim": "best"},
    ],
)
def test_record_refuses_lines_that_cannot_be_rendered(line):
    with pytest.raises(ValueError, match="line of evidence"):
        check(line)


def test_page_puts_ratios_first_and_names_a_loaded_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("GOVDATA_EVIDENCE", str(tmp_path))
    record("wall", [LINE])
    record("bench", [{"what": "scan | raw", "value": 1.234, "unit": "ratio", "command": "make"}])
    suites = read(tmp_path)
    for suite in suites:
        suite["machine"]["load"] = 99.0
    page = render(suites)
    assert page.index("scan \\| raw") < page.index("rows hidden")
    assert "| 1.23x |" in page
    assert "3 of 3" in page
    assert page.count("a loaded machine") == 2
    assert page == render(list(reversed(suites)))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ({"count": 1000}, "1,000"),
        ({"value": 12.3456, "unit": "ms"}, "12.3 ms"),
        ({"value": 123456.7, "unit": "rows/s"}, "123,457 rows/s"),
    ],
)
def test_figure_reads_as_people_write(line, text):
    assert figure(line) == text


def test_render_without_evidence_says_so(tmp_path, capsys):
    assert main(["render", "--folder", str(tmp_path), "--page", str(tmp_path / "x.md")]) == 1
    assert "no suite" in capsys.readouterr().err


@pytest.mark.skipif(not FOLDER.is_dir(), reason="no evidence was recorded yet")
def test_page_is_what_the_recorded_evidence_renders_to():
    assert PAGE.read_text(encoding="utf-8") == render(read(FOLDER)), "run `make evidence`"
