"""The gateway's own DuckDB: locked down, shared by all scans below one folder. Runs in the gateway.

SECURITY: no user text reaches this engine; the lock-down is a second wall. It may read files below
one folder and nothing else, load no extension, and change no setting.
"""

from __future__ import annotations

import threading
from pathlib import Path

import duckdb

from jupyter_govdata.errors import StorageError
from jupyter_govdata.storage.sql import text

_STREAM_BUFFER = "64MB"
_lock = threading.Lock()
_engines: dict[tuple[str, str, int], duckdb.DuckDBPyConnection] = {}


def local_path(address: str) -> str:
    """Return the local path of a storage address.

    Raises:
        StorageError: The address is not on a local file system.
    """
    if address.startswith("file:"):
        return address.removeprefix("file://").removeprefix("file:")
    if "://" in address:
        raise StorageError(
            "this gateway reads table files from its own file system only",
            hint="use a catalog whose warehouse is a local or mounted folder",
        )
    return address


def cursor(root: str, memory: str, threads: int) -> duckdb.DuckDBPyConnection:
    """Return a fresh cursor on the engine that may read below `root`.

    Args:
        root: Folder or ``file:`` address.
        memory: Memory limit of the engine, shared by all its scans, e.g. ``1GB``.
        threads: Threads of the engine.
    """
    key = (root, memory, threads)
    with _lock:
        if key not in _engines:
            _engines[key] = _open(root, memory, threads)
        return _engines[key].cursor()


def _open(root: str, memory: str, threads: int) -> duckdb.DuckDBPyConnection:
    folder = Path(local_path(root))
    config = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": memory,
        "threads": str(threads),
        "temp_directory": "",
        "TimeZone": "UTC",
        "streaming_buffer_size": _STREAM_BUFFER,
    }
    engine = duckdb.connect(":memory:", config=config)
    allowed = {f"{folder}/", f"{folder.resolve()}/"}
    engine.execute(f"SET allowed_directories = [{', '.join(map(text, sorted(allowed)))}]")
    engine.execute("SET enable_external_access = false")
    engine.execute("SET lock_configuration = true")
    return engine
