"""Conditions that fail, and statistics, meet no denied row. Random queries: `tests/fuzz`."""

from __future__ import annotations

import pytest

from jupyter_govdata.session import connect


@pytest.mark.attack("T24", surface="api")
@pytest.mark.parametrize(
    "probe",
    [
        "SELECT error(arm) FROM trials.patients WHERE study IS DISTINCT FROM 'S1'",
        "SELECT 1 // (age - 27) FROM trials.patients WHERE study = 'S3'",
        "SELECT CAST(arm AS INT) FROM trials.patients WHERE study = 'S2' AND arm = 'high'",
        "SELECT 1 FROM trials.patients WHERE IF(study <> 'S1', error('LEAK ' || arm), true)",
    ],
)
def test_error_raising_conditions_meet_no_denied_row(world, probe):
    """T24: an error would tell that a denied row exists; ana may see study S1 only."""
    with connect(world.lake, user="ana") as session:
        session.sql(probe)


@pytest.mark.attack("T27", "T28", surface="api")
def test_statistics_are_those_of_the_governed_rows(world):
    """T27, T28: SUMMARIZE and stats() see masked, permitted rows only."""
    with connect(world.lake, user="ana") as session:
        sql = "SUMMARIZE SELECT * EXCLUDE (score) FROM trials.patients"
        summary = session.sql(sql).arrow().to_pylist()
        by_name = {row["column_name"]: row for row in summary}
        assert "secret" not in by_name
        assert by_name["study"]["min"] == by_name["study"]["max"] == "S1"
        assert all(row["count"] == 10 for row in summary)
        assert by_name["birth"]["min"].endswith("-01-01")
        text = str(session.sql("SELECT stats(birth), stats(patient) FROM trials.patients").arrow())
        assert "P001" not in text
        plan = str(session.sql("EXPLAIN SELECT * FROM trials.patients").arrow())
        assert "40" not in plan
