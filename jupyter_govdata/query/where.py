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
    return _Reader(text).condition(node["where_clause"], negated=False)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text

    def condition(self, node: Node, *, negated: bool) -> Predicate:
        kind = node["type"]
        if kind in ("CONJUNCTION_AND", "CONJUNCTION_OR"):
            parts = [self.condition(child, negated=negated) for child in node["children"]]
            return all_of(*parts) if (kind == "CONJUNCTION_AND") != negated else any_of(*parts)
        if kind == "OPERATOR_NOT":
            return self.condition(node["children"][0], negated=not negated)
        if kind in _OPS:
            return self._comparison(node, _OPS[kind], negated=negated)
        if kind in ("COMPARE_IN", "COMPARE_NOT_IN"):
            column, *values = node["children"]
            wanted = tuple(self._value(value) for value in values)
            return In(self._column(column), wanted, (kind == "COMPARE_NOT_IN") != negated)
        if kind in ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"):
            column = self._column(node["children"][0])
            return IsNull(column, (kind == "OPERATOR_IS_NOT_NULL") != negated)
        if kind == "COMPARE_BETWEEN":
            return self._between(node, negated=negated)
        if kind == "COLUMN_REF":
            return Compare(self._column(node), "=", not negated)
        raise self._refused(node)

    def _comparison(self, node: Node, op: Op, *, negated: bool) -> Predicate:
        left, right = node["left"], node["right"]
        if left["type"] != "COLUMN_REF":
            left, right, op = right, left, MIRRORED[op]
        return Compare(self._column(left), NEGATED[op] if negated else op, self._value(right))

    def _between(self, node: Node, *, negated: bool) -> Predicate:
        column = self._column(node["input"])
        lower, upper = self._value(node["lower"]), self._value(node["upper"])
        if negated:
            return any_of(Compare(column, "<", lower), Compare(column, ">", upper))
        return all_of(Compare(column, ">=", lower), Compare(column, "<=", upper))

    def _column(self, node: Node) -> str:
        if node["type"] != "COLUMN_REF" or len(node["column_names"]) != 1:
            raise self._refused(node)
        return str(node["column_names"][0])

    def _value(self, node: Node) -> Value:
        if node["type"] == "OPERATOR_CAST":
            return self._cast(node)
        if node["type"] != "VALUE_CONSTANT" or node["value"]["is_null"]:
            raise self._refused(node)
        kind, value = node["value"]["type"], node["value"]["value"]
        if kind["id"] == "DECIMAL":
            return Decimal(value).scaleb(-kind["type_info"]["scale"])
        if kind["id"] == "DOUBLE":
            # `1e6` is meant as a number, also for a column of whole ones.
            return int(value) if float(value).is_integer() else float(value)
        if kind["id"] in _WHOLE or kind["id"] == "VARCHAR":
            return cast("Value", value)
        raise self._refused(node)

    def _cast(self, node: Node) -> Value:
        text, kind = self._value(node["child"]), node["cast_type"]["id"]
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
        raise self._refused(node)

    def _refused(self, node: Node) -> QueryError:
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
