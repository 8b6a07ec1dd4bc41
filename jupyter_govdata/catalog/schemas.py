"""Changes of columns that move no rows.

Runs in the gateway. INVARIANT: a change of a table with data also makes a snapshot (without new
files), so that a pin to a snapshot id always means one schema.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from pyiceberg.table import Table, Transaction

from jupyter_govdata.catalog.committing import Change, summary
from jupyter_govdata.catalog.evolving import iceberg_schema
from jupyter_govdata.catalog.types import normalise_schema
from jupyter_govdata.errors import CatalogError, ColumnNotFoundError


def rename(asset: str, old: str, new: str, provenance: Mapping[str, str]) -> Change:
    """Return the change that renames a column."""

    def change(table: Table, transaction: Transaction) -> int | None:
        _require(table, asset, old)
        others = [n for n in _names(table) if n != old]
        _refuse_taken(asset, others, new)
        with transaction.update_schema() as update:
            update.rename_column(old, new)
        return _marked(transaction, f"rename column {old} to {new}", provenance)

    return change


def add(asset: str, column: pa.Field, provenance: Mapping[str, str]) -> Change:
    """Return the change that adds a column."""
    stored = normalise_schema(pa.schema([column]))

    def change(table: Table, transaction: Transaction) -> int | None:
        _refuse_taken(asset, _names(table), column.name)
        with transaction.update_schema() as update:
            update.union_by_name(iceberg_schema(stored))
        return _marked(transaction, f"add column {column.name}", provenance)

    return change


def drop(asset: str, column: str, provenance: Mapping[str, str]) -> Change:
    """Return the change that removes a column."""

    def change(table: Table, transaction: Transaction) -> int | None:
        _require(table, asset, column)
        field_id = table.schema().find_field(column).field_id
        if any(f.source_id == field_id for f in table.spec().fields):
            raise CatalogError(f"`{asset}` is partitioned by `{column}`")
        if len(_names(table)) == 1:
            raise CatalogError(f"`{column}` is the only column of `{asset}`")
        with transaction.update_schema() as update:
            update.delete_column(column)
        return _marked(transaction, f"drop column {column}", provenance)

    return change


def _names(table: Table) -> list[str]:
    return [f.name for f in table.schema().fields]


def _require(table: Table, asset: str, column: str) -> None:
    if column not in _names(table):
        raise ColumnNotFoundError(f"`{asset}` has no column `{column[:200]}`")


def _refuse_taken(asset: str, names: list[str], new: str) -> None:
    if new.casefold() in {n.casefold() for n in names}:
        raise CatalogError(f"`{asset}` has a column `{new}` already")
    if not new or len(new) > 255:
        raise CatalogError("a column needs a name of 1 to 255 characters")


def _marked(transaction: Transaction, what: str, provenance: Mapping[str, str]) -> int | None:
    if transaction.table_metadata.current_snapshot() is None:
        return None
    told = summary({"change": what, **provenance})
    with transaction.update_snapshot(snapshot_properties=told).fast_append() as update:
        pass
    return update.snapshot_id
