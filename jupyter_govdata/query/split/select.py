"""A SELECT over one governed asset: what its names and conditions mean. Runs in the kernel. Pure.

Read to find out what of it the gateway can compute; see `split`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol, cast

import pyarrow as pa

from jupyter_govdata.errors import QueryError
from jupyter_govdata.model.predicate import TRUE, Predicate, Value
from jupyter_govdata.model.scan import At, Filter, Fragment, Scan
from jupyter_govdata.model.summary import Function
from jupyter_govdata.query.split.exact import comparable
from jupyter_govdata.query.split.syntax import Node
from jupyter_govdata.query.split.where import ConditionReader

FUNCTIONS: Mapping[str, Function] = {
    "count": "count",
    "count_star": "count",
    "sum": "sum",
    "min": "min",
    "max": "max",
    "avg": "avg",
    "mean": "avg",
}
_PER_ROW = frozenset(
    (
        *("+", "-", "*", "/", "//", "%", "**", "^", "||", "abs", "round", "floor", "ceil", "sqrt"),
        *("ceiling", "ln", "log", "exp", "power", "pow", "greatest", "least", "nullif", "lower"),
        *("upper", "trim", "length", "concat", "substring", "strftime", "year", "month", "day"),
    )
)
"""Functions of DuckDB that give one value a row, whatever stands around them."""
_CLASSES = frozenset(
    (
        *("CONSTANT", "PARAMETER", "CAST", "OPERATOR", "CASE", "COMPARISON", "CONJUNCTION"),
        *("BETWEEN", "WINDOW"),
    )
)


_LISTS_OF_STAR = ("exclude_list", "qualified_exclude_list", "rename_list", "replace_list")


class NotSplitError(Exception):
    """The SELECT has to be computed here; never leaves this room."""


class Table(Protocol):
    """A governed asset that a SELECT reads."""

    @property
    def asset(self) -> str:
        """Name of the asset."""
        ...

    @property
    def at(self) -> At | None:
        """The version that the query names, or None."""
        ...

    @property
    def shown(self) -> pa.Schema:
        """The visible columns, in the order that users see."""
        ...


@dataclass(frozen=True, slots=True)
class Split:
    """A SELECT in two parts.

    Args:
        fragment: What the gateway computes.
        columns: Names of its columns, as the rest calls them.
        casts: DuckDB's types of those that Arrow cannot tell apart.
    """

    fragment: Fragment
    columns: tuple[str, ...]
    casts: Mapping[str, str] = field(default_factory=dict)


class Select:
    """A SELECT over one asset, and what its names mean."""

    def __init__(self, node: Node, table: Table, values: Mapping[str, Any]) -> None:
        self.node = node
        self.table = table
        self.values = values
        source = node["from_table"]
        self.alias = str(source["alias"] or source["table_name"])
        self._prefixes: set[tuple[str, ...]] = {(self.alias.lower(),)}
        if not source["alias"]:
            self._prefixes.add((str(source["schema_name"]).lower(), self.alias.lower()))
        self._columns = {name.lower(): name for name in table.shown.names}
        if len(self._columns) != len(table.shown.names) or self.alias.lower() in self._columns:
            raise NotSplitError  # `a.b` may be a field of a column
        self.aliases = {str(e["alias"]).lower(): e for e in node["select_list"] if e["alias"]}

    def is_ranked(self) -> bool:
        """Return whether rows are sorted and cut, and nothing is grouped."""
        node = self.node
        kinds = [modifier["type"] for modifier in node["modifiers"]]
        plain = not (node["group_expressions"] or node["having"] or node["qualify"])
        return plain and kinds == ["ORDER_MODIFIER", "LIMIT_MODIFIER"] and not has_aggregates(node)

    def column(self, expression: Node) -> str | None:
        """Return the asset's column that an expression is, or None if it is none."""
        if expression["class"] != "COLUMN_REF":
            return None
        *prefix, last = (str(part).lower() for part in expression["column_names"])
        if prefix and tuple(prefix) not in self._prefixes:
            return None
        return self._columns.get(last)

    def is_ambiguous(self, expression: Node) -> bool:
        """Return whether a name is a column of the asset and, for something else, an alias."""
        if len(expression["column_names"]) != 1 or self.column(expression) is None:
            return False
        named = self.aliases.get(str(expression["column_names"][0]).lower())
        return named is not None and self.column(named) != self.column(expression)

    def own(self, expression: Node) -> Node:
        """Return what stands behind a position or an alias of the select list."""
        if expression["class"] == "CONSTANT":
            position = expression["value"]["value"]
            listed = self.node["select_list"]
            if type(position) is not int or not 1 <= position <= len(listed):
                raise NotSplitError
            if any(each["class"] == "STAR" for each in listed):
                raise NotSplitError
            return cast("Node", listed[position - 1])
        if expression["class"] == "COLUMN_REF" and self.column(expression) is None:
            names = expression["column_names"]
            return self.aliases.get(str(names[0]).lower(), expression) if len(names) == 1 else {}
        return expression

    def is_everything(self, star: Node) -> bool:
        """Return whether a star stands for all columns of the asset, as they are."""
        of = str(star["relation_name"]).lower()
        changes = (*_LISTS_OF_STAR, "columns", "expr")
        return not any(star[each] for each in changes) and (not of or (of,) in self._prefixes)

    def count(self, expression: Node) -> int:
        """Return the number of rows that a constant or a parameter says."""
        if expression["class"] == "PARAMETER":
            value = self.values.get(str(expression["identifier"]))
        else:
            value = expression["value"]["value"] if expression["class"] == "CONSTANT" else None
        if type(value) is not int or value < 0:
            raise NotSplitError
        return value

    def scan(self) -> Fragment:
        """Return the rows that the WHERE clause keeps."""
        scan = Scan(self.table.asset, self.table.at)
        if self.node["where_clause"] is None:
            return scan
        try:
            predicate = _Where(self).condition(self.node["where_clause"], negated=False)
        except (QueryError, ValueError, KeyError) as error:
            raise NotSplitError from error
        return scan if predicate == TRUE else Filter(scan, predicate)


