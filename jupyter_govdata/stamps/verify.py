"""Verification of the receipts that a gateway signed.

Pure; runs wherever a stamp is read; trusts the public key it is given and nothing in the
receipt until the signature holds.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from jupyter_govdata.errors import StampError
from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.model.wire import canonical_json, to_wire


def receipt_message(receipt: Receipt) -> bytes:
    """Return the bytes that are signed: canonical JSON of all fields but the signature."""
    fields = to_wire(receipt)
    del fields["signature"]
    return canonical_json(fields)


def verify_receipt(receipt: Receipt, public_key_pem: bytes) -> None:
    """Check that the gateway with this public key signed the receipt as it stands.

    Args:
        receipt: As read from a stamp or a stream.
        public_key_pem: Ed25519 public key of the gateway key `receipt.key_id`, PEM.

    Raises:
        StampError: The signature does not fit, or the key is not an Ed25519 public key.
    """
    if not is_signed(receipt_message(receipt), receipt.signature, public_key_pem):
        raise StampError(
            "the signature of a receipt does not fit its contents",
            hint="the stamp was changed, or another gateway key signed it",
        )


def is_signed(message: bytes, signature: str, public_key_pem: bytes) -> bool:
    """Return whether the gateway with this public key signed a message.

    Args:
        message: What was signed.
        signature: Ed25519, base64.
        public_key_pem: Ed25519 public key, PEM.

    Raises:
        StampError: The key is not an Ed25519 public key.
    """
    try:
        key = load_pem_public_key(public_key_pem)
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise StampError("the gateway's public key is not a PEM public key") from exc
    if not isinstance(key, Ed25519PublicKey):
        raise StampError("the gateway's public key is not an Ed25519 key")
    try:
        key.verify(base64.b64decode(signature, validate=True), message)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
