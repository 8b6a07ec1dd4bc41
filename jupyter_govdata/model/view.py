"""What a principal is told about an asset: the governed card. Made in the gateway, shown by
every surface; it holds nothing that the principal may not see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jupyter_govdata.model.asset import Asset, Snapshot
from jupyter_govdata.model.decision import MaskKind

Access = Literal["all", "filtered", "masked", "none"]


@dataclass(frozen=True, slots=True)
class ColumnAccess:
    """How one visible column is shown: `mask` None means as stored."""

    column: str
    mask: MaskKind | None = None
    policy: str = ""


@dataclass(frozen=True, slots=True)
class AssetSummary:
    """One line of a listing.

    Args:
        access: ``masked`` may also be filtered; ``none`` means visible, but `select` is refused.
        matched: Visible columns that a search matched, in order.
        pending_request: The principal has asked for it under this purpose; nobody has decided.
    """

    name: str
    kind: str
    description: str
    access: Access
    owner: str
    steward: str
    tags: dict[str, str]
    matched: tuple[str, ...] = ()
    pending_request: bool = False


@dataclass(frozen=True, slots=True)
class Completeness:
    """How much of a card is filled in.

    Args:
        filled: What the card says, e.g. ``source``, ``limitations``, ``columns``.
        missing: What it does not say.
        share: Filled among all, 0 to 1.
    """

    filled: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class AssetView:
    """A card as one principal sees it under one purpose.

    Args:
        asset: The card; `columns` holds the visible columns only, with the types shown (a
            pseudonym is a string).
        access: Summary of the decision.
        columns: One entry a visible column, in order.
        row_filter: The row filter in words, or empty.
        why: Sentences that name the deciding policies.
        policies: Ids of the deciding policies.
        purpose: Purpose that was decided on; empty when none was declared.
        epoch: Version of the policy state.
        snapshot: The version described, or None for an asset without data.
        arrow_schema: IPC-serialised Arrow schema of a scan of all visible columns; empty when
            `select` is refused.
        completeness: How much of the card is filled in, hidden columns left out.
    """

    asset: Asset
    access: Access
    columns: tuple[ColumnAccess, ...]
    row_filter: str
    why: tuple[str, ...]
    policies: tuple[str, ...]
    purpose: str
    epoch: int
    snapshot: Snapshot | None
    arrow_schema: bytes = b""
    completeness: Completeness = Completeness()

    @property
    def masked(self) -> dict[str, MaskKind]:
        """Masked columns and how they are masked."""
        return {c.column: c.mask for c in self.columns if c.mask is not None}


_SAID = (
    "description",
    "owner",
    "steward",
    "licence",
    "source",
    "generated_by",
    "transformations",
    "quality",
    "suitable_for",
    "limitations",
    "intended_use",
    "risk_class",
)


def completeness(asset: Asset, snapshot: Snapshot | None) -> Completeness:
    """Return how much of a card is filled in.

    ``version`` is filled by data, ``columns`` by a description of every column shown; an asset
    without columns is not asked for any.

    Args:
        asset: The card as it is shown.
        snapshot: The version shown with it, or None.
    """
    facts = {key: bool(getattr(asset, key)) for key in _SAID}
    if asset.columns:
        facts["version"] = snapshot is not None
        facts["columns"] = all(column.description for column in asset.columns)
    filled = tuple(key for key, said in facts.items() if said)
    missing = tuple(key for key, said in facts.items() if not said)
    return Completeness(filled, missing, round(len(filled) / len(facts), 3))
