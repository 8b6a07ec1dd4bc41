"""The catalog: one object over any pyiceberg catalog.

Runs in the gateway.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.fs
from pyiceberg.catalog import Catalog as IceCatalog
from pyiceberg.catalog import load_catalog
from pyiceberg.table import Table

from jupyter_govdata.catalog import expiring, schemas
from jupyter_govdata.catalog.committing import commit, commit_lock
from jupyter_govdata.catalog.deleting import Delete, NothingToDeleteError
from jupyter_govdata.catalog.errors import catalog_errors
from jupyter_govdata.catalog.files import LakeFileIO
from jupyter_govdata.catalog.heads import Heads
from jupyter_govdata.catalog.holding import Holds
from jupyter_govdata.catalog.loading import (
    Load,
    Mode,
    Rows,
    as_reader,
    create_and_load,
    new_table,
)
from jupyter_govdata.catalog.planning import Listed, PlanCache, file_check, list_files, local_path
from jupyter_govdata.catalog.planning import plan as planned
from jupyter_govdata.catalog.types import split_doc
from jupyter_govdata.catalog.versions import Step, Version, described, history, resolve, versions
from jupyter_govdata.catalog.writing import Limits
from jupyter_govdata.errors import CatalogError, ColumnNotFoundError, ConfigError
from jupyter_govdata.model.asset import NAME_PART, Asset, Column, Snapshot, asset_name
from jupyter_govdata.model.plan import Plan
from jupyter_govdata.model.predicate import TRUE, Predicate, columns_of
from jupyter_govdata.model.scan import At

_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_IO = "jupyter_govdata.catalog.files.LakeFileIO"


class Catalog:
    """Assets of one Iceberg catalog. Thread-safe.

    Args:
        ice: The pyiceberg catalog.
        limits: How data files are cut, or None for the default.
    """

    def __init__(self, ice: IceCatalog, limits: Limits | None = None) -> None:
        self._ice = ice
        self._limits = limits
        self._plans = PlanCache()
        self._heads = Heads(ice)
        self.holds = Holds(ice, self._heads.load)
        warehouse = ice.properties.get("warehouse", "")
        self._root = local_path(warehouse).rstrip("/")

    @classmethod
    def open(
        cls,
        properties: Mapping[str, str],
        *,
        name: str = "govdata",
        limits: Limits | None = None,
    ) -> Catalog:
        """Open any catalog that pyiceberg knows.

        Args:
            properties: pyiceberg's catalog properties (``type``, ``uri``, ``warehouse`` ...).
            name: Catalog name; part of the key in SQL catalogs.
            limits: How data files are cut.

        Raises:
            CatalogError: It does not open.
        """
        with catalog_errors("the catalog"):
            return cls(load_catalog(name, **{"py-io-impl": _IO, **properties}), limits)

    @classmethod
    def local(cls, lake_dir: Path, limits: Limits | None = None) -> Catalog:
        """Open, or create, the SQLite catalog of a lake in a local folder.

        Raises:
            ConfigError: The folder's name cannot be part of an address.
        """
        folder = lake_dir.resolve()
        if any(c in str(folder) for c in "?#%"):
            raise ConfigError("a lake's folder may not have `?`, `#` or `%` in its path")
        (folder / "warehouse").mkdir(parents=True, exist_ok=True)
        return cls.open(
            {
                "type": "sql",
                "uri": f"sqlite:///{folder / 'catalog.db'}",
                "warehouse": f"file://{folder / 'warehouse'}",
            },
            limits=limits,
        )

    # -- what there is -----------------------------------------------------------------------

    def names(self) -> list[str]:
        """Return the names of all assets, sorted."""
        with catalog_errors("the catalog"):
            found = [
                ".".join(identifier)
                for namespace in self._ice.list_namespaces()
                if len(namespace) == 1
                for identifier in self._ice.list_tables(namespace)
            ]
        return sorted(n for n in found if all(NAME_PART.fullmatch(p) for p in n.split(".")))

    def exists(self, name: str) -> bool:
        """Return True if the catalog has the asset."""
        with catalog_errors(name):
            return self._ice.table_exists(asset_name(name))

    def _table(self, name: str) -> Table:
        """Return the table for reading."""
        with catalog_errors(name):
            return self._heads.load(asset_name(name))

    def bind(self, card: Asset) -> Asset:
        """Return the card with the columns of the current schema.

        Type and field id come from the schema; description, unit, tags and domain stay the
        card's, by name. Columns that the card does not know are added, those that the schema
        does not have are dropped.
        """
        table = self._table(card.name)
        columns = []
        for field in table.schema().fields:
            told = card.column(field.name) or Column(field.name)
            description, unit = split_doc(field.doc)
            columns.append(
                dataclasses.replace(
                    told,
                    type=str(field.field_type),
                    field_id=field.field_id,
                    description=told.description or description,
                    unit=told.unit or unit,
                )
            )
        return dataclasses.replace(card, columns=tuple(columns))

    def schema(self, name: str, at: At | None = None) -> pa.Schema:
        """Return the Arrow schema of a version, with field ids as metadata."""
        return self.resolve(name, at).schema

    def resolve(self, name: str, at: At | None = None) -> Version:
        """Return the version that `at` names (None: now).

        Raises:
            NotVisibleError: No such asset.
            SnapshotNotFoundError: Unknown or expired.
        """
        with catalog_errors(name):
            return self._heads.version(asset_name(name), at)

    def ever(self, name: str) -> frozenset[int]:
        """Return the field ids of all columns that the asset has or ever had."""
        known = self._table(name).schemas().values()
        return frozenset(field.field_id for schema in known for field in schema.fields)

    def versions(self, name: str) -> list[Snapshot]:
        """Return all snapshots that are kept, oldest first."""
        return versions(self._table(name))

    def history(
        self, name: str, offset: int = 0, limit: int | None = None
    ) -> tuple[int, list[Step]]:
        """Return how many snapshots are kept, and a page of them with columns, newest first."""
        return history(self._table(name), offset, limit)

    # -- change ------------------------------------------------------------------------------

    def create(
        self,
        name: str,
        schema: pa.Schema,
        *,
        partition_by: Sequence[str] = (),
        properties: Mapping[str, str] | None = None,
    ) -> None:
        """Create an asset without rows.

        Args:
            name: Asset name.
            schema: Columns; field metadata ``description`` and ``unit`` become their docs.
            partition_by: E.g. ``study``, ``year(start)``, ``bucket(16, id)``, ``truncate(3, x)``.
            properties: Iceberg table properties.

        Raises:
            CatalogError: It exists, or a column or partitioning is not possible.
        """
        with catalog_errors(asset_name(name)), commit_lock(name):
            new_table(self._ice, name, schema, partition_by, properties or {}).commit_transaction()

    def write(
        self,
        name: str,
        data: Rows,
        *,
        mode: Mode = "append",
        provenance: Mapping[str, str] | None = None,
        evolve: bool = False,
        partition_by: Sequence[str] = (),
    ) -> Snapshot:
        """Load rows as one snapshot; memory is bounded, also for partitioned tables.

        Args:
            name: Asset name.
            data: The rows. Columns that it lacks become NULL.
            mode: ``append``; ``overwrite`` replaces all rows; ``create`` makes the asset in the
                same commit (or fills one that `create` made and that has no data yet).
            provenance: Kept in the snapshot (``source``, ``sha256``, ``loaded_by`` ...); read
                after the last row, so it may be filled while `data` is consumed.
            evolve: Permit new columns and wider number types.
            partition_by: For ``create`` only, as in `create`.

        Raises:
            NotVisibleError: No such asset.
            CatalogError: Incompatible columns; they and their types are named.
            StorageError: Storage failed; nothing was committed.
        """
        asset_name(name)
        if partition_by and mode != "create":
            raise CatalogError("only a new asset can be partitioned")
        # Provenance is read when the snapshot is committed: counts are known only then.
        reader, told = as_reader(data), {} if provenance is None else provenance
        snapshot_id: int | None
        if mode == "create" and not self._is_empty(name):
            table, snapshot_id = create_and_load(
                self._ice,
                name,
                reader,
                partition_by=partition_by,
                provenance=told,
                limits=self._limits,
            )
        else:
            replace = mode == "overwrite"
            load = Load(self._ice, name, reader, evolve, replace, told, self._limits)
            table, snapshot_id = load.run()
        return self._made(table, snapshot_id)

    def delete(
        self, name: str, predicate: Predicate, provenance: Mapping[str, str] | None = None
    ) -> Snapshot | None:
        """Delete the rows for which `predicate` holds; None if there is no such row.

        Older snapshots keep the rows until they expire.

        Raises:
            ColumnNotFoundError: A column that the asset does not have.
            QueryError: A condition or constant that cannot select rows to delete.
        """
        self._require_columns(name, predicate)
        check, told = file_check(predicate), provenance or {}
        try:
            done = Delete(self._ice, name, predicate, check, told, self._limits).run()
        except NothingToDeleteError:
            return None
        return self._made(*done)

    def _require_columns(self, name: str, predicate: Predicate) -> None:
        known = {f.name for f in self._table(name).schema().fields}
        for column in sorted(columns_of(predicate) - known):
            raise ColumnNotFoundError(f"`{name}` has no column `{column[:200]}`")

    def _is_empty(self, name: str) -> bool:
        """Return True for an asset that exists and never had data."""
        return self.exists(name) and self._table(name).current_snapshot() is None

    def _made(self, table: Table, snapshot_id: int | None) -> Snapshot:
        snapshot = None if snapshot_id is None else table.snapshot_by_id(snapshot_id)
        assert snapshot is not None
        return described(table, snapshot)

    def parent(self, name: str, snapshot_id: int) -> int | None:
        """Return the snapshot that another one was committed on, None if either is not there."""
        snapshot = self._table(name).snapshot_by_id(snapshot_id)
        return None if snapshot is None else snapshot.parent_snapshot_id

    def rename_column(
        self, name: str, old: str, new: str, provenance: Mapping[str, str] | None = None
    ) -> None:
        """Rename a column; files are read by field id, so no row is rewritten."""
        commit(self._ice, asset_name(name), schemas.rename(name, old, new, provenance or {}))

    def add_column(
        self, name: str, column: pa.Field, provenance: Mapping[str, str] | None = None
    ) -> None:
        """Add a column, NULL in the rows that there are."""
        commit(self._ice, asset_name(name), schemas.add(name, column, provenance or {}))

    def drop_column(
        self, name: str, column: str, provenance: Mapping[str, str] | None = None
    ) -> None:
        """Remove a column from the current schema; older snapshots keep it."""
        commit(self._ice, asset_name(name), schemas.drop(name, column, provenance or {}))

    def tag(self, name: str, tag: str, snapshot_id: int) -> None:
        """Give a snapshot a name; an existing tag is not moved.

        Raises:
            CatalogError: Not a tag name, or the tag exists.
            SnapshotNotFoundError: No such snapshot.
        """
        if not _TAG.fullmatch(tag) or tag == "main":
            raise CatalogError(
                f"`{tag[:200]}` is not a tag name",
                hint="use letters, digits, `.`, `-` and `_`, at most 128",
            )
        with commit_lock(asset_name(name)):
            resolve(self._table(name), name, At(snapshot_id=snapshot_id))
            with catalog_errors(name):
                table = self._ice.load_table(name)
                if snapshot_id == 0 or tag in table.refs():
                    raise CatalogError(f"`{name}` has a tag `{tag}` already, or no data to tag")
                with table.manage_snapshots() as change:
                    change.create_tag(snapshot_id, tag)

    def expire(self, name: str, older_than: dt.datetime) -> int:
        """Forget snapshots committed before a moment, remove files that only they used.

        The current, tagged and held snapshots stay; tags and holds whose age is over go first.

        Returns:
            How many snapshots were forgotten.
        """
        with catalog_errors(asset_name(name)), commit_lock(name):
            return expiring.expire(self._ice.load_table(name), older_than)

    def drop(self, name: str) -> None:
        """Remove an asset with all its versions and files."""
        with catalog_errors(asset_name(name)), commit_lock(name):
            self._ice.purge_table(name)

    def filesystem(self) -> pa.fs.FileSystem | None:
        """Return where the files of plans are, None for local paths.

        Holds the storage credentials: it stays in the gateway.
        """
        warehouse = self._ice.properties.get("warehouse", "")
        if "://" not in self._root:
            return None
        with catalog_errors("the catalog"):
            scheme, netloc, _ = LakeFileIO.parse_location(warehouse, dict(self._ice.properties))
            return LakeFileIO(dict(self._ice.properties)).fs_by_scheme(scheme, netloc)

    # -- plan --------------------------------------------------------------------------------

    def plan(
        self,
        version: Version,
        predicate: Predicate = TRUE,
        columns: Collection[str] | None = None,
    ) -> Plan:
        """Return the files that may hold rows of a version for which `predicate` holds.

        Args:
            version: From `resolve`.
            predicate: On *raw* values: the row filter and those of the user's conditions that
                touch no masked column. SECURITY: a condition on a masked column must not be
                here, it would choose files by values that the user may not see.
            columns: Names that will be read; checked only.

        Raises:
            ColumnNotFoundError: A column that the version does not have.
            SnapshotNotFoundError: The snapshot has expired meanwhile.
        """
        wanted = columns_of(predicate) | frozenset(columns or ())
        for column in sorted(wanted - {c.name for c in version.columns}):
            raise ColumnNotFoundError(f"`{version.asset}` has no column `{column[:200]}`")
        return planned(self._listed(version), predicate)

    def _listed(self, version: Version) -> Listed:
        key = (version.asset, version.snapshot_id, version.schema_id)
        found = self._plans.get(key)
        if found is None:
            table = self._table(version.asset)
            empty = version.snapshot_id == 0
            with catalog_errors(version.asset):
                root = self._root or local_path(table.location())
                found = list_files(None if empty else table, version, root)
            if not empty:
                # The state without data has no id of its own: a dropped and made again asset
                # would find the old columns here.
                self._plans.put(key, found)
        return found
