"""The magics in a real IPython shell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_govdata.errors import (
    ColumnNotFoundError,
    ConfigError,
    NotVisibleError,
    PurposeError,
    QueryError,
)
from jupyter_govdata.model.stamp import STAMP_MIME
from jupyter_govdata.query.cell import parse_sql_line
from jupyter_govdata.query.result import QueryResult
from jupyter_govdata.stamps.stamp import stamp_from_bundle
from tests.notebook.conftest import Notebook

PATIENTS = "trials.patients"


def test_load_ext_brings_nothing_heavy() -> None:
    code = """
import sys, time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
began = time.perf_counter()
shell.run_line_magic("load_ext", "jupyter_govdata")
took = time.perf_counter() - began
heavy = [m for m in ("duckdb", "pyarrow", "pandas", "polars") if m in sys.modules]
assert not heavy, heavy
assert took < 1, took
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_reload_ext_leaves_one_matcher_and_one_magics_object(bare: Notebook) -> None:
    assert bare.run("%reload_ext jupyter_govdata").success
    names = [m.matcher_identifier for m in bare.shell.Completer.custom_matchers]
    assert names == ["jupyter_govdata"]
    assert bare.run("%unload_ext jupyter_govdata").success
    assert bare.shell.find_line_magic("govdata") is None
    assert bare.shell.find_cell_magic("govsql") is None


# -- %govdata ------------------------------------------------------------------------------------


def test_govdata_without_arguments_lists_the_commands(bare: Notebook) -> None:
    ran = bare.run("%govdata")
    assert ran.success
    for command in ("connect", "whoami", "purpose", "ls", "search", "describe", "explain"):
        assert f"%govdata {command}" in ran.text


def test_govdata_connect_says_who_and_how_strong_the_wall_is(
    bare: Notebook, shared_lake: Path
) -> None:
    ran = bare.run(f"%govdata connect {shared_lake} --as ana --purpose research")
    facts = dict(ran.result.rows)
    assert facts["principal"] == "ana"
    assert facts["purpose"] == "research"
    assert facts["wall"] == "advisory"
    assert "cannot keep you from the files" in " ".join(repr(ran.result).split())
    assert repr(ran.result) == repr(bare.run("%govdata whoami").result)


def test_govdata_purpose_is_shown_declared_and_checked(notebook: Notebook) -> None:
    assert notebook.run("%govdata purpose").result == "research"
    assert notebook.run("%govdata purpose marketing").result == "marketing"
    ran = notebook.run("%govdata purpose gossip")
    assert isinstance(ran.error, QueryError)
    assert "`model_training`" in ran.text


@pytest.mark.attack("T73", surface="magic")
def test_govdata_ls_and_search_show_visible_assets_only(notebook: Notebook) -> None:
    names = [row[0] for row in notebook.run("%govdata ls").result.rows]
    assert names == ["trials.patients", "trials.wide"]
    assert [r[0] for r in notebook.run("%govdata ls trials").result.rows] == names
    assert [r[0] for r in notebook.run("%govdata search two studies").result.rows] == [PATIENTS]
    assert "hidden" not in repr(notebook.run("%govdata search hidden").result)


def test_govdata_describe_shows_masks_per_column(notebook: Notebook) -> None:
    text = repr(notebook.run(f"%govdata describe {PATIENTS}").result)
    assert "masked: pseudonym" in text
    assert "Patients of two studies." in text
    assert "secret" not in text


def test_govdata_versions_preview_explain(notebook: Notebook) -> None:
    assert len(notebook.run(f"%govdata versions {PATIENTS}").result) == 1
    preview = notebook.run(f"%govdata preview {PATIENTS} --rows 3")
    assert len(preview.result) == 3
    assert repr(preview.result).splitlines()[1].startswith("[pseudonym]")
    assert STAMP_MIME in preview.outputs[0]["data"]
    text = repr(notebook.run(f"%govdata explain {PATIENTS}").result)
    assert "masked: pseudonym" in text
    assert "why" in text


@pytest.mark.attack("T72", surface="magic")
def test_govdata_hidden_asset_is_as_good_as_missing(notebook: Notebook) -> None:
    texts = set()
    for name in ("trials.hidden", "trials.nothng"):
        for command in ("describe", "versions", "preview", "explain"):
            ran = notebook.run(f"%govdata {command} {name}")
            assert isinstance(ran.error, NotVisibleError)
            texts.add(ran.text.strip().replace(name, "NAME"))
    assert len(texts) == 1


