"""Governed files: how fast grants, signatures, revocations and reads are, beside plain boto3.

    tests/services/ceph.sh run python benchmarks/files.py [--files 50000]

Everything runs in this process but the store, which is the Ceph gateway of the tests. Plain and
governed reads take turns over the same objects. Without Ceph only what needs no store is measured.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import statistics
import sys
import tempfile
import time
import tracemalloc
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

sys.path.insert(0, str(Path(__file__).parent.parent))

from jupyter_govdata.errors import GovDataError
from jupyter_govdata.model.files import FileRead, FilesRequest
from jupyter_govdata.storage.s3_credentials import Credentials
from jupyter_govdata.storage.s3_signing import Presigner, Target
from tests.gateway.files_world import Reader, consents, make_files_world, row, table
from tests.gateway.world import World

ROUNDS = 5


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that a call takes, and what it returns."""
    start = time.perf_counter()
    found = call()
    return time.perf_counter() - start, found


def say(what: str, value: str) -> None:
    """Print one line of the report."""
    print(f"{what:<58} {value}")


def spread(values: list[float], unit: str = "s") -> str:
    """Return median and range."""
    return f"{statistics.median(values):.3f} {unit} ({min(values):.3f}-{max(values):.3f})"


@contextmanager
def lake(storage: str, classification: str = "internal") -> Iterator[World]:
    """Serve a lake of its own."""
    with tempfile.TemporaryDirectory() as folder:
        made = make_files_world(Path(folder), storage, classification)
        try:
            yield made
        finally:
            made.close()


def grants(count: int) -> None:
    """Measure the creation of a large grant, its memory, and its set against the truth."""
    with lake('\n[storage.files]\ntype = "local"\nroot = "files"\nassets = ["imaging"]\n') as world:
        rows = [row(f"files/x{i}.svs", b"x", f"P{i}", "S1") for i in range(count)]
        world.load("governance.consent", consents({f"P{i}": i % 10 != 0 for i in range(count)}))
        world.load("imaging.slides", table(rows))
        filing, request = world.gateway.filing, FilesRequest("imaging.slides")
        busy = time.process_time()
        first, granted = timed(lambda: filing.grant("miko", request))
        told = f"{first:.3f} s, {time.process_time() - busy:.3f} s of them processor"
        say(f"grant of {granted.count} files, first in a new gateway", told)
        busy = time.process_time()
        again = [timed(lambda: filing.grant("miko", request))[0] for _ in range(ROUNDS)]
        each = (time.process_time() - busy) / ROUNDS
        say("  and again", f"{spread(again)}, {each:.3f} s of processor")
        tracemalloc.start()
        kept = filing.grant("miko", request)
        say("  Python memory held", f"{tracemalloc.get_traced_memory()[0] / 1e6:.2f} MB")
        tracemalloc.stop()
        _, batches, _ = filing.rows("miko", kept.grant, 0, None)
        names = {name for batch in batches for name in batch.column("name").to_pylist()}
        exact = names == {f"x{i}.svs" for i in range(count) if i % 10}
        say("  set equals the truth", str(exact))
        again = []
        for i in range(1, 1 + ROUNDS):
            world.gateway.loading.consent(
                "dina", "T:patient", f"P{i + 10}", "model_training", "withdrawn", "benchmark"
            )
            again.append(timed(lambda: list(filing.rows("miko", kept.grant, 0, 1)[1]))[0])
        say("  decided again after one consent was withdrawn", spread(again))


