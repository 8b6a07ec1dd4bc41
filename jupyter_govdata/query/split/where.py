"""A condition written as SQL, as a predicate that the gateway takes. Runs in the kernel. Pure.

For what is no query, such as asking for files: there is no engine behind it that could do what
the gateway cannot, so a condition that is no comparison of a column with a constant is refused.
"""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any, cast

import duckdb

from jupyter_govdata.errors import QueryError
from jupyter_govdata.model.predicate import (
    MIRRORED,
    NEGATED,
    Compare,
    In,
    IsNull,
    Op,
    Predicate,
    Value,
    all_of,
    any_of,
)

_SELECT = "SELECT 1 WHERE "
_OPS: dict[str, Op] = {
    "COMPARE_EQUAL": "=",
    "COMPARE_NOTEQUAL": "!=",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
}
_WHOLE = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
_CLAUSES = ("modifiers", "group_expressions", "group_sets", "having", "sample", "qualify")

Node = dict[str, Any]


def where_predicate(text: str) -> Predicate:
    """Return the condition of a `WHERE` clause as a predicate.

    Comparisons of a column with a constant, `IN`, `BETWEEN`, `IS NULL`, a boolean column, and
    `AND`, `OR`, `NOT` of these.

    Raises:
        QueryError: Not SQL, or a condition of another kind; with line and column.
    """
    (found,) = duckdb.execute("SELECT json_serialize_sql(?)", [_SELECT + text]).fetchall()[0]
    told = json.loads(found)
    if told["error"] or len(told["statements"]) != 1:
        place = int(told.get("position") or 0)
        raise _unreadable("the condition is not SQL", text, place)
    node = told["statements"][0]["node"]
    if node.get("type") != "SELECT_NODE" or any(node.get(clause) for clause in _CLAUSES):
        raise _unreadable("a condition is what can stand after `WHERE`, alone", text, 0)
    return ConditionReader(text).condition(node["where_clause"], negated=False)


class ConditionReader:
    """Reads conditions of DuckDB's syntax tree.

    Args:
        text: The condition as it was written, for messages.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def column(self, node: Node) -> str:
        """Return the column that a node names.

        Raises:
            QueryError: Another expression.
        """
        if node["type"] != "COLUMN_REF" or len(node["column_names"]) != 1:
            raise self.refused(node)
        return str(node["column_names"][0])

    def constant(self, node: Node, column: str) -> Value:  # noqa: ARG002 - for those who need it
        """Return a constant that is compared with a column.

        Raises:
            QueryError: Another expression, NULL, or a constant of a type that is not known here.
        """
        return self.value(node)

    def condition(self, node: Node, *, negated: bool) -> Predicate:
        """Return a condition, or its negation, as a predicate.

        Raises:
            QueryError: A condition of another kind; with line and column.
        """
        kind = node["type"]
        if kind in ("CONJUNCTION_AND", "CONJUNCTION_OR"):
            parts = [self.condition(child, negated=negated) for child in node["children"]]
            return all_of(*parts) if (kind == "CONJUNCTION_AND") != negated else any_of(*parts)
        if kind == "OPERATOR_NOT":
            return self.condition(node["children"][0], negated=not negated)
        if kind in _OPS:
            return self._comparison(node, _OPS[kind], negated=negated)
        if kind in ("COMPARE_IN", "COMPARE_NOT_IN"):
            first, *values = node["children"]
            column = self.column(first)
            wanted = tuple(self.constant(value, column) for value in values)
            return In(column, wanted, (kind == "COMPARE_NOT_IN") != negated)
        if kind in ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"):
            column = self.column(node["children"][0])
            return IsNull(column, (kind == "OPERATOR_IS_NOT_NULL") != negated)
        if kind == "COMPARE_BETWEEN":
            return self._between(node, negated=negated)
        if kind == "COLUMN_REF":
            return self.truth(self.column(node), value=not negated)
        raise self.refused(node)

    def truth(self, column: str, *, value: bool) -> Predicate:
        """Return the condition that a column stands alone for."""
        return Compare(column, "=", value)

    def _comparison(self, node: Node, op: Op, *, negated: bool) -> Predicate:
        left, right = node["left"], node["right"]
        if left["type"] != "COLUMN_REF":
            left, right, op = right, left, MIRRORED[op]
        column = self.column(left)
        return Compare(column, NEGATED[op] if negated else op, self.constant(right, column))

    def _between(self, node: Node, *, negated: bool) -> Predicate:
        column = self.column(node["input"])
        lower, upper = (self.constant(node[end], column) for end in ("lower", "upper"))
        if negated:
            return any_of(Compare(column, "<", lower), Compare(column, ">", upper))
        return all_of(Compare(column, ">=", lower), Compare(column, "<=", upper))

    def value(self, node: Node) -> Value:
        """Return a constant.

        Raises:
            QueryError: Another expression, NULL, or a type that is not known here.
        """
        if node["type"] == "OPERATOR_CAST":
            return self._cast(node)
        if node["type"] != "VALUE_CONSTANT" or node["value"]["is_null"]:
            raise self.refused(node)
        kind, value = node["value"]["type"], node["value"]["value"]
        if kind["id"] == "DECIMAL":
            return Decimal(value).scaleb(-kind["type_info"]["scale"])
        if kind["id"] == "DOUBLE":
            # `1e6` is meant as a number, also for a column of whole ones.
            return int(value) if float(value).is_integer() else float(value)
        if kind["id"] in _WHOLE or kind["id"] == "VARCHAR":
            return cast("Value", value)
        raise self.refused(node)

    def _cast(self, node: Node) -> Value:
        text, kind = self.value(node["child"]), node["cast_type"]["id"]
        try:
            if kind == "BOOLEAN" and text in ("t", "f"):
                return text == "t"
            if kind == "DATE" and isinstance(text, str):
                return dt.date.fromisoformat(text)
            if kind.startswith("TIMESTAMP") and isinstance(text, str):
                moment = dt.datetime.fromisoformat(text)
                if kind == "TIMESTAMP WITH TIME ZONE" and moment.tzinfo is None:
                    moment = moment.replace(tzinfo=dt.UTC)
                return moment
        except ValueError:
            pass
        raise self.refused(node)

    def refused(self, node: Node) -> QueryError:
        """Return the error for a node that cannot be read."""
        place = int(node.get("query_location", 0))
        return _unreadable(
            "only comparisons of a column with a constant can be asked for here",
            self._text,
            place,
            hint="for any other condition, `session.sql` over the inventory tells which files: "
            "ask for them by `IN`",
        )


def _unreadable(message: str, text: str, place: int, *, hint: str | None = None) -> QueryError:
    at = place - len(_SELECT)
    if not 0 <= at <= len(text):
        return QueryError(message, hint=hint)
    before = text[:at]
    column = at - (before.rfind("\n") + 1) + 1
    return QueryError(message, hint=hint, detail={"line": before.count("\n") + 1, "column": column})
