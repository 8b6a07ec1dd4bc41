"""``SELECT ... ORDER BY columns LIMIT n`` over one governed asset. Runs in the kernel. Pure."""

from __future__ import annotations

from typing import Any

from jupyter_govdata.model.scan import First, Project
from jupyter_govdata.model.summary import MAX_TOP_ROWS, Order, Top
from jupyter_govdata.query.split.select import NotSplitError, Select, Split, require_per_row
from jupyter_govdata.query.split.syntax import Node


class Ranking:
    """``SELECT ... ORDER BY columns LIMIT n``."""

    def __init__(self, select: Select, nulls_last: bool) -> None:
        self._select = select
        self._nulls_last = nulls_last

    def split(self) -> Split:
        """Split the SELECT; its node becomes one over the first rows.

        Raises:
            NotSplitError: It sorts by more than columns, or does not give one row for each.
        """
        node = self._select.node
        order = tuple(self._order(each) for each in node["modifiers"][0]["orders"])
        limit = node["modifiers"][1]
        rows = self._select.count(limit["limit"]) + (
            self._select.count(limit["offset"]) if limit["offset"] else 0
        )
        if rows > MAX_TOP_ROWS:
            raise NotSplitError
        needed = dict.fromkeys(o.column for o in order)
        for expression in node["select_list"]:
            self._use(expression, needed)
        names = self._select.table.shown.names
        shown = tuple(name for name in names if name in needed)
        scan = self._select.scan()
        node["where_clause"] = None
        return Split(First(Project(scan, shown), Top(order, rows)), shown)

    def _order(self, order: Node) -> Order:
        expression = self._select.own(order["expression"])
        column = self._select.column(expression) if expression else None
        plain = order["expression"]
        if column is None or (plain["class"] == "COLUMN_REF" and self._select.is_ambiguous(plain)):
            raise NotSplitError
        nulls = order["null_order"]
        first = not self._nulls_last if nulls == "ORDER_DEFAULT" else nulls == "NULLS FIRST"
        if order["type"] not in ("ORDER_DEFAULT", "ASCENDING", "DESCENDING"):
            raise NotSplitError
        return Order(column, order["type"] == "DESCENDING", first)

    def _use(self, expression: Any, needed: dict[str, None]) -> None:
        """Add the columns that an expression reads; it must give one value a row."""
        if isinstance(expression, list):
            for each in expression:
                self._use(each, needed)
            return
        if not isinstance(expression, dict):
            return
        kind = expression.get("class")
        if kind == "STAR":
            if expression["columns"] or expression["replace_list"] or expression["expr"]:
                raise NotSplitError
            needed.update(dict.fromkeys(self._select.table.shown.names))
            return
        if kind == "COLUMN_REF":
            found = self._select.column(expression)
            if found is None:
                raise NotSplitError
            needed[found] = None
            return
        require_per_row(expression, kind)
        if kind == "WINDOW":
            raise NotSplitError
        self._use(list(expression.values()), needed)
