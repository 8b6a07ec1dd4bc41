"""What is remembered of an answer: the receipt that the gateway signs and the stamp that the
notebook keeps. Frozen values; verification lives in `jupyter_govdata.stamps`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

STAMP_MIME = "application/vnd.govdata.stamp.v1+json"


@dataclass(frozen=True, slots=True)
class Receipt:
    """One governed scan, as the gateway signs it. Only deterministic facts: the same query on
    the same data under the same policy gives an equal receipt.

    Args:
        asset: Asset name.
        snapshot_id: Iceberg snapshot that was read; 0 for an asset without data.
        schema_id: Iceberg schema id the rows were read under.
        epoch: Version of the policy state.
        principal: Principal id.
        purpose: Declared purpose.
        decision_id: `Decision.decision_id`.
        fragment_digest: SHA-256 (hex) of the canonical JSON of the scan fragment.
        filtered: A row filter applied.
        masked: Columns shown through a mask, sorted.
        key_id: Which gateway key signed.
        signature: Ed25519 over the canonical JSON of all fields above, base64.
    """

    asset: str
    snapshot_id: int
    schema_id: int
    epoch: int
    principal: str
    purpose: str
    decision_id: str
    fragment_digest: str
    filtered: bool = False
    masked: tuple[str, ...] = ()
    key_id: str = ""
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What stands beside a result.

    Args:
        query_digest: SHA-256 (hex) of the query text as written, UTF-8.
        parameters_digest: SHA-256 (hex) of the canonical JSON of the bound parameters.
        receipts: Sorted by asset, snapshot id and fragment digest; equal ones once.
        result_digest: See `jupyter_govdata.stamps.digest`.
        wall: ``enforced`` or ``advisory`` (invariant 8).
        versions: Package name -> version, of what computed the result.
        status: ``complete``; ``partial``: the result was not read to its end; ``failed``;
            ``interrupted``. Only a complete one has a result digest, the others ``""``.
        error: Code of the error of a failed query, else ``""``.
        pins: Asset name -> snapshot id of what was read without a version in the query's text:
            what a rerun has to pin.
    """

    query_digest: str
    parameters_digest: str
    receipts: tuple[Receipt, ...]
    result_digest: str
    wall: str
    versions: Mapping[str, str] = field(default_factory=dict)
    status: str = "complete"
    error: str = ""
    pins: Mapping[str, int] = field(default_factory=dict)
