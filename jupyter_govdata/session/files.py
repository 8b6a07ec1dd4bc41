"""Asking for files, as one session does it. Runs in the kernel; decides nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakSet

from jupyter_govdata.client.connection import Connection
from jupyter_govdata.client.endpoint import EmbeddedGateway, TeamGateway
from jupyter_govdata.client.files import Files
from jupyter_govdata.errors import AccessDeniedError, ConfigError
from jupyter_govdata.files.copies import Copies
from jupyter_govdata.files.fileset import FileSet
from jupyter_govdata.files.manifest import Manifest, ManifestDiff, difference
from jupyter_govdata.files.reading import Granted
from jupyter_govdata.files.scanning import InventoryScan, scanned
from jupyter_govdata.files.tables import TableScans
from jupyter_govdata.model.asset import asset_name
from jupyter_govdata.model.files import FilesRequest
from jupyter_govdata.model.predicate import TRUE, Predicate
from jupyter_govdata.model.scan import At
from jupyter_govdata.model.view import AssetView
from jupyter_govdata.model.wire import canonical_json
from jupyter_govdata.model.wire_files import files_request_from_wire, files_request_to_wire
from jupyter_govdata.query.answers import Answer, answering
from jupyter_govdata.query.split.where import where_predicate
from jupyter_govdata.session.conditions import Where, condition, version

if TYPE_CHECKING:
    from jupyter_govdata.query.source import AssetSource


class FilesMixin:
    """What a session may do with files."""

    _connection: Connection
    _endpoint: EmbeddedGateway | TeamGateway
    _purpose: str | None
    _tables: TableScans
    _reopen: Callable[[Mapping[str, Any]], FileSet]

    @property
    def wall(self) -> str:
        """See `Session.wall`."""
        raise NotImplementedError

    @property
    def public_keys(self) -> tuple[str, ...]:
        """See `Session.public_keys`."""
        raise NotImplementedError

    def view(self, asset: str, at: At | None = None, purpose: str | None = None) -> AssetView:
        """See `Session.view`."""
        raise NotImplementedError

    def files(
        self,
        asset: str | None = None,
        where: Where | str | None = None,
        *,
        purpose: str | None = None,
        at: At | int | str | None = None,
        manifest: Manifest | str | os.PathLike[str] | None = None,
    ) -> FileSet:
        """Ask for the files of an inventory that you may open.

        Which files these are is decided by their rows. A row that is not visible (any more) is no
        permission, at every single read.

        Args:
            asset: ``namespace.name`` of an inventory.
            where: A condition on its columns as they are shown: see `Where`, or the text of a
                comparison as in SQL, ``"modality = 'MR' AND bytes < 1e6"``.
            purpose: For these files only.
            at: A version of the inventory: a snapshot id, a tag, or an `At`; now by default.
            manifest: Of an earlier run, instead of all the others: the files of this list that
                are still permitted, as they were; `FileSet.dropped` names the others.

        Raises:
            RefusalError: Not visible, or `open` is not permitted.
            ColumnNotFoundError: A condition on a column that is not shown.
            StampError: The manifest was changed.
        """
        if manifest is not None:
            if asset is not None or where is not None or at is not None:
                raise ConfigError("a manifest says itself which files it is about")
            return self._again(self._manifest(manifest), purpose)
        if asset is None:
            raise ConfigError("name an inventory, or pass a manifest")
        predicate: Predicate = TRUE
        if isinstance(where, str):
            predicate = where_predicate(where)
        elif where is not None:
            predicate = condition(where)
        request = FilesRequest(asset_name(asset), predicate, purpose or self._purpose, version(at))
        return self._files(request)

    def scan_inventory(
        self,
        uri: str,
        into: str,
        *,
        on_progress: Callable[[int, int, int], object] | None = None,
    ) -> InventoryScan:
        """Make an inventory of a folder or bucket, or bring one up to date: in the gateway.

        Only what changed is read. A scan that was stopped goes on when it is called again.

        Args:
            uri: A folder of a storage that serves the asset.
            into: ``namespace.name`` of the inventory.
            on_progress: Called with files, bytes and unreadable files so far.

        Raises:
            RefusalError: `publish` is not permitted.
            StorageError: No storage that serves the asset has the folder, or it fails.
        """
        return scanned(Files(self._connection), asset_name(into), uri, self._purpose, on_progress)

    def manifest(
        self,
        asset: str,
        where: Where | str | None = None,
        *,
        purpose: str | None = None,
        at: At | int | str | None = None,
    ) -> Manifest:
        """Have the gateway sign the list of the files that you may open: for training a model.

        The arguments are those of `files`.

        Raises:
            RefusalError: Not visible, or `open` is not permitted.
        """
        made = self.files(asset, where, purpose=purpose, at=at).manifest()
        return replace(made, public_keys=self.public_keys)

    def read_manifest(self, path: str | os.PathLike[str]) -> Manifest:
        """Read a manifest, and check that a gateway of this lake signed it as it stands.

        Raises:
            StorageError: The file cannot be read.
            StampError: It is no manifest, or was changed.
        """
        found = Manifest.load(path, self.public_keys)
        found.verify()
        return found

    def compare_manifest(self, manifest: Manifest | str | os.PathLike[str]) -> ManifestDiff:
        """Say what of a manifest may not be used any more, and what is new.

        Raises:
            StampError: The manifest was changed.
            RefusalError: The whole asset may not be opened any more.
        """
        known = self._manifest(manifest)
        return difference(known, Granted(Files(self._connection), known.request).rows)

    def _manifest(self, manifest: Manifest | str | os.PathLike[str]) -> Manifest:
        if not isinstance(manifest, Manifest):
            return self.read_manifest(manifest)
        manifest.verify(manifest.public_keys or self.public_keys)
        return manifest

    def _again(self, manifest: Manifest, purpose: str | None) -> FileSet:
        if purpose not in (None, manifest.header.purpose):
            raise ConfigError(
                f"the manifest was made for `{manifest.header.purpose}`",
                hint="ask for the files anew under another purpose",
            )
        return self._files(manifest.request, manifest)

    def _files(self, request: FilesRequest, manifest: Manifest | None = None) -> FileSet:
        query = "files " + canonical_json(files_request_to_wire(request)).decode()
        answer = Answer(
            cast("AssetSource", self), query, purpose=request.purpose or self._purpose or ""
        )
        with answering(answer, _nothing_read):
            granted = Granted(Files(self._connection), request)
            found = FileSet(
                granted,
                self.view(request.asset, request.at, request.purpose),
                self._copies,
                query=query,
                home=self._home(request.purpose),
                reopen=self._reopen,
                wall=self.wall,
                manifest=manifest,
            )
            self._opened.add(granted)
            answer.result = found.answer
        return found

    def _home(self, purpose: str | None) -> dict[str, str | None]:
        endpoint = self._endpoint
        if isinstance(endpoint, EmbeddedGateway):
            home: dict[str, str | None] = {"target": str(endpoint.lake), "user": endpoint.user}
        else:
            home = {"target": endpoint.location(), "user": None}
        return {**home, "purpose": purpose or self._purpose}

    def _files_of(self, recipe: Mapping[str, Any]) -> FileSet:
        """Return the files that another process had, in its order.

        Raises:
            AccessDeniedError: Some of them may not be opened any more.
        """
        found = self._files(files_request_from_wire(recipe["request"]))
        here = {key: place for place, key in enumerate(found.recipe()["keys"])}
        missing = sum(key not in here for key in recipe["keys"])
        if missing:
            raise AccessDeniedError(
                f"{missing} files of the set may not be opened any more",
                hint="resume with `session.files(manifest=...)`, which names them",
            )
        return found._some([here[key] for key in recipe["keys"]])

    @property
    def _copies(self) -> Copies:
        made: Copies = self.__dict__.setdefault("_made_copies", Copies())
        return made

    @property
    def _opened(self) -> WeakSet[Granted]:
        made: WeakSet[Granted] = self.__dict__.setdefault("_made_grants", WeakSet())
        return made

    def _close_files(self) -> None:
        for granted in self._opened:
            granted.close()
        self._opened.clear()
        self._copies.close()
        self._tables.close()


def _nothing_read() -> Mapping[str, Any]:
    return {"receipts": (), "pins": {}}
