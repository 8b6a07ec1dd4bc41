"""An inventory of files that have pictures, of files that have none, and of files that pretend."""

from __future__ import annotations

import datetime as dt
import io
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image, PngImagePlugin

from jupyter_govdata.demo.staging import DATA
from tests.gateway.files_world import row, table

STORAGE = '\n[storage.images]\ntype = "local"\nroot = "images"\nassets = ["trials"]\n'
INVENTORY = "trials.images"
WITHDRAWN_LATER = "leaving.png"
"""Its consent is withdrawn by a test, and by no other."""
NO_CONSENT = "never.png"
CARDS = """
assets:
  trials.images:
    kind: files
    owner: dina
    steward: stewards
    description: Pictures and what looks like pictures.
    subject: {column: patient, domain: "T:patient"}
    files: {uri: uri, size: bytes, checksum: sha256, version: version}
    columns:
      uri: {description: Address.}
"""
POLICIES = """
@id("images-found")
permit (principal in Group::"clinical", action in [Action::"discover", Action::"reveal"],
        resource in Asset::"trials.images");

@id("images-open")
permit (principal in Group::"clinical", action in [Action::"select", Action::"open"],
        resource in Asset::"trials.images")
when { resource.subject.consents.contains(context.purpose) };
"""
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'


def saved(image: Image.Image, kind: str, **more: Any) -> bytes:
    made = io.BytesIO()
    image.save(made, kind, **more)
    return made.getvalue()


def bomb(side: int) -> bytes:
    """Return a PNG of few bytes that says that it has `side` by `side` pixels, and has them."""

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + crc

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes((side // 8 + 1) * 1000), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@cache
def contents() -> dict[str, bytes]:
    """Return name -> bytes of every file, in the order of the inventory."""
    blue = Image.new("RGB", (640, 320), (20, 60, 200))
    secret = PngImagePlugin.PngInfo()
    secret.add_text("Comment", "SECRET-IN-THE-FILE")
    turned = Image.Exif()
    turned[0x0112], turned[0x010E] = 6, "SECRET-IN-THE-FILE"
    deep = Image.new("I;16", (300, 100))
    deep.putdata([1_000 + x for x in range(30_000)])
    return {
        "blue.png": saved(blue, "PNG", pnginfo=secret),
        "turned.jpg": saved(blue, "JPEG", exif=turned),
        "still.gif": saved(blue.quantize(4), "GIF"),
        "deep.tif": saved(deep, "TIFF"),
        "slice.dcm": (DATA / "dicom_samples" / "CT_small.dcm").read_bytes(),
        "named-as-text.txt": saved(blue, "PNG"),
        "markup.png": SVG,
        "page.jpg": b"<html><script>alert(1)</script></html>",
        "words.txt": b"no picture",
        "empty.png": b"",
        "cut.png": saved(blue, "PNG")[:200],
        "bomb.png": bomb(60_000),
        NO_CONSENT: saved(blue, "PNG"),
        WITHDRAWN_LATER: saved(blue, "PNG"),
    }


def write(lake: Path) -> pa.Table:
    """Write the files and the storage's settings; return the inventory."""
    folder = lake / "images"
    folder.mkdir()
    with (lake / "govdata.toml").open("a", encoding="utf-8") as out:
        out.write(STORAGE)
    rows = []
    for name, content in contents().items():
        (folder / name).write_bytes(content)
        rows.append(row(f"images/{name}", content, f"I-{name}", "S1"))
    large = folder / "large.png"
    with large.open("wb") as out:
        out.write(contents()["blue.png"])
        out.truncate((32 << 20) + 1)
    sizes = {"bytes": (32 << 20) + 1, "sha256": None}
    rows.append(row("images/large.png", b"", "I-large.png", "S1") | sizes)
    return table(rows)


def consents(names: list[str], status: str = "given", year: int = 2025) -> pa.Table:
    """Return what the people of some files said to research."""
    moment = dt.datetime(year, 1, 1, tzinfo=dt.UTC)
    return pa.table(
        {
            "person_key": [f"T:patient|I-{name}" for name in names],
            "purpose": ["research"] * len(names),
            "status": [status] * len(names),
            "recorded_at": pa.array([moment] * len(names), pa.timestamp("us", "UTC")),
            "source": ["test"] * len(names),
        }
    )


def given() -> pa.Table:
    """Return the consents that there are at first."""
    return consents([name for name in (*contents(), "large.png") if name != NO_CONSENT])
