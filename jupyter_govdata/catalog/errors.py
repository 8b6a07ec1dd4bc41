"""Foreign errors of the catalog's SDKs, said in our words.

Runs in the gateway. One place maps what pyiceberg, SQLAlchemy, pyarrow and the file system raise,
so no storage address or SQL text of theirs reaches a message.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyiceberg.exceptions as ice
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from jupyter_govdata.errors import CatalogError, GovDataError, NotVisibleError, StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_MISSING = (
    ice.NoSuchTableError,
    ice.NoSuchNamespaceError,
    ice.NoSuchIcebergTableError,
    ice.NoSuchIdentifierError,
)
_CONFLICT = (ice.CommitFailedException, ice.ValidationException)
FOREIGN = (
    OSError,
    pa.ArrowException,
    SQLAlchemyError,
    ValueError,
    TypeError,
    KeyError,
    ice.TableAlreadyExistsError,
    ice.ResolveError,
    ice.ValidationError,
    ice.RESTError,
    ice.NoSuchPropertyException,
    ice.NotInstalledError,
    ice.WaitingForLockException,
    *_MISSING,
    *_CONFLICT,
)
"""What the SDKs raise; a programming error of ours (AttributeError ...) is not among them."""


@contextmanager
def catalog_errors(asset: str) -> Iterator[None]:
    """Map foreign exceptions of the block to ours; `asset` names the asset in messages."""
    try:
        yield
    except GovDataError:
        raise
    except FOREIGN as exc:
        raise mapped(exc, asset) from exc


def is_conflict(exc: BaseException) -> bool:
    """Return True if the commit lost against another writer and certainly did not land."""
    return isinstance(exc, _CONFLICT)


def mapped(exc: Exception, asset: str) -> GovDataError:
    """Return our error for a foreign one."""
    if isinstance(exc, _MISSING):
        return NotVisibleError.for_asset(asset)
    if isinstance(exc, ice.TableAlreadyExistsError):
        return CatalogError(
            f"asset `{asset}` exists already", hint="append to it, or choose another name"
        )
    if isinstance(exc, _CONFLICT):
        return CatalogError(
            f"`{asset}` was changed by somebody else at the same time", hint="run it again"
        )
    if isinstance(exc, SQLAlchemyError):
        return _database_error(exc)
    if isinstance(exc, OSError):
        return _file_error(exc, asset)
    if isinstance(exc, ice.RESTError | ice.WaitingForLockException):
        return CatalogError("the catalog service refused or did not answer", hint="try again later")
    if isinstance(exc, pa.ArrowException):
        return StorageError(f"a file of `{asset}` is damaged")
    return CatalogError(f"the catalog's records of `{asset}` cannot be read or changed")


def _database_error(exc: SQLAlchemyError) -> GovDataError:
    text = str(exc.orig) if isinstance(exc, OperationalError) else ""
    if "locked" in text:
        return CatalogError(
            "the catalog is locked by another program", hint="close it, or try again"
        )
    if "full" in text:
        return _disk_full()
    return CatalogError("the catalog's database does not answer", hint="`jupyter govdata doctor`")


def _disk_full() -> StorageError:
    return StorageError(
        "the disk is full; nothing was saved", hint="free some space, then run it again"
    )


def _file_error(exc: OSError, asset: str) -> GovDataError:
    if exc.errno in _FULL:
        return _disk_full()
    if isinstance(exc, FileNotFoundError) or exc.errno == errno.ENOENT:
        return StorageError(f"a file of `{asset}` is missing")
    if isinstance(exc, PermissionError):
        return StorageError(f"a file of `{asset}` may not be read or written by the gateway")
    return StorageError(f"a file of `{asset}` cannot be read or written")
