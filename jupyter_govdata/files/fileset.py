"""Files that an inventory grants: the set that `Session.files` returns. Runs in the kernel.

Shows what the gateway decides. Handles, addresses and credentials stay in private attributes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import pyarrow as pa

from jupyter_govdata.client.files import FILE_FIELDS
from jupyter_govdata.errors import ConfigError, MissingExtraError, StorageError
from jupyter_govdata.files.copies import Copies
from jupyter_govdata.files.download import Download, FilesProgress
from jupyter_govdata.files.file import GovernedFile
from jupyter_govdata.files.manifest import Manifest, places_of
from jupyter_govdata.files.reading import Granted
from jupyter_govdata.files.show import set_html, set_text
from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.model.view import AssetView
from jupyter_govdata.model.wire_files import files_request_to_wire
from jupyter_govdata.query.account import Account
from jupyter_govdata.query.result import QueryResult
from jupyter_govdata.query.rows import Rows

if TYPE_CHECKING:
    from jupyter_govdata.files.fs import GovDataFileSystem
    from jupyter_govdata.files.training import GovernedDataset


class FileSet:
    """Files that may be opened, as long as the gateway says so.

    A sequence of `GovernedFile`: index it by position or path, slice it, iterate it.

    Args:
        granted: The grant.
        view: Card of the inventory.
        copies: Of the session.
        query: What was asked, as text.
        home: Where the gateway is and who asks: for processes that ask for themselves.
        reopen: Gets a set by its `recipe` in such a process.
        wall: ``enforced`` or ``advisory``.
        manifest: Only the files of this manifest, in its order.
        positions: Only these files of the grant.
    """

    def __init__(
        self,
        granted: Granted,
        view: AssetView,
        copies: Copies,
        *,
        query: str,
        home: Mapping[str, str | None],
        reopen: Callable[[Mapping[str, Any]], FileSet],
        wall: str,
        manifest: Manifest | None = None,
        positions: Sequence[int] | None = None,
    ) -> None:
        self._granted = granted
        self._view = view
        self._copies = copies
        self._query = query
        self._home = home
        self._reopen = reopen
        self._wall = wall
        self.dropped: tuple[str, ...] = ()
        """Names of the files of the manifest that are permitted no more, or not as they were."""
        if manifest is not None:
            positions, dropped = places_of(manifest.entries, granted.rows)
            self.dropped = tuple(dropped)
        self._positions = range(granted.rows.num_rows) if positions is None else positions

    # -- what it holds ---------------------------------------------------------------------------

    @property
    def asset(self) -> str:
        """Name of the inventory."""
        return self._granted.grant.asset

    @property
    def purpose(self) -> str:
        """Purpose that was decided on."""
        return self.receipt.purpose

    @property
    def epoch(self) -> int:
        """Version of the policy state that was decided in."""
        return self._granted.grant.epoch

    @property
    def snapshot_id(self) -> int:
        """Version of the inventory."""
        return self._granted.grant.snapshot_id

    @property
    def way(self) -> str:
        """How the bytes come: ``proxied``, ``signed`` or ``session``."""
        return self._granted.grant.way

    @property
    def receipt(self) -> Receipt:
        """What the gateway signed."""
        return self._granted.grant.receipt

    @property
    def count(self) -> int:
        """How many files there are."""
        return len(self._positions)

    @cached_property
    def bytes(self) -> int | None:
        """Bytes of all files, or None if the inventory does not tell all sizes."""
        sizes = self._facts.column("size")
        return None if sizes.null_count else sum(sizes.to_pylist())

    @cached_property
    def formats(self) -> Mapping[str, int]:
        """Format -> files, the most frequent first."""
        found: dict[str, int] = {}
        for name in self._facts.column("format").to_pylist():
            found[name or ""] = found.get(name or "", 0) + 1
        return dict(sorted(found.items(), key=lambda pair: -pair[1]))

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Path of each file: relative, safe and unique in the set."""
        every = self._all_paths
        return tuple(every[position] for position in self._positions)

    def table(self) -> QueryResult:
        """Return the governed rows, with the path of each file.

        Beside the visible columns it has `path`, or `file_path` where the inventory has a `path`.
        """
        rows = _own(self._rows)
        name = "path" if "path" not in rows.column_names else "file_path"
        table = rows.add_column(0, name, pa.array(self.paths, pa.string()))
        return self._result(table)

    @property
    def answer(self) -> QueryResult:
        """What a stamp is made of: path, format, size and checksum of every file, by path."""
        facts = self._facts.select(["format", "size", "checksum"])
        table = facts.add_column(0, "path", pa.array(self.paths, pa.string()))
        return self._result(table.sort_by("path"))

    def _result(self, table: pa.Table) -> QueryResult:
        account = Account(
            receipts=(self.receipt,),
            pins={self.asset: self.snapshot_id} if self._granted.request.at is None else {},
            scanned_rows=table.num_rows,
            scanned_bytes=table.nbytes,
        )
        return QueryResult(
            rows=Rows(table, account),
            query=self._query,
            views={self.asset: self._view},
            purpose=self.purpose,
            wall=self._wall,
        )

    # -- the files -------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, which: int | str) -> GovernedFile: ...
    @overload
    def __getitem__(self, which: slice) -> FileSet: ...
    def __getitem__(self, which: int | str | slice) -> GovernedFile | FileSet:
        if isinstance(which, slice):
            return self._some(self._positions[which])
        if isinstance(which, str):
            return self._file(self._place_of(which))
        return self._file(self._positions[which])

    def __iter__(self) -> Iterator[GovernedFile]:
        return (self._file(position) for position in self._positions)

    def __repr__(self) -> str:
        return set_text(self)

    def _repr_html_(self) -> str:
        return set_html(self)

    def where(self, keep: Callable[[GovernedFile], bool]) -> FileSet:
        """Return the files for which a function of yours is true; nothing is asked anew."""
        return self._some([p for p in self._positions if keep(self._file(p))])

    def _some(self, positions: Sequence[int]) -> FileSet:
        return FileSet(
            self._granted,
            self._view,
            self._copies,
            query=self._query,
            home=self._home,
            reopen=self._reopen,
            wall=self._wall,
            positions=positions,
        )

    def _file(self, position: int) -> GovernedFile:
        granted = self._granted
        row = _own(granted.rows.slice(position, 1)).to_pylist()[0]
        return GovernedFile(
            granted, position, granted.stat(position), self._all_paths[position], row, self._copies
        )

    def _place_of(self, path: str) -> int:
        places = [p for p, known in zip(self._positions, self.paths, strict=True) if known == path]
        if not places:
            raise StorageError(
                f"the set has no file `{path[:200]}`", hint="its `paths` names all of them"
            )
        return places[0]

    def listing(self) -> Iterator[tuple[str, int | None, str, str]]:
        """Yield path, size, version and format of every file; nothing is asked for it."""
        columns = (self._facts.column(n).to_pylist() for n in ("size", "version", "format"))
        return zip(self.paths, *columns, strict=True)

    def recipe(self) -> dict[str, Any]:
        """Return how another process gets these files: plain data without any secret."""
        return {
            **self._home,
            "request": files_request_to_wire(self._granted.request),
            "keys": self._facts.column("key").to_pylist(),
        }

    @cached_property
    def _rows(self) -> pa.Table:
        return self._granted.rows.take(pa.array(self._positions, pa.int64()))

    @property
    def _facts(self) -> pa.Table:
        return self._rows.select(FILE_FIELDS)

    @property
    def _all_paths(self) -> Sequence[str]:
        return self._granted.paths(self._addresses)

    def _addresses(self, rows: pa.Table) -> list[str | None] | None:
        files = self._view.asset.files
        if files is None or files.uri in self._view.masked:
            return None
        own = _own(rows)
        return own.column(files.uri).to_pylist() if files.uri in own.column_names else None

    # -- reading them ----------------------------------------------------------------------------

    def open(self, which: int | str) -> Any:
        """Open a file by position or path; see `GovernedFile.open`."""
        return self[which].open()

    def download(
        self,
        folder: str | os.PathLike[str],
        *,
        parallel: int = 4,
        overwrite: bool = False,
        on_progress: Callable[[FilesProgress], object] | None = None,
    ) -> list[Path]:
        """Download all files into a folder; return their paths, in order.

        Call it again after a stop, a lost gateway or a refusal: what is there stays, a file that
        was begun goes on. A file has its name when it is whole and its checksum was compared.

        Args:
            folder: Made if missing.
            parallel: Files at a time, 1 to 32.
            overwrite: Replace files that hold something else.
            on_progress: Called in this thread about ten times a second, and once at the end.

        Raises:
            AccessDeniedError: Some files were refused, ``detail["files"]`` says which; the
                others are there.
            StorageError: Some files could not be read or written; the others are there.
        """
        self._granted.expect(self._positions)
        run = Download(list(self), Path(folder).expanduser(), self._copies)
        return run.run(parallel=parallel, overwrite=overwrite, on_progress=on_progress)

    def fs(self) -> GovDataFileSystem:
        """Return the files as a filesystem (fsspec): for pandas, pyarrow, zarr, DuckDB and others.

        Raises:
            MissingExtraError: fsspec is not installed.
        """
        try:
            import fsspec  # noqa: F401
        except ImportError as exc:
            raise MissingExtraError.for_extra("files", "a filesystem") from exc
        made: GovDataFileSystem = import_module(f"{__package__}.fs").GovDataFileSystem(self)
        return made

    def torch(
        self,
        decode: Callable[[GovernedFile], Any] | None = None,
        *,
        shuffle: bool = False,
        seed: int = 0,
    ) -> GovernedDataset:
        """Return the files as an `IterableDataset` of PyTorch: sharded by rank and worker.

        Args:
            decode: Makes a sample of a file; by default a dict of path, bytes and row.
            shuffle: In another order every epoch (`set_epoch`), the same for the same seed.
            seed: Of the order.

        Raises:
            MissingExtraError: PyTorch is not installed.
        """
        try:
            import torch  # noqa: F401
        except ImportError as exc:
            raise MissingExtraError.for_extra("torch", "a dataset of PyTorch") from exc
        kind = import_module(f"{__package__}.training").GovernedDataset
        made: GovernedDataset = kind(self, decode, self._reopen, shuffle=shuffle, seed=seed)
        return made

    def manifest(self) -> Manifest:
        """Have the gateway sign the list of all files: exact versions, decision and epoch.

        Raises:
            ConfigError: This is a part of a set; a manifest is of all that was asked for.
            GovDataError: Whatever the gateway answers.
        """
        if len(self) != self._granted.rows.num_rows:
            raise ConfigError(
                "a manifest holds all files that were asked for",
                hint="ask for these files by `session.manifest(asset, where=...)`",
            )
        return Manifest.of(self._granted)


def _own(rows: pa.Table) -> pa.Table:
    """Return the columns of the inventory, by the names that they have there."""
    own = rows.drop_columns(list(FILE_FIELDS))
    names = own.column_names
    plain = [n.removeprefix("row_") if n.removeprefix("row_") in FILE_FIELDS else n for n in names]
    return own.rename_columns(plain) if len(set(plain)) == len(plain) else own
