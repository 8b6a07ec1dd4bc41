"""`inventory scan` of a bucket, as a steward types it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_govdata.cli import main
from jupyter_govdata.gateway.composer import initialise
from jupyter_govdata.session import connect
from tests.gateway.files_world import governance
from tests.storage.s3_service import Bucket, Service, needs_ceph

pytestmark = needs_ceph
COUNT = 450
ODD = {"t/sub/b c.dcm": b"22", "t/ü=x+y%2f.bam": b"333", "t2/beside.svs": b"4"}
UNREADABLE = {"t//odd.svs": b"55"}


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    service = Service.running()
    service.environment(monkeypatch)
    objects = {f"t/slide-{i:04d}.svs": b"%d" % i for i in range(COUNT)}
    return service.bucket({**objects, **ODD, **UNREADABLE}, versioned=True)


@pytest.fixture
def lake(tmp_path: Path, bucket: Bucket) -> Iterator[Path]:
    for name, text in governance().items():
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_text(text, "utf-8")
    made = tmp_path / "lake"
    initialise(made, "dina", tmp_path / "source")
    with (made / "govdata.toml").open("a", encoding="utf-8") as out:
        out.write(Service.running().toml(bucket.name, ""))
    return made


def scan(lake: Path, bucket: Bucket, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    place = f"s3://{bucket.name}/t"
    words = ["inventory", "scan", place, "--into", "imaging.scanned", *more]
    assert main([*words, "--lake", str(lake), "--user", "dina"]) == 0
    return capsys.readouterr().out


def test_scan_of_a_bucket_by_command_finds_what_changed(
    lake: Path, bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    first = json.loads(scan(lake, bucket, capsys, "--json"))
    assert (first["added"], first["removed"]) == (COUNT + 3, 0)
    [(address, why)] = first["unreadable"]
    assert address.endswith("t//odd.svs")
    assert why
    assert "0 added, 0 changed, 0 removed, 453 as they were" in scan(lake, bucket, capsys)
    bucket.put("t/slide-0001.svs", b"replaced")
    bucket.owner.delete_object(Bucket=bucket.name, Key="t/slide-0002.svs")
    bucket.put("t/new.svs", b"new")
    third = json.loads(scan(lake, bucket, capsys, "--json"))
    assert [third[k] for k in ("added", "changed", "removed", "unchanged")] == [1, 1, 1, COUNT + 1]
    with connect(lake, user="dina") as dina:
        files = dina.files("imaging.scanned")
        assert files["slide-0001.svs"].read() == b"replaced"
        assert files["sub/b c.dcm"].read() == ODD["t/sub/b c.dcm"]
        assert not [path for path in files.paths if "beside" in path]


def test_scan_goes_on_after_its_gateway_was_killed(
    lake: Path, bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[int] = []
    killed: list[int] = []

    def kill_once(files: int, _: int, __: int) -> None:
        seen.append(files)
        if not killed and files >= 200:
            killed.append(json.loads((lake / "run" / "gateway.json").read_text())["pid"])
            os.kill(killed[0], signal.SIGKILL)

    with connect(lake, user="dina") as dina:
        found = dina.scan_inventory(
            f"s3://{bucket.name}/t", "imaging.scanned", on_progress=kill_once
        )
    assert (killed, found.added, seen[-1]) == ([killed[0]], COUNT + 3, COUNT + 3)
    assert not list((lake / "run").glob("inventory-*"))
    assert "453 as they were" in scan(lake, bucket, capsys)
