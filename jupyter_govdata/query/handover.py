"""What of a session's statements is handed over to the gateway. Runs in the kernel.

A statement that is a scan and no more needs no engine here; of others the gateway computes what it
can. In doubt nothing is handed over: then DuckDB reads rows, as for any other query.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import duckdb
import pyarrow as pa

from jupyter_govdata.query.assets import AssetTables
from jupyter_govdata.query.reads import Reads
from jupyter_govdata.query.split.syntax import Node, tree_of
from jupyter_govdata.query.summaries import computed, rows_of, scanned, summarised
from jupyter_govdata.query.tail import Opened, opened_from

_SUMMARISES = re.compile(r"\b(?:count|sum|min|max|avg|mean|distinct|limit)\b", re.IGNORECASE)
_MACRO = re.compile(r"\b(?:macro|function)\b", re.IGNORECASE)
_HARMLESS = frozenset(
    getattr(duckdb.StatementType, kind)
    for kind in ("SELECT", "EXPLAIN", "CREATE", "INSERT", "UPDATE", "DELETE", "DROP", "COPY")
)
"""Statements after which settings, and what names mean, are what they were."""
_TREES = 64


class Handover:
    """Hands over what is certain to mean the same at the gateway.

    Args:
        connection: The session's.
        assets: The session's assets.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, assets: AssetTables) -> None:
        self._connection = connection
        self._assets = assets
        self._own_functions = False
        """The user has made macros, so `sum` may be another function."""
        self._own_settings = False
        """The user may have changed what names mean, or what form results have."""
        self._unchanged: dict[pa.DataType, bool] = {}
        self._trees: dict[str, str] = {}

    def note(self, statement: duckdb.Statement) -> None:
        """Remember what of a statement that ran lets later ones mean something else."""
        if statement.type == duckdb.StatementType.CREATE:
            self._own_functions |= bool(_MACRO.search(statement.query))
        self._own_settings |= statement.type not in _HARMLESS

    def rows(
        self, text: str, values: Mapping[str, Any], reads: Reads, *, whole: bool
    ) -> Opened | None:
        """Return the result of a SELECT that is a scan and no more, None for any other.

        Args:
            text: Of one SELECT.
            values: Of its parameters.
            reads: What the statement reads.
            whole: Read it to its end.

        Raises:
            GovDataError: The gateway's answer.
            StoppedError: The statement was interrupted.
        """
        tree = None if self._own_settings else self._tree(text)
        found = None if tree is None else scanned(tree, self._assets.table, values)
        if found is None or not all(self._comes_back(kind) for kind in found.schema.types):
            return None
        return opened_from(found.schema, rows_of(found, reads), whole=whole)

    def rest(
        self, text: str, values: Mapping[str, Any], reads: Reads, held: ExitStack
    ) -> str | None:
        """Return a SELECT over what the gateway has computed of this one, None if that is nothing.

        Args:
            text: Of one SELECT.
            values: Of its parameters.
            reads: What the statement reads.
            held: Keeps the gateway's answers.

        Raises:
            GovDataError: The gateway's answer.
            StoppedError: The statement was interrupted.
        """
        tree = self._tree(text) if _SUMMARISES.search(text) and not self._own_functions else None
        if tree is None:
            return None
        found = summarised(self._connection, tree, self._assets.table, values)
        if found is None:
            return None
        computed(self._connection, found, reads, held)
        return found.text

    def _tree(self, text: str) -> Node | None:
        """Return the tree of a text; it costs as much as a small query, so texts are remembered."""
        if self._own_settings:
            return tree_of(self._connection, text)  # some change how a text is read
        known = self._trees.get(text)
        if known is None:
            known = self._trees[text] = json.dumps(tree_of(self._connection, text))
            if len(self._trees) > _TREES:
                del self._trees[next(iter(self._trees))]
        tree: Node | None = json.loads(known)
        return tree

    def _comes_back(self, kind: pa.DataType) -> bool:
        """Return whether DuckDB, by the session's settings, gives a column back as it came."""
        if kind not in self._unchanged:
            empty = pa.table({"c": pa.array([], kind)})
            self._unchanged[kind] = not pa.types.is_nested(kind) and self._back(empty) == kind
        return self._unchanged[kind]

    def _back(self, empty: pa.Table) -> pa.DataType | None:
        try:
            return self._connection.from_arrow(empty).to_arrow_table().schema.field(0).type
        except duckdb.Error:
            return None
