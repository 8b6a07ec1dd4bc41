"""Manifests: what the gateway signs, what is noticed, and what a withdrawal drops."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_govdata.errors import ConfigError, StampError, StorageError
from jupyter_govdata.files.manifest import Manifest
from jupyter_govdata.session import Session, connect
from tests.session.files_lake import contents


@pytest.mark.attack("T69", surface="api")
def test_manifest_lists_exactly_what_is_granted_and_verifies(trainer: Session) -> None:
    manifest = trainer.manifest("imaging.slides", "bytes < 100")
    files = trainer.files("imaging.slides", "bytes < 100")
    assert [e.checksum for e in manifest.entries] == [f.checksum for f in files]
    assert [e.version for e in manifest.entries] == [f.version for f in files]
    header = manifest.header
    assert (header.asset, header.principal, header.purpose) == (
        "imaging.slides",
        "miko",
        "model_training",
    )
    assert (header.count, header.epoch) == (len(files), trainer.epoch())
    assert header.decision_id == files.receipt.decision_id
    manifest.verify()


def test_manifest_is_saved_and_read_whole(trainer: Session, tmp_path: Path) -> None:
    manifest = trainer.manifest("imaging.slides")
    path = manifest.save(tmp_path / "run.jsonl")
    read = trainer.read_manifest(path)
    assert (read.header, read.entries) == (manifest.header, manifest.entries)
    with pytest.raises(ConfigError, match="no public key"):
        Manifest.load(path).verify()
    Manifest.load(path).verify(trainer.public_keys)


@pytest.mark.parametrize("change", ["drop", "add", "alter", "header", "signature", "text"])
def test_manifest_that_was_changed_is_refused(
    trainer: Session, tmp_path: Path, change: str
) -> None:
    path = trainer.manifest("imaging.slides").save(tmp_path / "run.jsonl")
    head, *lines = path.read_text("utf-8").splitlines()
    if change == "drop":
        lines.pop()
    elif change == "add":
        lines.append(lines[0])
    elif change == "alter":
        lines[0] = lines[0].replace('"size":', '"size":1')
    elif change == "header":
        head = head.replace('"model_training"', '"research"')
    elif change == "signature":
        told = json.loads(head)
        head = json.dumps({**told, "signature": "A" + told["signature"][1:]})
    else:
        head = "no manifest"
    path.write_text("\n".join([head, *lines]) + "\n", "utf-8")
    with pytest.raises(StampError):
        trainer.read_manifest(path)
    with pytest.raises(StampError):
        trainer.files(manifest=path)


def test_manifest_of_another_gateway_is_refused(trainer: Session) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = Ed25519PrivateKey.generate().public_key()
    other = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(StampError, match="another gateway"):
        trainer.manifest("imaging.slides").verify([other])


def test_manifest_resumes_with_the_same_files_in_its_order(
    trainer: Session, tmp_path: Path
) -> None:
    path = trainer.manifest("imaging.slides", "study = 'S1'").save(tmp_path / "run.jsonl")
    files = trainer.files(manifest=path)
    assert files.dropped == ()
    assert [f.checksum for f in files] == [e.checksum for e in Manifest.load(path).entries]
    with pytest.raises(ConfigError):
        trainer.files("imaging.slides", manifest=path)
    with pytest.raises(ConfigError, match="model_training"):
        trainer.files(manifest=path, purpose="research")
    with pytest.raises(ConfigError, match="all files"):
        trainer.files("imaging.slides")[:2].manifest()
    with pytest.raises(StorageError):
        trainer.files(manifest=tmp_path / "nothing.jsonl")


@pytest.mark.attack("T69", surface="api")
def test_withdrawal_names_what_to_drop_and_giving_names_what_is_new(
    own_files_lake: Path, tmp_path: Path
) -> None:
    names = [Path(p).name for p in contents()]
    of = lambda n: [name for i, name in enumerate(names) if i % 10 == n]  # noqa: E731
    with (
        connect(own_files_lake, user="miko") as miko,
        connect(own_files_lake, user="dina") as dina,
    ):
        path = miko.manifest("imaging.slides").save(tmp_path / "run.jsonl")
        assert not miko.compare_manifest(path)
        dina.consent("T:patient", "P2", "model_training", "withdrawn")
        dina.consent("T:patient", "P3", "model_training", "given")
        found = miko.compare_manifest(path)
        assert [e.name for e in found.dropped] == of(2)
        assert [e.name for e in found.added] == of(3)
        assert found.changed == ()
        assert "- drop    small.bin" in repr(found)
        resumed = miko.files(manifest=path)
        assert list(resumed.dropped) == of(2)
        assert not {f.name for f in resumed} & {*of(2), *of(3)} - {"same.bin"}
        assert "permitted no more" in repr(resumed)


@pytest.mark.attack("T57", surface="api")
def test_manifest_says_nothing_of_addresses_or_secrets(trainer: Session, tmp_path: Path) -> None:
    text = trainer.manifest("imaging.slides").save(tmp_path / "run.jsonl").read_text("utf-8")
    assert "files/" not in text
    assert "grant" not in text


def test_manifest_is_bound_to_its_entries(trainer: Session) -> None:
    manifest = trainer.manifest("imaging.slides")
    other = replace(manifest, entries=manifest.entries[::-1])
    with pytest.raises(StampError, match="lines"):
        other.verify()
