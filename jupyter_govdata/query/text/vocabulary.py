"""The words of the installed DuckDB: functions, keywords, types. Runs in the kernel."""

from __future__ import annotations

from functools import cache

import duckdb

from jupyter_govdata.query.text.proposals import Vocabulary

_FUNCTIONS = r"""
SELECT function_name, function_type FROM duckdb_functions()
WHERE regexp_full_match(function_name, '[a-z][a-z0-9_]*') AND function_type <> 'pragma'
  AND NOT regexp_full_match(function_name, 'pg_.*|test_.*|(arrow|pandas|seq)_scan.*|python_.*')
"""
_KINDS = {"scalar": "function", "macro": "function", "aggregate": "aggregate"}


@cache
def vocabulary() -> Vocabulary:
    """Ask DuckDB, once; some 50 ms."""
    with duckdb.connect(":memory:") as connection:
        functions = connection.execute(_FUNCTIONS).fetchall()
        keywords = connection.execute("SELECT keyword_name FROM duckdb_keywords()").fetchall()
        types = connection.execute(
            "SELECT upper(type_name) FROM duckdb_types() WHERE internal "
            "AND regexp_full_match(type_name, '[A-Za-z][A-Za-z0-9_ ]*')"
        ).fetchall()
    named = {str(name): _KINDS[kind] for name, kind in functions if kind in _KINDS}
    return Vocabulary(
        functions=tuple(sorted(named.items())),
        table_functions=tuple(sorted({str(n) for n, kind in functions if kind == "table"})),
        keywords=tuple(sorted({str(name).upper() for (name,) in keywords})),
        types=tuple(sorted({str(name) for (name,) in types})),
    )
