"""What is still to come is told where the card tells it, and nowhere else."""

from __future__ import annotations

import pyarrow as pa
import pytest

from jupyter_govdata.query.progress import Progress
from jupyter_govdata.session import Session, connect


def last(session: Session, sql: str) -> Progress:
    seen: list[Progress] = []
    session.sql(sql, on_progress=seen.append)
    assert seen[-1].done
    return seen[-1]


@pytest.fixture(scope="module", autouse=True)
def wide(shared_lake):
    with connect(shared_lake, user="dina") as dina:
        dina.load(pa.table({"x": list(range(30))}), "trials.wide")


def test_total_of_an_asset_that_is_read_whole_is_told(ana):
    progress = last(ana, "SELECT count(x) FROM trials.wide")
    assert (progress.rows, progress.total_rows) == (30, 30)


def test_total_of_a_self_join_counts_both_scans(ana):
    progress = last(ana, "SELECT count(*) FROM trials.wide a POSITIONAL JOIN trials.wide b")
    assert (progress.rows, progress.total_rows) == (60, 60)


@pytest.mark.parametrize(
    "sql", ["SELECT age FROM trials.patients", "SELECT x FROM trials.wide WHERE x > 10"]
)
def test_total_under_a_row_filter_or_a_condition_is_not_told(ana, sql):
    progress = last(ana, sql)
    assert progress.rows > 0
    assert progress.total_rows is None
    assert progress.assets[0].total_rows is None
