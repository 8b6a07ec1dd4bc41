"""The head of the audit chain, kept beside the keys and not in the store. Runs in the gateway.

Whoever can write the store can rewrite the chain or bring back an old store; the anchor shows it,
because it lies where only the gateway writes and is signed with the gateway's key.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_govdata.errors import ProtocolError, StorageError
from jupyter_govdata.gateway.signing import Signer, signed_with
from jupyter_govdata.ledger import Anchor
from jupyter_govdata.model.wire import canonical_json, parse_json

_SUBJECT = "govdata-audit-anchor-v1"


def _message(lake_id: str, anchor: Anchor) -> dict[str, Any]:
    return {
        "what": _SUBJECT,
        "lake": lake_id,
        "seq": anchor.seq,
        "hash": anchor.hash,
        "epoch": anchor.epoch,
    }


@dataclass(frozen=True, slots=True)
class AnchorFile:
    """The anchor of one lake, ``keys/audit.anchor``.

    Args:
        path: The file.
        lake_id: Of the lake.
        signer: Signs it.
        former: Public keys of signers before (PEM): the last of them signed what is there after
            a rotation.
    """

    path: Path
    lake_id: str
    signer: Signer
    former: tuple[str, ...] = ()

    def read(self) -> Anchor | None:
        """Return the anchor that was written last, None if there never was one.

        Raises:
            StorageError: The file was changed, is of another lake, or cannot be read.
        """
        try:
            data = parse_json(self.path.read_bytes(), 4_096)
            signature = str(data.pop("signature"))
            anchor = Anchor(int(data["seq"]), str(data["hash"]), int(data["epoch"]))
        except FileNotFoundError:
            return None
        except (OSError, ProtocolError, AttributeError, KeyError, TypeError, ValueError) as exc:
            raise _damaged() from exc
        message = canonical_json(_message(self.lake_id, anchor))
        keys = (self.signer.public_key_pem(), *self.former)
        if not any(signed_with(pem, message, signature) for pem in keys):
            raise _damaged()
        return anchor

    def write(self, anchor: Anchor) -> None:
        """Replace the anchor; an interruption leaves the old one whole.

        Raises:
            StorageError: The key folder cannot be written.
        """
        message = _message(self.lake_id, anchor)
        message["signature"] = self.signer.sign(canonical_json(message))
        fresh = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}")
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as out:
                    out.write(canonical_json(message) + b"\n")
                    out.flush()
                    os.fsync(out.fileno())
                fresh.replace(self.path)
            finally:
                fresh.unlink(missing_ok=True)
        except OSError as exc:
            raise StorageError(
                f"the anchor of the audit chain cannot be written: {exc.strerror}",
                hint="check the disk's free space",
            ) from exc


def _damaged() -> StorageError:
    return StorageError(
        "the anchor of the audit chain is damaged or of another lake",
        hint="find out who changed it; an operator may then remove `keys/audit.anchor`",
    )
