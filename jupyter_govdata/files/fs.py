"""Governed files as a filesystem of fsspec, ``govdata://``. Runs in the kernel. Read-only.

For libraries that open files by a path: pandas, pyarrow, polars, zarr, tifffile, DuckDB. Every
read asks the gateway, as everywhere.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from typing import Any, Protocol

from fsspec.spec import AbstractFileSystem

from jupyter_govdata.errors import ConfigError, GovDataError, NotVisibleError
from jupyter_govdata.files.file import GovernedFile

_FIRST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


class Listed(Protocol):
    """What of a `FileSet` a filesystem needs."""

    def __len__(self) -> int: ...
    def __getitem__(self, which: str) -> GovernedFile: ...

    def listing(self) -> Iterator[tuple[str, int | None, str, str]]:
        """See `FileSet.listing`."""


class Inventories(Protocol):
    """Where a filesystem of all inventories finds them."""

    def names(self) -> list[str]:
        """Return the names of the inventories that are visible."""

    def files(self, asset: str) -> Listed:
        """Return the files of one, or raise what the gateway answers."""


class GovDataFileSystem(AbstractFileSystem):
    """The files of a set by their paths, or all inventories as ``govdata://ASSET/PATH``.

    Args:
        files: The set; None for all inventories.
        inventories: Where these are.
    """

    protocol = "govdata"
    cachable = False
    root_marker = ""

    def __init__(
        self,
        files: Listed | None = None,
        *,
        inventories: Inventories | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._files = files
        self._trees: dict[str, dict[str, list[dict[str, Any]]]] = {}
        self._sets: dict[str, Listed] = {}
        self._inventories = inventories

    def __repr__(self) -> str:
        what = f"{len(self._files):,} files" if self._files is not None else "govdata://"
        return f"<GovDataFileSystem {what}>"

    def __reduce__(self) -> Any:
        if self._files is not None:
            raise ConfigError(
                "the filesystem of a file set stays in its process",
                hint='elsewhere, use `fsspec.filesystem("govdata", lake=...)`',
            )
        return super().__reduce__()

    # -- what there is ---------------------------------------------------------------------------

    def ls(self, path: str, detail: bool = True, **_options: Any) -> list[Any]:
        """List a folder; a file lists itself.

        Raises:
            FileNotFoundError: There is none, or it is not visible.
        """
        plain = self._strip_protocol(path).strip("/")
        asset, rest = self._split(plain)
        if asset is None:
            entries = self._assets()
        else:
            tree = self._tree(asset)
            entries = tree.get(rest, [])
            if not entries:
                parent = rest.rpartition("/")[0]
                entries = [e for e in tree.get(parent, []) if e["name"] == plain]
            if not entries and rest:
                raise FileNotFoundError(path)
        return entries if detail else sorted(e["name"] for e in entries)

    def info(self, path: str, **_options: Any) -> dict[str, Any]:
        """Describe a file or folder: ``name``, ``type``, ``size``; of a file also ``checksum``.

        Raises:
            FileNotFoundError: There is none, or it is not visible.
        """
        plain = self._strip_protocol(path).strip("/")
        asset, rest = self._split(plain)
        if asset is None:
            return {"name": "", "type": "directory", "size": 0}
        tree = self._tree(asset)
        if rest in tree:
            return {"name": plain, "type": "directory", "size": 0}
        for entry in tree.get(rest.rpartition("/")[0], []):
            if entry["name"] == plain:
                return entry
        raise FileNotFoundError(path)

    def checksum(self, path: str) -> str:
        """Return what names the content of a file."""
        return str(self.info(path)["version"])

    def modified(self, path: str) -> dt.datetime:
        """Return a moment that stands for the content: another one for another content.

        When a file was written is not told; caches, such as DuckDB's, need to see that it changed.
        """
        told = hashlib.sha256(self.checksum(path).encode()).digest()
        return _FIRST + dt.timedelta(seconds=int.from_bytes(told[:3], "big"))

    def _open(self, path: str, mode: str = "rb", **_options: Any) -> Any:
        if mode != "rb":
            raise ConfigError("governed files are read, never written", hint="open it by `rb`")
        return self._file(path).open()

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **_options: Any
    ) -> bytes:
        """Return bytes ``[start, end)`` of a file; negative numbers count from its end."""
        file = self._file(path)
        first, last, _ = slice(start, end).indices(file.size)
        return file.read_range(first, max(0, last - first))

    def _file(self, path: str) -> GovernedFile:
        found = self.info(path)
        if found["type"] != "file":
            raise IsADirectoryError(path)
        asset, rest = self._split(found["name"])
        assert asset is not None
        return self._set(asset)[rest]

    # -- sets and trees --------------------------------------------------------------------------

    def _split(self, plain: str) -> tuple[str | None, str]:
        """Return the asset and the path in it; the asset of a set's own filesystem is ``""``."""
        if self._files is not None:
            return "", plain
        asset, _, rest = plain.partition("/")
        return asset or None, rest

    def _assets(self) -> list[dict[str, Any]]:
        assert self._inventories is not None
        names = self._inventories.names()
        return [{"name": name, "type": "directory", "size": 0} for name in names]

    def _set(self, asset: str) -> Listed:
        if self._files is not None:
            return self._files
        assert self._inventories is not None
        if asset not in self._sets:
            try:
                self._sets[asset] = self._inventories.files(asset)
            except NotVisibleError:
                raise FileNotFoundError(asset) from None
            except GovDataError as error:
                if error.code == "catalog":
                    raise FileNotFoundError(asset) from None
                raise
        return self._sets[asset]

    def _tree(self, asset: str) -> dict[str, list[dict[str, Any]]]:
        """Return folder -> its entries; the root is the empty text."""
        if asset in self._trees:
            return self._trees[asset]
        base = f"{asset}/" if asset else ""
        tree: dict[str, list[dict[str, Any]]] = {"": []}
        for path, size, version, _ in self._set(asset).listing():
            folder = self._grown(tree, path.rpartition("/")[0], base)
            entry = {"name": base + path, "type": "file", "size": size, "version": version}
            tree[folder].append(entry)
        self._trees[asset] = tree
        return tree

    def _grown(self, tree: dict[str, list[dict[str, Any]]], folder: str, base: str) -> str:
        if folder not in tree:
            parent = self._grown(tree, folder.rpartition("/")[0], base)
            tree[folder] = []
            tree[parent].append({"name": base + folder, "type": "directory", "size": 0})
        return folder
