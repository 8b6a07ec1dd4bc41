"""Arrow types in and out of Iceberg.

Runs in the gateway; trusts nothing of the data it is given. Iceberg has fewer types than Arrow:
what fits without loss is normalised, what does not is refused with the column's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pyarrow as pa
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.schema import Schema

from jupyter_govdata.errors import CatalogError

FIELD_ID = b"PARQUET:field_id"
_DOC = re.compile(r"(?s)(.*?)(?:\s*\[([^\[\]]{1,40})\])?")


def rebuild(kind: pa.DataType, leaf: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """Return `kind` with `leaf` applied to its innermost types; every list becomes a plain list."""
    if (
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
    ):
        child = kind.value_field
        return pa.list_(child.with_name("element").with_type(rebuild(child.type, leaf)))
    if pa.types.is_struct(kind):
        return pa.struct([f.with_type(rebuild(f.type, leaf)) for f in kind])
    if pa.types.is_map(kind):
        key, item = kind.key_field, kind.item_field
        return pa.map_(
            key.with_type(rebuild(key.type, leaf)), item.with_type(rebuild(item.type, leaf))
        )
    return leaf(kind)


def small(kind: pa.DataType) -> pa.DataType:
    """Return the type with 32-bit offsets that holds the same values."""
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.binary()
    return kind


def arrow_schema(schema: Schema) -> pa.Schema:
    """Return the Arrow schema that rows of an Iceberg schema are read as.

    Text and binary have 32-bit offsets, ``fixed`` is binary, every column is nullable (a mask
    may make it NULL) and carries its field id as ``PARQUET:field_id``.
    """
    full = schema_to_pyarrow(schema, include_field_ids=True)
    return pa.schema([f.with_type(rebuild(f.type, small)).with_nullable(True) for f in full])


def _decimal(kind: pa.DataType) -> pa.DataType | None:
    precision, scale = kind.precision, kind.scale
    if scale < 0:
        precision, scale = precision - scale, 0
    return pa.decimal128(precision, scale) if precision <= 38 else None


def _integer(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_uint64(kind):
        return pa.decimal128(20, 0)
    return pa.int64() if kind.bit_width == 64 or pa.types.is_uint32(kind) else pa.int32()


def _is_text(kind: pa.DataType) -> bool:
    # A column without any value has no type; text can hold whatever comes later.
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return pa.types.is_null(kind) or any(test(kind) for test in tests)


def _is_binary(kind: pa.DataType) -> bool:
    types = pa.types
    tests = (types.is_binary, types.is_large_binary, types.is_binary_view)
    return types.is_fixed_size_binary(kind) or any(test(kind) for test in tests)


_STORED: tuple[
    tuple[Callable[[pa.DataType], bool], Callable[[pa.DataType], pa.DataType | None]], ...
] = (
    (
        lambda t: pa.types.is_dictionary(t) or pa.types.is_run_end_encoded(t),
        lambda t: rebuild(t.value_type, _leaf_or_refuse),
    ),
    (lambda t: isinstance(t, pa.UuidType), lambda t: t),
    (
        lambda t: isinstance(t, pa.BaseExtensionType),
        lambda t: rebuild(t.storage_type, _leaf_or_refuse),
    ),
    (pa.types.is_boolean, lambda t: t),
    (pa.types.is_integer, _integer),
    (pa.types.is_float64, lambda t: t),
    (pa.types.is_floating, lambda _: pa.float32()),
    (pa.types.is_decimal, _decimal),
    (_is_text, lambda _: pa.string()),
    (_is_binary, lambda _: pa.binary()),
    (pa.types.is_date, lambda _: pa.date32()),
    (pa.types.is_time, lambda _: pa.time64("us")),
    (
        pa.types.is_timestamp,
        lambda t: pa.timestamp("us", tz=None if t.tz is None else "UTC"),
    ),
)


def _leaf(kind: pa.DataType) -> pa.DataType | None:
    """Return the type that Iceberg stores for an Arrow type without children, or None."""
    return next((stored(kind) for test, stored in _STORED if test(kind)), None)


class _NoTypeError(Exception):
    """Iceberg has no type for this one."""


def _leaf_or_refuse(kind: pa.DataType) -> pa.DataType:
    found = _leaf(kind)
    if found is None:
        raise _NoTypeError(str(kind))
    return found


def normalise_type(kind: pa.DataType) -> pa.DataType | None:
    """Return the Arrow type that a column of `kind` is stored as, or None if there is none."""
    try:
        return rebuild(kind, _leaf_or_refuse)
    except _NoTypeError:
        return None


def normalise_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema that Iceberg stores for an Arrow schema, losing no value.

    Dictionaries are decoded; integers become 32 or 64 bits signed, ``uint64`` becomes
    ``decimal(20, 0)``; times and timestamps have microseconds (a nanosecond value that does not
    fit is refused while writing), a zone becomes UTC; lists of any kind become lists; columns
    without a type (``null``) become text. All columns are optional.

    Raises:
        CatalogError: A type that Iceberg has no place for, or names that differ only in case.
    """
    fields: list[pa.Field] = []
    seen: dict[str, str] = {}
    for field in schema:
        known = seen.setdefault(field.name.casefold(), field.name)
        if len(seen) != len(fields) + 1:
            raise CatalogError(
                f"columns `{known}` and `{field.name}` cannot be told apart",
                hint="SQL ignores case: rename one of them",
            )
        if not field.name or len(field.name) > 255:
            raise CatalogError("a column needs a name of 1 to 255 characters")
        stored = normalise_type(field.type)
        if stored is None:
            raise CatalogError(
                f"column `{field.name}` has type `{field.type}`, which cannot be stored",
                hint="convert it first, e.g. to text or a whole number",
            )
        fields.append(pa.field(field.name, stored, metadata=_doc_metadata(field)))
    if not fields:
        raise CatalogError("a table needs at least one column")
    return pa.schema(fields)


