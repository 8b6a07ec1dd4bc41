"""The demo's tables have histories: versions, a tag, an added and a renamed column."""

from __future__ import annotations

import json
from pathlib import Path

from jupyter_govdata.session import Session
from tests.demo import raw


def test_outcomes_first_delivery_is_tagged_and_lacks_a_column(dina: Session) -> None:
    frozen = dina.sql("FROM trials.laml_outcomes AT (TAG => 'freeze-2025-06')").df()
    assert len(frozen) == 120
    assert "FAB_classification" not in frozen.columns
    assert "FAB_classification" in dina.sql("FROM trials.laml_outcomes").df().columns


def test_outcomes_second_delivery_overlaps_and_the_last_corrects_it(dina: Session) -> None:
    versions = sorted(dina.catalog.versions("trials.laml_outcomes"), key=lambda s: s.committed_at)
    counts = [len(dina.scan("trials.laml_outcomes", at=v.snapshot_id).df()) for v in versions]
    assert counts[:2] == [120, 220]
    assert counts[-1] == 200
    assert len({dina.sql("FROM trials.laml_outcomes").df().Tumor_Sample_Barcode.nunique()}) == 1


def test_old_version_is_filtered_by_the_consent_of_today(ana: Session) -> None:
    barcodes = raw.everything()["laml_outcomes"].Tumor_Sample_Barcode.iloc[:120]
    allowed = set(raw.permitted("research")["laml_outcomes"].Tumor_Sample_Barcode)
    seen = ana.scan("trials.laml_outcomes", at="freeze-2025-06").df()
    assert len(seen) == len(set(barcodes) & allowed) < 120


def test_misspelt_column_is_mended_and_old_versions_keep_it(dina: Session) -> None:
    now = dina.catalog.describe("manufacturing.batches")
    assert now.asset.column("residual_solvent") is not None
    assert now.asset.column("resodual_solvent") is None
    first = min(
        dina.catalog.versions("manufacturing.batches"), key=lambda s: s.committed_at
    ).snapshot_id
    old = dina.scan("manufacturing.batches", at=first, limit=1).df()
    assert "resodual_solvent" in old.columns


def test_press_readings_have_one_version_a_product(dina: Session) -> None:
    versions = sorted(
        dina.catalog.versions("manufacturing.press_series"), key=lambda s: s.committed_at
    )
    totals = [v.total_rows for v in versions]
    assert totals == [53_057, 98_604, 134_213, 186_900]


def test_press_readings_are_partitioned_by_product(demo_lake: Path) -> None:
    """Looked up in the table's own metadata: paths tell nothing about partitions."""
    files = (demo_lake / "warehouse").rglob("*.metadata.json")
    tables = [json.loads(p.read_text()) for p in files if "press_series" in str(p)]
    newest = max(tables, key=lambda t: t["last-updated-ms"])
    spec = next(s for s in newest["partition-specs"] if s["spec-id"] == newest["default-spec-id"])
    columns = {f["id"]: f["name"] for f in newest["schemas"][0]["fields"]}
    assert [(columns[f["source-id"]], f["transform"]) for f in spec["fields"]] == [
        ("code", "identity")
    ]


def test_loads_remember_their_source_and_its_digest(dina: Session) -> None:
    version = dina.catalog.versions("genomics.laml_mutations")[0]
    assert version.provenance["loaded_by"] == "dina"
    assert version.provenance["rows_read"] == "2207"
    manifest = (raw.DATA / "MANIFEST.tsv").read_text().splitlines()
    digests = {line.split("\t")[0]: line.split("\t")[2] for line in manifest}
    assert version.provenance["sha256"] == digests["tcga_laml/tcga_laml.maf.gz"]