@pytest.mark.parametrize("line", ["nope", "describe", "preview x --rows many", "ls 'open"])
def test_govdata_wrong_arguments_fail_the_cell_with_the_usage(bare: Notebook, line: str) -> None:
    ran = bare.run(f"%govdata {line}")
    assert isinstance(ran.error, ConfigError)
    assert "Traceback" not in ran.text


def test_govdata_close_ends_the_session(notebook: Notebook) -> None:
    assert notebook.run("%govdata close").success
    magics = notebook.shell.magics_manager.registry["GovDataMagics"]
    assert not magics.is_connected


# -- %govsql -------------------------------------------------------------------------------------


def test_govsql_shows_the_stamp_first_and_then_the_result(notebook: Notebook) -> None:
    ran = notebook.run(
        f"%%govsql\nSELECT study, count(*) AS n FROM {PATIENTS} WHERE age > 0 GROUP BY 1"
    )
    assert isinstance(ran.result, QueryResult)
    (stamp_output,) = ran.outputs
    stamp = stamp_from_bundle(stamp_output["data"])
    assert [r.asset for r in stamp.receipts] == [PATIENTS]
    assert stamp == ran.result.stamp
    assert PATIENTS in stamp_output["data"]["text/plain"]
    assert set(stamp_output["metadata"]["govdata"]) == {
        "at",
        "seconds",
        "rows_scanned",
        "bytes",
        "columns",
        "source",
    }
    assert stamp_output["metadata"]["govdata"]["columns"] == {PATIENTS: ["age", "study"]}
    assert "<table" in ran.result._repr_html_()
    line = " ".join(ran.text.splitlines()[-3:])
    for fact in ("1 row", "rows filtered", "2 columns masked", "purpose research", "advisory"):
        assert fact in line
    assert stamp.result_digest[:15] in line


def test_govsql_stamp_data_is_equal_when_nothing_changed(notebook: Notebook) -> None:
    cell = f"%%govsql\nSELECT * FROM {PATIENTS} ORDER BY age"
    first, second = (notebook.run(cell).outputs[0]["data"] for _ in range(2))
    assert first == second


def test_govsql_assigns_at_the_head_of_the_first_line_only(notebook: Notebook) -> None:
    ran = notebook.run("%%govsql answer <<\nSELECT 1 << 3 AS x")
    assert ran.result is None
    assert len(ran.outputs) == 1
    assert notebook.run("answer.table['x'].to_pylist()").result == [8]
    assert notebook.run("%govsql SELECT 1 << 3 AS x").result.table["x"].to_pylist() == [8]
    ran = notebook.run("twice = %govsql SELECT 2 AS x\ntwice.df()['x'].sum()")
    assert ran.result == 2


def test_govsql_binds_variables_and_reads_frames(notebook: Notebook) -> None:
    notebook.run("import pandas as pd, polars as pl\nsome = [28, 48]\narm = \"x' OR '1'='1\"")
    notebook.run("names = pl.DataFrame({'study': ['S1'], 'title': ['One']})")
    sql = f"""%%govsql
    SELECT title, count(*) AS n FROM {PATIENTS} JOIN names USING (study)
    WHERE age IN {{{{ some }}}} AND arm <> :arm GROUP BY ALL"""
    ran = notebook.run(sql)
    assert ran.success, ran.text
    assert ran.result.table.to_pylist()[0]["title"] == "One"
    ran = notebook.run(
        "def f(limit):\n    return get_ipython().run_line_magic('govsql', 'SELECT $limit AS l')\n"
        "f(5).table['l'].to_pylist()"
    )
    assert ran.result == [5]


def test_govsql_options_purpose_and_limit(notebook: Notebook) -> None:
    ran = notebook.run(f"%%govsql --limit 2 --purpose research\nFROM {PATIENTS}")
    assert "first 2 of 10 rows" in repr(ran.result)
    assert len(ran.result) == 10
    ran = notebook.run(f"%%govsql --purpose=gossip\nFROM {PATIENTS}")
    assert isinstance(ran.error, PurposeError)
    assert isinstance(notebook.run("%%govsql --limit few\nSELECT 1").error, ConfigError)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", (None, None, None, "")),
        ("res <<", ("res", None, None, "")),
        ("res << --purpose p", ("res", "p", None, "")),
        ("--limit 5 res << SELECT 1", ("res", None, 5, "SELECT 1")),
        ("--purpose='a b' SELECT 1 << 2", (None, "a b", None, "SELECT 1 << 2")),
        ("SELECT 1 << 3", (None, None, None, "SELECT 1 << 3")),
        ("x<<3", (None, None, None, "x<<3")),
        ("-- comment", (None, None, None, "-- comment")),
    ],
)
def test_parse_sql_line(line: str, expected: tuple) -> None:
    found = parse_sql_line(line)
    assert (found.name, found.purpose, found.limit, found.rest) == expected


