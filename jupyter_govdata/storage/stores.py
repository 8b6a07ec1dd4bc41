"""The storages of a lake, and which of them serves an address. Runs in the gateway.

SECURITY: an address that no configured storage serves opens nothing. A storage whose credentials
are missing opens nothing either: there is no other key that is tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from jupyter_govdata.config import StorageConfig
from jupyter_govdata.errors import ConfigError
from jupyter_govdata.model.asset import namespace_of
from jupyter_govdata.model.files import WAYS, Way
from jupyter_govdata.storage.local_files import LocalFiles
from jupyter_govdata.storage.places import FileStore, no_place
from jupyter_govdata.storage.s3_files import S3Files

_CLOSED = ("keys", "run", "governance")


class Stores:
    """All storages of a lake.

    Args:
        configs: Name -> settings.
        lake: The lake folder.
    """

    def __init__(self, configs: Mapping[str, StorageConfig], lake: Path) -> None:
        self._configs = dict(configs)
        self._lake = lake.resolve()
        # The longest place first: a storage inside another one is the one that serves.
        order = sorted(configs, key=lambda n: -len(configs[n].root + configs[n].prefix))
        self._stores: dict[str, LocalFiles | S3Files] = {n: self._made(n) for n in order}

    def _made(self, name: str) -> LocalFiles | S3Files:
        config = self._configs[name]
        if config.type == "s3":
            return S3Files(config)
        root = (self._lake / config.root).resolve()
        inside = root.relative_to(self._lake).parts if root.is_relative_to(self._lake) else ()
        if self._lake.is_relative_to(root) or (inside and inside[0] in _CLOSED):
            # SECURITY: the keys of the lake must lie below no folder that files are opened from.
            raise ConfigError(
                f"`storage.{name}.root` holds the lake's own files",
                hint="choose a folder of its own, e.g. `files`",
            )
        return LocalFiles(root, self._lake)

    def find(self, address: str, asset: str, *, tables: bool) -> tuple[FileStore, str]:
        """Return the store that serves an address, and the key there.

        Args:
            address: As a row of the asset has it.
            asset: Asset name.
            tables: The address is of the asset's own data files.

        Raises:
            StorageError: There is none, or the address is not one that is served.
        """
        for store in self._serving(asset, tables=tables):
            key = store.key(address)
            if key is not None:
                return store, key
        raise no_place()

    def folder(self, address: str, asset: str) -> tuple[LocalFiles | S3Files, str]:
        """Return the store of an inventory that a folder's address is in, and its key there.

        The key is empty for the store's own root or prefix.

        Raises:
            StorageError: No storage of the asset serves it.
        """
        wanted = address.rstrip("/")
        for store in self._serving(asset, tables=False):
            root = store.address("").rstrip("/")
            if wanted in (root, f"{store.given}".rstrip("/")):
                return store, ""
            key = store.key(wanted)
            if key is not None:
                return store, key
        raise no_place()

    @property
    def hold_tables(self) -> bool:
        """True if data files of tables lie in a storage from which they may be read directly."""
        return any(
            c.type == "s3" and c.tables and set(c.ways.values()) & {"signed", "session"}
            for c in self._configs.values()
        )

    def _serving(self, asset: str, *, tables: bool) -> Iterator[LocalFiles | S3Files]:
        # SECURITY: a row opens files of a storage only where a steward let its asset do so: else
        # whoever may publish anything could open everything.
        for name, store in self._stores.items():
            config = self._configs[name]
            served = {asset, namespace_of(asset)} & set(config.assets)
            if config.tables if tables else served:
                yield store

    def common(self, addresses: pa.ChunkedArray, asset: str, *, tables: bool) -> S3Files | None:
        """Return the one S3 storage that serves all addresses of an asset, or None."""
        for store in self._serving(asset, tables=tables):
            if isinstance(store, S3Files):
                served = pc.all(pc.starts_with(addresses, store.base), skip_nulls=True).as_py()
                if served is not False:
                    return store
        return None

    def way(self, store: S3Files, tags: Mapping[str, str]) -> Way:
        """Return the way that a storage's settings choose for an asset's tags."""
        chosen = store.config.ways.get(tags.get(store.config.by, ""), "proxied")
        return next(way for way in WAYS if way == chosen)
