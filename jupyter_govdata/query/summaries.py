"""Lets the gateway compute what it can of a statement. Runs in the kernel.

A statement that is a scan and no more needs no engine here. Of others, the gateway's answers become
tables of the connection, and the statement is written anew over them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from jupyter_govdata.errors import QueryError
from jupyter_govdata.model.scan import ScanRequest
from jupyter_govdata.query.dataset import (
    GovernedDataset,
    StreamDataset,
    outdated,
    plain_schema,
)
from jupyter_govdata.query.reads import Reads
from jupyter_govdata.query.split.plain import Plain, plain
from jupyter_govdata.query.split.split import NotSplitError, Split, split
from jupyter_govdata.query.split.syntax import Node, name_of, selects, text_of

_SMALL = 50_000
"""Rows of an asset up to which its rows come as fast as any answer."""
_NULLS_LAST = {"nulls_last": True, "nulls_first": False}
_numbers = itertools.count(1)

Tables = Callable[[str, str, str], GovernedDataset | None]


@dataclass(frozen=True, slots=True)
class Summarised:
    """A statement over what the gateway computes.

    Args:
        text: The statement.
        splits: What the gateway is to compute, by the name that the text gives it.
    """

    text: str
    splits: Mapping[str, Split]


def summarised(
    connection: duckdb.DuckDBPyConnection, tree: Node, tables: Tables, values: Mapping[str, Any]
) -> Summarised | None:
    """Return a SELECT over what the gateway can compute of it, None if that is nothing.

    Args:
        connection: The session's, without an open stream.
        tree: Of one statement, which may be changed.
        tables: Returns the asset that a catalog, a schema and a name stand for.
        values: Of the statement's parameters.
    """
    found = [(node, table) for node in selects(tree) if (table := _large(node, tables))]
    nulls_last = _nulls_last(connection) if found else None
    if nulls_last is None:
        return None
    splits: dict[str, Split] = {}
    for node, table in found:
        name = f"governed summary {next(_numbers)}"
        with suppress(NotSplitError):
            splits[name] = split(
                node, table, values, nulls_last, name, lambda e: name_of(connection, e)
            )
    written = text_of(connection, tree) if splits else None
    return None if written is None else Summarised(written, splits)


def computed(
    connection: duckdb.DuckDBPyConnection, summaries: Summarised, reads: Reads, held: ExitStack
) -> None:
    """Have the gateway compute everything, and make its answers tables while `held` is open.

    Raises:
        GovDataError: The gateway's answer.
        StoppedError: The statement was interrupted.
    """
    for name, part in summaries.splits.items():
        answer = _answer(part, reads)
        held.callback(_drop, connection, name)
        connection.register("governed answer", answer)
        try:
            columns = ", ".join(_column(each, part.casts.get(each)) for each in part.columns)
            connection.execute(
                f'CREATE TEMP TABLE "{name}" AS SELECT {columns} FROM "governed answer"'
            )
        finally:
            connection.unregister("governed answer")


def scanned(tree: Node, tables: Tables, values: Mapping[str, Any]) -> Plain | None:
    """Return the scan that a whole statement is, or None if it is anything else.

    Args:
        tree: Of one statement.
        tables: Returns the asset that a catalog, a schema and a name stand for.
        values: Of the statement's parameters.
    """
    node = tree["statements"][0]["node"]
    table = _asset(node, tables) if node["type"] == "SELECT_NODE" else None
    if table is None:
        return None
    with suppress(NotSplitError):
        return plain(node, table, values)
    return None


def rows_of(found: Plain, reads: Reads) -> Iterator[pa.RecordBatch]:
    """Start the scan and return its rows, in the form of the result.

    Raises:
        GovDataError: The gateway's answer.
        StaleDecisionError: The asset has other columns than the card says.
        StoppedError: The statement was interrupted.
    """
    opened = reads.open(ScanRequest(found.fragment, reads.purpose))
    told = plain_schema(opened.stream.schema)
    expected = dict(zip(found.columns, found.schema.types, strict=True))
    if {field.name: field.type for field in told} != expected:
        opened.stream.cancel()
        stale = outdated(found.asset)
        reads.fail(stale)
        raise stale
    return reads.batches(opened, found.columns, found.schema, ())


def _asset(node: Mapping[str, Any], tables: Tables) -> GovernedDataset | None:
    source = node["from_table"]
    if source["type"] != "BASE_TABLE" or source.get("at_clause"):
        return None
    return tables(source["catalog_name"], source["schema_name"], source["table_name"])


def _large(node: Mapping[str, Any], tables: Tables) -> GovernedDataset | None:
    table = _asset(node, tables)
    if table is None:
        return None
    snapshot = table.view.snapshot
    rows = None if snapshot is None else snapshot.total_rows
    return table if rows is None or rows > _SMALL else None


def _nulls_last(connection: duckdb.DuckDBPyConnection) -> bool | None:
    """Return where NULL is sorted; None if settings of the user change what a query means."""
    row = connection.execute(
        "SELECT current_setting('default_null_order'), current_setting('default_order'), "
        "current_setting('default_collation'), current_setting('TimeZone'), "
        "current_setting('ieee_floating_point_ops'), current_database()"
    ).fetchone()
    assert row is not None
    nulls, order, *others = (str(value).lower() for value in row)
    if not order.startswith("asc") or others not in (
        ["", "utc", "true", "memory"],
        ["binary", "utc", "true", "memory"],
    ):
        return None
    return _NULLS_LAST.get(nulls)


def _answer(part: Split, reads: Reads) -> StreamDataset:
    opened = reads.open(ScanRequest(part.fragment, reads.purpose))
    told = plain_schema(opened.stream.schema)
    if len(told) != len(part.columns):
        opened.stream.cancel()
        raise QueryError("the gateway computed something else")
    schema = pa.schema([f.with_name(n) for f, n in zip(told, part.columns, strict=True)])
    batches = reads.batches(opened, told.names, schema, ())
    return StreamDataset(schema, batches)


def _column(name: str, cast: str | None) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    return quoted if cast is None else f"CAST({quoted} AS {cast}) AS {quoted}"


def _drop(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    with suppress(duckdb.Error):  # a transaction of the user's may have undone it
        connection.execute(f'DROP TABLE IF EXISTS temp."{name}"')
