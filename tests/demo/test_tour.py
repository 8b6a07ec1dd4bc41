"""The tour runs from top to bottom and shows what its text says."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from jupyter_govdata.demo import run_tour, tour_notebook
from tests.demo import raw


@pytest.fixture(scope="module")
def shown(demo_lake: Path) -> str:
    out = io.StringIO()
    assert run_tour(demo_lake, console=Console(file=out, width=200)) == 0, out.getvalue()
    return out.getvalue()


def test_tour_compares_flt3_on_the_rows_that_ana_may_see(shown: str) -> None:
    for mutated, patients, deaths, median in raw.flt3(raw.permitted("research")):
        name = "FLT3 mutated" if mutated else "FLT3 wild type"
        line = next(x for x in shown.splitlines() if x.startswith(name))
        assert line.split()[-3:] == [str(patients), str(deaths), str(int(median or 0))]


def test_tour_shows_the_same_query_to_others(shown: str) -> None:
    assert "dina (quality): 182 patients" in shown
    assert "miko (model_training): asset `" in shown
    assert "pia (research): asset `" in shown


def test_tour_refuses_the_uncovered_purpose_in_one_sentence(shown: str) -> None:
    assert "AccessDeniedError: refused: `select` on `trials.laml_outcomes`" in shown
    assert "Traceback" not in shown


def test_tour_reads_the_frozen_version_under_the_consent_of_today(shown: str) -> None:
    allowed = set(raw.permitted("research")["laml_outcomes"].Tumor_Sample_Barcode)
    everybody = raw.everything()["laml_outcomes"].Tumor_Sample_Barcode
    frozen = len(set(everybody.iloc[:120]) & allowed)
    lines = [x.split() for x in shown.splitlines()]
    rows = {x[0]: x[1] for x in lines if len(x) == 3 and x[0] in ("frozen", "today")}
    assert rows == {"frozen": str(frozen), "today": str(len(allowed & set(everybody)))}


def test_tour_is_committed_without_outputs() -> None:
    cells = json.loads(tour_notebook().read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