def signatures(count: int) -> None:
    """Measure signing alone, as the gateway does it in batches of 1,000."""
    presigner = Presigner(
        Target("https://s3.eu-central-1.amazonaws.com", "eu-central-1", "slides"),
        Credentials("AKIAEXAMPLE", "secret"),
    )
    keys = [
        f"imaging/trial-4/site-{i % 40:02d}/patient-{i:06d}/slide-{i}.svs" for i in range(count)
    ]

    def sign() -> None:
        for first in range(0, count, 1_000):
            batch = presigner.batch("GET", dt.datetime.now(dt.UTC), 60)
            for key in keys[first : first + 1_000]:
                batch.url(key)

    client = boto3.client(
        "s3",
        region_name="eu-central-1",
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(signature_version="s3v4"),
    )

    def by_boto3() -> None:
        for key in keys[: count // 10]:
            client.generate_presigned_url(
                "get_object", {"Bucket": "slides", "Key": key}, ExpiresIn=60
            )

    sign()
    by_boto3()
    rates: dict[str, list[float]] = {"": [], ", by boto3": []}
    for _ in range(ROUNDS):
        for name, call, signed in (("", sign, count), (", by boto3", by_boto3, count // 10)):
            start = time.process_time()
            call()
            rates[name].append(signed / (time.process_time() - start))
    for name, found in rates.items():
        middle = f"{statistics.median(found):,.0f} ({min(found):,.0f}-{max(found):,.0f})"
        say(f"addresses signed in a second of one processor{name}", middle)


def s3(count: int) -> None:
    """Measure what needs a store."""
    from tests.storage.s3_service import Service

    service = Service.running()
    names = ("GD_OWNER_KEY", "GD_OWNER_SECRET", "GD_BROKER_KEY", "GD_BROKER_SECRET")
    os.environ.update(zip(names, (*service.owner, *service.broker), strict=True))
    signed_calls(service, count)
    revocations(service)
    for size, files in ((64_000, 200), (32_000_000, 6)):
        reads(service, size, files)


def fill(world: World, bucket: Any, contents: dict[str, bytes]) -> None:
    """Write objects and their inventory."""
    rows = []
    for key, content in contents.items():
        _, tag = bucket.put(key, content)
        one = row(f"s3://{bucket.name}/{key}", content, "P0", "S1")
        rows.append(one | {"sha256": f"etag:{tag}"})
    world.load("governance.consent", consents({"P0": True}))
    world.load("imaging.slides", table(rows))


def signed_calls(service: Any, count: int) -> None:
    """Measure the signing of every file of a grant, with checks, records and the wire."""
    bucket = service.bucket({})
    with lake(service.toml(bucket.name, 'public = "signed"'), "public") as world:
        rows = [
            row(f"s3://{bucket.name}/x/{i}.svs", b"x", "P0", "S1") | {"sha256": 'etag:"0"'}
            for i in range(count)
        ]
        world.load("governance.consent", consents({"P0": True}))
        world.load("imaging.slides", table(rows))
        granted = world.gateway.filing.grant("ana", FilesRequest("imaging.slides"))
        sign = world.gateway.filing.sign

        def all_of_them() -> None:
            for first in range(0, count, 1_000):
                sign("ana", granted.grant, list(range(first, min(first + 1_000, count))), "GET")

        all_of_them()
        busy, times = [], []
        for _ in range(3):
            start = time.process_time()
            times.append(timed(all_of_them)[0])
            busy.append(time.process_time() - start)
        say(f"all {count} files of a grant signed, checked, recorded", spread(times))
        say("  processor time of it", spread(busy))


def revocations(service: Any) -> None:
    """Measure from the commit of a withdrawal to the first refused read."""
    for way in ("proxied", "signed", "session"):
        bucket = service.bucket({})
        toml = service.toml(bucket.name, f'public = "{way}"', seconds=3)
        with lake(
            toml.replace("[storage.slides.sts]", "sign_seconds = 3\n[storage.slides.sts]"), "public"
        ) as world:
            fill(world, bucket, {"x.svs": b"content"})
            reader = Reader(world.connect("miko"))
            granted = reader.grant()
            assert granted.way == way, granted.way
            read = readers(service, bucket.name, reader, granted)[way]
            assert read()
            world.gateway.loading.consent(
                "dina", "T:patient", "P0", "model_training", "withdrawn", "benchmark"
            )
            start, reads = time.perf_counter(), 0
            while read():
                reads += 1
            took = time.perf_counter() - start
            life = "" if way == "proxied" else "; it lives 3 s here"
            say(
                f"revocation, {way}: commit to the first refused read",
                f"{took:.3f} s, {reads} reads in between{life}",
            )


def readers(
    service: Any, bucket: str, reader: Reader, granted: Any
) -> dict[str, Callable[[], bool]]:
    """Return way -> a read that says whether it was let through; grants are taken now."""
    from tests.storage.s3_service import status

    if granted.way == "signed":
        one = reader.act("files_sign", granted, indexes=[0])[0]
        request = urllib.request.Request(one["url"], headers=one["headers"])
    if granted.way == "session":
        told = reader.act("files_session", granted)
        client = service.client(told["access_key"], told["secret_key"], told["session_token"])

    def proxied() -> bool:
        try:
            return bool(reader.read(granted, 0))
        except GovDataError:
            return False

    def signed() -> bool:
        try:
            with urllib.request.urlopen(request) as answer:
                return bool(answer.read())
        except urllib.error.HTTPError as exc:
            exc.close()
            return False

    def session() -> bool:
        return status(lambda: client.get_object(Bucket=bucket, Key="x.svs")) == 200

    return {"proxied": proxied, "signed": signed, "session": session}


def reads(service: Any, size: int, files: int) -> None:
    """Measure reads of the same objects: plain boto3, proxied, signed; they take turns."""
    contents = {f"t/{i}.bin": os.urandom(size) for i in range(files)}
    bucket = service.bucket({})
    toml = service.toml(bucket.name, 'public = "signed"')
    with lake(toml, "public") as world:
        fill(world, bucket, contents)
        reader = Reader(world.connect("ana"))
        granted = reader.grant()
        plain = service.client(*service.owner)
        filing = world.gateway.filing

        def by_boto3() -> int:
            return sum(
                len(plain.get_object(Bucket=bucket.name, Key=key)["Body"].read())
                for key in contents
            )

        def by_proxy() -> int:
            return sum(len(reader.read(granted, i)) for i in range(files))

        def inside() -> int:
            return sum(
                part.nbytes
                for i in range(files)
                for part in list(filing.read("ana", FileRead(granted.grant, i)))[1:]
            )

        def fetched(url: str, headers: dict[str, str]) -> int:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
                return len(answer.read())

        def by_own_address() -> int:
            named = ({"Bucket": bucket.name, "Key": key} for key in contents)
            told = [plain.generate_presigned_url("get_object", Params=one) for one in named]
            return sum(fetched(url, {}) for url in told)

        def by_address() -> int:
            told = reader.act("files_sign", granted, indexes=list(range(files)))
            return sum(fetched(one["url"], one["headers"]) for one in told)

        ways = {
            "plain boto3, owner's key": by_boto3,
            "presigned by boto3, owner's key, urllib": by_own_address,
            "proxied, over Flight": by_proxy,
            "proxied, inside the gateway": inside,
            "signed, urllib": by_address,
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, call in ways.items():
                took, _ = timed(call)
                rates[name].append(files * size / took / 1e6)
        against = {
            "proxied, over Flight": "plain boto3, owner's key",
            "signed, urllib": "presigned by boto3, owner's key, urllib",
        }
        for name, found in rates.items():
            say(f"{files} x {size / 1e6:g} MB, {name}", spread(found, "MB/s"))
            if name in against:
                pairs = zip(found, rates[against[name]], strict=True)
                ratios = [theirs / ours for ours, theirs in pairs]
                say(f"  time over that of {against[name]}", spread(ratios, "x"))


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=50_000)
    options = parser.parse_args()
    grants(options.files)
    signatures(options.files)
    if "GOVDATA_TEST_S3" in os.environ:
        s3(options.files)
    else:
        print("no store: run it by tests/services/ceph.sh run")


if __name__ == "__main__":
    main()
