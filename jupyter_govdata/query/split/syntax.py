"""DuckDB's own syntax tree of a statement, and the statement of a tree. Runs in the kernel. Pure.

A tree that was changed is only used if its text reads back as that very tree.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb

Node = dict[str, Any]
UNPLACED = 18446744073709551615
"""What DuckDB writes for a node that stands nowhere in a text."""


def tree_of(cursor: duckdb.DuckDBPyConnection, text: str) -> Node | None:
    """Return the tree of one SELECT, or None if the text is something else."""
    row = cursor.execute("SELECT json_serialize_sql($1)", [text]).fetchone()
    tree = json.loads(row[0]) if row else {}
    return None if tree.get("error", True) or len(tree["statements"]) != 1 else tree


def text_of(cursor: duckdb.DuckDBPyConnection, tree: Node) -> str | None:
    """Return the text of a tree, or None if DuckDB cannot write it faithfully."""
    text = _written(cursor, tree)
    again = tree_of(cursor, text)
    return text if again is not None and _bare(again) == _bare(tree) else None


def name_of(cursor: duckdb.DuckDBPyConnection, expression: Node) -> str:
    """Return what DuckDB calls a column of that expression if nobody names it."""
    text = _written(cursor, selecting([expression | {"alias": ""}]))
    return text.removeprefix("SELECT ")


def selecting(expressions: list[Node]) -> Node:
    """Return the tree of a SELECT of expressions, from nothing."""
    node: Node = {
        "type": "SELECT_NODE",
        "modifiers": [],
        "cte_map": {"map": []},
        "select_list": expressions,
        "from_table": {"type": "EMPTY", "alias": "", "sample": None, "query_location": UNPLACED},
        "where_clause": None,
        "group_expressions": [],
        "group_sets": [],
        "aggregate_handling": "STANDARD_HANDLING",
        "having": None,
        "sample": None,
        "qualify": None,
    }
    return {"error": False, "statements": [{"node": node, "named_param_map": []}]}


def selects(node: Any) -> Iterator[Node]:
    """Yield every SELECT of a tree, outer ones first."""
    if isinstance(node, dict):
        if node.get("type") == "SELECT_NODE":
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from selects(child)


def column(*names: str) -> Node:
    """Return a reference to a column."""
    return {
        "class": "COLUMN_REF",
        "type": "COLUMN_REF",
        "alias": "",
        "query_location": UNPLACED,
        "column_names": list(names),
    }


def _written(cursor: duckdb.DuckDBPyConnection, tree: Node) -> str:
    row = cursor.execute("SELECT json_deserialize_sql($1)", [json.dumps(tree)]).fetchone()
    assert row is not None
    return str(row[0])


def _bare(node: Any) -> Any:
    """Return a tree without what says where its nodes stand in a text."""
    if isinstance(node, dict):
        return {
            key: _bare(value)
            for key, value in node.items()
            if key not in ("query_location", "named_param_map")
        }
    if isinstance(node, list):
        return [_bare(child) for child in node]
    return node
