"""Opens the store's database and reads its epoch cheaply. Runs in the gateway.

SQLite: one file, WAL, every commit on disk before it returns. PostgreSQL: by URL, extra
``postgres``. Nothing above this module knows which of the two it talks to.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol, cast

from sqlalchemy import (
    URL,
    ClauseElement,
    Connection,
    CursorResult,
    Engine,
    create_engine,
    event,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.sql.compiler import SQLCompiler

from jupyter_govdata.errors import (
    ConfigError,
    LakeVersionError,
    MissingExtraError,
    StorageError,
)
from jupyter_govdata.ledger.schema import MIGRATIONS, epochs, found_version, migrate

BUSY_SECONDS = 10
_WRITE = "govdata_write"


def store_error(what: str) -> StorageError:
    """Return the error for a store that cannot be used."""
    return StorageError(
        f"the governance store cannot be {what}",
        hint="check that its database runs, has space and may be written",
    )


class _Epochs(Protocol):
    def read(self) -> tuple[int, int]: ...
    def close(self) -> None: ...


class _SqliteEpochs:
    """Reads (epoch, consent) over one autocommit connection: a few microseconds a call."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._conn = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS
        )
        self._conn.execute("PRAGMA query_only = ON")
        self._sql = f"SELECT epoch, consent FROM {epochs.name} WHERE id = 1"

    def read(self) -> tuple[int, int]:
        try:
            with self._lock:
                row = self._conn.execute(self._sql).fetchone()
        except sqlite3.Error as exc:
            raise store_error("read") from exc
        if row is None:
            raise store_error("read")
        return row[0], row[1]

    def close(self) -> None:
        with self._lock:
            self._conn.close()


class _PostgresEpochs:
    """Reads (epoch, consent) over a small pool in autocommit, without a ping before."""

    def __init__(self, url: URL) -> None:
        self._engine = create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            pool_size=4,
            max_overflow=12,
            pool_reset_on_return=None,
        )
        self._query = select(epochs.c.epoch, epochs.c.consent).where(epochs.c.id == 1)

    def read(self) -> tuple[int, int]:
        try:
            row = self._once()
        except DBAPIError as exc:
            if not exc.connection_invalidated:
                raise store_error("read") from exc
            # The server was restarted: the pool is fresh now, so a second try may connect.
            try:
                row = self._once()
            except SQLAlchemyError as again:
                raise store_error("read") from again
        except SQLAlchemyError as exc:
            raise store_error("read") from exc
        if row is None:
            raise store_error("read")
        return row

    def _once(self) -> tuple[int, int] | None:
        with self._engine.connect() as conn:
            row = conn.execute(self._query).one_or_none()
            return None if row is None else (int(row[0]), int(row[1]))

    def close(self) -> None:
        self._engine.dispose()


class Statement:
    """A statement that runs for every answer: compiled once, handed to the driver as text.

    Building and caching it anew costs SQLAlchemy more than SQLite needs to run it.

    Args:
        clause: Without types that need their values converted.
    """

    def __init__(self, clause: ClauseElement) -> None:
        self._clause = clause
        self._compiled: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {}

    def run(self, conn: Connection, *rows: Mapping[str, Any]) -> CursorResult[Any]:
        """Run it once for each of `rows`, or once without parameters."""
        found = self._compiled.get(conn.dialect.name)
        if found is None:
            compiled = cast("SQLCompiler", self._clause.compile(dialect=conn.dialect))
            found = (str(compiled), dict(compiled.params), tuple(compiled.positiontup or ()))
            self._compiled[conn.dialect.name] = found
        text, given, places = found
        named = [{**given, **row} for row in rows or ({},)]
        if not places:
            return conn.exec_driver_sql(text, named if len(named) > 1 else named[0])
        listed = [tuple(row[place] for place in places) for row in named]
        return conn.exec_driver_sql(text, listed if len(listed) > 1 else listed[0])


