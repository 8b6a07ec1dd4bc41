"""What is loaded into the demo lake, in which order: its tables and their histories.

Runs in the client; pure but for the staging folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from jupyter_govdata.demo import staging
from jupyter_govdata.demo.staging import DATA

FREEZE = "freeze-2025-06"
"""Tag of the versions that an analysis was frozen on."""


@dataclass(frozen=True, slots=True)
class Load:
    """One load of one asset.

    Args:
        asset: ``namespace.name``.
        source: Path below `data/`, or a function of the staging folder.
        mode: As in `Session.load`.
        options: Further arguments of `Session.load`.
        tag: Name for the snapshot that this load makes, or empty.
    """

    asset: str
    source: str | Callable[[Path], Path | pa.Table]
    mode: str = "create"
    options: Mapping[str, Any] = field(default_factory=dict)
    tag: str = ""

    def delivery(self, stage: Path) -> Path | pa.Table:
        """Return what is loaded: a file or a table."""
        return DATA / self.source if isinstance(self.source, str) else self.source(stage)


@dataclass(frozen=True, slots=True)
class Rename:
    """A column gets another name; older snapshots keep the old one."""

    asset: str
    old: str
    new: str


TAB = {"delimiter": "\t", "null_values": ("NA",)}
CBIO = {"delimiter": "\t", "comment": "#"}
SEMICOLON = {"delimiter": ";"}


def _unpacked(name: str) -> Callable[[Path], Path]:
    return lambda stage: staging.unpacked(stage, name)


def _readings(code: int) -> Callable[[Path], Path]:
    return lambda stage: staging.press_readings(stage, code)


def _laml() -> Iterator[Load]:
    """The outcomes came in two deliveries. The first had no subtype; the second was loaded with
    the last 20 patients of the first once more; the last load put that right.
    """
    name = "trials.laml_outcomes"
    yield Load(
        name,
        lambda stage: staging.laml_delivery(
            stage, "laml_delivery_1.tsv", (0, 120), without=["FAB_classification"]
        ),
        options=TAB,
        tag=FREEZE,
    )
    yield Load(
        name,
        lambda stage: staging.laml_delivery(stage, "laml_delivery_2.tsv", (100, 200)),
        mode="append",
        options={**TAB, "evolve": True},
    )
    yield Load(name, "tcga_laml/tcga_laml_annot.tsv", mode="overwrite", options=TAB)


def _trials() -> Iterator[Load]:
    yield from _laml()
    summit = "summit_biliary/data_clinical_"
    yield Load("trials.summit_patients", f"{summit}patient.txt", options=CBIO)
    yield Load("trials.summit_samples", f"{summit}sample.txt", options=CBIO)
    for asset, name in {
        "cdisc_dm": "sdtm/dm.xpt",
        "cdisc_ae": "sdtm/ae.xpt",
        "cdisc_adtte": "adam/adtte.xpt",
        "cdisc_reissue_dm": "dataset_json/sdtm/dm.ndjson",
        "cdisc_reissue_ae": "dataset_json/sdtm/ae.ndjson",
        "cdisc_reissue_vs": "dataset_json/sdtm/vs.ndjson",
    }.items():
        yield Load(f"trials.{asset}", _unpacked(f"cdisc_pilot/{name}.gz"))


def _genomics() -> Iterator[Load]:
    yield Load("genomics.laml_mutations", "tcga_laml/tcga_laml.maf.gz", options=TAB, tag=FREEZE)
    yield Load("genomics.laml_segments", "tcga_laml/LAML_CBS_segments.tsv.gz", options=TAB)
    yield Load("genomics.tcga_burden", "tcga_laml/tcga_cohort.txt.gz", options=TAB)
    yield Load(
        "genomics.summit_mutations", "summit_biliary/data_mutations_extended.txt", options=CBIO
    )
    yield Load("genomics.summit_cna", "summit_biliary/data_CNA.tsv", options={"delimiter": "\t"})


def _spatial() -> Iterator[Load]:
    # The file has `X` and `x`, which SQL does not tell apart: the reader calls the second `x_2`.
    names = {"column_1": "row_number", "X": "full_set_row", "x_2": "x"}
    yield Load("spatial.lung_cells", "lung_mif/lung_df_small.csv.gz", options={"columns": names})
    yield Load("spatial.prostate_cores", "prostate_tma_mif/clinical.csv")
    yield Load("spatial.prostate_summary", "prostate_tma_mif/summary.csv.gz")
    for number, path in enumerate(sorted((DATA / "prostate_tma_mif/cells").glob("*.csv.gz"))):
        name = path.relative_to(DATA).as_posix()
        yield Load(
            "spatial.prostate_cells",
            name,
            mode="append" if number else "create",
            options={"types": staging.prostate_types(name)},
        )


def _other() -> Iterator[Load | Rename]:
    yield Load("imaging.slides", lambda _: staging.slides())
    yield Load("imaging.dicom", lambda _: staging.dicom())
    yield Load("notes.sections", staging.notes)
    yield Load("manufacturing.batches", "tablet_mfg/Laboratory.csv.gz", options=SEMICOLON)
    yield Rename("manufacturing.batches", "resodual_solvent", "residual_solvent")
    yield Load("manufacturing.press_features", "tablet_mfg/Process.csv.gz", options=SEMICOLON)
    yield Load("manufacturing.normalization", "tablet_mfg/Normalization.csv", options=SEMICOLON)
    series = "manufacturing.press_series"
    yield Load(series, _readings(3), options={"partition_by": ["code"]})
    yield Load(series, _readings(5), mode="append")
    yield Load(
        series,
        "tablet_mfg/process_timeseries/6.csv.gz",
        mode="append",
        options={**SEMICOLON, "types": dict.fromkeys(staging.PRESS_DOUBLE, "double")},
    )
    yield Load(series, _readings(7), mode="append")


def plan() -> tuple[Load | Rename, ...]:
    """Return every step, registers first: consent has to be there before it can count."""
    return (
        Load("governance.crosswalk", "crosswalk/subject_crosswalk.csv.gz"),
        Load("governance.consent", lambda _: staging.consents(withdrawals=False)),
        Load("governance.consent", lambda _: staging.consents(withdrawals=True), mode="append"),
        *_trials(),
        *_genomics(),
        *_spatial(),
        *_other(),
    )