# -- errors --------------------------------------------------------------------------------------


def test_error_is_short_points_into_the_cell_and_fails_it(notebook: Notebook) -> None:
    ran = notebook.run(f"%%govsql\nSELECT study,\n\t'ü' || agee FROM {PATIENTS}")
    assert not ran.success
    assert isinstance(ran.error, ColumnNotFoundError)
    assert ran.text.splitlines() == [
        "ColumnNotFoundError: column `agee` does not exist (line 3, column 9)",
        f"   'ü' || agee FROM {PATIENTS}",
        "          ^",
        "hint: did you mean `age`?",
    ]
    stamp = stamp_from_bundle(ran.outputs[0]["data"])
    assert (stamp.status, stamp.error, stamp.receipts) == ("failed", "column_not_found", ())


def test_error_in_a_line_magic_counts_from_its_own_sql(notebook: Notebook) -> None:
    ran = notebook.run("%govsql SELECT nope FROM trials.nope")
    assert ran.text.splitlines()[0].endswith("(line 1, column 18)")
    assert isinstance(ran.error, NotVisibleError)


def test_error_with_verbose_tracebacks_shows_frames_without_their_variables(
    notebook: Notebook,
) -> None:
    notebook.run("%xmode Verbose")
    ran = notebook.run("%govsql SELECT nope")
    assert "Traceback" in ran.text
    assert "query/engine.py" in ran.text
    assert "local_ns =" not in ran.text
    assert "sql = 'SELECT" not in ran.text
    assert notebook.shell.InteractiveTB.mode == "Verbose"


def test_error_of_python_stays_as_it_is(notebook: Notebook) -> None:
    ran = notebook.run("1 / 0")
    assert "Traceback" in ran.text


def test_error_leaves_the_session_usable(notebook: Notebook) -> None:
    for broken in ("SELEC 1", "SELECT * FROM nope", "SELECT error('x')", "SELECT 'open"):
        assert not notebook.run(f"%govsql {broken}").success
        assert notebook.run("%govsql SELECT 1 AS a").success


# -- secrets and strangers' text -----------------------------------------------------------------


@pytest.mark.attack("T57", surface="magic")
def test_secrets_never_reach_namespace_outputs_history_or_tracebacks(notebook: Notebook) -> None:
    for cell in (
        "%govdata whoami",
        f"%%govsql res <<\nFROM {PATIENTS}",
        "res",
        f"%govdata preview {PATIENTS}",
        "%govsql SELECT nope",
        "%xmode Verbose",
        "%govsql FROM trials.hidden",
        f"%govdata describe {PATIENTS}",
        "_, __, Out, In",
    ):
        notebook.run(cell)
    session = notebook.shell.magics_manager.registry["GovDataMagics"].session
    token = session._endpoint.token(renew=False)
    assert len(token) > 20
    everything = "\n".join(notebook.everything)
    namespace = {k: v for k, v in notebook.shell.user_ns.items() if k != "get_ipython"}
    for text in (everything, repr(namespace), repr(session)):
        assert token not in text
        for part in token.split("."):
            assert part not in text


@pytest.mark.attack("T76", surface="magic")
def test_text_of_strangers_is_shown_as_text(notebook: Notebook) -> None:
    ran = notebook.run(
        "%%govsql\nSELECT '<script>alert(1)</script>' AS \"<img src=x onerror=y>\","
        " repeat('<b>', 100) AS long, NULL AS n, 1.5 AS f"
    )
    html = ran.result._repr_html_()
    assert "<script" not in html
    assert "<img" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;" in html
    assert "<details>" in html
    assert ">NULL</i>" in html
    assert "text-align:right" in html
    listing = notebook.run("%govdata ls").result
    changed = type(listing)(("a",), (("<script>x</script>",),), ("<b>note</b>",))
    assert "<script" not in changed._repr_html_()
    assert "<b>" not in changed._repr_html_()


@pytest.mark.attack("T76", surface="magic")
def test_html_has_no_script_outside_resource_or_colour_of_its_own(notebook: Notebook) -> None:
    html = notebook.run(f"%govsql FROM {PATIENTS}").result._repr_html_()
    for forbidden in ("<script", "http", "url(", "background", "color:#", " id=", "onerror"):
        assert forbidden not in html
    assert "<small>[pseudonym]</small>" in html
