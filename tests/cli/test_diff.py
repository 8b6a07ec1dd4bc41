"""`jupyter govdata diff` on notebooks that real kernels ran over a real lake."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from jupyter_govdata.cli import main
from jupyter_govdata.session import connect
from tests.rerun.conftest import LOAD, WIDE, Desk
from tests.session.conftest import build
from tests.stamps.notebooks import notebook, query_cell, stamp


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main([str(a) for a in arguments])
    said = capsys.readouterr()
    return status, " ".join(said.out.split()), said.err


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("diff")
    lake = build(folder)
    with connect(lake, user="dina") as dina:
        yield Desk(folder, lake, dina)


@pytest.fixture(scope="module")
def ran(desk: Desk) -> tuple[Path, Path]:
    """A notebook as it ran, and as it ran again after rows were added."""
    desk.wide(1, 2)
    a = desk.notebook("a", LOAD, WIDE)
    desk.run(a)
    desk.wide(3, 3)
    b = desk.folder / "b.ipynb"
    shutil.copy(a, b)
    desk.run(b)
    return a, b


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("GOVDATA_"):
            monkeypatch.delenv(name)


def test_diff_of_a_notebook_with_itself_is_same(ran, capsys):
    status, out, _ = run(capsys, "diff", ran[0], ran[0])
    assert status == 0
    assert "1 of 1 results are the same" in out


def test_diff_after_an_append_names_the_snapshots_and_counts_rows(ran, desk, capsys):
    ana = ("--lake", desk.lake, "--user", "ana")
    status, out, _ = run(capsys, "diff", *ran, *ana)
    assert status == 1
    assert re.search(r"c1 different data: `trials.wide` at snapshot \d+, then \d+", out)
    assert "2 rows added, 0 removed" in out
    status, out, _ = run(capsys, "diff", *ran[::-1], *ana, "--json")
    found = json.loads(out)
    assert (status, found["same"]) == (1, False)
    (cell,) = found["cells"]
    assert (cell["a"], cell["b"], cell["aligned"], cell["verdict"]) == (
        "c1", "c1", "id", "different",
    )  # fmt: skip
    assert [cause["kind"] for cause in cell["causes"]] == ["data"]
    (rows,) = found["rows"]
    assert (rows["added"], rows["removed"]) == (0, 2)
    was, now = cell["causes"][0]["snapshots"]["trials.wide"]
    assert [[rows["was"]], [rows["now"]]] == [was, now]


def test_diff_without_a_lake_or_offline_tells_the_snapshots_only(ran, desk, capsys):
    for more in ((), ("--lake", desk.lake, "--offline")):
        status, out, _ = run(capsys, "diff", *ran, *more)
        assert status == 1
        assert "at snapshot" in out
        assert "rows added" not in out


def test_diff_of_an_asset_one_may_not_see_counts_nothing(desk, tmp_path, capsys):
    for name, pin in (("a", 11), ("b", 12)):
        made = stamp(pins={"trials.hidden": pin})
        nbformat.write(notebook(query_cell("SELECT 1", made, id="q")), tmp_path / f"{name}.ipynb")
    both = (tmp_path / "a.ipynb", tmp_path / "b.ipynb")
    status, out, _ = run(capsys, "diff", *both, "--lake", desk.lake, "--user", "ana")
    assert status == 0
    assert "not counted: asset `trials.hidden` does not exist or is not visible" in out


def test_diff_of_notebooks_without_stamps_is_trouble(tmp_path, capsys):
    nbformat.write(notebook(), tmp_path / "n.ipynb")
    status, _, err = run(capsys, "diff", tmp_path / "n.ipynb", tmp_path / "n.ipynb")
    assert status == 2
    assert "neither notebook has stamps" in err
    for bad in ("", "[1]", "{", '{"nbformat": 3}'):
        (tmp_path / "bad.ipynb").write_text(bad)
        assert run(capsys, "diff", tmp_path / "bad.ipynb", tmp_path / "n.ipynb")[0] == 2
    assert run(capsys, "diff", tmp_path / "none.ipynb", tmp_path / "n.ipynb")[0] == 2


def test_diff_prints_nothing_that_steers_a_terminal(tmp_path, capsys):
    for name, text in (("a", "SELECT 1"), ("b", "SELECT '\x1b]0;owned\x07 [red]x\u202e'")):
        nbformat.write(notebook(query_cell(text, id="q1")), tmp_path / f"{name}.ipynb")
    main(["diff", str(tmp_path / "a.ipynb"), str(tmp_path / "b.ipynb")])
    out = capsys.readouterr().out
    assert "[red]x" in out
    assert not set("\x1b\x07\u202e") & set(out)


def causal(capsys: pytest.CaptureFixture[str], desk: Desk, *notebooks: Path) -> Any:
    options = ("--causal", "--json", "--offline", "--lake", desk.lake, "--user", "ana")
    status, out, err = run(capsys, "diff", *notebooks, *options)
    assert status == 1, err
    return json.loads(out)["causal"]


def test_causal_diff_after_an_append_isolates_the_data(ran, desk, capsys):
    (found,) = causal(capsys, desk, *ran)
    assert (found["cell"], found["causes"]) == ("c1", ["data"])
    assert "with the data of B alone" in found["said"]


@pytest.mark.slow
def test_causal_diff_isolates_code_where_data_differs_too(ran, desk, capsys):
    """Both differ; the result of the edited query does not depend on what was appended."""
    query = "%%govsql\nSELECT min(x) AS m FROM trials.wide"
    pair = []
    for name, source in (("min1", query), ("min2", query.replace("min(x)", "10 * min(x)"))):
        pair.append(desk.notebook(name, LOAD, source))
        desk.run(pair[-1])
        desk.wide(9)
    (found,) = causal(capsys, desk, *pair)
    assert found["causes"] == ["code"]


@pytest.mark.slow
def test_causal_diff_of_what_changes_at_every_run_isolates_nothing(desk, ran, capsys):
    query = "%%govsql\nSELECT count(*) * random() AS m FROM trials.wide"
    pair = [desk.notebook(f"random{i}", LOAD, query) for i in range(2)]
    for path in pair:
        desk.run(path)
    (found,) = causal(capsys, desk, *pair)
    assert found["causes"] == ["unstable"]
