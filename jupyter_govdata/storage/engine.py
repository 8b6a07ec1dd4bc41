"""The gateway's own DuckDB: locked down, in memory, shared by all scans below one folder.

Runs in the gateway. SECURITY: no user text reaches this engine (see `sql`); the lock-down is a
second wall: it opens files below one folder only, loads no extension and spills nothing to disk.
DuckDB lets nobody undo the first two while it runs; `lock_configuration` is not set because the
size of the stream buffer can only be chosen per connection.
"""

from __future__ import annotations

import threading

import duckdb

from jupyter_govdata.storage.sql import pattern, text

STREAM_BUFFER = "64MB"
"""Rows decoded ahead of a stream's reader. Measured: DuckDB's own 1 MB keeps one core idle."""

_LOCK = threading.Lock()
_ENGINES: dict[tuple[str, str], tuple[duckdb.DuckDBPyConnection, int]] = {}


def cursor(root: str, memory_limit: str, threads: int) -> duckdb.DuckDBPyConnection:
    """Return a connection of its own to the engine that may read below `root`.

    Args:
        root: Folder; nothing outside can be opened.
        memory_limit: Of the engine, over all its scans, e.g. ``4GB``.
        threads: Of the engine, over all its scans; the largest number asked for applies.
    """
    key = (root, memory_limit)
    with _LOCK:
        engine, running = _ENGINES.get(key) or (_opened(*key), 0)
        if threads > running:
            engine.execute(f"SET GLOBAL threads = {int(threads)}")
            running = threads
        _ENGINES[key] = engine, running
        connection = engine.cursor()
    connection.execute(f"SET streaming_buffer_size = '{STREAM_BUFFER}'")
    return connection


def _opened(root: str, memory_limit: str) -> duckdb.DuckDBPyConnection:
    engine = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": memory_limit,
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
        },
    )
    folder = root.rstrip("/") + "/"
    # UPSTREAM: the check sees the pattern as it is written before the path that it matches.
    allowed = ", ".join(text(f) for f in dict.fromkeys((folder, pattern(folder))))
    for setting in (
        "SET GLOBAL TimeZone = 'UTC'",
        "SET GLOBAL arrow_lossless_conversion = true",
        "SET GLOBAL parquet_metadata_cache = true",
        f"SET GLOBAL allowed_directories = [{allowed}]",
        "SET GLOBAL enable_external_access = false",
    ):
        engine.execute(setting)
    return engine
