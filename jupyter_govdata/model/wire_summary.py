"""JSON forms of aggregates and orders: strict and bounded. Runs everywhere, trusts nothing."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from jupyter_govdata.errors import ProtocolError
from jupyter_govdata.model.summary import (
    FUNCTIONS,
    MAX_KEYS,
    MAX_MEASURES,
    MAX_TERM_NODES,
    OPERATORS,
    Aggregation,
    ArithmeticTerm,
    ColumnTerm,
    Measure,
    NumberTerm,
    Order,
    Term,
    Top,
    walk_term,
)

MAX_NAME = 1_000
MAX_TERM_DEPTH = 16
_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?")


def aggregation_to_wire(aggregation: Aggregation) -> dict[str, Any]:
    """Return the JSON form of an aggregation."""
    return {
        "keys": list(aggregation.keys),
        "measures": [
            {
                "function": measure.function,
                "term": None if measure.term is None else _term_to_wire(measure.term),
                "distinct": measure.distinct,
            }
            for measure in aggregation.measures
        ],
    }


def aggregation_from_wire(data: Any) -> Aggregation:
    """Reverse `aggregation_to_wire`.

    Raises:
        ProtocolError: Malformed.
    """
    _object(data, "keys", "measures")
    keys = _list(data["keys"], MAX_KEYS)
    measures = _list(data["measures"], MAX_MEASURES)
    return Aggregation(tuple(map(_name, keys)), tuple(map(_measure, measures)))


def top_to_wire(top: Top) -> dict[str, Any]:
    """Return the JSON form of an order and its number of rows."""
    order = [
        {"column": o.column, "descending": o.descending, "nulls_first": o.nulls_first}
        for o in top.order
    ]
    return {"order": order, "rows": top.rows}


def top_from_wire(data: Any) -> Top:
    """Reverse `top_to_wire`.

    Raises:
        ProtocolError: Malformed.
    """
    _object(data, "order", "rows")
    rows = data["rows"]
    if not isinstance(rows, int) or isinstance(rows, bool):
        raise ProtocolError("a number of rows is a whole number")
    return Top(tuple(map(_order, _list(data["order"], MAX_KEYS))), rows)


def _measure(data: Any) -> Measure:
    _object(data, "function", "term", "distinct")
    if data["function"] not in FUNCTIONS:
        raise ProtocolError("an aggregate has an unknown function")
    term = None if data["term"] is None else _term(data["term"], 0)
    if term is not None and sum(1 for _ in walk_term(term)) > MAX_TERM_NODES:
        raise ProtocolError(f"a term has at most {MAX_TERM_NODES} nodes")
    return Measure(data["function"], term, _flag(data["distinct"]))


def _term_to_wire(term: Term) -> dict[str, Any]:
    match term:
        case ColumnTerm(column):
            return {"column": column}
        case NumberTerm(value):
            return {"number": str(value)}
        case ArithmeticTerm(operator, left, right):
            sides = {"left": _term_to_wire(left), "right": _term_to_wire(right)}
            return {"operator": operator, **sides}


def _term(data: Any, depth: int) -> Term:
    if not isinstance(data, dict) or depth > MAX_TERM_DEPTH:
        raise ProtocolError(f"a term is an object, nested at most {MAX_TERM_DEPTH} deep")
    if "column" in data:
        _object(data, "column")
        return ColumnTerm(_name(data["column"]))
    if "number" in data:
        _object(data, "number")
        return NumberTerm(_number(data["number"]))
    _object(data, "operator", "left", "right")
    if data["operator"] not in OPERATORS:
        raise ProtocolError("a term has an unknown operator")
    return ArithmeticTerm(
        data["operator"], _term(data["left"], depth + 1), _term(data["right"], depth + 1)
    )


def _order(data: Any) -> Order:
    _object(data, "column", "descending", "nulls_first")
    return Order(_name(data["column"]), _flag(data["descending"]), _flag(data["nulls_first"]))


def _object(data: Any, *keys: str) -> None:
    if not isinstance(data, dict) or set(data) != set(keys):
        raise ProtocolError(f"expected an object with {', '.join(keys)} and nothing else")


def _list(data: Any, most: int) -> list[Any]:
    if not isinstance(data, list) or len(data) > most:
        raise ProtocolError(f"expected a list of at most {most}")
    return data


def _name(data: Any) -> str:
    if not isinstance(data, str) or len(data) > MAX_NAME:
        raise ProtocolError("a column is named by text")
    return data


def _flag(data: Any) -> bool:
    if not isinstance(data, bool):
        raise ProtocolError("expected true or false")
    return data


def _number(data: Any) -> Decimal:
    if not isinstance(data, str) or not _NUMBER.fullmatch(data):
        raise ProtocolError("a number does not parse")
    return Decimal(data)
