"""Tables as they are now, parsed again only when their head has moved.

Runs in the gateway. Table metadata grows with every snapshot, so parsing it for each scan would
make old assets slow; in an SQL catalog one small row tells whether it changed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from pyiceberg.catalog import Catalog as IceCatalog
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.table import Table
from sqlalchemy import bindparam, select

_KEPT = 512
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
        self._lock = threading.Lock()

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
        with self._lock:
            self._tables[name] = fresh
            self._tables.move_to_end(name)
            while len(self._tables) > _KEPT:
                self._tables.popitem(last=False)
        return fresh

    def _place(self, name: str) -> str | None:
        """Return where the current metadata is, or None if only loading can tell."""
        if not isinstance(self._ice, SqlCatalog):
            return None
        namespace, _, table = name.partition(".")
        asked = {"catalog": self._ice.name, "namespace": namespace, "table": table}
        with self._ice.engine.connect() as connection:
            return connection.execute(_PLACE, asked).scalar()
