"""The scan finds what is planted: a run that leaks fails, and says where without saying what."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import jwt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jupyter_govdata.gateway.signing import Keys
from tests.canaries import MARK, canary
from tests.canary_scan import forms, scan

ROOT = Path(__file__).parent.parent


@pytest.fixture
def apart() -> Iterator[Path]:
    """A folder that the scan of this run does not search."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def token() -> str:
    return jwt.encode({"sub": "ana", "aud": "lake", "iat": 1, "exp": 2}, "k" * 32, "HS256")


def pack(path: Path, text: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("inside.txt", text)


LEAKS = {
    "plain": lambda p: p.write_text(f"a {canary('denied', 3)} b"),
    "notebook": lambda p: p.write_text('{"cells": ["' + canary("masked", 1) + '"]}'),
    "binary": lambda p: p.write_bytes(os.urandom(5_000) + MARK.encode() + os.urandom(50)),
    "gzip": lambda p: p.write_bytes(gzip.compress(canary("hidden").encode() * 3)),
    "zip": lambda p: pack(p, canary("unseen")),
    "parquet": lambda p: pq.write_table(pa.table({"x": [canary("denied")] * 99}), p),
    "token": lambda p: p.with_name("log").write_text(f"Bearer {token()}"),
    "pem": lambda p: p.write_text("-----BEGIN PRIVATE KEY-----\nMC4CAQ\n"),
}


@pytest.mark.parametrize("way", list(LEAKS))
def test_leak_into_a_file_is_found_and_not_repeated(apart: Path, way: str) -> None:
    assert scan(apart)[0] == []
    LEAKS[way](apart / "out")
    [find, *_] = scan(apart)[0]
    assert MARK not in str(find)
    assert token() not in str(find)


def test_key_of_a_lake_in_any_form_is_found_in_a_log_of_its_test(apart: Path) -> None:
    keys = apart / "test_x0" / "lake" / "keys"
    Keys.open(keys)
    log = apart / "test_x0" / "gateway.log"
    assert scan(apart)[0] == []
    shapes = forms(keys)
    assert len(shapes) > 12
    for kind, shape in shapes:
        log.write_bytes(b"started\n" + shape + b"\n")
        assert kind in {find.kind for find in scan(apart)[0]}, kind
    log.write_bytes(b"started\n")
    assert scan(apart)[0] == []


def test_rows_in_a_warehouse_and_secrets_that_a_test_holds_on_purpose_are_no_leak(
    apart: Path,
) -> None:
    folder = apart / "lake" / "warehouse" / "x"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"x": [canary("denied")]}), folder / "data.parquet")
    (apart / "my-token").write_text(token())
    assert scan(apart)[0] == []


ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "GOVDATA_EVIDENCE": ""}
RUN = """
import pytest
from tests.canaries import canary

def test_writes(tmp_path):
    (tmp_path / "notes.txt").write_text({written})

def test_says():
    print({said})
"""


@pytest.mark.parametrize(
    ("written", "said", "place", "more"),
    [
        ("canary('denied')", "'fine'", "notes.txt", ("-p", "xdist", "-n", "2")),
        ("'fine'", "canary('masked')", "the output of test_run.py::test_says", ()),
        ("'fine'", "'fine'", "", ()),
    ],
    ids=["file", "output", "none"],
)
def test_run_that_leaks_fails_and_says_where(
    apart: Path, written: str, said: str, place: str, more: tuple[str, ...]
) -> None:
    (apart / "run").mkdir()
    (apart / "run" / "test_run.py").write_text(RUN.format(written=written, said=said))
    (apart / "run" / "pytest.ini").write_text("[pytest]\n")
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *more),
            *("-p", "tests.canary_scan", f"--basetemp={apart / 'base'}"),
        ],
        cwd=apart / "run",
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(apart), **ALONE},
        capture_output=True,
        text=True,
    )
    assert "2 passed" in ran.stdout, ran.stdout + ran.stderr
    assert ran.returncode == (1 if place else 0), ran.stdout
    assert ("secrets where none may be" in ran.stdout) == bool(place)
    assert place in ran.stdout
    assert MARK not in ran.stdout
