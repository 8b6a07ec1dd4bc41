"""``SELECT columns FROM asset [WHERE ...] [LIMIT n]``: its rows are a governed scan. Runs in the
kernel. Pure.

The gateway's answer is the result as it stands, so DuckDB need not read and write it once more.
What is not certain to be the same is left to DuckDB (`NotSplitError`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from jupyter_govdata.model.scan import Fragment, Limit, Project
from jupyter_govdata.query.split.select import NotSplitError, Select, Table
from jupyter_govdata.query.split.syntax import Node

_OTHERS = ("group_expressions", "group_sets", "having", "qualify", "sample")


@dataclass(frozen=True, slots=True)
class Plain:
    """A SELECT whose rows are those of one scan.

    Args:
        asset: Name of the asset.
        fragment: The scan.
        columns: Its columns in the order of the result; one may come twice.
        schema: Of the result.
    """

    asset: str
    fragment: Fragment
    columns: tuple[str, ...]
    schema: pa.Schema


def plain(node: Node, table: Table, values: Mapping[str, Any]) -> Plain:
    """Return the scan that a SELECT over one asset is.

    Args:
        node: Of the syntax tree; nothing in it is changed.
        table: The asset after FROM.
        values: Of the statement's parameters.

    Raises:
        NotSplitError: It is more than a scan, or that cannot be told with certainty.
    """
    source = node["from_table"]
    named = node["cte_map"]["map"] or source["sample"] or source["column_name_alias"]
    if named or any(node[clause] for clause in _OTHERS):
        raise NotSplitError
    select = Select(node, table, values)
    fields = [field for each in node["select_list"] for field in _fields(each, select)]
    columns = tuple(told for told, _ in fields)
    fragment = Project(select.scan(), tuple(dict.fromkeys(columns)))
    limit = _limit(select)
    return Plain(
        table.asset,
        fragment if limit is None else Limit(fragment, limit),
        columns,
        pa.schema([pa.field(name, table.shown.field(told).type) for told, name in fields]),
    )


def _fields(expression: Node, select: Select) -> list[tuple[str, str]]:
    """Return the column and the name in the result of what an expression lists."""
    if expression["class"] == "STAR":
        if select.is_everything(expression):
            return [(name, name) for name in select.table.shown.names]
        raise NotSplitError
    column = select.column(expression)
    if column is None:
        raise NotSplitError
    return [(column, str(expression["alias"] or column))]


def _limit(select: Select) -> int | None:
    modifiers = select.node["modifiers"]
    if not modifiers:
        return None
    modifier = modifiers[0]
    if len(modifiers) > 1 or modifier["type"] != "LIMIT_MODIFIER" or modifier["offset"]:
        raise NotSplitError
    return select.count(modifier["limit"])
