"""A table of a SQL database, by SQLAlchemy URL. Runs in the client process.

Rows are streamed with a server-side cursor where the database has one, in one transaction that
only reads. The password of the URL appears nowhere: not in `location`, notes or errors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy import types as sqltypes
from sqlalchemy.engine import URL, make_url

from jupyter_govdata.errors import LoadError, MissingExtraError
from jupyter_govdata.formats.iceberg_types import described
from jupyter_govdata.formats.opening import existing
from jupyter_govdata.formats.shaped import ShapedSource
from jupyter_govdata.formats.source import Request
from jupyter_govdata.formats.values import as_text

_ROWS = 10_000
_UNBOUND = pa.decimal128(38, 10)  # for a numeric column that says nothing
_EXTRAS = {"postgresql": "postgres"}
_SECRET = ("pass", "pwd", "token", "secret", "key", "credential", "odbc_connect")


class SqlSource(ShapedSource):
    """A table or view of a database; `batches` may be called again and reads it again."""

    kind = "sql"

    def __init__(self, request: Request) -> None:
        self._url = _url(str(request.source))
        super().__init__(request, redacted(self._url))
        self._file = _sqlite_file(self._url)
        self._is_postgres = self._url.get_backend_name() == "postgresql"
        if self._file is not None:
            existing(self._file)
            self._stored = self._file
            self.bytes = self._file.stat().st_size
        engine = self._engine()
        try:
            with engine.connect() as connection:
                self._table, native = _reflected(connection, request.table)
                # Counting is for progress only; a server may need minutes for it.
                count = sa.select(sa.func.count()).select_from(self._table)
                self._total = connection.execute(count).scalar_one() if self._file else 0
        except sa.exc.SQLAlchemyError as exc:
            raise self._failed(exc) from None
        finally:
            engine.dispose()
        self.location = f"{self.location} table {self._table.fullname}"
        self.notes += [
            f"`{column.name}` has no precision and is kept as decimal(38,10)"
            for column in self._table.columns
            if _kind(column.type) == _UNBOUND
        ]
        self._shape(request, native)

    def _engine(self) -> sa.Engine:
        try:
            return sa.create_engine(self._url, hide_parameters=True)
        except ModuleNotFoundError as exc:
            extra = _EXTRAS.get(self._url.get_backend_name())
            if extra:
                raise MissingExtraError.for_extra(extra, "reading this database") from exc
            raise LoadError(
                f"the driver of `{self._url.drivername}` is not installed",
                hint="install the package of the driver",
            ) from exc
        except sa.exc.SQLAlchemyError as exc:
            raise self._failed(exc) from None

    def _failed(self, exc: Exception) -> LoadError:
        # SECURITY: texts of drivers may quote the URL, a query or a value; none is passed on.
        return LoadError(
            f"the database does not answer as it should ({type(exc).__name__})",
            hint=f"check that `{self.location}` can be reached with your rights",
        )

    def _read(self) -> Iterator[pa.RecordBatch]:
        engine = self._engine()
        columns = [self._raw(column) for column in self._table.columns]
        try:
            options = {"postgresql_readonly": True} if self._is_postgres else {}
            with engine.connect().execution_options(**options) as connection:
                for setting in self._settings():
                    connection.execute(sa.text(setting))
                result = connection.execute(
                    sa.select(*columns),
                    execution_options={"stream_results": True, "yield_per": _ROWS},
                )
                for rows in result.partitions(_ROWS):
                    yield self._partition(rows)
        except sa.exc.SQLAlchemyError as exc:
            raise self._failed(exc) from None
        finally:
            engine.dispose()

    def _raw(self, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
        """Return what is selected for a column, converted by nobody but this reader.

        SQLAlchemy's own conversions, and psycopg's of dates like `infinity`, fail the whole query
        at the first value that does not fit; here such a value refuses its row only.
        """
        if self._is_postgres and isinstance(column.type, sqltypes.Date | sqltypes.DateTime):
            return sa.cast(column, sa.Text).label(column.name)
        return sa.type_coerce(column, sqltypes.NullType()).label(column.name)

    def _settings(self) -> tuple[str, ...]:
        """Return what makes dates as text the same everywhere."""
        if not self._is_postgres:
            return ()
        return "set local time zone 'UTC'", "set local datestyle to 'ISO, YMD'"

    def _partition(self, rows: Sequence[Any]) -> pa.RecordBatch:
        first = self.rows_read + 1
        columns = [list(column) for column in zip(*rows, strict=True)]
        if self.bytes is not None:
            done = self.rows_read + len(rows)
            self._bytes_done = self.bytes * min(done, self._total) // max(1, self._total)
        return self._fit_columns(
            columns,
            range(first, first + len(rows)),
            lambda row: as_text(dict(zip(self._native.names, rows[row], strict=True))),
        )


def redacted(url: URL) -> str:
    """Return the URL without password, also where it hides in the query."""
    hidden = {
        key: "hidden" if any(word in key.lower() for word in _SECRET) else value
        for key, value in url.query.items()
    }
    return url.set(query=hidden).render_as_string(hide_password=True)


def _url(text: str) -> URL:
    if "://" not in text:
        return URL.create("sqlite", database=text)
    try:
        return make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        # SECURITY: the text may hold a password.
        raise LoadError(
            "the database URL does not parse",
            hint="write it like sqlite:///x.db or postgresql+psycopg://user@host/database",
        ) from None


def _sqlite_file(url: URL) -> Path | None:
    named = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(str(url.database)) if named else None


def _reflected(connection: sa.Connection, name: str | None) -> tuple[sa.Table, pa.Schema]:
    """Return the table and its schema.

    Raises:
        LoadError: No such table; the tables that exist are listed.
    """
    inspector = sa.inspect(connection)
    known = [*inspector.get_table_names(), *inspector.get_view_names()]
    if name is None:
        if len(known) != 1:
            raise LoadError("which table of the database is not said", hint=_tables(known))
        name = known[0]
    schema, _, bare = name.rpartition(".")
    if name in known:
        schema, bare = "", name
    try:
        table = sa.Table(bare, sa.MetaData(), schema=schema or None, autoload_with=connection)
    except sa.exc.NoSuchTableError:
        raise LoadError(f"the database has no table `{name[:100]}`", hint=_tables(known)) from None
    fields = [
        described(column.name, _kind(column.type), description=column.comment or "")
        for column in table.columns
    ]
    return table, pa.schema(fields)


def _tables(known: Sequence[str]) -> str:
    if not known:
        return "it has none that you may see"
    return f"say `table`: {', '.join(known[:30])}{' ...' if len(known) > 30 else ''}"


def _kind(kind: sqltypes.TypeEngine[Any]) -> pa.DataType:
    """Map a SQL type; one without a like becomes text."""
    if isinstance(kind, sqltypes.Boolean):
        return pa.bool_()
    if isinstance(kind, sqltypes.Integer):
        return pa.int64()
    if isinstance(kind, sqltypes.Float):
        return pa.float64()
    if isinstance(kind, sqltypes.Numeric):
        precision = kind.precision
        if precision is None or not 1 <= precision <= 38:
            return pa.string() if precision else _UNBOUND
        return pa.decimal128(precision, max(0, min(kind.scale or 0, precision)))
    if isinstance(kind, sqltypes.DateTime):
        return pa.timestamp("us", tz="UTC" if kind.timezone else None)
    if isinstance(kind, sqltypes.Date):
        return pa.date32()
    if isinstance(kind, sqltypes.Time):
        return pa.time64("us")
    if isinstance(kind, sqltypes._Binary):
        return pa.binary()
    return pa.string()
