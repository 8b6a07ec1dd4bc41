"""What a notebook's stamps are worth: signatures, and whether they are of the code beside them.

Pure; runs wherever notebooks are read, also without access to any data. Trusts the public keys
it is given and nothing in the notebook. What is signed and what is not: `docs/reference/stamp.md`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from jupyter_govdata.errors import ConfigError, StampError
from jupyter_govdata.model.stamp import Receipt, Stamp
from jupyter_govdata.stamps.folding import KEPT, OUTDATED, StampedCell, stamped_cells
from jupyter_govdata.stamps.verify import verify_receipt

EXACT = "exact"
WITHIN = "within tolerance"
INTACT = "intact"
DIFFERENT = "different"
NOT_REPLAYABLE = "not replayable"
FORGED = "forged"
NOT_GOVERNED = "not governed"

EXIT_STATUS: Mapping[str, int] = {
    # From the worst: the first that a cell has is the notebook's.
    FORGED: 4,
    DIFFERENT: 1,
    NOT_REPLAYABLE: 3,
    EXACT: 0,
    WITHIN: 0,
    INTACT: 0,
    NOT_GOVERNED: 0,
}

_ENDED = {
    "partial": "its result was not read to its end",
    "interrupted": "the query was interrupted",
}
_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)
_MAX_KEYS = 1_000

Queries = Callable[[str], Sequence[str]]
"""A cell's text -> the texts of the queries that it runs, as far as they can be told."""


@dataclass(frozen=True, slots=True)
class CheckedCell:
    """A code cell and what its stamps are worth.

    Args:
        name: See `StampedCell.name`.
        place: 0-based place in the notebook.
        verdict: ``intact``: the signatures hold and the code is that of the stamps, nothing was
            run; ``exact``, ``within tolerance``, ``different``: what running it again gave, or
            the code is another; ``not replayable``; ``forged``; ``not governed``.
        why: One sentence; empty where the verdict says all.
        stamps: Of the cell.
        notes: What else a reviewer should know.
    """

    name: str
    place: int
    verdict: str
    why: str = ""
    stamps: tuple[Stamp, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def assets(self) -> tuple[str, ...]:
        """Names of the assets in its receipts, sorted."""
        return tuple(sorted({r.asset for s in self.stamps for r in s.receipts}))

    def becomes(self, verdict: str, why: str = "", *notes: str) -> CheckedCell:
        """Return the cell with another verdict."""
        return replace(self, verdict=verdict, why=why, notes=(*self.notes, *notes))


def overall(cells: Iterable[CheckedCell]) -> str:
    """Return the verdict of a notebook: the worst of its cells'."""
    found = {cell.verdict for cell in cells}
    return next((verdict for verdict in EXIT_STATUS if verdict in found), NOT_GOVERNED)


class Keyset:
    """Public keys of gateways, by the id that receipts name.

    Args:
        pems: Texts with one or more PEM public keys each.

    Raises:
        ConfigError: A text without a key, or a key that is not Ed25519.
    """

    def __init__(self, pems: Iterable[bytes]) -> None:
        self._keys: dict[str, bytes] = {}
        for text in pems:
            found = _PEM.findall(text)
            if not found or len(found) > _MAX_KEYS:
                raise ConfigError(
                    "this is not a PEM public key",
                    hint="a gateway's keys are in `keys/public/`, and in `session.public_keys`",
                )
            for pem in found:
                self._keys[key_id(pem)] = pem + b"\n"

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def signed(self, receipt: Receipt) -> bool:
        """Return whether the key that a receipt names signed it as it stands."""
        try:
            verify_receipt(receipt, self._keys[receipt.key_id])
        except StampError:
            return False
        return True


def key_id(pem: bytes) -> str:
    """Return the id of a public key: 16 hex digits of the SHA-256 of its DER form.

    Raises:
        ConfigError: Not an Ed25519 public key.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError("this is not an Ed25519 public key")
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()[:16]


def check_notebook(nb: Mapping[str, Any], keys: Keyset, queries: Queries) -> list[CheckedCell]:
    """Check every code cell of a notebook; nothing is run.

    Args:
        nb: A notebook of format 4; untrusted.
        keys: Of the gateways whose word counts.
        queries: Finds the queries of a cell's text.
    """
    return [_checked(cell, keys, queries) for cell in stamped_cells(nb)]


def _checked(cell: StampedCell, keys: Keyset, queries: Queries) -> CheckedCell:
    made = CheckedCell(cell.name, cell.place, NOT_GOVERNED, stamps=cell.stamps)
    if cell.problems:
        return made.becomes(FORGED, "; ".join(cell.problems))
    written = list(queries(cell.source))
    if not cell.stamps:
        if written:
            return made.becomes(NOT_REPLAYABLE, "its query has no stamp: run the cell")
        return made
    forged = next((why for stamp in cell.stamps if (why := _forged(stamp, keys))), "")
    if forged:
        return made.becomes(FORGED, forged)
    unknown = sorted({r.key_id for s in cell.stamps for r in s.receipts if r.key_id not in keys})
    if unknown:
        ids = ", ".join(f"`{key[:64]}`" for key in unknown)
        why = f"signed with key {ids}, which is not known here: another lake, or a removed key"
        return made.becomes(NOT_REPLAYABLE, why)
    changed, notes = _beside(cell, written)
    if changed:
        return made.becomes(DIFFERENT, changed, *notes)
    ended = next((s for s in cell.stamps if s.status not in ("complete", "failed")), None)
    if ended is not None:
        return made.becomes(NOT_REPLAYABLE, _ENDED[ended.status], *notes)
    failed = ", ".join(f"`{s.error[:64]}`" for s in cell.stamps if s.status == "failed")
    if failed:
        notes.append(f"the query failed: {failed}")
    if not any(stamp.receipts for stamp in cell.stamps):
        return made.becomes(NOT_GOVERNED, "it read no governed asset", *notes)
    return made.becomes(INTACT, "", *notes)


def _forged(stamp: Stamp, keys: Keyset) -> str:
    """Return what proves that a stamp was changed, or nothing."""
    for receipt in stamp.receipts:
        if receipt.key_id in keys and not keys.signed(receipt):
            return f"the receipt of `{receipt.asset[:200]}` was changed: its signature does not fit"
    read = {(r.asset, r.snapshot_id) for r in stamp.receipts}
    for asset, pin in stamp.pins.items():
        if (asset, pin) not in read:
            return f"the pin of `{asset[:200]}` is in no receipt"
    return ""


def _beside(cell: StampedCell, written: Sequence[str]) -> tuple[str, list[str]]:
    """Return why stamps are not of the code beside them (or nothing), and notes."""
    notes = (
        ["the outputs were cleared: its folded stamps were checked"] if cell.state == KEPT else []
    )
    code = {hashlib.sha256(text.encode(errors="replace")).hexdigest() for text in written}
    stamped = {stamp.query_digest for stamp in cell.stamps}
    if code != stamped:
        # Python code may run a query of its text or not, and others that are in no text: there
        # only the digest of the whole cell tells.
        if cell.source.lstrip().startswith("%%govsql") or cell.state == OUTDATED:
            return "the code was changed since it was stamped", notes
        notes.append("queries that Python code runs were not all compared with the code")
    elif cell.state == OUTDATED:
        notes.append("the cell was edited since, but not its queries")
    return "", notes
