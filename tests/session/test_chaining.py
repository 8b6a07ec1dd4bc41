"""A result that is a table of the next query: what it read stays on the next stamp."""

from __future__ import annotations

import pytest

from jupyter_govdata.session import Session


@pytest.mark.attack("T45", surface="api")
def test_chained_result_carries_receipts_masks_and_purpose_of_what_it_was_made_from(
    ana: Session,
) -> None:
    first = ana.sql("SELECT patient, age FROM trials.patients WHERE age > 40")
    second = ana.sql("SELECT avg(age) AS mean FROM first", frames={"first": first})
    assert second.receipts == first.receipts
    assert second.stamp.receipts == first.receipts
    assert second.masked == first.masked
    assert second.purpose == "research"
    # A rerun pins what the query itself scans; the other one has a cell of its own.
    assert second.pins == {}
    assert second.scanned_rows == 0


def test_chained_result_of_a_chained_result_still_knows_its_origin(ana: Session) -> None:
    first = ana.sql("SELECT patient, age FROM trials.patients")
    second = ana.sql("SELECT * FROM first WHERE age > 40", frames={"first": first})
    third = ana.sql(
        "WITH mine AS (FROM second) SELECT score FROM trials.patients JOIN mine USING (patient)",
        frames={"second": second, "first": first},
    )
    assert set(first.receipts) < set(third.receipts)
    assert third.pins == {"trials.patients": first.receipts[0].snapshot_id}


def test_result_whose_name_is_only_a_column_of_the_query_is_not_its_origin(ana: Session) -> None:
    age = ana.sql("SELECT age FROM trials.patients")
    other = ana.sql("SELECT 1 AS age")
    third = ana.sql("SELECT age FROM other", frames={"age": age, "other": other})
    assert third.receipts == ()


def test_table_made_from_a_result_names_its_origin(ana: Session) -> None:
    first = ana.sql("SELECT patient, age FROM trials.patients")
    made = ana.sql("CREATE TABLE mine AS FROM first", frames={"first": first})
    assert made.receipts == first.receipts