class _Where(ConditionReader):
    """Reads the conditions that the gateway applies exactly as DuckDB would."""

    def __init__(self, select: Select) -> None:
        super().__init__("")
        self._select = select

    def column(self, node: Node) -> str:
        found = self._select.column(node) if node.get("class") == "COLUMN_REF" else None
        if found is None or self._select.is_ambiguous(node):
            raise NotSplitError
        return found

    def constant(self, node: Node, column: str) -> Value:
        kind = self._select.table.shown.field(column).type
        is_parameter = node["class"] == "PARAMETER"
        given = self._parameter(node) if is_parameter else self.value(node)
        value = comparable(given, kind)
        # A text that is written compares as a date, one that is bound perhaps not.
        if value is None or (is_parameter and type(value) is not type(given)):
            raise NotSplitError
        return value

    def truth(self, column: str, *, value: bool) -> Predicate:
        if not pa.types.is_boolean(self._select.table.shown.field(column).type):
            raise NotSplitError
        return super().truth(column, value=value)

    def _parameter(self, node: Node) -> Value:
        value = self._select.values.get(str(node["identifier"]))
        if type(value) not in (bool, int, float, str, Decimal, dt.date, dt.datetime):
            raise NotSplitError
        return cast("Value", value)


def has_aggregates(node: Any) -> bool:
    """Return whether a tree holds a call of an aggregate that is known here."""
    if isinstance(node, dict):
        if node.get("class") == "FUNCTION" and node["function_name"] in FUNCTIONS:
            return True
        node = list(node.values())
    return isinstance(node, list) and any(has_aggregates(child) for child in node)


def require_per_row(node: Node, kind: str | None) -> None:
    """Check that an expression means the same over the gateway's answer."""
    if kind == "FUNCTION":
        if node["function_name"] not in _PER_ROW or node["schema"] or node["distinct"]:
            raise NotSplitError
    elif kind is not None and kind not in _CLASSES:
        raise NotSplitError
