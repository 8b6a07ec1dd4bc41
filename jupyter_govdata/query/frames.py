"""Local tables of the notebook that a query names. Runs in the kernel.

DuckDB's own search for Python variables is switched off: it would look into the frames of the
thread that runs the query, which are ours. What the SQL names is registered for the query only.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import duckdb

from jupyter_govdata.errors import QueryError
from jupyter_govdata.query.result import QueryResult

_UNKNOWN = re.compile(r"Data type '(.+)' not recognized")


def is_frame(value: Any) -> bool:
    """Return whether a value is a table that SQL may read.

    pandas and polars frames, Arrow tables, batches and readers, DuckDB relations, results, and
    everything with `__arrow_c_stream__`. Nothing is imported: a frame's library is loaded.
    """
    if isinstance(value, type):
        return False
    if isinstance(value, QueryResult | duckdb.DuckDBPyRelation):
        return True
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, pandas.DataFrame):
        return True
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(value, polars.LazyFrame):
        return True
    return hasattr(value, "__arrow_c_stream__") and not _is_column(value)


def _is_column(value: Any) -> bool:
    return type(value).__name__ in ("Series", "ChunkedArray")


@contextmanager
def registered(
    connection: duckdb.DuckDBPyConnection, words: Iterable[str], frames: Mapping[str, Any]
) -> Iterator[tuple[str, ...]]:
    """Make the frames that `words` name readable as tables, inside the block.

    A table or view of that name in the connection's own schema comes first.

    Raises:
        QueryError: A frame has a column of a type that DuckDB does not know.
    """
    named = [w for w in sorted(set(words)) if w in frames and is_frame(frames[w])]
    taken = _tables(connection) if named else frozenset()
    names = [name for name in named if name.lower() not in taken]
    try:
        for name in names:
            _register(connection, name, _readable(frames[name]))
        yield tuple(names)
    finally:
        for name in names:
            connection.unregister(name)


def _register(connection: duckdb.DuckDBPyConnection, name: str, frame: Any) -> None:
    try:
        connection.register(name, frame)
    except duckdb.NotImplementedException as error:
        unknown = _UNKNOWN.search(str(error))
        if unknown is None:
            raise
        dtypes = getattr(frame, "dtypes", {})
        column = next((str(c) for c, kind in dtypes.items() if str(kind) == unknown[1]), "")
        place = f"column `{column}` of `{name}`" if column else f"a column of `{name}`"
        raise QueryError(
            f"{place} has the type `{unknown[1]}`, which SQL has no word for",
            hint="convert it, for example with `.astype(str)`, or leave it out",
        ) from None


def results_read(
    connection: duckdb.DuckDBPyConnection,
    queries: Iterable[str],
    results: Mapping[str, QueryResult],
) -> list[QueryResult]:
    """Return the earlier results that statements read, by what DuckDB's parser says.

    Args:
        connection: The session's; an open stream of it lives on.
        queries: Statements; of those that are no SELECT, every result that they name counts.
        results: By the name the SQL uses.
    """
    if not results:
        return []
    read: set[str] = set()
    cursor = connection.cursor()
    try:
        for query in queries:
            row = cursor.execute("SELECT json_serialize_sql($1)", [query]).fetchone()
            tree = json.loads(row[0]) if row else {}
            refused = tree.get("error", True)
            read |= results.keys() if refused else results.keys() & set(_named(tree))
    finally:
        cursor.close()
    return [results[name] for name in sorted(read)]


def _named(node: Any) -> Iterator[str]:
    """Yield the tables that a syntax tree of DuckDB names without a schema."""
    if isinstance(node, dict):
        if node.get("type") == "BASE_TABLE" and not node.get("schema_name"):
            yield str(node.get("table_name"))
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _named(child)


def _tables(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    rows = connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
    ).fetchall()
    return frozenset(str(name).lower() for (name,) in rows)


def _readable(frame: Any) -> Any:
    if isinstance(frame, QueryResult):
        return frame.arrow()
    if isinstance(frame, duckdb.DuckDBPyRelation):
        return frame.to_arrow_table()
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(frame, polars.LazyFrame):
        frame = frame.collect()
    if polars is not None and isinstance(frame, polars.DataFrame):
        return frame.to_arrow()
    return frame
