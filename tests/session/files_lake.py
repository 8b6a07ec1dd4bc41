"""A lake with inventories of real and awkward files, made the way a steward does."""

from __future__ import annotations

import io
import random
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from jupyter_govdata.demo.staging import DATA
from jupyter_govdata.session import Session, connect, init_lake
from tests.gateway.files_world import consents, governance, row, table

STORAGE = '\n[storage.files]\ntype = "local"\nroot = "files"\nassets = ["imaging"]\n'
BIG = "scans/big.bin"
CELLS = pa.table({"cell": range(1_000), "x": [i / 7 for i in range(1_000)]})
WITHDRAWN = "P3"
"""The patient who does not consent to model training."""


def zarr_zip() -> bytes:
    """Return an array of zarr, packed into one file."""
    import zarr

    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as out:
        group = zarr.storage.MemoryStore()
        array = zarr.create_array(group, shape=(64, 64), chunks=(16, 16), dtype="u2")
        array[:] = np.arange(64 * 64, dtype="u2").reshape(64, 64)
        store = {name: value.to_bytes() for name, value in group._store_dict.items()}
        for name, content in store.items():
            out.writestr(zipfile.ZipInfo(name), content)
    return target.getvalue()


@cache
def contents() -> dict[str, bytes]:
    """Return path -> bytes of every file: sizes at the edges, names that trip programs."""
    noise = random.Random(7)
    parquet, csv = io.BytesIO(), io.BytesIO()
    pq.write_table(CELLS, parquet, row_group_size=100)
    pa.csv.write_csv(CELLS, csv)
    dicom, slides = DATA / "dicom_samples", DATA / "wsi_he"
    return {
        "scans/empty.bin": b"",
        "scans/one.bin": b"\x00",
        "scans/small.bin": noise.randbytes(70_000),
        BIG: noise.randbytes(20_000_000),
        "tables/cells.parquet": parquet.getvalue(),
        "tables/cells.csv": csv.getvalue(),
        "images/CT_small.dcm": (dicom / "CT_small.dcm").read_bytes(),
        "images/region.svs": (slides / "CMU-1-Small-Region.svs").read_bytes(),
        "images/tile.png": (slides / "tiles" / "TCGA-A2-A0CM-DX1_0.png").read_bytes(),
        "images/array.zarr.zip": zarr_zip(),
        "names/ünï côde 試.bin": b"unicode",
        "names/percent%2F..%2Fx#?.bin": b"percent",
        "names/a:b*c.bin": b"colon",
        "names/.hidden": b"hidden",
        "one/same.bin": b"first",
        "two/same.bin": b"second",
        "two/SAME.bin": b"third",
    }


def build_files(folder: Path) -> Path:
    """Make the lake: every file of patient P0 .. P9 by turns, of study S1 and S2 by turns."""
    source = folder / "source"
    for name, text in governance().items():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    lake = init_lake(folder / "lake", source, "dina")
    with (lake / "govdata.toml").open("a", encoding="utf-8") as out:
        out.write(STORAGE)
    rows = []
    for i, (path, content) in enumerate(contents().items()):
        target = lake / "files" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        rows.append(row(f"files/{path}", content, f"P{i % 10}", ("S1", "S2")[i % 2]))
    with connect(lake, user="dina") as dina:
        dina.load(
            consents({f"P{i}": f"P{i}" != WITHDRAWN for i in range(10)}), "governance.consent"
        )
        dina.load(table(rows), "imaging.slides")
        dina.load(table(rows), "imaging.named")
    return lake


def put_back(dina: Session, lake: Path) -> None:
    """Give every file its content and every patient their answer, as they were at first."""
    for path, content in contents().items():
        stored = lake / "files" / path
        if stored.read_bytes() != content:
            stored.write_bytes(content)
    for i in range(10):
        answer = "withdrawn" if f"P{i}" == WITHDRAWN else "given"
        dina.consent("T:patient", f"P{i}", "model_training", answer)
