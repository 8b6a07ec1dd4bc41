"""What of a SELECT the gateway can compute: its aggregates, or its first rows. Runs in the kernel.
Pure.

The SELECT of a syntax tree is split in two: what the gateway computes, and a SELECT over that
which gives what the whole one would have given. What is not certain to mean the same is not split
(`NotSplitError`): then rows are read and DuckDB computes everything, as for any other query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jupyter_govdata.query.split.grouping import Grouping
from jupyter_govdata.query.split.ranking import Ranking
from jupyter_govdata.query.split.select import NotSplitError, Select, Split, Table
from jupyter_govdata.query.split.syntax import Node

__all__ = ["NotSplitError", "Split", "Table", "split"]


def split(
    node: Node,
    table: Table,
    values: Mapping[str, Any],
    nulls_last: bool,
    name: str,
    name_of: Callable[[Node], str],
) -> Split:
    """Split a SELECT over one asset; the node becomes the SELECT over what the gateway computes.

    Args:
        node: Of the syntax tree; changed only if it can be split.
        table: The asset after FROM.
        values: Of the statement's parameters.
        nulls_last: Where DuckDB puts NULL unless the query says.
        name: What the gateway's answer will be called.
        name_of: Returns what DuckDB calls a column of an expression.

    Raises:
        NotSplitError: What it means cannot be told from the tree with certainty.
    """
    if node["sample"] or node["from_table"]["sample"] or node["from_table"]["column_name_alias"]:
        raise NotSplitError
    select = Select(node, table, values)
    ranking = Ranking(select, nulls_last) if select.is_ranked() else None
    parts = ranking.split() if ranking else Grouping(select, name_of).split()
    node["from_table"] |= {
        "alias": select.alias,
        "catalog_name": "",
        "schema_name": "",
        "table_name": name,
    }
    return parts
