"""Rows into a table: append, overwrite, or the first load of a new one.

Runs in the gateway; the rows come from an untrusted client. Files are written first, then one
commit makes one snapshot; a load that fails leaves no snapshot and no file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import pyarrow as pa
from pyiceberg.catalog import Catalog as IceCatalog
from pyiceberg.exceptions import NamespaceAlreadyExistsError
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io import load_file_io
from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema
from pyiceberg.table import CreateTableTransaction, Table, Transaction
from pyiceberg.table.locations import load_location_provider

from jupyter_govdata.catalog.committing import (
    TABLE_PROPERTIES,
    commit,
    commit_lock,
    summary,
)
from jupyter_govdata.catalog.errors import FOREIGN, catalog_errors, mapped
from jupyter_govdata.catalog.evolving import evolve_schema, iceberg_schema
from jupyter_govdata.catalog.files import recorded, remove
from jupyter_govdata.catalog.partition import partition_spec
from jupyter_govdata.catalog.types import arrow_schema, conform, normalise_schema
from jupyter_govdata.catalog.writing import Limits, StagedFiles
from jupyter_govdata.errors import CatalogError
from jupyter_govdata.model.asset import namespace_of

Mode = Literal["append", "overwrite", "create"]
Rows: TypeAlias = pa.Table | pa.RecordBatchReader


def as_reader(data: Rows) -> pa.RecordBatchReader:
    """Return the rows as a stream of batches."""
    return data.to_reader(max_chunksize=122_880) if isinstance(data, pa.Table) else data


def ensure_namespace(catalog: IceCatalog, asset: str) -> None:
    """Create the asset's namespace if it is not there."""
    namespace = namespace_of(asset)
    if not catalog.namespace_exists(namespace):
        try:
            catalog.create_namespace(namespace)
        except NamespaceAlreadyExistsError:
            return


def new_table(
    catalog: IceCatalog,
    asset: str,
    schema: pa.Schema,
    partition_by: Sequence[str],
    properties: Mapping[str, str],
) -> CreateTableTransaction:
    """Return a transaction that creates the table; nothing is visible before it commits."""
    ensure_namespace(catalog, asset)
    if catalog.table_exists(asset):
        raise CatalogError(
            f"asset `{asset}` exists already", hint="append to it, or choose another name"
        )
    shape = iceberg_schema(normalise_schema(schema))
    return catalog.create_table_transaction(
        asset,
        shape,
        partition_spec=partition_spec(shape, partition_by),
        properties={**TABLE_PROPERTIES, **properties},
    )


def create_and_load(
    catalog: IceCatalog,
    asset: str,
    reader: pa.RecordBatchReader,
    *,
    partition_by: Sequence[str],
    provenance: Mapping[str, str],
    limits: Limits | None,
) -> tuple[Table, int]:
    """Create the table and load its first rows in one commit."""
    with catalog_errors(asset), commit_lock(asset):
        transaction = new_table(catalog, asset, reader.schema, partition_by, {})
        metadata = transaction.table_metadata
        io = load_file_io(dict(catalog.properties), metadata.location)
        with recorded(metadata.location) as written:
            try:
                staged = StagedFiles(
                    io,
                    load_location_provider(metadata.location, metadata.properties),
                    metadata.schema(),
                    metadata.spec(),
                    dict(metadata.properties),
                    limits,
                )
                files = staged.write(conform(reader, arrow_schema(metadata.schema()), asset))
                snapshot_id = _append(transaction, files, provenance, reader.schema, staged.rows)
                return transaction.commit_transaction(), snapshot_id
            except BaseException:
                if not _landed(catalog, asset, metadata.table_uuid):
                    remove(io, list(written))  # type: ignore[arg-type]
                raise


def _landed(catalog: IceCatalog, asset: str, uuid: object) -> bool:
    try:
        return catalog.load_table(asset).metadata.table_uuid == uuid
    except FOREIGN:
        return False


def _append(
    transaction: Transaction,
    files: Sequence[DataFile],
    provenance: Mapping[str, str],
    source: pa.Schema,
    rows: int,
) -> int:
    told = summary({"rows_read": str(rows), "columns_read": str(len(source)), **provenance})
    with transaction.update_snapshot(snapshot_properties=told).merge_append() as update:
        for file in files:
            update.append_data_file(file)
    return update.snapshot_id


@dataclass(slots=True)
class Load:
    """A load into a table that exists; `stage` runs once, committing may run again.

    Args:
        catalog: Where the table is.
        asset: Its name.
        reader: The new rows.
        evolve: Permit new columns and wider types.
        replace: The new rows replace the old ones.
        provenance: Kept with the snapshot.
        limits: How files are cut.
    """

    catalog: IceCatalog
    asset: str
    reader: pa.RecordBatchReader
    evolve: bool
    replace: bool
    provenance: Mapping[str, str]
    limits: Limits | None = None
    _schema: Schema | None = None
    _staged: StagedFiles | None = None
    _files: list[DataFile] = field(default_factory=list)

    def run(self) -> tuple[Table, int | None]:
        """Write the files, commit, and return the table and its new snapshot's id."""
        try:
            self._stage()
        except BaseException as exc:
            self._discard()
            if isinstance(exc, FOREIGN) and isinstance(exc, Exception):
                raise mapped(exc, self.asset) from exc
            raise
        return commit(self.catalog, self.asset, self._change, self._discard)

    def _stage(self) -> None:
        table = self.catalog.load_table(self.asset)
        schema = evolve_schema(
            table, table.transaction(), self.reader.schema, asset=self.asset, evolve=self.evolve
        )
        self._refuse_missing_required(schema)
        self._schema = schema
        self._staged = StagedFiles(
            table.io,
            table.location_provider(),
            schema,
            table.spec(),
            dict(table.properties),
            self.limits,
        )
        self._files = self._staged.write(conform(self.reader, arrow_schema(schema), self.asset))

    def _refuse_missing_required(self, schema: Schema) -> None:
        for column in schema.fields:
            if column.required and column.name not in self.reader.schema.names:
                raise CatalogError(f"`{self.asset}` needs column `{column.name}`")

    def _discard(self) -> None:
        if self._staged is not None:
            self._staged.discard()

    def _change(self, table: Table, transaction: Transaction) -> int:
        schema = evolve_schema(
            table, transaction, self.reader.schema, asset=self.asset, evolve=self.evolve
        )
        assert self._schema is not None
        assert self._staged is not None
        # INVARIANT: the files hold the field ids and the partitions that were current when they
        # were written; if somebody changed either meanwhile, they cannot be committed.
        if schema.as_struct() != self._schema.as_struct() or table.spec() != self._staged.spec:
            raise CatalogError(
                f"the schema of `{self.asset}` was changed at the same time", hint="load it again"
            )
        rows = self._staged.rows
        if not self.replace:
            return _append(transaction, self._files, self.provenance, self.reader.schema, rows)
        told = summary({"rows_read": str(rows), **self.provenance})
        with transaction.update_snapshot(snapshot_properties=told).overwrite() as update:
            update.delete_by_predicate(AlwaysTrue())
            for task in table.scan().plan_files():
                update.delete_data_file(task.file)
            for file in self._files:
                update.append_data_file(file)
        return update.snapshot_id
