"""The SQL reader on a PostgreSQL server; `make test-all` starts one."""

from __future__ import annotations

import datetime as dt
import os
import uuid
from decimal import Decimal

import pytest
import sqlalchemy as sa

from jupyter_govdata.formats import open_source
from tests.formats.reading import kinds, read

URL = os.environ.get("GOVDATA_TEST_POSTGRES", "")
pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(not URL, reason="needs a PostgreSQL server: run `make test-all`"),
]

DEFINITION = """
create table {schema}.visits (
    id bigint, name varchar(20), day date, at timestamp, zoned timestamptz, dose numeric(9,2),
    free numeric, w double precision, ok boolean, raw bytea, tm time, u uuid, j jsonb,
    a integer[]
)
"""


@pytest.fixture
def schema():
    name = f"s{uuid.uuid4().hex}"
    engine = sa.create_engine(URL)
    with engine.begin() as connection:
        connection.execute(sa.text(f"create schema {name}"))
        connection.execute(sa.text(DEFINITION.format(schema=name)))
        connection.execute(sa.text(f"comment on column {name}.visits.dose is 'Dose in mg'"))
        connection.execute(
            sa.text(
                f"insert into {name}.visits select i, 'ü', '2020-01-01', '2020-01-01 02:03:04',"
                " '2020-01-01 02:03:04+02', 1.25, 1.5, 0.1, true, '\\x00ff', '10:30',"
                " '00000000-0000-0000-0000-000000000001', '{\"a\": 1}', '{1,2}'"
                " from generate_series(1, 25000) i"
            )
        )
        connection.execute(
            sa.text(f"insert into {name}.visits (id, dose, day) values (0, 'NaN', 'infinity')")
        )
    yield name
    with engine.begin() as connection:
        connection.execute(sa.text(f"drop schema {name} cascade"))
    engine.dispose()


def test_postgres_table_keeps_decimals_dates_and_comments(schema):
    source, table = read(URL, table=f"{schema}.visits")
    assert kinds(table) == {
        "id": "long", "name": "string", "day": "date", "at": "timestamp", "zoned": "timestamptz",
        "dose": "decimal(9,2)", "free": "decimal(38,10)", "w": "double", "ok": "boolean",
        "raw": "binary", "tm": "time", "u": "string", "j": "string", "a": "string",
    }  # fmt: skip
    row = {
        "id": 25000, "name": "ü", "day": dt.date(2020, 1, 1),
        "at": dt.datetime(2020, 1, 1, 2, 3, 4),
        "zoned": dt.datetime(2020, 1, 1, 0, 3, 4, tzinfo=dt.UTC), "dose": Decimal("1.25"),
        "free": Decimal("1.5"), "w": 0.1, "ok": True, "raw": b"\0\xff", "tm": dt.time(10, 30),
        "u": "00000000-0000-0000-0000-000000000001", "j": '{"a": 1}', "a": "[1, 2]",
    }  # fmt: skip
    assert [r for r in table.to_pylist() if r["id"] == 25000] == [row]
    assert source.schema.field("dose").metadata == {b"description": b"Dose in mg"}
    assert source.sha256 is None


def test_postgres_rows_are_streamed_and_odd_values_set_aside(schema):
    seen: list[int] = []
    source, table = read(
        URL, table=f"{schema}.visits", on_progress=lambda rows, *_: seen.append(rows)
    )
    assert seen == [10_000, 20_000, 25_001]
    assert table.num_rows + source.reject.count == 25_001


def test_postgres_password_is_not_shown(schema):
    url = sa.make_url(URL)
    source = open_source(URL, table=f"{schema}.visits")
    assert not url.password or str(url.password) not in source.location
