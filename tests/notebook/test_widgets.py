"""The widgets, worked as a user works them; without a frontend."""

from __future__ import annotations

import datetime as dt
import sys
from typing import Any

import pytest

from jupyter_govdata.errors import MissingExtraError, QueryError
from jupyter_govdata.notebook.widgets import Browser, Form
from tests.notebook.conftest import Notebook

PATIENTS = "trials.patients"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def texts(notebook: Notebook, act: Any) -> str:
    """Return what `act` shows."""
    from IPython.utils.capture import capture_output

    with capture_output() as captured:
        act()
    return captured.stdout + "".join(str(o.data) for o in captured.outputs)


@pytest.fixture
def browser(notebook: Notebook) -> Browser:
    return Browser(notebook.shell.magics_manager.registry["GovDataMagics"].session)


def test_browser_lists_filters_and_shows_visible_assets_only(
    notebook: Notebook, browser: Browser
) -> None:
    assert [value for _, value in browser.assets.options] == [PATIENTS, "trials.wide"]
    assert [value for _, value in browser.namespace.options] == ["", "trials"]
    browser.filter.value = "STUDIES two"
    assert [value for _, value in browser.assets.options] == [PATIENTS]
    assert "masked: pseudonym" in texts(
        notebook, lambda: setattr(browser.assets, "value", PATIENTS)
    )
    rows = texts(notebook, browser.preview.click)
    assert "10 rows" in rows
    assert "[pseudonym]" in rows
    assert "Textarea" in texts(notebook, browser.query.click)
    browser.filter.value = "nothing like it"
    assert browser.assets.options == ()
    assert browser.preview.disabled


def test_form_has_an_input_for_every_parameter_and_binds_what_is_put_in(
    notebook: Notebook,
) -> None:
    given: list[dict[str, Any]] = []
    form = Form(
        ["age", "arm", "day", "on", "free"],
        {"age": 30, "arm": "low", "day": dt.date(2026, 1, 31), "on": True},
        lambda values: given.append(dict(values)),
    )
    form.inputs["age"].value = "41"
    form.inputs["arm"].value = "it's 5"
    form.run.click()
    form.inputs["free"].value = "[1, 2]"
    form.run.click()
    form.inputs["free"].value = "plain text"
    form.run.click()
    base = {"age": 41, "arm": "it's 5", "day": dt.date(2026, 1, 31), "on": True}
    assert given == [base | {"free": f} for f in (None, [1, 2], "plain text")]


def test_form_with_an_input_that_is_no_value_says_so(notebook: Notebook) -> None:
    form = Form(["age"], {"age": 30}, lambda values: values)
    form.inputs["age"].value = "__import__('os')"
    with pytest.raises(QueryError):
        form.values()
    assert "is not a value" in texts(notebook, form.run.click)
    assert not form.run.disabled


def test_form_of_a_cell_runs_the_query_with_a_stamp(notebook: Notebook) -> None:
    notebook.run("low = 60")
    cell = f"%%govsql res << --form\nSELECT count(*) AS n FROM {PATIENTS} WHERE age > $low"
    box = notebook.run(cell).result
    assert "res" not in notebook.shell.user_ns
    (number, run, _) = box.children
    number.value = "70"
    assert "govdata.stamp" in texts(notebook, run.click)
    assert notebook.shell.user_ns["res"].table["n"].to_pylist() == [2]


def test_widgets_without_ipywidgets_name_the_extra(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    for cell in ("%govdata browse", "%%govsql --form\nSELECT $a"):
        ran = notebook.run(cell)
        assert isinstance(ran.error, MissingExtraError)
        assert "jupyter_govdata[widgets]" in ran.text
