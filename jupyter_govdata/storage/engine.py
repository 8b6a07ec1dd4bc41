"""The gateway's own DuckDB: locked down, in memory, shared by all scans below one folder.

Runs in the gateway. SECURITY: no user text reaches this engine (see `sql`); the lock-down is a
second wall: it opens files below one folder only, loads no extension and spills nothing to disk.
DuckDB lets nobody undo the first two while it runs; `lock_configuration` is not set because the
size of the stream buffer can only be chosen per connection.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import duckdb

from jupyter_govdata.storage.sql import pattern, text

STREAM_BUFFER = "16MB"
"""Rows decoded ahead of a stream's reader; the first ones come when it is full. Measured: DuckDB's
own 1 MB keeps one core idle, 64 MB are no faster and make the first page wait."""

IDLE_CONNECTIONS = 8
"""Connections kept for the next scan: making one costs a fifth of a millisecond."""

_LOCK = threading.Lock()


@dataclass(slots=True)
class _Engine:
    connection: duckdb.DuckDBPyConnection
    threads: int = 0
    idle: list[duckdb.DuckDBPyConnection] = field(default_factory=list)


_ENGINES: dict[tuple[str, str, str], _Engine] = {}


def cursor(name: str, root: str, memory_limit: str, threads: int) -> duckdb.DuckDBPyConnection:
    """Return a connection to the engine that may read below `root`, nobody else's meanwhile.

    Args:
        name: Engines of different names share no memory.
        root: Folder; nothing outside can be opened.
        memory_limit: Of the engine, over all its scans, e.g. ``4GB``.
        threads: Of the engine, over all its scans; the largest number asked for applies.
    """
    key = (name, root, memory_limit)
    with _LOCK:
        engine = _ENGINES.get(key)
        if engine is None:
            engine = _ENGINES[key] = _Engine(_opened(root, memory_limit))
        if threads > engine.threads:
            engine.connection.execute(f"SET GLOBAL threads = {int(threads)}")
            engine.threads = threads
        if engine.idle:
            return engine.idle.pop()
        connection = engine.connection.cursor()
    connection.execute(f"SET streaming_buffer_size = '{STREAM_BUFFER}'")
    return connection


def give_back(
    name: str, root: str, memory_limit: str, connection: duckdb.DuckDBPyConnection
) -> None:
    """Keep a connection for the next scan.

    SECURITY: it must hold nothing of its scan: no registered table, no open result.
    """
    with _LOCK:
        engine = _ENGINES[name, root, memory_limit]
        if len(engine.idle) < IDLE_CONNECTIONS:
            engine.idle.append(connection)
            return
    connection.close()


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
