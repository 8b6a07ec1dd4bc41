"""Renders the planned files as one SQL source. Runs in the gateway. Pure.

Columns are read by Iceberg field id, so a renamed column finds its values in old files and a
column that a file does not have reads as NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from jupyter_govdata.errors import StorageError
from jupyter_govdata.model.plan import DataFile, Plan, PlanColumn
from jupyter_govdata.storage.engine import local_path
from jupyter_govdata.storage.sql import identifier, literal, text

_TYPES = {
    "boolean": "BOOLEAN",
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "timestamp_ns": "TIMESTAMP_NS",
    "string": "VARCHAR",
    "uuid": "UUID",
    "binary": "BLOB",
}


def duckdb_type(kind: pa.DataType, column: PlanColumn) -> str:
    """Return DuckDB's type for a column.

    Raises:
        StorageError: A type that this version cannot read.
    """
    if column.type in _TYPES:
        return _TYPES[column.type]
    return _nested(kind, column.name)


def _nested(kind: pa.DataType, name: str) -> str:
    types = pa.types
    if types.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    if types.is_fixed_size_binary(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        return "BLOB"
    if types.is_list(kind) or types.is_large_list(kind):
        return f"{_nested(kind.value_type, name)}[]"
    if types.is_map(kind):
        return f"MAP({_nested(kind.key_type, name)}, {_nested(kind.item_type, name)})"
    if types.is_struct(kind):
        fields = ", ".join(f"{identifier(f.name)} {_nested(f.type, name)}" for f in kind)
        return f"STRUCT({fields})"
    simple = {
        pa.bool_(): "BOOLEAN",
        pa.int32(): "INTEGER",
        pa.int64(): "BIGINT",
        pa.float32(): "FLOAT",
        pa.float64(): "DOUBLE",
        pa.date32(): "DATE",
        pa.time64("us"): "TIME",
        pa.timestamp("us"): "TIMESTAMP",
        pa.timestamp("us", "UTC"): "TIMESTAMP WITH TIME ZONE",
        pa.string(): "VARCHAR",
        pa.large_string(): "VARCHAR",
    }
    if kind not in simple:
        raise StorageError(f"column `{name}` has a type that this version cannot read")
    return simple[kind]


def _escaped(path: str) -> str:
    """Escape glob characters: a file name is a name, never a pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


def source_sql(
    plan: Plan,
    files: Sequence[DataFile],
    columns: Sequence[PlanColumn],
    positions: Callable[[pa.Table], str],
) -> str:
    """Return a SELECT over `files` that gives `columns` by name.

    Args:
        plan: For the Arrow schema.
        files: At least one.
        columns: Needed columns of the plan's schema.
        positions: Registers a table of deleted positions (``pos``) and returns its name.
    """
    schema = pa.ipc.read_schema(pa.py_buffer(plan.arrow_schema))
    groups: dict[tuple[Any, ...], list[DataFile]] = {}
    for file in files:
        constants = tuple(sorted((k, repr(v)) for k, v in file.constants.items()))
        key = (file.path, *constants) if file.has_deletes else constants
        groups.setdefault(key, []).append(file)
    parts = [_group(group, columns, schema, positions) for group in groups.values()]
    return " UNION ALL ".join(parts)


def _group(
    files: Sequence[DataFile],
    columns: Sequence[PlanColumn],
    schema: pa.Schema,
    positions: Callable[[pa.Table], str],
) -> str:
    constants: Mapping[int, Any] = files[0].constants
    stored = [c for c in columns if c.field_id not in constants]
    types = {c.name: duckdb_type(schema.field(c.name).type, c) for c in columns}
    mapping = ", ".join(
        f"{c.field_id}: {{'name': {text(c.name)}, 'type': {text(types[c.name])}, "
        "'default_value': NULL}"
        for c in stored
    )
    paths = ", ".join(text(_escaped(local_path(f.path))) for f in files)
    options = f", schema = MAP {{{mapping}}}" if stored else ""
    if files[0].has_deletes:
        options += ", file_row_number = true"
    shown = ", ".join(
        identifier(c.name)
        if c.field_id not in constants
        else f"{_constant(constants[c.field_id])}::{types[c.name]} AS {identifier(c.name)}"
        for c in columns
    )
    select = f"SELECT {shown or '1'} FROM read_parquet([{paths}]{options})"
    if not files[0].has_deletes:
        return select
    deleted = pa.table(
        {
            "pos": pa.Array.from_buffers(
                pa.int64(), len(files[0].deleted) // 8, [None, pa.py_buffer(files[0].deleted)]
            )
        }
    )
    table = identifier(positions(deleted))
    return f"{select} WHERE file_row_number NOT IN (SELECT pos FROM {table})"


def _constant(value: Any) -> str:
    return "NULL" if value is None else literal(value)