class Store:
    """The database behind a ledger; safe to use from many threads."""

    def __init__(self, url: URL, engine: Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(**{_WRITE: True})
        self._file = url.database if url.get_backend_name() == "sqlite" else None
        self._reading = (
            engine if self._file else engine.execution_options(isolation_level="REPEATABLE READ")
        )
        self._identity = self._file_identity()
        # SQLite has one writer: waiting for it here is fair, its own busy wait polls.
        self._writer: AbstractContextManager[Any] = (
            threading.Lock() if self._file else nullcontext()
        )
        self._epochs: _Epochs = _SqliteEpochs(self._file) if self._file else _PostgresEpochs(url)
        self._floor = 0
        self._floor_lock = threading.Lock()

    @classmethod
    def open(cls, url: str, *, create: bool) -> Store:
        """Open the database and bring its schema up to date; see `Ledger.open`."""
        parsed = _parse(url)
        if parsed.get_backend_name() == "sqlite":
            _require_file(Path(parsed.database or ""), create=create)
        engine = _engine(parsed)
        try:
            _upgrade(engine, create=create)
            return cls(parsed, engine)
        except SQLAlchemyError as exc:
            engine.dispose()
            raise store_error("opened") from exc
        except BaseException:
            engine.dispose()
            raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection that sees one consistent state of the store.

        Raises:
            StorageError: The store cannot be read.
        """
        self._require_same_file()
        try:
            with self._reading.begin() as conn:
                yield conn
        except SQLAlchemyError as exc:
            raise store_error("read") from exc

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that is durable once the block ends.

        Raises:
            StorageError: The store cannot be written; nothing was.
        """
        with self._writer:
            self._require_same_file()
            try:
                with self._writing.begin() as conn:
                    yield conn
            except SQLAlchemyError as exc:
                raise store_error("written") from exc

    def epochs(self) -> tuple[int, int]:
        """Return the epoch and the epoch of the last consent change.

        Raises:
            StorageError: The store cannot be read, was replaced, or went back in time.
        """
        # The floor is taken before the read: a commit in between may only raise what is read.
        floor = self._floor
        self._require_same_file()
        epoch, consent = self._epochs.read()
        if epoch < floor:
            # SECURITY: an older store would bring back permissions that were taken away (T65).
            raise StorageError(
                f"the governance store went back from epoch {floor} to {epoch}",
                hint="it was restored from a backup: verify it, then restart the gateway",
            )
        if epoch > floor:
            self.saw(epoch)
        return epoch, consent

    def saw(self, epoch: int) -> None:
        """Remember an epoch that was committed: the store may not go back behind it."""
        with self._floor_lock:
            self._floor = max(self._floor, epoch)

    def close(self) -> None:
        """Close all connections."""
        self._epochs.close()
        self._engine.dispose()

    def _file_identity(self) -> tuple[int, int] | None:
        if self._file is None:
            return None
        try:
            found = os.stat(self._file)  # noqa: PTH116  (once per batch of every stream)
        except OSError:
            return (0, 0)
        return found.st_dev, found.st_ino

    def _require_same_file(self) -> None:
        # SECURITY: with another file in its place, open connections would go on with the old
        # one: permissions would be stale and audit records would be lost.
        if self._identity is not None and self._file_identity() != self._identity:
            raise StorageError(
                "the file of the governance store was replaced or removed",
                hint="restart the gateway",
            )


def _parse(url: str) -> URL:
    if url.startswith("sqlite:///") and url != "sqlite:///:memory:":
        # The rest is a path as it stands, whatever characters it holds.
        path = Path(url.removeprefix("sqlite:///")).absolute()
        return URL.create("sqlite", database=str(path))
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.drivername not in ("postgresql", "postgresql+psycopg"):
        raise ConfigError(
            "`store` is not a URL of a governance store",
            hint="use `sqlite:///FILE` or `postgresql://USER@HOST/DATABASE`",
        )
    return parsed.set(drivername="postgresql+psycopg")


def _require_file(path: Path, *, create: bool) -> None:
    try:
        if create:
            # SECURITY: consents and the audit chain are nobody else's to read; the WAL file
            # takes the mode of the database.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        elif not path.is_file():
            raise ConfigError(
                "there is no governance store", hint="make one with `jupyter govdata init`"
            )
    except OSError as exc:
        raise store_error("opened") from exc


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url,
            hide_parameters=True,
            max_overflow=-1,
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        )
        event.listen(engine, "connect", _sqlite_connected)
        event.listen(engine, "begin", _sqlite_begins)
        return engine
    try:
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, max_overflow=32)
    except ImportError as exc:
        raise MissingExtraError.for_extra("postgres", "a store in PostgreSQL") from exc
    event.listen(engine, "connect", _postgres_connected)
    return engine


def _sqlite_connected(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # this module says BEGIN itself
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "fullfsync = ON",
        "foreign_keys = ON",
        "trusted_schema = OFF",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _sqlite_begins(conn: Connection) -> None:
    # A deferred transaction that turns into a writer may fail at once; a writer says so first.
    writes = conn.get_execution_options().get(_WRITE)
    conn.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgres_connected(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
    connection.commit()


def _upgrade(engine: Engine, *, create: bool) -> None:
    newest = len(MIGRATIONS)
    with engine.connect() as conn:
        version = found_version(conn)
    if version == 0 and not create:
        raise ConfigError(
            "there is no governance store", hint="make one with `jupyter govdata init`"
        )
    if version < newest:
        with engine.execution_options(**{_WRITE: True}).begin() as conn:
            if conn.dialect.name == "postgresql":
                _require_utf8(conn)
                conn.exec_driver_sql("SELECT pg_advisory_xact_lock(7235140021)")
            version = found_version(conn)  # another gateway may have been faster
            if version < newest:
                migrate(conn, version)
    if version > newest:
        raise LakeVersionError(
            f"the governance store has version {version}, this version reads up to {newest}",
            hint="upgrade: pip install -U jupyter_govdata",
        )


def _require_utf8(conn: Connection) -> None:
    if conn.exec_driver_sql("SHOW server_encoding").scalar() != "UTF8":
        raise ConfigError(
            "the database of the governance store is not encoded in UTF-8",
            hint="create one with `ENCODING 'UTF8'`",
        )
