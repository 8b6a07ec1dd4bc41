"""The planned files as one SQL relation whose columns are `c<field id>`.

Runs in the gateway. Files are read by field id, so renamed columns are found and columns that a
file does not have are NULL, or the constant that the plan gives.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from jupyter_govdata.errors import StorageError
from jupyter_govdata.model.plan import DataFile
from jupyter_govdata.storage.footers import Footer, footer
from jupyter_govdata.storage.pieces import Piece
from jupyter_govdata.storage.side import SideTables
from jupyter_govdata.storage.sql import duckdb_type, identifier, literal, pattern, text

FEW_FILES = 16
"""Up to so many files are looked into before the SQL is chosen."""


@dataclass(frozen=True, slots=True)
class Source:
    """A column to read.

    Args:
        field_id: Iceberg field id.
        kind: Arrow type it is read as.
    """

    field_id: int
    kind: pa.DataType

    @property
    def sql(self) -> str:
        """The column's name in the relation."""
        return f"c{self.field_id}"


def relation(
    chosen: Sequence[Piece],
    columns: Sequence[Source],
    condition: str,
    asset: str,
    side: SideTables,
) -> str:
    """Return a SELECT of the columns over all pieces, filtered.

    Args:
        chosen: What to read; at least one piece.
        columns: At least one column.
        condition: SQL on the relation's columns.
        asset: For messages.
        side: Gets the positions of deleted rows.
    """
    branches = [_branch(group, columns, condition, asset, side) for group in _groups(chosen)]
    return " UNION ALL ".join(branches)


def _groups(chosen: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Yield runs of files that one call can read; anything special stands alone."""

    def special(piece: Piece) -> bool:
        file = piece.file
        return not piece.whole or file.has_deletes or bool(file.constants)

    for alone, run in itertools.groupby(chosen, key=special):
        if alone:
            yield from ([piece] for piece in run)
        else:
            yield list(run)


def _branch(
    run: list[Piece], columns: Sequence[Source], condition: str, asset: str, side: SideTables
) -> str:
    files = [piece.file for piece in run]
    first = run[0]
    held = [c for c in columns if c.field_id not in first.file.constants]
    given = {
        c.field_id: constant_sql(first.file.constants[c.field_id], c.kind)
        for c in columns
        if c.field_id in first.file.constants
    }
    rows: list[str] = []
    if not first.whole:
        rows.append(f"file_row_number >= {first.start} AND file_row_number < {first.stop}")
    if first.file.has_deletes:
        deleted = side.values(positions(first.file))
        rows.append(f"file_row_number NOT IN (SELECT v FROM {deleted})")
    numbered = ", file_row_number = true" if rows else ""
    paths = ", ".join(text(pattern(f.path)) for f in files)
    by_name = _by_name(files, held, asset)
    if by_name is None:
        mapping = _mapping(held or columns[:1])
        call = f"read_parquet([{paths}], schema = {mapping}{numbered})"
        sources = {c.field_id: c.sql for c in held}
    else:
        call = f"read_parquet([{paths}]{numbered})"
        sources = {c.field_id: identifier(by_name[c.field_id]) for c in held}
    shown = ", ".join(f"{(sources | given)[c.field_id]} AS {c.sql}" for c in columns)
    narrowed = f" WHERE {' AND '.join(rows)}" if rows else ""
    return f"SELECT * FROM (SELECT {shown} FROM {call}{narrowed}) WHERE {condition}"


def _mapping(columns: Sequence[Source]) -> str:
    entries = ", ".join(
        f"{c.field_id}: {{name: '{c.sql}', type: {text(duckdb_type(c.kind))}, default_value: NULL}}"
        for c in columns
    )
    return f"MAP {{{entries}}}"


def _by_name(files: list[DataFile], columns: list[Source], asset: str) -> dict[int, str] | None:
    """Return the columns' names in all these files, if every file has each in its own type.

    UPSTREAM: with a `schema` argument DuckDB reads a single file in one thread only, and finds
    the children of nested columns by name; where nothing needs mapping the names do.
    """
    nested = any(pa.types.is_nested(c.kind) for c in columns)
    if not columns or (len(files) > FEW_FILES and not nested):
        return None
    footers = [footer(f.path) for f in files]
    names = [_names(f, columns) for f in footers]
    if names[0] is not None and all(n == names[0] for n in names):
        return names[0]
    if nested and not all(_nested_alike(f, columns) for f in footers):
        raise StorageError(
            f"a nested column of `{asset}` was changed in a way that cannot be read",
            hint="read the columns beside it, or have its steward load the asset again",
        )
    return None


def _names(found: Footer, columns: list[Source]) -> dict[int, str] | None:
    names: dict[int, str] = {}
    for column in columns:
        name, kind = found.fields.get(column.field_id, ("", pa.null()))
        if kind != column.kind:
            return None
        names[column.field_id] = name
    return names if found.clear else None


def _nested_alike(found: Footer, columns: list[Source]) -> bool:
    return all(
        found.fields.get(c.field_id, ("", c.kind))[1] == c.kind
        for c in columns
        if pa.types.is_nested(c.kind)
    )


def positions(file: DataFile) -> pa.Array:
    """Return the positions of a file's deleted rows, ascending."""
    return pa.Array.from_buffers(
        pa.int64(), len(file.deleted) // 8, [None, pa.py_buffer(file.deleted)]
    )


def constant_value(value: Any, kind: pa.DataType) -> pa.Scalar:
    """Return a constant of the plan as an Arrow scalar; Iceberg gives days and microseconds."""
    if isinstance(value, int) and (pa.types.is_temporal(kind)):
        storage = pa.int32() if pa.types.is_date32(kind) else pa.int64()
        return pa.scalar(value, storage).cast(kind)
    return pa.scalar(value, kind)


def constant_sql(value: Any, kind: pa.DataType) -> str:
    """Return a constant of the plan as SQL of the column's type."""
    shown = constant_value(value, kind).as_py()
    if shown is None:
        return f"CAST(NULL AS {duckdb_type(kind)})"
    if isinstance(kind, pa.UuidType):
        return f"CAST({text(str(shown))} AS UUID)"
    return f"CAST({literal(shown, kind)} AS {duckdb_type(kind)})"
