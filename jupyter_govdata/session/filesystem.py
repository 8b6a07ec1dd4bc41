"""All inventories as a filesystem of fsspec: what `fsspec.filesystem("govdata")` makes.

Runs in the kernel, or in any process that may connect.
"""

from __future__ import annotations

import weakref
from typing import Any

from jupyter_govdata.files.fileset import FileSet
from jupyter_govdata.files.fs import GovDataFileSystem
from jupyter_govdata.session.connecting import connect
from jupyter_govdata.session.session import Session


class LakeFileSystem(GovDataFileSystem):
    """Every inventory that is visible, as ``govdata://ASSET/PATH``, over a session of its own.

    Args:
        lake: Lake folder or gateway address; as of `connect` by default.
        user: Principal of an embedded session.
        purpose: What the files are used for.
    """

    def __init__(
        self,
        *,
        lake: str | None = None,
        user: str | None = None,
        purpose: str | None = None,
        **options: Any,
    ) -> None:
        session = connect(lake, user=user, purpose=purpose)
        weakref.finalize(self, session.close)
        super().__init__(inventories=_Inventories(session), **options)


class _Inventories:
    def __init__(self, session: Session) -> None:
        self._session = session

    def names(self) -> list[str]:
        """See `Inventories.names`."""
        return [shown.name for shown in self._session.catalog.ls() if shown.kind == "files"]

    def files(self, asset: str) -> FileSet:
        """See `Inventories.files`."""
        return self._session.files(asset)
