"""Where data came from and where it went, as one principal may see it. Runs in the gateway."""

from __future__ import annotations

from jupyter_govdata.gateway.cards import Cards
from jupyter_govdata.model.browsing import Lineage, LineageNode


class LineageGraph:
    """Answers questions about the lineage of assets for one principal at a time."""

    def __init__(self, cards: Cards) -> None:
        self._cards = cards

    def around(self, principal: str, asset: str, declared: str | None, depth: int) -> Lineage:
        """Return the graph around an asset; what is hidden is not in it.

        Raises:
            NotVisibleError: Missing or hidden.
        """
        del depth
        state, _ = self._cards.require_visible(principal, asset, declared)
        card = state.assets[asset]
        return Lineage((LineageNode(card.name, card.name, card.kind),))
