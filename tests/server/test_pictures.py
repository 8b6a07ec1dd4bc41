"""Files of an inventory and their pictures: who may, what is drawn, and what never is."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from jupyter_govdata.server import drawing
from jupyter_govdata.server.pictures import HEAD, Pictures, Wanted, kind_of
from jupyter_govdata.server.problems import ProblemError
from jupyter_govdata.server.work import Stop
from jupyter_govdata.session import Session, connect
from tests.server.description import check
from tests.server.jupyter import Answer, Server
from tests.server.pictures import (
    INVENTORY,
    NO_CONSENT,
    SVG,
    WITHDRAWN_LATER,
    bomb,
    consents,
    contents,
)

FILES = f"assets/{INVENTORY}/files"
PURPOSE = "purpose=research"


def listed(server: Server, question: str = "", user: str = "ana") -> Any:
    answer = server.get(f"{FILES}?{PURPOSE}{question}", user=user)
    assert answer.status == 200, answer.text
    return check("GET", FILES, answer)


@pytest.fixture
def keys(shared: Server) -> dict[str, str]:
    """Name -> key of the files that ana may open."""
    return {file["name"]: file["key"] for file in listed(shared)["files"]}


def thumbnail(server: Server, key: str, user: str = "ana", **headers: str) -> Answer:
    return server.get(f"{FILES}/{key}/thumbnail?{PURPOSE}", user=user, **headers)


def drawn(server: Server, key: str) -> Image.Image:
    answer = thumbnail(server, key)
    assert answer.status == 200, answer.text
    return Image.open(io.BytesIO(answer.body))


def refused(answer: Answer) -> tuple[int, str]:
    check("GET", f"{FILES}/0/thumbnail", answer)
    return answer.status, answer.json["code"]


def test_list_names_the_files_that_one_may_open(shared: Server) -> None:
    whole = listed(shared)
    names = [file["name"] for file in whole["files"]]
    assert names[:3] == ["blue.png", "turned.jpg", "still.gif"]
    assert NO_CONSENT not in names
    assert whole["total"] == len(names)
    assert whole["thumbnails"] is True
    assert whole["files"][0]["size"] == len(contents()["blue.png"])
    paged = [listed(shared, f"&offset={i}&limit=1")["files"] for i in range(2)]
    assert [file["name"] for (file,) in paged] == names[:2]
    assert listed(shared, "&offset=500")["files"] == []


def test_list_of_nobody_else_is_given(shared: Server) -> None:
    answer = shared.get(FILES, user="miko")
    assert refused(answer) == (404, "not_visible")
    assert "blue" not in answer.text


@pytest.mark.parametrize(
    ("name", "size", "mode"),
    [
        ("blue.png", (160, 80), "RGB"),
        ("turned.jpg", (80, 160), "RGB"),  # its EXIF says so
        ("still.gif", (160, 80), "RGB"),
        ("deep.tif", (160, 53), "L"),
        ("slice.dcm", (128, 128), "L"),
        ("named-as-text.txt", (160, 80), "RGB"),
    ],
)
def test_picture_is_drawn_small_by_what_the_file_is(
    shared: Server, keys: dict[str, str], name: str, size: tuple[int, int], mode: str
) -> None:
    image = drawn(shared, keys[name])
    assert (image.format, image.size, image.mode) == ("PNG", size, mode)
    assert len(image.tobytes()) == size[0] * size[1] * len(mode)
    assert image.getextrema() != (0, 0)


def test_picture_shows_all_that_an_instrument_measured(
    shared: Server, keys: dict[str, str]
) -> None:
    """16 bits, of which the file uses a part: the darkest is black, the brightest is white."""
    low, high = drawn(shared, keys["deep.tif"]).getextrema()
    assert low < 10
    assert high > 245


def test_picture_is_sent_as_a_picture_and_nothing_else(
    shared: Server, keys: dict[str, str]
) -> None:
    for name in ("blue.png", "turned.jpg", "still.gif"):
        answer = thumbnail(shared, keys[name])
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert b"SECRET" not in answer.body
    assert b"SECRET" in contents()["blue.png"]
    assert b"SECRET" in contents()["turned.jpg"]


def test_picture_has_a_tag_that_is_honoured_only_while_one_may(
    shared: Server, keys: dict[str, str], dina: Session
) -> None:
    """Drawn once, and gone with the consent: for whoever has it as for whoever asks anew."""
    key = keys[WITHDRAWN_LATER]
    first = thumbnail(shared, key)
    assert first.status == 200
    again = thumbnail(shared, key, If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    dina.load(consents([WITHDRAWN_LATER], "withdrawn", 2026), "governance.consent", mode="append")
    missing = thumbnail(shared, "0123456789")
    for gone in (
        thumbnail(shared, key),
        thumbnail(shared, key, If_None_Match=first.headers["ETag"]),
    ):
        assert refused(gone) == (404, "not_visible")
        assert gone.json == missing.json
    assert thumbnail(shared, keys["blue.png"]).status == 200
    assert key not in {file["key"] for file in listed(shared)["files"]}


def test_picture_of_a_row_that_one_does_not_see_is_as_one_of_no_file(
    shared: Server, keys: dict[str, str], dina: Session
) -> None:
    """The steward opens it; her key does not even say to ana that there is such a file."""
    files = dina.files(INVENTORY, purpose="research")
    place = [file.name for file in files].index(NO_CONSENT)
    key = files.recipe()["keys"][place]
    answer = thumbnail(shared, key)
    assert refused(answer) == (404, "not_visible")
    assert answer.json == thumbnail(shared, "f" * len(key)).json
    assert thumbnail(shared, keys["blue.png"], user="miko").status == 404


@pytest.mark.parametrize(
    "name", ["markup.png", "page.jpg", "words.txt", "empty.png", "cut.png", "bomb.png", "large.png"]
)
def test_what_is_no_picture_is_not_sent(shared: Server, keys: dict[str, str], name: str) -> None:
    answer = thumbnail(shared, keys[name])
    assert refused(answer) == (404, "no_thumbnail")
    assert answer.headers["Content-Type"] == "application/json"
    assert b"script" not in answer.body


def test_kind_is_told_by_the_first_bytes_alone() -> None:
    for name, kind in {
        "blue.png": "PNG",
        "turned.jpg": "JPEG",
        "still.gif": "GIF",
        "deep.tif": "TIFF",
        "slice.dcm": "DICOM",  # which begins as a TIFF does
        "named-as-text.txt": "PNG",
    }.items():
        assert kind_of(contents()[name][:HEAD]) == kind
    for other in (SVG, b"", b"<!doctype html>", b"%PDF-1.7", b"RIFF1234WAVE", b"P6 1 1 255 "):
        assert kind_of(other) is None


def test_drawing_is_bounded_in_pixels_before_they_are_there() -> None:
    with pytest.raises(Exception, match=r"pixels|bomb"):
        drawing.draw(bomb(60_000), "PNG", 160)
    with pytest.raises(OSError, match="cannot identify"):
        drawing.draw(contents()["still.gif"], "PNG", 160)  # no other decoder is asked


def test_drawing_has_no_environment_and_little_memory() -> None:
    script = (
        "import os, sys; sys.path.insert(0, os.path.dirname(sys.argv[1])); import drawing\n"
        "drawing.limit()\n"
        "try:\n    bytearray(4 << 30)\nexcept MemoryError:\n    print('bounded')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, drawing.__file__], capture_output=True, text=True, env={}
    )
    assert ran.stdout == "bounded\n", ran.stderr


def test_picture_that_nobody_waits_for_is_not_drawn(lake: Path) -> None:
    stop, pictures = Stop(), Pictures()
    wanted = Wanted("", INVENTORY, None, "research")
    with connect(lake, user="ana") as ana:
        (file,) = pictures.listing(ana, wanted, 0, 1)["files"]
        stop.stop()
        with pytest.raises(Exception, match="nobody waits"):
            pictures.picture(ana, wanted, file["key"], stop)
        assert pictures.picture(ana, wanted, file["key"], Stop()).startswith(b"\x89PNG")
    with connect(lake, user="ana") as ana:
        # Another session of hers: nothing of the closed one is used.
        assert pictures.picture(ana, wanted, file["key"], Stop()).startswith(b"\x89PNG")
        with pytest.raises(ProblemError):
            pictures.picture(ana, wanted, "0", Stop())


WITHOUT = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "PIL":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
sys.argv = ["drawing.py", "PNG", "160"]
from jupyter_govdata.server import drawing
drawing.main()
"""


def test_drawing_without_its_library_says_so() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT], input=contents()["blue.png"], env=os.environ
    )
    assert ran.returncode == drawing.MISSING
