"""How a table's schema changes when rows with other columns arrive.

Runs in the gateway. Only changes that lose nothing are made: new columns, and wider numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pyarrow as pa
from pyiceberg.io.pyarrow import pyarrow_to_schema
from pyiceberg.schema import Schema
from pyiceberg.table import Table, Transaction

from jupyter_govdata.catalog.types import FIELD_ID, arrow_schema, normalise_schema
from jupyter_govdata.errors import CatalogError


def iceberg_schema(schema: pa.Schema) -> Schema:
    """Return the Iceberg schema of a normalised Arrow schema, with fresh field ids."""
    counter = itertools.count(1)
    numbered = [_numbered(f, next(counter)) for f in schema]
    return pyarrow_to_schema(pa.schema([f.with_type(_nested(f.type, counter)) for f in numbered]))


def _numbered(field: pa.Field, number: int) -> pa.Field:
    return field.with_metadata({**(field.metadata or {}), FIELD_ID: str(number).encode()})


def _nested(kind: pa.DataType, counter: itertools.count[int]) -> pa.DataType:
    def child(field: pa.Field) -> pa.Field:
        numbered = _numbered(field, next(counter))
        return numbered.with_type(_nested(field.type, counter))

    if pa.types.is_list(kind):
        return pa.list_(child(kind.value_field))
    if pa.types.is_struct(kind):
        return pa.struct([child(f) for f in kind])
    if pa.types.is_map(kind):
        return pa.map_(child(kind.key_field), child(kind.item_field))
    return kind


def _bare(kind: pa.DataType) -> pa.DataType:
    """Return a nested type without field ids, docs and nullability, to compare shapes."""
    if pa.types.is_list(kind):
        return pa.list_(pa.field("element", _bare(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, _bare(f.type)) for f in kind])
    if pa.types.is_map(kind):
        return pa.map_(_bare(kind.key_type), _bare(kind.item_type))
    return kind


def wider(first: pa.DataType, second: pa.DataType) -> pa.DataType | None:
    """Return the type that holds the values of both without loss, or None if there is none.

    >>> wider(pa.int32(), pa.int64())
    DataType(int64)
    """
    if _bare(first) == _bare(second):
        return first
    for low, high in ((pa.int32(), pa.int64()), (pa.float32(), pa.float64())):
        if {first, second} == {low, high}:
            return high
    if pa.types.is_decimal(first) and pa.types.is_decimal(second) and first.scale == second.scale:
        return first if first.precision >= second.precision else second
    return None


def evolve_schema(
    table: Table, transaction: Transaction, incoming: pa.Schema, *, asset: str, evolve: bool
) -> Schema:
    """Stage what `incoming` needs and return the schema that the transaction will leave.

    Args:
        table: As it is.
        transaction: Of the table, without changes yet.
        incoming: Arrow schema as the source has it.
        asset: For messages.
        evolve: Permit new columns and wider types.

    Raises:
        CatalogError: An incompatible type (both are named), or a change without `evolve`.
    """
    current = {f.name: f for f in arrow_schema(table.schema())}
    stored = normalise_schema(incoming)
    _refuse_look_alikes(current, stored.names, asset)
    changes: list[pa.Field] = []
    for source, field in zip(incoming, stored, strict=True):
        known = current.get(field.name)
        if known is None:
            changes.append(field)
        elif pa.types.is_null(source.type) or _fits_by_value(source.type, known.type):
            continue
        else:
            kind = wider(known.type, field.type)
            if kind is None:
                raise CatalogError(
                    f"column `{field.name}` of `{asset}` has type `{known.type}`, "
                    f"the new rows have `{source.type}`",
                    hint="convert the column before loading",
                )
            if kind != known.type and _bare(kind) != _bare(known.type):
                changes.append(pa.field(field.name, kind))
    if changes and not evolve:
        names = ", ".join(f"`{f.name}`" for f in changes)
        raise CatalogError(
            f"the new rows would change the schema of `{asset}` ({names})",
            hint="permit schema evolution to add columns or widen types",
        )
    if not changes:
        # UPSTREAM: asking the transaction copies all of the table's metadata.
        return table.schema()
    with transaction.update_schema() as update:
        update.union_by_name(iceberg_schema(pa.schema(changes)))
    return transaction.table_metadata.schema()


def _fits_by_value(source: pa.DataType, target: pa.DataType) -> bool:
    """Return True for types whose values are checked one by one while writing."""
    return bool(pa.types.is_uint64(source) and pa.types.is_int64(target))


def _refuse_look_alikes(current: dict[str, pa.Field], incoming: Sequence[str], asset: str) -> None:
    folded = {name.casefold(): name for name in current}
    for name in incoming:
        other = folded.get(name.casefold())
        if other is not None and other != name:
            raise CatalogError(
                f"column `{name}` differs from `{other}` of `{asset}` only in case",
                hint=f"rename it to `{other}`",
            )
