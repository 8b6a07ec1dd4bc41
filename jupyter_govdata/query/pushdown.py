"""Statements whose filters are not handed over. Runs in the kernel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

# UPSTREAM: DuckDB 1.5 fails when it hands over IS DISTINCT FROM inside OR, and it needs pytz to
# hand over a set of timestamps with zones.
CANNOT_PUSH = ("Arrow Scan Pushdown Filter", "for NaN values", "module 'pytz'")
"""What errors of DuckDB hold when it fails to hand a filter over."""
_NO_PUSHDOWN = "filter_pushdown,join_filter_pushdown"


@contextmanager
def without_pushdown(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Hand no filter over, inside the block."""
    row = connection.execute("SELECT current_setting('disabled_optimizers')").fetchone()
    before = str(row[0]).replace("'", "''") if row else ""
    cursor = connection.cursor()  # of the same database: an open stream of `connection` lives on
    try:
        cursor.execute(f"SET disabled_optimizers = '{_NO_PUSHDOWN}'")
        yield
    finally:
        cursor.execute(f"SET disabled_optimizers = '{before}'")
        cursor.close()
