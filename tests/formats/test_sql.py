from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from jupyter_govdata.errors import LoadError, MissingExtraError
from jupyter_govdata.formats import open_source
from jupyter_govdata.formats.sql import redacted
from tests.formats.reading import columns, kinds, read, rejects


def _database(folder: Path, rows: int = 2) -> Path:
    path = folder / "x.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    metadata = sa.MetaData()
    table = sa.Table(
        "visits",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(20)),
        sa.Column("day", sa.Date),
        sa.Column("at", sa.DateTime),
        sa.Column("dose", sa.Numeric(9, 2)),
        sa.Column("w", sa.Float),
        sa.Column("ok", sa.Boolean),
        sa.Column("raw", sa.LargeBinary),
        sa.Column("tm", sa.Time),
    )
    sa.Table("empty", metadata, sa.Column("a", sa.Integer))
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(
            table.insert(),
            [
                {
                    "id": i,
                    "name": "ü",
                    "day": dt.date(2020, 1, 1),
                    "at": dt.datetime(2020, 1, 1, 2, 3, 4, 5),
                    "dose": Decimal("1.25"),
                    "w": 0.1,
                    "ok": True,
                    "raw": b"\0\xff",
                    "tm": dt.time(10, 30),
                }
                for i in range(rows)
            ],
        )
    engine.dispose()
    return path


def test_sqlite_table_keeps_decimals_and_dates(tmp_path):
    path = _database(tmp_path)
    source, table = read(f"sqlite:///{path}", table="visits")
    assert kinds(table) == {
        "id": "long", "name": "string", "day": "date", "at": "timestamp", "dose": "decimal(9,2)",
        "w": "double", "ok": "boolean", "raw": "binary", "tm": "time",
    }  # fmt: skip
    assert table.slice(1).to_pylist() == [
        {
            "id": 1, "name": "ü", "day": dt.date(2020, 1, 1),
            "at": dt.datetime(2020, 1, 1, 2, 3, 4, 5), "dose": Decimal("1.25"), "w": 0.1,
            "ok": True, "raw": b"\0\xff", "tm": dt.time(10, 30),
        }
    ]  # fmt: skip
    assert source.location.endswith("x.db table visits")


def test_sqlite_file_is_opened_by_its_path(tmp_path):
    path = _database(tmp_path)
    with pytest.raises(LoadError, match="which table") as caught:
        open_source(path)
    assert "empty, visits" in (caught.value.hint or "")
    assert read(path, table="empty")[1].num_rows == 0


def test_sqlite_values_of_another_type_are_set_aside(tmp_path):
    path = _database(tmp_path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("insert into visits (id, day) values (7, 'long ago')")
        connection.execute("insert into visits (id, dose) values (8, 'much')")
        connection.execute("insert into visits (id) values (9)")
    out = tmp_path / "out.csv"
    _, table = read(f"sqlite:///{path}", table="visits", reject_file=out)
    assert table["id"].to_pylist() == [0, 1, 9]
    assert [(r["line"], r["column"]) for r in rejects(out)] == [("3", "day"), ("4", "dose")]
    assert "long ago" in rejects(out)[0]["raw"]


def test_sql_rows_are_streamed_with_progress(tmp_path):
    path = _database(tmp_path, 25_000)
    seen: list[tuple[int, int, int | None]] = []
    source, table = read(path, table="visits", on_progress=lambda *args: seen.append(args))
    assert [rows for rows, _, _ in seen] == [10_000, 20_000, 25_000]
    assert seen[-1][1] == source.bytes
    assert columns(table)["id"] == list(range(25_000))


def test_sql_view_is_read(tmp_path):
    path = _database(tmp_path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create view ids as select id from visits")
    assert columns(read(path, table="ids")[1]) == {"id": [0, 1]}


def test_sql_unknown_table_lists_the_known(tmp_path):
    with pytest.raises(LoadError, match="no table `visit`") as caught:
        open_source(_database(tmp_path), table="visit")
    assert "visits" in (caught.value.hint or "")


def test_sqlite_file_that_is_missing_is_not_made(tmp_path):
    with pytest.raises(LoadError, match="no file"):
        open_source(f"sqlite:///{tmp_path}/none.db", table="t")
    assert not (tmp_path / "none.db").exists()


def test_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "x.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(LoadError, match="does not answer"):
        open_source(tmp_path / "x.db", table="t", format="sql")


SECRET = "hunter2"  # what must not be shown


@pytest.mark.parametrize(
    "url",
    [f"postgresql+psycopg://ana:{SECRET}@h/db", f"mysql://h/db?password={SECRET}&x=1",
     f"mssql+pyodbc:///?odbc_connect=PWD%3D{SECRET}", f"x://h/?access_token={SECRET}"],
)  # fmt: skip
def test_database_url_is_shown_without_secrets(url):
    shown = redacted(make_url(url))
    assert SECRET not in shown
    assert "***" in shown or "hidden" in shown


@pytest.mark.parametrize(
    "url",
    [f"postgresql+nodriver://ana:{SECRET}@h/db", f"nothing://ana:{SECRET}@h/db",
     f"sqlite://ana:{SECRET}@/x", f"postgresql://ana:{SECRET}@h:port/db"],
)  # fmt: skip
def test_database_error_shows_no_secret(url):
    with pytest.raises((LoadError, MissingExtraError)) as caught:
        open_source(url, table="t")
    seen = caught.value
    while seen is not None:
        assert SECRET not in f"{seen!r} {seen}"
        seen = seen.__cause__  # type: ignore[assignment]
