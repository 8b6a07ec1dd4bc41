"""What a summary means, in DuckDB's SQL: the oracle of the tests, written for readers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jupyter_govdata.model.summary import ColumnTerm, NumberTerm, Summary, Top


def told(summary: Summary, shown: Sequence[str]) -> str:
    """Return a SELECT from the table `t`, whose columns have their own names."""
    if isinstance(summary, Top):
        order = ", ".join(
            f'"{o.column}" {"DESC" if o.descending else "ASC"} '
            f"NULLS {'FIRST' if o.nulls_first else 'LAST'}"
            for o in summary.order
        )
        columns = ", ".join(f'"{name}"' for name in shown)
        return f"SELECT {columns} FROM t ORDER BY {order} LIMIT {summary.rows}"
    keys = [f'"{key}"' for key in summary.keys]
    measures = []
    for measure in summary.measures:
        inner = "*" if measure.term is None else said(measure.term)
        measures.append(f"{measure.function}({'DISTINCT ' if measure.distinct else ''}{inner})")
    grouped = f" GROUP BY {', '.join(keys)}" if keys else ""
    return f"SELECT {', '.join([*keys, *measures])} FROM t{grouped}"


def said(term: Any) -> str:
    if isinstance(term, ColumnTerm):
        return f'"{term.column}"'
    if isinstance(term, NumberTerm):
        return f"{term.value}"
    return f"({said(term.left)} {term.operator} {said(term.right)})"
