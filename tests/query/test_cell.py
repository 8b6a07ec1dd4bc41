"""The queries of a cell, held to what IPython itself runs."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.query.cell import cell_queries, govsql_text, parse_sql_line


def run_by_ipython(source: str) -> list[str]:
    """Return the SQL of the calls that IPython makes of a cell."""
    tree = ast.parse(TransformerManager().transform_cell(source))
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr not in ("run_line_magic", "run_cell_magic"):
            continue
        name, line, *cell = [a.value for a in node.args if isinstance(a, ast.Constant)]
        if name == "govsql":
            text = govsql_text(parse_sql_line(line), cell[0] if cell else None)
            found.append((node.lineno, text))
    return [text for _, text in sorted(found, key=lambda f: f[0])]


CELLS = {
    "%%govsql\nSELECT 1": ["SELECT 1"],
    "%%govsql\n\n  \nSELECT 1\n \n, 2\n\n": ["\n\nSELECT 1\n\n, 2"],
    "\n\n   \n%%govsql res << --limit 3\nFROM a.b": ["FROM a.b"],
    "  %%govsql\n  SELECT\n    1": ["SELECT\n  1"],
    "%%govsql SELECT 1,\n2": ["SELECT 1,\n2"],
    "%%govsql": [""],
    "# first\n%%govsql\nSELECT 1": None,
    "%govsql SELECT 1": ["SELECT 1"],
    "x = %govsql SELECT 'it''s' AS \"=\"": ["SELECT 'it''s' AS \"=\""],
    "x = %govsql --limit 3 SELECT 1\nx.df()": ["SELECT 1"],
    "if True:\n    y = %govsql FROM a.b\n    %govsql FROM c.d": ["FROM a.b", "FROM c.d"],
    "a['b'] = %govsql SELECT 1": ["SELECT 1"],
    "a, b = %govsql SELECT 1": ["SELECT 1"],
    "x = %govsql SELECT 1, \\\n  2, \\\n 3\nz = 1": ["SELECT 1,    2,   3"],
    "%govsql SELECT 1, \\\n 2": ["SELECT 1,   2"],
    "x = '''\n%govsql SELECT 1\n'''": [],
    "# %govsql SELECT 1": [],
    "f = g(a=1,\n%govsql)": None,
    "y = 7 %govsql\nz = 2": None,
    "x = ('''a''' '%govsql x'\n 'b')\n%govsql SELECT 2": ["SELECT 2"],
    "s = 'it\\'s'  # it's\n%govsql SELECT 3": ["SELECT 3"],
    "x == %govsql": None,
    "%%time\n%govsql SELECT 1": None,
    "for i in (1,\n 2):\n  r = %govsql SELECT $i": ["SELECT $i"],
    "%time pass\nq = %govsql SELECT 5;": ["SELECT 5;"],
    "!echo '''\n%govsql SELECT 6": ["SELECT 6"],
    "%govsqlx SELECT 1": [],
    "%%govsqlx\nSELECT 1": [],
    "q = 1; r = %govsql SELECT 1": None,
    "x = %govsql SELECT 'שלום 🧬'": ["SELECT 'שלום 🧬'"],
}


@pytest.mark.parametrize("source", CELLS)
def test_cell_queries_are_those_that_ipython_runs(source: str) -> None:
    found = [query.sql for query in cell_queries(source)]
    expected = CELLS[source]
    if expected is None:  # not a query for IPython at the top level, or not Python at all
        assert found == (["SELECT 1"] if source.startswith("%%time") else [])
    else:
        assert found == expected == run_by_ipython(source)


PIECES = st.sampled_from(
    [
        "x = 1",
        "x = %govsql SELECT 1",
        "%govsql SELECT 'a' \\\n , 2",
        "def f():\n    return 'x'",
        "if x:\n    %govsql FROM a.b",
        "s = '''\n%govsql SELECT 9\n'''",
        's = "\\"" + """%govsql"""',
        "t = (\n1,\n 2)",
        "# it's = %govsql SELECT 8",
        "u = x == 1",
        "v = f(a=1); w = [3]",
        "d = {'a': '%govsql'}",
        "z = 1 + \\\n  2",
        "",
        "y = %govsql --limit 3 SELECT $x  ",
        "f'{x!r}'",
    ]
)


@given(st.lists(PIECES, min_size=1, max_size=8).map("\n".join))
def test_cell_queries_of_any_python_are_those_that_ipython_runs(source: str) -> None:
    assert [query.sql for query in cell_queries(source)] == run_by_ipython(source)


@given(st.text(max_size=200), st.text(max_size=200))
def test_cell_queries_of_any_text_fail_on_nothing(head: str, body: str) -> None:
    cell_queries(f"{head}\n{body}")
    cell_queries(f"%%govsql {head}\n{body}")
    cell_queries(f"x = %govsql {head}\\\n{body}")


def test_cell_queries_tell_names_options_and_lines() -> None:
    (query,) = cell_queries("\n%%govsql res << --purpose research --as-of '2026-01-31 10:00'\nA\nB")
    assert (query.name, query.line) == ("res", 3)
    assert (query.options.purpose, query.options.as_of) == ("research", "2026-01-31 10:00")
    one, two = cell_queries("a = 1\nb = %govsql --stats SELECT 1\n%time %govsql -o c SELECT 2")
    assert (one.name, one.line, one.options.stats) == ("b", 2, True)
    assert (two.name, two.line, two.sql) == ("c", 3, "SELECT 2")
    (bare,) = cell_queries("govsql SELECT 1")  # automagic
    assert bare.sql == "SELECT 1"
    assert cell_queries("govsql in x") == cell_queries("govsql = 3") == []


def test_cell_queries_leave_out_what_the_magic_refuses() -> None:
    assert cell_queries("%%govsql --limt 3\nSELECT 1") == []
    assert cell_queries("%%govsql --limit x\nSELECT 1") == []


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--purpos x", "did you mean `--purpose`"),
        ("--comment", "needs a blank behind `--`"),
        ("--purpose", "takes a value"),
        ("--limit 99999999999", "a number of rows"),
        ("--limit ٣", "a number of rows"),
        ("--to excel", "pandas, polars, arrow, relation"),
        ("-o class", "not the name of a variable"),
        ("-o 1a", "not the name of a variable"),
        ("a << -o b", "`name` is given twice"),
        ("--stats --stats", "given twice"),
    ],
)
def test_head_line_with_a_mistake_says_what_is_meant(line: str, says: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        parse_sql_line(line)
    assert says in str(wrong.value)


@pytest.mark.parametrize("line", ["-- comment", "-1", "--", "-- --limit 3", "- -o"])
def test_head_line_that_is_sql_stays_sql(line: str) -> None:
    assert parse_sql_line(line).rest == line.strip()
