"""May a statement be run again and give the same rows? Runs in the kernel.

Yes, if by its plan it reads governed assets only, which are read at the same snapshots, and calls
no function that gives another value each time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import duckdb

EXPLAIN = "EXPLAIN (FORMAT json) "

_GOVERNED = frozenset(("ARROW_SCAN",))
_LITERAL = frozenset(("RANGE", "GENERATE_SERIES", "COLUMN_DATA_SCAN", "DUMMY_SCAN", "EMPTY_RESULT"))
_INNER = frozenset(("CTE_SCAN", "REC_CTE_SCAN", "DELIM_SCAN", "EXPRESSION_SCAN"))
_LEAVES = _GOVERNED | _LITERAL | _INNER
_WORD = re.compile(r"[a-z_][a-z0-9_]*")
_SAMPLES = frozenset(("sample", "tablesample"))
_KEEPS_ROWS = frozenset(("PROJECTION", "ORDER_BY"))

Plan = Mapping[str, Any]


def plan_of(
    cursor: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, Any] | None
) -> Plan | None:
    """Return DuckDB's plan, or None where there is none.

    Args:
        cursor: Not the session's own connection: that would end an open stream. It does not see
            temporary tables and registered frames, so what reads these has no plan.
        query: One statement.
        values: Of its parameters.
    """
    try:
        row = cursor.execute(f"{EXPLAIN}{query}", values or None).fetchone()
    except duckdb.Error:
        return None
    plans = json.loads(row[1]) if row else []
    return dict(plans[0]) if len(plans) == 1 else None


def is_repeatable(
    cursor: duckdb.DuckDBPyConnection, plan: Plan | None, query: str, assets: Collection[str]
) -> bool:
    """Return whether running the statement again, at the same snapshots, gives the same rows.

    Args:
        cursor: As for `plan_of`.
        plan: Of the statement.
        query: Its text.
        assets: Names of the governed assets; every other view is the user's.
    """
    if plan is None:
        return False
    leaves = (n["name"].strip() for n in nodes_of(plan) if not n.get("children"))
    if not _LEAVES.issuperset(leaves):
        return False
    # A plan shows what is computed under the name that the user gave it, so the text is asked.
    return _changing(cursor, assets).isdisjoint(_WORD.findall(query.lower()))


def scanned_whole(plan: Plan | None) -> bool:
    """Return whether the statement gives one row for each row of the one asset that it reads."""
    while plan is not None and plan.get("name") in _KEEPS_ROWS and len(plan["children"]) == 1:
        plan = plan["children"][0]
    if plan is None or plan.get("name") != "ARROW_SCAN":
        return False
    return "Filters" not in plan.get("extra_info", {})


def nodes_of(plan: Plan) -> Iterator[Plan]:
    """Yield all nodes of a plan."""
    yield plan
    for child in plan.get("children", ()):
        yield from nodes_of(child)


def _changing(cursor: duckdb.DuckDBPyConnection, assets: Collection[str]) -> frozenset[str]:
    """Return the words behind which there may be another value the next time."""
    functions = cursor.execute(
        "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE NOT internal "
        "OR (stability IN ('VOLATILE', 'CONSISTENT_WITHIN_QUERY') AND function_name <> 'error')"
    ).fetchall()
    views = cursor.execute(
        "SELECT lower(schema_name), lower(view_name) FROM duckdb_views() WHERE NOT internal"
    ).fetchall()
    own = {name for schema, name in views if f"{schema}.{name}" not in assets}
    return _SAMPLES | own | {str(name) for (name,) in functions}
