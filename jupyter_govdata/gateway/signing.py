"""The gateway's keys, and what they vouch for: receipts and tickets. Runs in the gateway.

Trusts the operating system to keep files of mode 0600 to their owner, and refuses keys that are
not kept so.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from jupyter_govdata.errors import AuthenticationError, ConfigError, ProtocolError, StorageError
from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.model.wire import canonical_json, parse_json, to_wire

MAX_TICKET = 4_096
_TICKET = b"govdata-ticket-v1\x00"
_MAC = hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True)
class Keys:
    """The secrets of one lake; their values are in no `repr`.

    Args:
        signing: Signs receipts (``signing.key``, PEM).
        ticket: Seals tickets.
        pseudonym: Makes pseudonyms. With another key the same patient gets another pseudonym.
        embedded: Whoever can read its file may sign in as anybody on an embedded gateway.
    """

    signing: Ed25519PrivateKey = field(repr=False)
    ticket: bytes = field(repr=False)
    pseudonym: bytes = field(repr=False)
    embedded: bytes = field(repr=False)

    @classmethod
    def open(cls, folder: Path) -> Keys:
        """Read the keys of a lake, making those that do not exist yet.

        Raises:
            ConfigError: The folder or a key can be read by others, or a key is not usable.
            StorageError: The folder cannot be read or written.
        """
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _require_private(os.stat(folder), "the key folder", "700")  # noqa: PTH116
            return cls(
                signing=_signing_key(_kept(folder / "signing.key", _new_signing_key)),
                ticket=_secret(folder / "ticket.key"),
                pseudonym=_secret(folder / "pseudonym.key"),
                embedded=_secret(folder / "embedded.key"),
            )
        except OSError as exc:
            raise StorageError(
                f"the key folder cannot be used: {exc.strerror}",
                hint="check its owner and the disk's free space",
            ) from exc


def _require_private(found: os.stat_result, what: str, mode: str) -> None:
    # SECURITY: a key that others can read vouches for nothing.
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigError(f"{what} belongs to another user of this machine")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigError(
            f"{what} can be read by other users of this machine",
            hint=f"find out who had access, then `chmod {mode}` it or make new keys",
        )


def _kept(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return the contents of a key file; made once, whole or not at all."""
    if not path.exists():
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                out.write(make())
                out.flush()
                os.fsync(out.fileno())
            with suppress(FileExistsError):  # somebody was faster: theirs counts
                os.link(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
        _sync_folder(path.parent)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        _require_private(os.fstat(file.fileno()), f"the key file `{path.name}`", "600")
        return file.read(16_384)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _secret(path: Path) -> bytes:
    text = _kept(path, lambda: secrets.token_hex(32).encode() + b"\n")
    try:
        secret = binascii.unhexlify(text.strip())
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) < 32:
        raise ConfigError(
            f"the key file `{path.name}` is damaged", hint="restore it from the lake's backup"
        )
    return secret


def _new_signing_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def _signing_key(pem: bytes) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(
            "the key file `signing.key` is damaged", hint="restore it from the lake's backup"
        )
    return key


def signed_with(pem: str, message: bytes, signature: str) -> bool:
    """Return whether the private key of a public one signed a message; False for a damaged key."""
    try:
        key = load_pem_public_key(pem.encode())
        if not isinstance(key, Ed25519PublicKey):
            return False
        key.verify(base64.b64decode(signature, validate=True), message)
    except (InvalidSignature, UnsupportedAlgorithm, binascii.Error, ValueError):
        return False
    return True


def public_keys(folder: Path, signer: Signer) -> tuple[str, ...]:
    """Keep the public key of a signer, and return the ones kept so far, its own first.

    Receipts outlive keys: after a rotation, the old ones verify with the key kept here. To say
    that a leaked key vouches for nothing any more, remove its file.

    Raises:
        StorageError: The folder cannot be read or written.
    """
    own = signer.public_key_pem()
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        _kept(folder / f"{signer.key_id}.pem", own.encode)
        found = [path.read_text("ascii") for path in sorted(folder.glob("*.pem"))]
    except (OSError, UnicodeDecodeError) as exc:
        raise StorageError("the folder of public keys cannot be used") from exc
    return (own, *(pem for pem in found if pem != own))


class Signer:
    """Signs what the gateway says, so that anybody with the public key can check it later.

    Attributes:
        key_id: First 16 hex digits of the SHA-256 of the public key (DER SubjectPublicKeyInfo).
    """

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        public = key.public_key()
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self._pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        self.key_id = hashlib.sha256(der).hexdigest()[:16]

    def public_key_pem(self) -> str:
        """Return the public key, PEM."""
        return self._pem

    def sign_receipt(self, receipt: Receipt) -> Receipt:
        """Return the receipt with `key_id` and `signature`.

        The signature is Ed25519 over the canonical JSON of all other fields, base64.
        """
        unsigned = replace(receipt, key_id=self.key_id, signature="")
        fields = to_wire(unsigned)
        del fields["signature"]
        signature = self._key.sign(canonical_json(fields))
        return replace(unsigned, signature=base64.b64encode(signature).decode())

    def sign(self, message: bytes) -> str:
        """Return the signature of a message, base64."""
        return base64.b64encode(self._key.sign(message)).decode()


class Tickets:
    """Seals small payloads for one principal and a short time."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, payload: dict[str, Any], principal: str, expires: dt.datetime) -> bytes:
        """Return a ticket for the payload: readable by its holder, changeable by nobody.

        Args:
            payload: Plain JSON data; never a storage address or a credential.
            principal: Only this principal may use it.
            expires: Aware; rounded down to the second.
        """
        body = canonical_json({"d": payload, "p": principal, "x": int(expires.timestamp())})
        ticket = self._mac(body) + body
        if len(ticket) > MAX_TICKET:
            raise ProtocolError("the payload is too large for a ticket")
        return ticket

    def unseal(self, ticket: bytes, principal: str, now: dt.datetime) -> dict[str, Any]:
        """Return the payload of a ticket.

        Raises:
            ProtocolError: Not sealed by this gateway, changed, or expired.
            AuthenticationError: Sealed for another principal.
        """
        mac, body = ticket[:_MAC], ticket[_MAC:]
        # SECURITY: nothing of the body is looked at before the seal is known to be whole.
        if len(ticket) > MAX_TICKET or not hmac.compare_digest(mac, self._mac(body)):
            raise ProtocolError("the ticket is not one of this gateway", hint="scan again")
        content = parse_json(body, MAX_TICKET)
        holder = str(content["p"]).encode(errors="surrogatepass")
        if not hmac.compare_digest(holder, principal.encode(errors="surrogatepass")):
            raise AuthenticationError("the ticket was given to another principal")
        if now.timestamp() >= content["x"]:
            raise ProtocolError("the ticket expired", hint="scan again")
        payload: dict[str, Any] = content["d"]
        return payload

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, _TICKET + body, hashlib.sha256)
