"""Aggregates over one governed asset. Runs in the kernel. Pure."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

import pyarrow as pa

from jupyter_govdata.model.scan import Aggregate
from jupyter_govdata.model.summary import (
    OPERATORS,
    Aggregation,
    ArithmeticTerm,
    ColumnTerm,
    Function,
    Measure,
    NumberTerm,
    Operator,
    Term,
    walk_term,
)
from jupyter_govdata.query.split.exact import comparable
from jupyter_govdata.query.split.select import (
    FUNCTIONS,
    NotSplitError,
    Select,
    Split,
    has_aggregates,
    require_per_row,
)
from jupyter_govdata.query.split.syntax import Node, column


class Grouping:
    """``SELECT ... GROUP BY columns``, a SELECT of aggregates alone, or ``SELECT DISTINCT``."""

    def __init__(self, select: Select, name_of: Callable[[Node], str]) -> None:
        self._select = select
        self._name_of = name_of
        self._keys: dict[str, None] = {}
        self._measures: dict[Measure, str] = {}
        self._casts: dict[str, str] = {}

    def split(self) -> Split:
        """Split the SELECT; its node becomes one over the groups.

        Raises:
            NotSplitError: It groups by more than columns, or computes what the gateway does not.
        """
        node = self._select.node
        self._keys = dict.fromkeys(self._key_columns())
        changed = {
            "select_list": [self._listed(expression) for expression in node["select_list"]],
            "where_clause": self._of_groups(node["having"]),
            "qualify": self._of_groups(node["qualify"]),
            "modifiers": [self._modifier(modifier) for modifier in node["modifiers"]],
        }
        if not self._keys and not self._measures:
            raise NotSplitError
        aggregation = Aggregation(tuple(self._keys), tuple(self._measures))
        fragment = Aggregate(self._select.scan(), aggregation)
        node |= changed | {
            "group_expressions": [],
            "group_sets": [],
            "aggregate_handling": "STANDARD_HANDLING",
            "having": None,
        }
        return Split(fragment, (*self._keys, *self._measures.values()), self._casts)

    def _key_columns(self) -> list[str]:
        node = self._select.node
        expressions = node["group_expressions"]
        if node["aggregate_handling"] == "FORCE_AGGREGATES":
            expressions = [e for e in node["select_list"] if not has_aggregates(e)]
        elif expressions:
            if node["group_sets"] != [list(range(len(expressions)))]:
                raise NotSplitError
        elif not has_aggregates([node["select_list"], node["having"], node["modifiers"]]):
            distinct = {"type": "DISTINCT_MODIFIER", "distinct_on_targets": []}
            if distinct not in node["modifiers"] or node["having"] or node["qualify"]:
                raise NotSplitError
            expressions = node["select_list"]
        return [self._key(expression) for expression in expressions]

    def _key(self, expression: Node) -> str:
        behind = self._select.own(expression)
        found = self._select.column(behind) if behind else None
        if found is None:
            raise NotSplitError
        kind = self._select.table.shown.field(found).type
        if pa.types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType):
            raise NotSplitError
        return found

    def _listed(self, expression: Node) -> Node:
        """Return an expression of the select list, under the name that it had."""
        changed: Node = self._of_groups(expression)
        if not expression["alias"] and expression["class"] != "COLUMN_REF":
            changed = changed | {"alias": self._name_of(expression)}
        return changed

    def _modifier(self, modifier: Node) -> Node:
        if modifier["type"] == "ORDER_MODIFIER":
            orders = [
                o | {"expression": self._of_groups(o["expression"])} for o in modifier["orders"]
            ]
            return modifier | {"orders": orders}
        known = ("LIMIT_MODIFIER", "DISTINCT_MODIFIER")
        if modifier["type"] not in known or modifier.get("distinct_on_targets"):
            raise NotSplitError
        return modifier

    def _of_groups(self, expression: Any) -> Any:
        """Return an expression over groups as one over the gateway's answer."""
        if isinstance(expression, list):
            return [self._of_groups(each) for each in expression]
        if not isinstance(expression, dict):
            return expression
        kind = expression.get("class")
        if kind == "COLUMN_REF":
            return self._reference(expression)
        if kind == "FUNCTION" and expression["function_name"] in FUNCTIONS:
            measured = self._measure(expression)
            return column(self._select.alias, measured) | {"alias": expression["alias"]}
        require_per_row(expression, kind)
        return {key: self._of_groups(value) for key, value in expression.items()}

    def _reference(self, expression: Node) -> Node:
        found = self._select.column(expression)
        if found is None:
            names = expression["column_names"]
            if len(names) == 1 and str(names[0]).lower() in self._select.aliases:
                return expression
            raise NotSplitError
        if found not in self._keys or self._select.is_ambiguous(expression):
            raise NotSplitError
        return expression | {"column_names": [self._select.alias, found]}

    def _measure(self, call: Node) -> str:
        """Return the column of the answer that holds an aggregate."""
        if call["filter"] or call["order_bys"]["orders"] or call["schema"] or call["export_state"]:
            raise NotSplitError
        function = FUNCTIONS[call["function_name"]]
        arguments = call["children"]
        if len(arguments) > 1 or (not arguments and function != "count"):
            raise NotSplitError
        if arguments and not self._counts_rows(call):
            term: Term | None = self._term(arguments[0])
        else:
            term = None
        kind = self._kind(function, term)
        measure = Measure(function, term, bool(call["distinct"]) and function == "count")
        if call["distinct"] and function in ("sum", "avg"):
            raise NotSplitError
        name = self._measures.get(measure)
        if name is None:
            name = f"measure {len(self._measures)}"
            while name in self._select.table.shown.names:
                name += "'"
            self._measures[measure] = name
        if function == "sum" and pa.types.is_integer(kind):
            self._casts[name] = "HUGEINT"
        return name

    def _counts_rows(self, call: Node) -> bool:
        """Return whether a call is ``count(1)``."""
        argument = call["children"][0]
        constant = argument["class"] == "CONSTANT" and not argument["value"]["is_null"]
        return constant and FUNCTIONS[call["function_name"]] == "count" and not call["distinct"]

    def _kind(self, function: Function, term: Term | None) -> pa.DataType:
        """Return the type of what is aggregated, if the function takes it."""
        if term is None:
            return pa.null()
        if not isinstance(term, ColumnTerm):
            if function not in ("sum", "avg"):
                raise NotSplitError
            return pa.float64()
        kind = self._column_kind(term)
        number = (
            pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        )
        if function in ("sum", "avg") and not number:
            raise NotSplitError
        if pa.types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType):
            raise NotSplitError
        return kind

    def _term(self, expression: Node) -> Term:
        """Return what is aggregated: a column or arithmetic of columns.

        Raises:
            NotSplitError: DuckDB's arithmetic of these types is another one than the gateway's.
        """
        term = self._operand(expression)
        if isinstance(term, ColumnTerm):
            return term
        kinds = [
            self._column_kind(node) for node in walk_term(term) if isinstance(node, ColumnTerm)
        ]
        exact = [pa.types.is_decimal(k) or k in (pa.int32(), pa.int64()) for k in kinds]
        if all(map(pa.types.is_float64, kinds)):
            return term
        if all(exact) and any(map(pa.types.is_decimal, kinds)):
            return term
        raise NotSplitError

    def _operand(self, expression: Node) -> Term:
        if expression["class"] == "COLUMN_REF":
            found = self._select.column(expression)
            if found is None or self._select.is_ambiguous(expression):
                raise NotSplitError
            return ColumnTerm(found)
        if expression["class"] == "CONSTANT":
            return NumberTerm(_number(expression["value"]))
        if expression["class"] != "FUNCTION" or expression["function_name"] not in OPERATORS:
            raise NotSplitError
        operands = [self._operand(each) for each in expression["children"]]
        if len(operands) != 2 or all(isinstance(each, NumberTerm) for each in operands):
            raise NotSplitError
        return ArithmeticTerm(cast("Operator", expression["function_name"]), *operands)

    def _column_kind(self, term: ColumnTerm) -> pa.DataType:
        return self._select.table.shown.field(term.column).type


def _number(constant: Node) -> Decimal:
    """Return a number as it is written in the query, if it is exact in double precision, too."""
    kind, value = constant["type"], constant["value"]
    if type(value) is not int or kind["id"] not in ("INTEGER", "BIGINT", "DECIMAL"):
        raise NotSplitError
    number = Decimal(value)
    if kind["id"] == "DECIMAL":
        number = number.scaleb(-kind["type_info"]["scale"])
    if comparable(number, pa.float64()) is None:
        raise NotSplitError
    return number
