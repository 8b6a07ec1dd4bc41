"""No attack of the list is forgotten: each has a test by each way it can arrive, or a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attacks.corpus import HIGHEST, REACH, SURFACES, marks
from tests.attacks.not_applicable import NOT_APPLICABLE

NUMBERS = {f"T{number:02}" for number in range(1, HIGHEST + 1)}


def test_every_number_is_tried_or_listed_with_a_reason_and_never_both():
    assert set(REACH) | set(NOT_APPLICABLE) == NUMBERS
    assert not set(REACH) & set(NOT_APPLICABLE)
    assert all(len(reason) > 40 for reason in NOT_APPLICABLE.values())


def test_every_way_of_every_attack_has_a_test():
    tried = {(mark.number, mark.surface) for mark in marks()}
    wanted = {(number, surface) for number, surfaces in REACH.items() for surface in surfaces}
    assert sorted(wanted - tried) == []


def test_marks_name_known_numbers_and_ways_that_are_listed():
    for mark in marks():
        assert mark.number in NUMBERS - set(NOT_APPLICABLE), mark
        assert mark.surface in SURFACES, mark
        assert mark.surface in REACH[mark.number], mark


def test_missing_mark_and_unknown_number_would_be_found(tmp_path: Path):
    (tmp_path / "test_x.py").write_text(
        "import pytest\n\n@pytest.mark.attack('T99', 'T01', surface='flight')\ndef test_x(): ...\n"
    )
    [unknown, known] = marks(tmp_path)
    assert unknown.number not in NUMBERS
    assert (known.number, known.surface, known.test) == ("T01", "flight", "test_x.py::test_x")
    (tmp_path / "test_x.py").write_text("@pytest.mark.attack('T01')\ndef test_x(): ...\n")
    with pytest.raises(ValueError, match="names its surface"):
        marks(tmp_path)


def test_threat_model_names_every_number():
    text = (Path(__file__).parent.parent.parent / "THREAT_MODEL.md").read_text(encoding="utf-8")
    assert [number for number in sorted(NUMBERS) if f"| {number} |" not in text] == []
