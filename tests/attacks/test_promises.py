"""Each promise of the threat model names tests that exist, and every kind of attacker is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "THREAT_MODEL.md").read_text(encoding="utf-8")


def test_promises_name_files_of_tests_that_exist() -> None:
    section = TEXT.split("## Promises, and the tests that hold them")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 15
    for row in rows:
        files = re.findall(r"`(tests/[\w/]+\.py)`", row)
        assert files, row
        for name in files:
            assert (ROOT / name).is_file(), name


def test_every_file_that_is_named_anywhere_exists() -> None:
    for name in re.findall(r"`((?:tests|benchmarks|docs)/[\w./-]+)`", TEXT):
        assert (ROOT / name).exists(), name


def test_every_kind_of_attacker_has_an_answer() -> None:
    table = TEXT.split("## Attackers and answers")[1].split("\n## ")[0]
    for who in ("analyst", "partner", "curious producer", "compromised notebook", "stolen token"):
        assert who in table, who
    assert "operator of the storage" in table
    for limit in ("Timing", "Embedded use", "What leaves the kernel"):
        assert f"**{limit}" in TEXT, limit