def _doc_metadata(field: pa.Field) -> dict[bytes, bytes] | None:
    """Return the metadata from which pyiceberg takes a column's doc: ``description [unit]``."""
    told = field.metadata or {}
    text = (told.get(b"description") or told.get(b"doc") or b"").decode("utf-8", "replace").strip()
    unit = (told.get(b"unit") or b"").decode("utf-8", "replace").strip()
    if unit and not text.endswith(f"[{unit}]"):
        text = f"{text} [{unit}]".strip()
    return {b"doc": text.encode()} if text else None


def split_doc(doc: str | None) -> tuple[str, str]:
    """Return description and unit of a column's doc.

    >>> split_doc("Age at inclusion [years]")
    ('Age at inclusion', 'years')
    """
    match = _DOC.fullmatch((doc or "").strip())
    return (match[1], match[2] or "") if match else (doc or "", "")


def conform(
    reader: pa.RecordBatchReader, target: pa.Schema, asset: str
) -> Iterator[pa.RecordBatch]:
    """Yield the reader's batches in the columns and types of `target`; missing columns are NULL.

    Raises:
        CatalogError: A value does not fit the type; the message names column and types.
    """
    for batch in reader:
        yield pa.RecordBatch.from_arrays(
            [_column(batch, field, asset) for field in target], schema=target
        )


def _column(batch: pa.RecordBatch, field: pa.Field, asset: str) -> pa.Array:
    index = batch.schema.get_field_index(field.name)
    if index < 0:
        return pa.nulls(batch.num_rows, field.type)
    array = batch.column(index)
    if array.type == field.type:
        return array
    try:
        return _cast(array, field.type)
    except (pa.ArrowException, ValueError) as exc:
        raise CatalogError(
            f"column `{field.name}` of `{asset}`: a value of type `{array.type}` does not fit "
            f"`{field.type}` without loss",
            hint="convert the column before loading",
        ) from exc


def _cast(array: pa.Array, target: pa.DataType) -> pa.Array:
    if isinstance(array, pa.ExtensionArray) and not isinstance(target, pa.BaseExtensionType):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
        if array.type == target:
            return array
    if pa.types.is_run_end_encoded(array.type):
        array = pa.compute.run_end_decode(array)
        if array.type == target:
            return array
    return array.cast(target, safe=True)
