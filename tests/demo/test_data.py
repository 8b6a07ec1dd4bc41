"""What is shipped: complete, small, licensed; and the cards say what is in the lake."""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path

import pytest

from jupyter_govdata.demo import consent, pack, staging
from jupyter_govdata.session import Session
from tests.demo import raw

SETS = sorted(p.name for p in raw.DATA.iterdir() if p.is_dir())


def test_data_is_what_the_manifest_says() -> None:
    assert pack.manifest_lines() == (raw.DATA / "MANIFEST.tsv").read_text().splitlines()


def test_data_is_at_most_fifteen_megabytes() -> None:
    assert sum(p.stat().st_size for p in raw.DATA.rglob("*") if p.is_file()) <= 15_000_000


@pytest.mark.parametrize("name", SETS)
def test_set_says_source_licence_and_changes(name: str) -> None:
    text = (raw.DATA / name / "README.md").read_text(encoding="utf-8")
    for heading in ("**Source", "icence", "**In this package.**"):
        assert heading in text
    assert f"| {name} |" in (raw.DATA / "ATTRIBUTION.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [n for n in SETS if n not in ("crosswalk", "tablet_mfg")])
def test_set_has_its_licence_file(name: str) -> None:
    # The crosswalk has the licences of its sources; the tablet set names CC BY 4.0 in its README.
    assert list((raw.DATA / name).glob("LICENSE*"))


def test_crosswalk_has_no_rows_under_the_database_licence() -> None:
    text = gzip.decompress((raw.DATA / "crosswalk/subject_crosswalk.csv.gz").read_bytes())
    assert b"MIMIC" not in text
    assert len(raw.crosswalk()) == 1_499
    assert raw.crosswalk().person_key.nunique() == 812


def test_consent_rule_is_the_documented_one() -> None:
    for person in staging.persons()[:200]:
        for purpose in raw.RULE:
            expected = raw.consents(person, purpose)
            assert (consent.status(person, purpose) == "given") == expected


def test_consent_register_has_given_withdrawn_and_never_asked() -> None:
    asked, withdrawn = consent.register(staging.persons())
    people = len(staging.persons())
    for purpose in raw.RULE:
        given = [r for r in asked if r["purpose"] == purpose]
        assert 0 < len(given) < people
        assert any(r["purpose"] == purpose for r in withdrawn)
    first = {(r["person_key"], r["purpose"]): r["recorded_at"] for r in asked}
    assert all(first[r["person_key"], r["purpose"]] < r["recorded_at"] for r in withdrawn)


def test_consent_card_says_that_it_is_made_up(dina: Session) -> None:
    assert dina.catalog.describe("governance.consent").asset.description.startswith("MADE UP")


def test_cards_describe_every_column_of_every_asset(dina: Session) -> None:
    listed = dina.catalog.ls()
    assert len(listed) == 27
    silent = []
    for summary in listed:
        card = dina.catalog.describe(summary.name).asset
        assert card.licence, summary.name
        assert card.source, summary.name
        assert card.columns, summary.name
        silent += [f"{card.name}.{c.name}" for c in card.columns if not c.description]
    assert silent == []


def test_cards_name_no_column_that_the_lake_lacks(dina: Session) -> None:
    """A card for a column that is not there would promise a mask on nothing."""
    folder = Path(pack.__file__).parent / "governance" / "assets"
    missing = []
    for file in sorted(folder.glob("*.yaml")):
        asset = ""
        for line in file.read_text(encoding="utf-8").splitlines():
            if head := re.fullmatch(r"  ([a-z_]+\.[a-z_]+):", line):
                asset = head[1]
                columns = {c.name for c in dina.catalog.describe(asset).asset.columns}
            elif entry := re.fullmatch(r'      ("?)(.+?)\1: \{description: .*', line):
                name = entry[2]
                if name not in columns:
                    missing.append(f"{asset}.{name}")
    assert missing == []


def test_image_files_are_in_the_lake_as_the_inventory_says(dina: Session, demo_lake: Path) -> None:
    d = dina.sql(
        "SELECT uri, bytes FROM imaging.slides UNION ALL SELECT uri, bytes FROM imaging.dicom"
    ).df()
    assert len(d) == 51
    for uri, size in d.itertuples(index=False):
        assert (demo_lake / uri).stat().st_size == size


def test_dicom_headers_are_what_pydicom_reads() -> None:
    pytest.importorskip("pydicom")
    with (raw.DATA / "dicom_samples" / "dicom_headers.csv").open(newline="") as lines:
        assert pack.dicom_headers(raw.DATA / "dicom_samples") == list(csv.DictReader(lines))
