"""What has to be known of a result to show it. Runs in the kernel. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import pyarrow as pa

from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.model.view import AssetView


class Shown(Protocol):
    """A result as those see it who show it; see `QueryResult`."""

    @property
    def head(self) -> pa.Table:
        """The rows that are here."""

    @property
    def row_count(self) -> int | None:
        """How many rows there are, or None while that is not known."""

    @property
    def changed_rows(self) -> int | None:
        """Rows that a statement without a result wrote, or None."""

    @property
    def query(self) -> str:
        """SQL text as written."""

    @property
    def notes(self) -> Sequence[str]:
        """Remarks about the query."""

    @property
    def assets(self) -> Sequence[str]:
        """Names of the governed assets that were read, sorted."""

    @property
    def views(self) -> Mapping[str, AssetView]:
        """Their governed cards."""

    @property
    def receipts(self) -> Sequence[Receipt]:
        """Of their scans."""

    @property
    def masked(self) -> Mapping[str, Mapping[str, str]]:
        """Masked columns by asset, each with the kind of its mask."""

    @property
    def purpose(self) -> str:
        """Purpose that the scans were decided on, or empty."""

    @property
    def wall(self) -> str:
        """``enforced`` or ``advisory``."""

    @property
    def seconds(self) -> float:
        """Wall-clock time until the first rows."""

    @property
    def known_digest(self) -> str:
        """The result digest where it was computed already, else empty."""
