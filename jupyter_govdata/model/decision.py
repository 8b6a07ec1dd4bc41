"""What the policy answers: a decision with its row filter and column masks.

Made in the gateway; a kernel only ever sees descriptions of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from jupyter_govdata.model.predicate import FALSE, TRUE, Predicate

Action = Literal["discover", "select", "reveal", "open", "publish", "approve", "hold", "manage"]
ACTIONS: tuple[Action, ...] = (
    "discover",
    "select",
    "reveal",
    "open",
    "publish",
    "approve",
    "hold",
    "manage",
)

MaskKind = Literal["null", "constant", "pseudonym", "last", "year", "round"]
MASK_KINDS: tuple[MaskKind, ...] = ("null", "constant", "pseudonym", "last", "year", "round")
"""From the strictest to the mildest: of two masks on one column the first of these applies."""


@dataclass(frozen=True, slots=True)
class Mask:
    """How a column is shown instead of its values.

    Args:
        kind: ``null``; ``constant`` (argument: the text shown); ``pseudonym`` (keyed, per purpose
            and identifier domain); ``last`` (argument: how many characters stay); ``year`` (a
            date or timestamp becomes 1 January of its year, ISO text its first four
            characters); ``round`` (argument: the step to round to).
        argument: As above, or empty.
        policy: Id of the policy that asks for it.

    NULL stays NULL under every mask but ``constant``.
    """

    kind: MaskKind
    argument: str = ""
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer for one principal, purpose, action and asset in one epoch.

    Args:
        decision_id: SHA-256 (hex) over everything else here but `now_dependent`: equal facts,
            equal id.
        principal: Principal id.
        purpose: Declared purpose.
        action: What was asked.
        asset: Asset name.
        epoch: Version of the policy state.
        permitted: False refuses, whatever else is set.
        row_filter: Rows that may be seen, on raw values.
        masks: Column name -> mask.
        hidden: Columns that may not be seen at all.
        policies: Ids of the policies that determined the answer, sorted.
        now_dependent: True if the answer holds only for the second it was made in.
    """

    decision_id: str
    principal: str
    purpose: str
    action: Action
    asset: str
    epoch: int
    permitted: bool
    row_filter: Predicate = FALSE
    masks: Mapping[str, Mask] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    policies: tuple[str, ...] = ()
    now_dependent: bool = False

    @property
    def whole(self) -> bool:
        """True if the asset is seen as it is stored: no filter, mask or hidden column."""
        return self.permitted and self.row_filter == TRUE and not self.masks and not self.hidden
