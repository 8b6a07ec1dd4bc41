"""Signs what a grant holds: the manifest of a training run. Runs in the gateway."""

from __future__ import annotations

from dataclasses import replace

from jupyter_govdata.errors import CatalogError
from jupyter_govdata.gateway.access import utc_now
from jupyter_govdata.gateway.filing import Filing
from jupyter_govdata.gateway.signing import Signer
from jupyter_govdata.model.manifest import ManifestEntry, ManifestHeader, digest_of
from jupyter_govdata.model.wire import predicate_to_wire

FIELDS = ("key", "name", "format", "size", "checksum", "version")


def manifest(filing: Filing, signer: Signer, principal: str, handle: str) -> ManifestHeader:
    """Return the signed header of the manifest of a grant, as it is permitted now.

    Raises:
        GrantError: Unknown, expired, or another principal's.
        RefusalError: The asset may not be opened any more.
        CatalogError: The inventory does not tell all sizes.
    """
    held = filing.held(principal, handle)
    _, batches, receipt = filing.rows(principal, handle, 0, None)
    entries: list[ManifestEntry] = []
    for batch in batches:
        if batch.column("size").null_count:
            raise CatalogError(
                f"the inventory `{receipt.asset}` does not tell the size of every file",
                hint="have it scanned again",
            )
        columns = (batch.column(name).to_pylist() for name in FIELDS)
        entries.extend(ManifestEntry(*row) for row in zip(*columns, strict=True))
    header = ManifestHeader(
        asset=receipt.asset,
        principal=principal,
        purpose=receipt.purpose,
        epoch=receipt.epoch,
        snapshot_id=receipt.snapshot_id,
        decision_id=receipt.decision_id,
        predicate=predicate_to_wire(held.request.predicate),
        count=len(entries),
        bytes=sum(entry.size for entry in entries),
        digest=digest_of(entries),
        made_at=utc_now().isoformat(timespec="seconds"),
        key_id=signer.key_id,
    )
    filing.note_manifest(held, header.digest)
    return replace(header, signature=signer.sign(header.message()))
