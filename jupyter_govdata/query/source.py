"""The seam between the query engine and the gateway's client. Runs in the kernel.

The engine sees the governed world only through these two protocols; nothing that crosses them
holds a token or an address.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import pyarrow as pa

from jupyter_govdata.model.scan import At, ScanRequest
from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.model.view import AssetView


@runtime_checkable
class ScanStream(Protocol):
    """One governed scan that is being read."""

    @property
    def schema(self) -> pa.Schema:
        """Schema of the batches."""
        ...

    @property
    def receipts(self) -> Sequence[Receipt]:
        """Signed receipts of what is being read; there from the start."""
        ...

    @property
    def tag(self) -> str:
        """Names the answer: scans with one tag have the same rows. Empty if nothing can tell."""
        ...

    @property
    def same(self) -> bool:
        """True if the request knew the tag: then no rows come."""
        ...

    def reader(self) -> pa.RecordBatchReader:
        """Return the batches; reading raises the gateway's `GovDataError`."""
        ...

    def cancel(self) -> None:
        """Stop reading; safe from any thread, and when the stream has ended."""
        ...


@runtime_checkable
class KeepingStream(Protocol):
    """A scan whose batches are held when they have been read."""

    def pause(self) -> None:
        """Hold little: it may be long before it is read on, or for ever."""
        ...


@runtime_checkable
class AssetSource(Protocol):
    """What this principal may see and read."""

    @property
    def wall(self) -> str:
        """``enforced`` or ``advisory`` (invariant 8)."""
        ...

    def namespaces(self) -> tuple[str, ...]:
        """Return the visible namespaces."""
        ...

    def names(self) -> tuple[str, ...]:
        """Return the names of the visible assets."""
        ...

    def view(self, asset: str, at: At | None, purpose: str | None) -> AssetView:
        """Return the governed card of an asset.

        Raises:
            NotVisibleError: Missing or hidden.
            SnapshotNotFoundError: No such version.
            PurposeError: Unknown purpose.
        """
        ...

    def open_scan(self, request: ScanRequest) -> ScanStream:
        """Start a governed scan.

        Raises:
            RefusalError: The policy refuses.
        """
        ...
