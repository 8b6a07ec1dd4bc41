"""Keys that nobody else can read, receipts that cannot be edited, tickets that cannot be forged."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import hashlib
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from hypothesis import given
from hypothesis import strategies as st

from jupyter_govdata.errors import (
    AuthenticationError,
    ConfigError,
    ProtocolError,
    StampError,
    StorageError,
)
from jupyter_govdata.gateway.anchor import AnchorFile
from jupyter_govdata.gateway.signing import MAX_TICKET, Keys, Signer, Tickets, public_keys
from jupyter_govdata.ledger import Anchor
from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.model.wire import canonical_json, to_wire
from jupyter_govdata.stamps.verify import verify_receipt

NAMES = {"signing.key", "ticket.key", "pseudonym.key", "embedded.key"}
NOW = dt.datetime(2025, 6, 1, 12, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(seconds=60)
RECEIPT = Receipt(
    asset="trials.outcomes",
    snapshot_id=2**62,
    schema_id=1,
    epoch=3,
    principal="ana",
    purpose="research",
    decision_id="d" * 64,
    fragment_digest="f" * 64,
    filtered=True,
    masked=("patient_id",),
)


def secrets_of(keys: Keys) -> tuple[bytes, ...]:
    return (keys.signing.private_bytes_raw(), keys.ticket, keys.pseudonym, keys.embedded)


# -- keys --------------------------------------------------------------------------------------


def test_keys_are_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "lake" / "keys"
    first = Keys.open(folder)
    assert secrets_of(Keys.open(folder)) == secrets_of(first)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {p.name for p in folder.iterdir()} == NAMES
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == {0o600}
    assert len(set(secrets_of(first))) == 4
    assert all(len(secret) == 32 for secret in secrets_of(first))


def test_keys_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Keys.open(tmp_path / "keys")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "keys").iterdir()} == {0o600}


def test_keys_opened_by_many_at_once_are_one_set(tmp_path: Path) -> None:
    found: list[tuple[bytes, ...]] = []
    barrier = threading.Barrier(8)

    def open_one() -> None:
        barrier.wait()
        found.append(secrets_of(Keys.open(tmp_path / "keys")))

    threads = [threading.Thread(target=open_one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert {p.name for p in (tmp_path / "keys").iterdir()} == NAMES


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610])
@pytest.mark.parametrize("name", sorted(NAMES))
def test_key_file_that_others_can_use_is_refused(tmp_path: Path, name: str, mode: int) -> None:
    Keys.open(tmp_path / "keys")
    (tmp_path / "keys" / name).chmod(mode)
    with pytest.raises(ConfigError, match=name) as caught:
        Keys.open(tmp_path / "keys")
    assert str(tmp_path) not in str(caught.value)


def test_key_folder_that_others_can_use_is_refused(tmp_path: Path) -> None:
    Keys.open(tmp_path / "keys")
    (tmp_path / "keys").chmod(0o755)
    with pytest.raises(ConfigError, match="key folder"):
        Keys.open(tmp_path / "keys")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_key_file_of_another_user_is_refused(tmp_path: Path) -> None:
    Keys.open(tmp_path / "keys")
    os.chown(tmp_path / "keys" / "ticket.key", 65534, -1)
    with pytest.raises(ConfigError, match="another user"):
        Keys.open(tmp_path / "keys")


def test_key_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    Keys.open(tmp_path / "keys")
    target = tmp_path / "elsewhere.key"
    (tmp_path / "keys" / "ticket.key").rename(target)
    (tmp_path / "keys" / "ticket.key").symlink_to(target)
    with pytest.raises(StorageError):
        Keys.open(tmp_path / "keys")


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("content", [b"", b"00" * 16, b"not a key", b"\xff" * 64])
def test_key_file_that_is_damaged_is_refused_and_kept(
    tmp_path: Path, name: str, content: bytes
) -> None:
    Keys.open(tmp_path / "keys")
    path = tmp_path / "keys" / name
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="damaged"):
        Keys.open(tmp_path / "keys")
    assert path.read_bytes() == content


def test_key_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        Keys.open(tmp_path / "file" / "keys")


def test_keys_are_in_no_repr(tmp_path: Path) -> None:
    keys = Keys.open(tmp_path / "keys")
    shown = repr(keys) + str(keys) + repr(Signer(keys.signing)) + repr(Tickets(keys.ticket))
    for secret in secrets_of(keys):
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown


# -- receipts ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer(Ed25519PrivateKey.generate())


def test_receipt_verifies_with_the_public_key(signer: Signer) -> None:
    signed = signer.sign_receipt(RECEIPT)
    verify_receipt(signed, signer.public_key_pem().encode())
    assert dataclasses.replace(signed, key_id="", signature="") == RECEIPT
    assert signer.sign_receipt(signed) == signer.sign_receipt(RECEIPT), "equal facts, equal receipt"


def test_receipt_signature_can_be_checked_without_this_package(signer: Signer) -> None:
    fields = to_wire(signer.sign_receipt(RECEIPT))
    signature = base64.b64decode(fields.pop("signature"))
    key: Any = load_pem_public_key(signer.public_key_pem().encode())
    key.verify(signature, canonical_json(fields))
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert fields["key_id"] == signer.key_id == hashlib.sha256(der).hexdigest()[:16]


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Receipt)])
def test_receipt_edited_in_any_field_does_not_verify(signer: Signer, name: str) -> None:
    signed = signer.sign_receipt(RECEIPT)
    value = getattr(signed, name)
    other: Any
    match value:
        case bool():
            other = not value
        case int():
            other = value + 1
        case tuple():
            other = ()
        case _:
            other = value[:-1] + ("A" if value[-1] != "A" else "B")
    edited = dataclasses.replace(signed, **{name: other})
    with pytest.raises(StampError):
        verify_receipt(edited, signer.public_key_pem().encode())


def test_receipt_of_another_gateway_does_not_verify(signer: Signer) -> None:
    stranger = Signer(Ed25519PrivateKey.generate())
    forged = dataclasses.replace(stranger.sign_receipt(RECEIPT), key_id=signer.key_id)
    with pytest.raises(StampError):
        verify_receipt(forged, signer.public_key_pem().encode())


# -- tickets -----------------------------------------------------------------------------------

TICKETS = Tickets(b"k" * 32)


def test_ticket_gives_its_payload_to_its_principal_until_it_expires() -> None:
    payload = {"scan": "ab" * 16, "part": 3, "ü": [1, None, True]}
    ticket = TICKETS.seal(payload, "ana", LATER)
    assert TICKETS.unseal(ticket, "ana", NOW) == payload
    assert TICKETS.unseal(ticket, "ana", LATER - dt.timedelta(milliseconds=1)) == payload
    for late in (LATER, LATER + dt.timedelta(days=400)):
        with pytest.raises(ProtocolError, match="expired"):
            TICKETS.unseal(ticket, "ana", late)


@pytest.mark.parametrize("other", ["bo", "", "ana ", "Ana", "ana\x00", "\ud800"])
def test_ticket_of_another_principal_is_refused(other: str) -> None:
    ticket = TICKETS.seal({"scan": "x"}, "ana", LATER)
    with pytest.raises(AuthenticationError):
        TICKETS.unseal(ticket, other, NOW)


def test_ticket_of_another_gateway_or_of_another_use_of_the_key_is_refused() -> None:
    ticket = Tickets(b"o" * 32).seal({"scan": "x"}, "ana", LATER)
    with pytest.raises(ProtocolError):
        TICKETS.unseal(ticket, "ana", NOW)
    body = TICKETS.seal({"scan": "x"}, "ana", LATER)[32:]
    bare = hashlib.sha256(b"k" * 32 + body).digest() + body
    with pytest.raises(ProtocolError):
        TICKETS.unseal(bare, "ana", NOW)


@pytest.mark.attack("T47", surface="storage")
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_ticket_with_any_byte_changed_is_refused(place: int, change: int) -> None:
    ticket = bytearray(TICKETS.seal({"scan": "x", "part": 0}, "ana", LATER))
    ticket[place % len(ticket)] ^= change
    with pytest.raises(ProtocolError, match="not one of this gateway"):
        TICKETS.unseal(bytes(ticket), "ana", NOW)


@given(st.binary(max_size=200))
def test_ticket_of_random_bytes_is_refused(ticket: bytes) -> None:
    with pytest.raises(ProtocolError):
        TICKETS.unseal(ticket, "ana", NOW)


def test_ticket_that_is_cut_or_extended_is_refused() -> None:
    ticket = TICKETS.seal({"scan": "x"}, "ana", LATER)
    for changed in (ticket[:-1], ticket[1:], ticket + b" ", b"", ticket[:32], b"\x00" * 10**6):
        with pytest.raises(ProtocolError):
            TICKETS.unseal(changed, "ana", NOW)


def test_ticket_for_too_large_a_payload_is_refused_when_sealed() -> None:
    with pytest.raises(ProtocolError, match="too large"):
        TICKETS.seal({"scan": "x" * MAX_TICKET}, "ana", LATER)


# -- the anchor of the audit chain ---------------------------------------------------------------

ANCHOR = Anchor(12, "a" * 64, 4)


def test_anchor_file_keeps_the_last_anchor_for_the_owner_alone(
    tmp_path: Path, signer: Signer
) -> None:
    kept = AnchorFile(tmp_path / "audit.anchor", "lake-1", signer)
    assert kept.read() is None
    kept.write(Anchor(1, "b" * 64, 1))
    kept.write(ANCHOR)
    assert kept.read() == ANCHOR
    assert [p.name for p in tmp_path.iterdir()] == ["audit.anchor"]
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600


@pytest.mark.attack("T74", surface="storage")
@pytest.mark.parametrize("old", [b"12", b'"epoch":4', b"aaaa", b"lake-1", b"{"])
def test_anchor_file_that_was_changed_is_refused(
    tmp_path: Path, signer: Signer, old: bytes
) -> None:
    kept = AnchorFile(tmp_path / "audit.anchor", "lake-1", signer)
    kept.write(ANCHOR)
    new = {b"12": b"11", b'"epoch":4': b'"epoch":3', b"aaaa": b"bbbb"}.get(old, b"")
    content = kept.path.read_bytes()
    assert old in content
    kept.path.write_bytes(content.replace(old, new))
    if old == b"lake-1":
        # Its own lake is what the reader knows, not what the file says.
        assert kept.read() == ANCHOR
        kept = AnchorFile(kept.path, "lake-2", signer)
    with pytest.raises(StorageError, match="damaged or of another lake"):
        kept.read()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"\xff", b'{"signature":"x"}', b"1" * 9_000]
)
def test_anchor_file_that_is_damaged_is_refused(
    tmp_path: Path, signer: Signer, content: bytes
) -> None:
    path = tmp_path / "audit.anchor"
    path.write_bytes(content)
    with pytest.raises(StorageError, match="damaged"):
        AnchorFile(path, "lake-1", signer).read()


def test_anchor_file_that_cannot_be_written_keeps_the_old_one(
    tmp_path: Path, signer: Signer
) -> None:
    with pytest.raises(StorageError):
        AnchorFile(tmp_path / "none" / "audit.anchor", "lake-1", signer).write(ANCHOR)


def test_public_keys_outlive_a_rotation_and_a_removed_one_is_gone(tmp_path):
    folder = tmp_path / "public"
    old, new = (Signer(Ed25519PrivateKey.generate()) for _ in range(2))
    assert public_keys(folder, old) == (old.public_key_pem(),)
    assert public_keys(folder, new) == (new.public_key_pem(), old.public_key_pem())
    assert public_keys(folder, new) == (new.public_key_pem(), old.public_key_pem())
    (folder / f"{old.key_id}.pem").unlink()
    assert public_keys(folder, new) == (new.public_key_pem(),)
