"""The contract of the ledger, over every database it knows."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

from jupyter_govdata.ledger import Ledger

POSTGRES = os.environ.get("GOVDATA_TEST_POSTGRES", "")

Execute = Callable[..., None]


def driver_url(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param(
            "postgresql",
            marks=[
                pytest.mark.services,
                pytest.mark.skipif(
                    not POSTGRES, reason="needs a PostgreSQL server: run `make test-all`"
                ),
            ],
        ),
    ]
)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.db'}"
        return
    schema = f"test_{secrets.token_hex(6)}"
    engine = create_engine(driver_url(POSTGRES), isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        conn.exec_driver_sql(f"CREATE SCHEMA {schema}")
    url = make_url(POSTGRES).update_query_dict(
        {"options": f"-csearch_path={schema}", "application_name": schema}
    )
    try:
        yield url.render_as_string(hide_password=False)
    finally:
        with engine.connect() as conn:
            conn.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
        engine.dispose()


@pytest.fixture
def ledger(store_url: str) -> Iterator[Ledger]:
    with Ledger.open(store_url, create=True) as opened:
        yield opened


@pytest.fixture
def execute(store_url: str) -> Execute:
    """Run SQL on the store behind the ledger's back, as somebody who owns its database."""

    def run(*statements: str) -> None:
        engine = create_engine(driver_url(store_url))
        with engine.begin() as conn:
            if conn.dialect.name == "sqlite":
                conn.exec_driver_sql("DROP TRIGGER IF EXISTS govdata_audit_UPDATE")
                conn.exec_driver_sql("DROP TRIGGER IF EXISTS govdata_audit_DELETE")
            else:
                conn.exec_driver_sql("DROP TRIGGER IF EXISTS govdata_audit_change ON govdata_audit")
            for statement in statements:
                conn.exec_driver_sql(statement)
        engine.dispose()

    return run
