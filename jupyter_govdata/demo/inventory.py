"""Inventories of the demo's image files, made by reading them.

Runs in the client; trusts the packaged files. Size, digest, format and dimensions need nothing
but the bytes. DICOM header fields come from `dicom_headers.csv`, which `pack` made with pydicom,
so that building the lake does not need it.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import struct
from pathlib import Path
from typing import Any

_LICENCES = {
    "CMU-1-Small-Region.svs": "CC0-1.0",
    "TCGA-CR-7395-01A-01-TS1.svs": "TCGA open access",
    "TCGA-A2-A0CM-DX1_0.png": "CC0-1.0",
    "TCGA-A2-A0CM-DX1_1.png": "CC0-1.0",
}
_COHORTS = {"TCGA-CR-7395": "TCGA-HNSC", "TCGA-A2-A0CM": "TCGA-BRCA"}


def file_facts(path: Path) -> dict[str, Any]:
    """Return format (by the first bytes), size and SHA-256 of a file."""
    content = path.read_bytes()
    return {
        "format": _format(content),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _format(content: bytes) -> str:
    if content[128:132] == b"DICM":
        return "dicom"
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if content[:4] in (b"II*\x00", b"MM\x00*"):
        return "svs" if b"Aperio" in content else "tiff"
    return "unknown"


def dimensions(path: Path) -> tuple[int, int] | None:
    """Return width and height of a PNG, or of the first image of a TIFF such as SVS."""
    content = path.read_bytes()
    kind = _format(content)
    if kind == "png":
        width, height = struct.unpack(">II", content[16:24])
        return width, height
    if kind not in ("svs", "tiff"):
        return None
    order = "<" if content[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}I", content, 4)
    (count,) = struct.unpack_from(f"{order}H", content, start)
    found: dict[int, int] = {}
    for entry in range(count):
        place = start + 2 + 12 * entry
        tag, kind_code, _ = struct.unpack_from(f"{order}HHI", content, place)
        if tag in (256, 257):
            code = "H" if kind_code == 3 else "I"
            (found[tag],) = struct.unpack_from(f"{order}{code}", content, place + 8)
    return found[256], found[257]


def _day(text: str) -> dt.date | None:
    """Return a DICOM date; files of before DICOM 3.0 write it with dots."""
    return dt.datetime.strptime(text.replace(".", ""), "%Y%m%d").date() if text else None


def slides(folder: Path, base: str) -> list[dict[str, Any]]:
    """Return one row per image of `wsi_he`.

    Args:
        folder: The set's folder.
        base: Address of the folder from which the lake serves the files, without a final slash.
    """
    rows = []
    for path in sorted([*folder.glob("*.svs"), *folder.glob("tiles/*.png")]):
        # A tile `TCGA-A2-A0CM-DX1_0` is cut from the slide `TCGA-A2-A0CM-DX1`.
        slide = path.stem.split("_")[0] if path.stem.startswith("TCGA-") else None
        patient = slide[:12] if slide else None
        size = dimensions(path)
        rows.append(
            {
                "uri": f"{base}/{path.relative_to(folder).as_posix()}",
                **file_facts(path),
                "modality": "SM",
                "stain": "H&E",
                "slide_id": slide,
                "study_id": _COHORTS[patient] if patient else None,
                "id_type": "tcga_slide" if slide else None,
                "patient_barcode": patient,
                "licence": _LICENCES[path.name],
                "width": size[0] if size else None,
                "height": size[1] if size else None,
            }
        )
    return rows


def dicom(folder: Path, base: str) -> list[dict[str, Any]]:
    """Return one row per file of `dicom_samples`: what the file is, and its header fields.

    Args:
        folder: The set's folder.
        base: As in `slides`.
    """
    rows = []
    with (folder / "dicom_headers.csv").open(encoding="utf-8", newline="") as lines:
        for header in csv.DictReader(lines):
            fields: dict[str, Any] = {k: v or None for k, v in header.items()}
            for number in ("pixel_rows", "pixel_columns"):
                fields[number] = int(fields[number]) if fields[number] else None
            fields["readable"] = header["readable"] == "true"
            fields["study_day"] = _day(header["study_date"])
            name = header["file"]
            rows.append({"uri": f"{base}/{name}", **file_facts(folder / name), **fields})
    return rows
