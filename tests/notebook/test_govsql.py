"""``%%govsql`` in a real IPython shell: options, names, silence, stamps."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from jupyter_govdata.errors import ConfigError, GovDataError, QueryError
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.model.stamp import Stamp
from jupyter_govdata.query.cell import cell_queries
from jupyter_govdata.query.result import QueryResult
from jupyter_govdata.session import connect
from jupyter_govdata.stamps.stamp import stamp_from_bundle
from tests.notebook.conftest import Notebook, Ran

PATIENTS = "trials.patients"


def stamps(ran: Ran) -> list[Stamp]:
    return [stamp_from_bundle(o["data"]) for o in ran.outputs if len(o["data"]) == 2]


def digest(sql: str) -> str:
    return hashlib.sha256(sql.encode()).hexdigest()


# -- assigning -----------------------------------------------------------------------------------


@pytest.mark.parametrize("head", ["res <<", "-o res", "--limit 3 res <<", "-o=res --limit 3"])
def test_assigned_result_is_a_table_for_the_next_cell(notebook: Notebook, head: str) -> None:
    assert notebook.run(f"%%govsql {head}\nFROM {PATIENTS}").result is None
    ran = notebook.run("%%govsql\nSELECT count(*) AS n, min(1 << 3) AS m FROM res")
    assert ran.result.table.to_pylist() == [{"n": 10, "m": 8}]
    assert isinstance(notebook.shell.user_ns["res"], QueryResult)
    (stamp,) = stamps(ran)
    assert [r.asset for r in stamp.receipts] == [PATIENTS]  # of the cell before
    assert stamp.pins == {}  # nothing governed was read in this one


def test_result_is_the_underscore_of_the_next_cell(notebook: Notebook) -> None:
    ran = notebook.run("%govsql SELECT 42 AS x")
    assert notebook.run("_").result is ran.result
    assert notebook.run("_.df()['x'][0]").result == 42


def test_closing_semicolon_leaves_the_stamp_only(notebook: Notebook) -> None:
    for cell in (
        "%%govsql\nSELECT 1;",
        "%govsql SELECT 1 ;  -- done",
        "%%govsql\nSELECT 1; /* x */",
    ):
        ran = notebook.run(cell)
        assert ran.result is None
        assert len(stamps(ran)) == 1
    for cell in (
        "%%govsql\nSELECT 1 -- ;",
        "%%govsql\nSELECT ';' AS x",
        "%%govsql\nSELECT 1; SELECT 2",
    ):
        assert isinstance(notebook.run(cell).result, QueryResult)


KINDS = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "arrow": pa.Table,
    "relation": duckdb.DuckDBPyRelation,
    "result": QueryResult,
}


@pytest.mark.parametrize("to", KINDS)
def test_to_gives_another_kind_of_table_with_the_same_stamp(notebook: Notebook, to: str) -> None:
    ran = notebook.run(f"%%govsql --to {to}\nSELECT age FROM {PATIENTS} ORDER BY age")
    assert isinstance(ran.result, KINDS[to])
    assert [r.asset for r in stamps(ran)[0].receipts] == [PATIENTS]
    assert notebook.run(f"%%govsql -o kept --to {to}\nSELECT age FROM {PATIENTS}").result is None
    assert isinstance(notebook.shell.user_ns["kept"], KINDS[to])
    assert notebook.run("%govsql SELECT count(*) AS n FROM kept").result.table["n"].to_pylist() == [
        10
    ]


# -- versions ------------------------------------------------------------------------------------


def test_as_of_reads_the_data_of_then_and_is_stamped_as_read_without_a_version(
    notebook: Notebook,
) -> None:
    ran = notebook.run(f"%%govsql --as-of 2999-01-01\nSELECT count(*) AS n FROM {PATIENTS}")
    assert ran.result.table["n"].to_pylist() == [10]
    assert set(stamps(ran)[0].pins) == {PATIENTS}
    for wrong in (
        "%%govsql --as-of 1999-01-01\nFROM trials.patients",
        "%%govsql --as-of then\nFROM x",
    ):
        assert isinstance(notebook.run(wrong).error, GovDataError)


def test_pins_of_a_cell_hold_in_that_cell_also_for_python(
    notebook: Notebook, shared_lake: Path
) -> None:
    session = notebook.shell.magics_manager.registry["GovDataMagics"].session
    session.pins = Pins(cells={"pinned": {PATIENTS: 12345}})
    notebook.shell.user_ns["session"] = session
    for code in (f"%%govsql\nFROM {PATIENTS}", f"session.sql('FROM {PATIENTS}')"):
        assert notebook.run(code).success
        error = notebook.run(code, cell_id="pinned").error
        assert isinstance(error, GovDataError)
        assert error.code == "snapshot_not_found"
    assert notebook.run("session.pins").success


# -- stamps --------------------------------------------------------------------------------------


def test_stamp_is_of_the_text_in_the_cell(notebook: Notebook) -> None:
    notebook.run("low = 30")
    for cell in (
        f"%%govsql\n\nSELECT *\n   \nFROM {PATIENTS}\n\n",
        f"\n\n  %%govsql a << --limit 3\n  FROM {PATIENTS} WHERE age > $low;",
        f"x = %govsql SELECT age, \\\n  study FROM {PATIENTS}",
        f"for i in range(2):\n    %govsql SELECT $i AS i FROM {PATIENTS}",
        "%%govsql\nSELECT 'שלום 🧬' AS \"naïve\", $low",
    ):
        ran = notebook.run(cell)
        assert ran.success, ran.text
        (query,) = cell_queries(cell)
        assert {s.query_digest for s in stamps(ran)} == {digest(query.sql)}


def test_stamp_of_python_code_is_shown_once(notebook: Notebook, shared_lake: Path) -> None:
    with connect(shared_lake, user="ana") as mine:
        notebook.shell.user_ns["mine"] = mine
        ran = notebook.run(f"r = mine.sql('FROM {PATIENTS}'); s = mine.scan('{PATIENTS}', limit=2)")
        assert [len(s.receipts) for s in stamps(ran)] == [1, 1]
        assert len(stamps(notebook.run("%govsql SELECT 1"))) == 1
        assert notebook.run("%unload_ext jupyter_govdata").success
        assert notebook.run(f"r = mine.sql('FROM {PATIENTS}')").outputs == []
        assert notebook.run("%load_ext jupyter_govdata").success
        assert len(stamps(notebook.run(f"r = mine.sql('FROM {PATIENTS}')"))) == 1
        assert notebook.run("%reload_ext jupyter_govdata").success
        assert len(stamps(notebook.run(f"r = mine.sql('FROM {PATIENTS}')"))) == 1


def test_stamp_of_a_failed_query_tells_what_was_read(notebook: Notebook) -> None:
    ran = notebook.run(
        f"%%govsql\nCREATE TEMP TABLE young AS FROM {PATIENTS}; SELECT error('oh') FROM young"
    )
    (stamp,) = stamps(ran)
    assert (stamp.status, stamp.error) == ("failed", "query")
    assert [r.asset for r in stamp.receipts] == [PATIENTS]
    assert stamp.result_digest == ""
    assert "failed" in ran.outputs[0]["data"]["text/plain"]


def test_stamp_that_cannot_be_made_is_said(notebook: Notebook) -> None:
    notebook.run("import uuid, fractions\nhalf = fractions.Fraction(1, 2)")
    ran = notebook.run("%govsql SELECT $half")
    assert not ran.success or "no stamp" in ran.outputs[0]["data"]["text/plain"]


# -- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["%%govsql\n\n  \n", "%govsql", "%%govsql\n-- x", "%%govsql\n;"])
def test_empty_query_is_said_to_be_empty(notebook: Notebook, cell: str) -> None:
    ran = notebook.run(cell)
    assert isinstance(ran.error, QueryError)
    assert "the query is empty" in ran.text


def test_two_statements_give_the_result_of_the_last(notebook: Notebook) -> None:
    ran = notebook.run(
        "%%govsql\nCREATE TABLE t AS SELECT 1 AS a; INSERT INTO t VALUES (2);\nFROM t"
    )
    assert ran.result.table["a"].to_pylist() == [1, 2]
    assert notebook.run("%govsql UPDATE t SET a = 3").result.changed_rows == 2
    assert notebook.run("%govsql DROP TABLE t").success


def test_local_files_are_read_and_written_as_in_plain_duckdb(
    notebook: Notebook, tmp_path: Path
) -> None:
    target = tmp_path / "out.csv"
    assert notebook.run(f"%govsql COPY (SELECT 7 AS x) TO '{target}' (HEADER)").success
    assert notebook.run(f"%govsql FROM '{target}'").result.table["x"].to_pylist() == [7]
    assert notebook.run(f"%govsql ATTACH '{tmp_path / 'my.db'}' AS my").success
    assert notebook.run("%govsql CREATE TABLE my.t AS SELECT 1 AS a").success
    assert notebook.run("%govsql FROM my.t").result.table.num_rows == 1
    assert notebook.run("%govsql DETACH my").success


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        (f"INSERT INTO {PATIENTS} VALUES (1)", "load"),
        (f"DROP VIEW {PATIENTS}", ""),
        (f"DELETE FROM {PATIENTS}", "load"),
        ("INSTALL nonsense_extension", ""),
    ],
)
def test_writing_to_an_asset_is_refused_and_the_session_stays_usable(
    notebook: Notebook, sql: str, says: str
) -> None:
    ran = notebook.run(f"%govsql {sql}")
    assert isinstance(ran.error, GovDataError) or sql.startswith("DROP")
    assert len(notebook.run(f"%govsql FROM {PATIENTS}").result) == 10


def test_parameters_that_cannot_be_bound_name_the_variable(notebook: Notebook) -> None:
    notebook.run("import threading\nlock = threading.Lock()\nf = lambda: 1")
    assert "`nothing`" in notebook.run("%govsql SELECT $nothing").text
    for name in ("lock", "f"):
        ran = notebook.run(f"%govsql SELECT ${name}")
        assert isinstance(ran.error, QueryError)
        assert f"`{name}`" in ran.text


def test_frame_with_a_type_that_arrow_lacks_is_named(notebook: Notebook) -> None:
    notebook.run("import pandas as pd\nodd = pd.DataFrame({'a': [1, 'x', object()]})")
    ran = notebook.run("%govsql FROM odd")
    assert ran.success or (isinstance(ran.error, QueryError) and "odd" in ran.text), ran.text
    assert notebook.run("%govsql SELECT 1 AS a").success


def test_asset_wins_over_a_local_table_and_says_so(notebook: Notebook) -> None:
    notebook.run("import pandas as pd\ntrials = pd.DataFrame({'patients': [{'age': 1}]})")
    ran = notebook.run(f"%govsql SELECT count(*) AS n FROM {PATIENTS}")
    assert ran.result.table["n"].to_pylist() == [10]
    assert "is the asset" in repr(ran.result)
    assert "local table `trials`" in repr(ran.result)
    assert "is the asset" not in repr(notebook.run("%govsql SELECT count(*) FROM trials").result)


def test_wide_odd_and_large_queries_run(notebook: Notebook) -> None:
    columns = ", ".join(f"{i} AS c{i}" for i in range(1000))
    ran = notebook.run(f"%%govsql\nSELECT {columns}")
    assert ran.result.table.num_columns == 1000
    assert len(repr(ran.result)) < 100_000
    ran = notebook.run("%%govsql\nSELECT '👩🏽\u200d🔬 \u202eabc' AS \"שם\", 'مرحبا' AS \"🧬\"")
    assert ran.result.columns == ["שם", "🧬"]
    assert ran.result._repr_html_()
    million = "SELECT 1 AS a, " + "'" + "x" * 1_000_000 + "' AS b;"
    ran = notebook.run(f"%%govsql kept <<\n{million}")
    assert ran.success, ran.text[:300]
    assert len(stamps(ran)) == 1


# -- settings ------------------------------------------------------------------------------------


def test_config_is_listed_set_and_checked(
    notebook: Notebook, caplog: pytest.LogCaptureFixture
) -> None:
    text = notebook.run("%config GovSql").text
    for name in ("rows", "to", "purpose", "target", "progress", "summary"):
        assert f"GovSql.{name}" in text
    assert notebook.run("%config GovSql.rows = 2").success
    assert "first 2 of 10 rows" in repr(notebook.run(f"%govsql FROM {PATIENTS}").result)
    assert notebook.run("%config GovSql.to = 'pandas'").success
    assert isinstance(notebook.run("%govsql SELECT 1").result, pd.DataFrame)
    assert isinstance(notebook.run("%govsql --to result SELECT 1").result, QueryResult)
    settings = notebook.shell.magics_manager.registry["GovDataMagics"].state.settings
    before = dict(settings.trait_values(config=True))
    for wrong in ("to = 'excel'", "rows = -1", "rows = 'many'", "target = 'grpc://u:p@h:1'"):
        caplog.clear()
        notebook.run(f"%config GovSql.{wrong}")
        assert f"GovSql.{wrong.split()[0]}" in caplog.text or "of a GovSql instance" in caplog.text
        assert settings.trait_values(config=True) == before
    assert notebook.run("%config GovSql.purpose = 'marketing'").success
    assert notebook.run("%govdata purpose").result == "marketing"


def test_config_holds_no_secret_and_no_switch_for_stamps() -> None:
    from jupyter_govdata.notebook.settings import GovSql

    names = set(GovSql.class_trait_names(config=True))
    assert names == {"rows", "to", "purpose", "target", "user", "progress", "summary"}


def test_config_comes_from_files_ipython_and_environment(
    shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("GOVDATA_PURPOSE", "research")
    (tmp_path / "jupyter_govdata_config.py").write_text("c.GovSql.rows = 7\nc.GovSql.to = 'arrow'")
    shell.config.GovSql.to = "polars"
    assert Notebook(shell).run("%load_ext jupyter_govdata").success
    settings = shell.magics_manager.registry["GovDataMagics"].state.settings
    assert (settings.rows, settings.to, settings.purpose) == (7, "polars", "research")


def test_config_file_that_fails_is_named(
    shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    (tmp_path / "jupyter_govdata_config.py").write_text("c.GovSql.rows = ")
    ran = Notebook(shell).run("%load_ext jupyter_govdata")
    assert isinstance(ran.error, ConfigError)
    assert "jupyter_govdata_config.py" in ran.text


# -- several sessions ----------------------------------------------------------------------------


def test_sessions_stand_side_by_side(notebook: Notebook, shared_lake: Path) -> None:
    ran = notebook.run(f"%govdata connect {shared_lake} --as dina --name partner")
    assert dict(ran.result.rows)["principal"] == "dina"
    rows = notebook.run("%govdata sessions").result.rows
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("", "main", "ana"),
        ("→", "partner", "dina"),
    ]
    assert notebook.run("%govdata use main").success
    (mine,) = stamps(notebook.run(f"%govsql FROM {PATIENTS}"))
    (theirs,) = stamps(notebook.run(f"%govsql --session partner FROM {PATIENTS}"))
    assert [s.receipts[0].principal for s in (mine, theirs)] == ["ana", "dina"]
    ran = notebook.run("%govsql --session partnr SELECT 1")
    assert "did you mean `partner`" in ran.text
    assert notebook.run("%govdata close partner").success
    assert len(notebook.run("%govdata sessions").result) == 1
    assert isinstance(notebook.run("%govdata use partner").error, ConfigError)


def test_session_that_fails_to_open_leaves_the_open_one(notebook: Notebook, tmp_path: Path) -> None:
    assert isinstance(notebook.run(f"%govdata connect {tmp_path}").error, ConfigError)
    assert isinstance(notebook.run("%govdata connect --name 'a b'").error, ConfigError)
    assert len(notebook.run(f"%govsql FROM {PATIENTS}").result) == 10


# -- history -------------------------------------------------------------------------------------


def test_history_tells_queries_without_their_results(notebook: Notebook) -> None:
    notebook.run("secret = 'swordfish'")
    notebook.run(f"%%govsql --purpose research\nSELECT patient FROM {PATIENTS}\nWHERE arm = 'x'")
    notebook.run("%govsql SELECT $secret AS s")
    notebook.run("%govsql SELECT nope")
    shown = notebook.run("%govdata history").result
    assert [(row[0], row[2], row[3], row[4], row[5]) for row in shown.rows] == [
        (1, "main", "research", "complete", 0),
        (2, "main", "", "complete", 1),
        (3, "main", "", "failed: column_not_found", None),
    ]
    assert "swordfish" not in repr(shown)
    assert len(notebook.run("%govdata history 1").result) == 1


def test_history_puts_a_query_into_the_next_cell(notebook: Notebook) -> None:
    notebook.run(f"%%govsql --purpose research\nSELECT age\nFROM {PATIENTS}")
    assert notebook.run("%govdata history --insert 1").success
    inserted = notebook.shell.rl_next_input
    assert inserted == f"%%govsql --purpose research\nSELECT age\nFROM {PATIENTS}"
    assert notebook.run(inserted).success
    assert isinstance(notebook.run("%govdata history --insert 9").error, ConfigError)


# -- looking before and after --------------------------------------------------------------------


def test_dry_run_tells_what_would_be_read_and_reads_nothing(notebook: Notebook) -> None:
    notebook.run("low = 30")
    ran = notebook.run(
        f"%%govsql res << --dry-run\nSELECT patient FROM {PATIENTS} WHERE age > $low"
    )
    assert ran.success, ran.text
    assert ran.result.assets == (PATIENTS,)
    assert "pseudonym" in repr(ran.result)
    assert stamps(ran) == []
    assert "res" not in notebook.shell.user_ns
    assert len(notebook.run("%govdata history").result) == 0


def test_stats_show_a_summary_of_the_columns_before_the_result(notebook: Notebook) -> None:
    ran = notebook.run(f"%%govsql --stats\nFROM {PATIENTS}")
    stamp, summary = ran.outputs
    assert set(stamp["data"]) - {"text/plain"} == {"application/vnd.govdata.stamp.v1+json"}
    assert "age" in summary["data"]["text/plain"]
    assert len(ran.result) == 10
    notebook.run("%config GovSql.summary = True")
    assert len(notebook.run(f"%govsql FROM {PATIENTS}").outputs) == 2
