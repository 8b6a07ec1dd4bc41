"""Draws one image small: the whole of a process of its own, which the Jupyter server starts.

Run as ``python drawing.py FORMAT SIZE`` with the bytes of a file as its standard input; writes a
PNG, or ends with another status than 0: `MISSING` where a library is not installed.

SECURITY: the bytes come from whoever made the file, and decoders are written in C. So memory and
time are limited here, no other decoder than that of `FORMAT` is asked, and the process is given no
environment.
"""

from __future__ import annotations

import sys
from io import BytesIO
from typing import Any

try:
    import resource
except ImportError:  # Windows: the time limit of the server holds
    resource = None  # type: ignore[assignment]

MEMORY = 2 << 30
SECONDS = 10
MAX_PIXELS = 64_000_000
DICOM = "DICOM"
MISSING = 3


def limit() -> None:
    """Bound what this process may take."""
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def draw(data: bytes, kind: str, size: int) -> bytes:
    """Return a PNG of at most `size` by `size` pixels, with nothing of the file but its picture.

    Raises:
        Exception: The file is damaged, too large, or of a kind that is not understood.
    """
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # it raises at twice as many
    image = _dicom(data) if kind == DICOM else Image.open(BytesIO(data), formats=[kind])
    if image.width * image.height > MAX_PIXELS:
        raise ValueError("too many pixels")
    image.draft("RGB", (size, size))
    image = ImageOps.exif_transpose(image)
    image = _eight_bits(image)
    image.thumbnail((size, size))
    image.info.clear()
    made = BytesIO()
    image.save(made, "PNG")
    return made.getvalue()


def _eight_bits(image: Any) -> Any:
    """Return an image with 8 bits a channel; instruments give more, and use few of them."""
    if image.mode.startswith("I") or image.mode == "F":
        image = image.convert("F")
        low, high = image.getextrema()
        scale = 255.0 / (high - low) if high > low else 0.0
        return image.point(lambda value: value * scale - low * scale).convert("L")
    if image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _dicom(data: bytes) -> Any:
    """Return the first frame of a DICOM file."""
    import pydicom
    from PIL import Image
    from pydicom.pixels.processing import apply_color_lut, apply_voi_lut
    from pydicom.pixels.utils import pixel_array

    header = pydicom.dcmread(BytesIO(data))
    if header.Rows * header.Columns * header.SamplesPerPixel > MAX_PIXELS:
        raise ValueError("too many pixels")
    pixels = pixel_array(header, index=0)
    if header.SamplesPerPixel == 1 and "PALETTE" not in header.PhotometricInterpretation:
        pixels = apply_voi_lut(pixels, header).astype("float32")
        if header.PhotometricInterpretation == "MONOCHROME1":
            pixels = -pixels
    elif header.SamplesPerPixel == 1:
        colours = apply_color_lut(pixels, header)
        pixels = (colours >> 8 * (colours.itemsize - 1)).astype("uint8")
    return Image.fromarray(pixels)


def main() -> None:
    """Draw what standard input holds."""
    data = sys.stdin.buffer.read()
    limit()
    try:
        made = draw(data, sys.argv[1], int(sys.argv[2]))
    except ImportError:
        sys.exit(MISSING)
    sys.stdout.buffer.write(made)


if __name__ == "__main__":
    main()
