"""Tables and versions as they are now, parsed again only when the table's head has moved.

Runs in the gateway. Table metadata grows with every snapshot, so parsing it for each scan would
make old assets slow; in an SQL catalog one small row tells whether it changed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar

from pyiceberg.catalog import Catalog as IceCatalog
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.table import Table
from sqlalchemy import bindparam, select

from jupyter_govdata.catalog.versions import Version, resolve
from jupyter_govdata.model.scan import At

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_KEPT = 512
BUSY_SECONDS = 10
_PLACE = select(IcebergTables.metadata_location).where(
    IcebergTables.catalog_name == bindparam("catalog"),
    IcebergTables.table_namespace == bindparam("namespace"),
    IcebergTables.table_name == bindparam("table"),
)


class Heads:
    """Loads tables for reading; what it returns must not be changed.

    Args:
        ice: The catalog.
    """

    def __init__(self, ice: IceCatalog) -> None:
        self._ice = ice
        self._tables: OrderedDict[str, Table] = OrderedDict()
        self._versions: OrderedDict[tuple[str, str, At | None], Version] = OrderedDict()
        self._lock = threading.Lock()
        self._place = _places(ice)

    def load(self, name: str) -> Table:
        """Return the table as it is at this moment.

        Raises:
            NoSuchTableError: There is none.
        """
        place = self._place(name)
        with self._lock:
            known = self._tables.get(name)
        if place is not None and known is not None and known.metadata_location == place:
            return known
        fresh = self._ice.load_table(name)
        self._keep(self._tables, name, fresh)
        return fresh

    def version(self, name: str, at: At | None) -> Version:
        """Return the version that `at` names, None for now.

        Raises:
            NoSuchTableError: There is no such table.
            SnapshotNotFoundError: No such version.
        """
        table = self.load(name)
        # One metadata file is one state of the table, so its versions never change.
        key = (name, table.metadata_location, at)
        with self._lock:
            known = self._versions.get(key)
        if known is None:
            known = resolve(table, name, at)
            self._keep(self._versions, key, known)
        return known

    def _keep(self, kept: OrderedDict[K, V], key: K, value: V) -> None:
        with self._lock:
            kept[key] = value
            kept.move_to_end(key)
            while len(kept) > _KEPT:
                kept.popitem(last=False)


def _places(ice: IceCatalog) -> Callable[[str], str | None]:
    """Return what tells a table's current metadata file, or None if only loading can tell."""
    if not isinstance(ice, SqlCatalog):
        return lambda _name: None
    if ice.engine.url.get_backend_name() == "sqlite" and ice.engine.url.database:
        return _SqlitePlaces(ice.engine.url.database, ice.name)

    def place(name: str) -> str | None:
        namespace, _, table = name.partition(".")
        asked = {"catalog": ice.name, "namespace": namespace, "table": table}
        with ice.engine.connect() as connection:
            return connection.execute(_PLACE, asked).scalar()

    return place


class _SqlitePlaces:
    """Asks over one autocommit connection: microseconds, and this is asked for every scan."""

    def __init__(self, path: str, catalog: str) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS
        )
        self._connection.execute("PRAGMA query_only = ON")
        columns = (c.name for c in (IcebergTables.catalog_name, IcebergTables.table_namespace))
        where = " AND ".join(f"{c} = ?" for c in (*columns, IcebergTables.table_name.name))
        self._sql = (
            f"SELECT {IcebergTables.metadata_location.name} "
            f"FROM {IcebergTables.__tablename__} WHERE {where}"
        )

    def __call__(self, name: str) -> str | None:
        namespace, _, table = name.partition(".")
        asked = (self._catalog, namespace, table)
        try:
            with self._lock:
                row = self._connection.execute(self._sql, asked).fetchone()
        except sqlite3.Error:
            return None  # loading the table says what is wrong
        return None if row is None else row[0]
