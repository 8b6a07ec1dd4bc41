"""Deliveries of the demo: packaged files brought to the form in which they are loaded.

Runs in the client; writes only into the staging folder it is given. Most files are loaded as
they are. Staged are: what readers want uncompressed, tables that a history needs in several
deliveries, press readings of one common type, notes with the name of their file, and the
tables that the demo makes itself (inventories, consent register).
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jupyter_govdata.demo import consent, inventory

DATA = Path(__file__).parent / "data"

_CONSENT = pa.schema(
    [
        ("person_key", pa.string()),
        ("purpose", pa.string()),
        ("status", pa.string()),
        ("recorded_at", pa.timestamp("us", "UTC")),
        ("source", pa.string()),
    ]
)
_FILE = [
    ("uri", pa.string()),
    ("format", pa.string()),
    ("bytes", pa.int64()),
    ("sha256", pa.string()),
]
_SLIDES = pa.schema(
    [
        *_FILE,
        *((n, pa.string()) for n in ("modality", "stain", "slide_id", "study_id", "id_type")),
        ("patient_barcode", pa.string()),
        ("licence", pa.string()),
        ("width", pa.int64()),
        ("height", pa.int64()),
    ]
)
_DICOM = pa.schema(
    [
        *_FILE,
        ("file", pa.string()),
        ("readable", pa.bool_()),
        *((n, pa.string()) for n in ("transfer_syntax", "modality", "patient_id", "study_date")),
        ("study_day", pa.date32()),
        *((n, pa.string()) for n in ("study_uid", "series_uid", "sop_class", "body_part")),
        ("pixel_rows", pa.int64()),
        ("pixel_columns", pa.int64()),
        ("manufacturer", pa.string()),
    ]
)


def unpacked(stage: Path, name: str) -> Path:
    """Return `name` without its gzip layer, below `stage`."""
    target = stage / name.removesuffix(".gz")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.decompress((DATA / name).read_bytes()))
    return target


def laml_delivery(
    stage: Path, name: str, rows: tuple[int, int], *, without: Sequence[str] = ()
) -> Path:
    """Return a delivery of the LAML outcomes: lines `rows` (0-based, end exclusive), without
    some columns.
    """
    lines = (DATA / "tcga_laml/tcga_laml_annot.tsv").read_text(encoding="utf-8").splitlines()
    head = lines[0].split("\t")
    kept = [i for i, column in enumerate(head) if column not in without]
    body = [line.split("\t") for line in lines[1:][slice(*rows)]]
    target = stage / name
    target.write_text(
        "".join("\t".join(cells[i] for i in kept) + "\n" for cells in (head, *body)),
        encoding="utf-8",
    )
    return target


def press_readings(stage: Path, code: int) -> Path:
    """Return the press readings of a product that the source keeps as Parquet.

    Time stamps become time stamps, and numbers get the types of the other products: the files
    differ in them, because a type was guessed for each file.
    """
    name = f"tablet_mfg/process_timeseries/{code}.parquet"
    table = pq.read_table(DATA / name)
    for position, column in enumerate(table.column_names):
        values = table.column(column)
        if column == "timestamp":
            values = pc.strptime(values, "%Y-%m-%d %H:%M:%S", "us")
        elif column in PRESS_DOUBLE:
            values = values.cast(pa.float64())
        else:
            values = values.cast(pa.int64())
        table = table.set_column(position, column, values)
    target = stage / f"{code}.parquet"
    pq.write_table(table, target)
    return target


PRESS_DOUBLE = (
    "tbl_speed",
    "fom",
    "main_comp",
    "tbl_fill",
    "SREL",
    "pre_comp",
    "cyl_main",
    "cyl_pre",
)


def notes(stage: Path) -> Path:
    """Return all note sections as one table, with the name of their file."""
    target = stage / "clinical_notes.csv"
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        for number, path in enumerate(sorted((DATA / "clinical_notes").glob("*.csv.gz"))):
            text = gzip.decompress(path.read_bytes()).decode("utf-8-sig")
            rows = csv.reader(io.StringIO(text, newline=""))
            head = next(rows)
            if number == 0:
                writer.writerow(["file", *head])
            writer.writerows([path.name.removesuffix(".gz"), *row] for row in rows)
    return target


def persons() -> list[str]:
    """Return the person keys of the crosswalk, sorted."""
    packed = (DATA / "crosswalk/subject_crosswalk.csv.gz").read_bytes()
    rows = csv.DictReader(io.StringIO(gzip.decompress(packed).decode()))
    return sorted({row["person_key"] for row in rows})


def consents(*, withdrawals: bool) -> pa.Table:
    """Return the consent register's first entries, or the withdrawals that came later."""
    asked, withdrawn = consent.register(persons())
    return pa.Table.from_pylist(withdrawn if withdrawals else asked, schema=_CONSENT)


def slides() -> pa.Table:
    """Return the inventory of slides and tiles."""
    rows = inventory.slides(DATA / "wsi_he", "files/wsi_he")
    return pa.Table.from_pylist(rows, schema=_SLIDES)


def dicom() -> pa.Table:
    """Return the inventory of DICOM files."""
    rows = inventory.dicom(DATA / "dicom_samples", "files/dicom_samples")
    return pa.Table.from_pylist(rows, schema=_DICOM)


def prostate_types(name: str) -> dict[str, str]:
    """Return the types that a cell file's numbers have in all cell files.

    An intensity that happens to be whole in one core is a decimal number in the next.
    """
    head = gzip.decompress((DATA / name).read_bytes()).split(b"\n", 1)[0].decode().split(",")
    measured = ("Intensity", "Area", "Perimeter", "Roundness")
    columns = [column.strip('"\r') for column in head]
    return {c: "double" for c in columns if any(word in c for word in measured)}


def now() -> str:
    """Return this moment in UTC, to the second."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
