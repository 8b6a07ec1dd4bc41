"""Permission while a stream runs. Runs in the gateway.

INVARIANT 3: what is permitted is current, batch by batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jupyter_govdata.errors import StaleDecisionError
from jupyter_govdata.gateway.access import Access, utc_now
from jupyter_govdata.gateway.binding import BoundDecision, bind
from jupyter_govdata.gateway.consents import ConsentView
from jupyter_govdata.ledger import Ledger
from jupyter_govdata.model.decision import Decision


@dataclass(slots=True)
class Guard:
    """Keeps a running stream honest.

    Args:
        access: Decides.
        ledger: Knows epoch and consents.
        principal: Who reads.
        asset: What is read.
        decision: What the stream began with; likewise `bound`, `version`, `consents`, `epoch`.
        version: Field ids and names of the columns.
    """

    access: Access
    ledger: Ledger
    principal: str
    asset: str
    decision: Decision
    bound: BoundDecision
    version: Mapping[int, str]
    consents: ConsentView
    epoch: int
    _second: int = 0

    def check(self) -> None:
        """Refuse to go on if what may be seen is no longer what is being streamed.

        Raises:
            StaleDecisionError: The decision, the bound columns or the consents differ now.
        """
        epoch = self.ledger.epoch()
        second = int(utc_now().timestamp())
        timely = not self.decision.now_dependent or second == self._second
        if epoch == self.epoch and timely:
            return
        if not self._still_true():
            raise StaleDecisionError(
                f"policy or consent for `{self.asset}` changed while it was read",
                hint="run the query again to get what is permitted now",
            )
        self.epoch, self._second = epoch, second

    def _still_true(self) -> bool:
        state = self.access.state()
        card = state.assets.get(self.asset)
        if card is None or self.principal not in state.governance.principals:
            return False
        purpose = self.decision.purpose
        decision = state.decide(self.principal, "select", card.name, purpose, utc_now())
        if not decision.permitted or bind(decision, card, self.version) != self.bound:
            return False
        consents = ConsentView(self.ledger)
        consents.load(self.bound)
        return consents.same(self.consents)
