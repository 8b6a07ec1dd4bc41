"""What two stamps tell: pure, every combination at once."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from jupyter_govdata.model.stamp import Receipt, Stamp
from jupyter_govdata.rerun.comparing import compare

RECEIPT = Receipt("trials.a", 1, 0, 1, "ana", "research", "d1", "f" * 64)
STAMP = Stamp("q" * 64, "p" * 64, (RECEIPT,), "v1:" + "0" * 64, "advisory", {"duckdb": "1.5"})
CHANGES: dict[str, Any] = {
    "data": lambda s: replace(s, receipts=tuple(replace(r, snapshot_id=2) for r in s.receipts)),
    "code": lambda s: replace(s, query_digest="r" * 64),
    "parameters": lambda s: replace(s, parameters_digest="s" * 64),
    "permission": lambda s: replace(s, receipts=tuple(replace(r, epoch=2) for r in s.receipts)),
    "environment": lambda s: replace(s, versions={"duckdb": "1.6"}),
}
CELL = {"id": "c", "metadata": {"papermill": {"status": "completed"}}}
OTHER = "v1:" + "1" * 64


@pytest.mark.parametrize("chosen", list(product((False, True), repeat=5)))
@pytest.mark.parametrize("is_same", [True, False])
def test_compare_names_every_cause_and_no_other(chosen: tuple[bool, ...], is_same: bool) -> None:
    changed = STAMP
    causes = tuple(c for c, is_chosen in zip(CHANGES, chosen, strict=True) if is_chosen)
    for cause in causes:
        changed = CHANGES[cause](changed)
    if not is_same:
        changed = replace(changed, result_digest=OTHER)
    found = compare(CELL, 0, (STAMP,), (changed,))
    assert found is not None
    assert found.verdict == ("identical" if is_same else "different")
    assert found.causes == (causes or (() if is_same else ("unknown",)))


@pytest.mark.parametrize("field", ["decision_id", "principal", "purpose", "masked", "filtered"])
def test_compare_takes_any_change_of_the_decision_for_permission(field: str) -> None:
    value: Any = {"masked": ("x",), "filtered": True}.get(field, "other")
    receipt = replace(RECEIPT, **{field: value})
    now = replace(STAMP, receipts=(receipt,), result_digest=OTHER)
    found = compare(CELL, 0, (STAMP,), (now,))
    assert found is not None
    assert found.causes == ("permission",)


@pytest.mark.parametrize("which", ["before", "after", "both"])
def test_compare_of_a_result_that_was_not_read_to_its_end_claims_nothing(which: str) -> None:
    partial = replace(STAMP, status="partial", result_digest="")
    before = STAMP if which == "after" else partial
    after = STAMP if which == "before" else partial
    found = compare(CELL, 0, (before,), (after,))
    assert found is not None
    assert found.verdict == "not replayable"
    assert "no digest" in found.why


def test_compare_of_a_query_that_had_failed_and_now_runs_is_different() -> None:
    failed = replace(STAMP, status="failed", result_digest="", error="limit")
    found = compare(CELL, 0, (failed,), (STAMP,))
    assert found is not None
    assert found.verdict == "different"
    assert found.why == "when it was stamped the query failed (`limit`), now it ended"
    same = compare(CELL, 0, (failed,), (failed,))
    assert same is not None
    assert same.verdict == "identical"
    other = compare(CELL, 0, (failed,), (replace(failed, error="refused"),))
    assert other is not None
    assert other.verdict == "different"


def test_compare_of_a_cell_without_stamps_reports_failures_only() -> None:
    assert compare(CELL, 0, (), ()) is None
    failed = {"id": "c", "metadata": {"papermill": {"status": "failed", "exception": True}}}
    found = compare(failed, 0, (), ())
    assert found is not None
    assert found.verdict == "failed"


def test_compare_of_one_query_of_two_that_is_gone_says_code() -> None:
    found = compare(CELL, 0, (STAMP, STAMP), (STAMP,))
    assert found is not None
    assert (found.verdict, found.causes) == ("different", ("code",))
