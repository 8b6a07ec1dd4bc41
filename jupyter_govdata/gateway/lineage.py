"""Where data came from and where it went, as one principal may see it. Runs in the gateway.

SECURITY: only assets that the principal may discover are walked over, so nothing that lies
behind a hidden asset is found through it, and a graph with hidden neighbours is the graph of a
lake without them.
"""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_govdata.gateway.access import utc_now
from jupyter_govdata.gateway.cards import Cards
from jupyter_govdata.gateway.heeding import still_wanted
from jupyter_govdata.gateway.state import PolicyState
from jupyter_govdata.ledger import Edge, Ledger
from jupyter_govdata.model.browsing import Lineage, LineageEdge, LineageNode
from jupyter_govdata.model.decision import Decision
from jupyter_govdata.model.predicate import TRUE

MAX_NODES = 500
IN_MEMORY = " in memory"
SOURCES = 20
"""Sources of one asset that are shown, the newest ones."""


class LineageGraph:
    """Answers questions about the lineage of assets for one principal at a time."""

    def __init__(self, cards: Cards, ledger: Ledger) -> None:
        self._cards = cards
        self._ledger = ledger

    def around(self, principal: str, asset: str, declared: str | None, depth: int) -> Lineage:
        """Return the graph around an asset; what is hidden is not in it.

        Raises:
            NotVisibleError: Missing or hidden.
        """
        state, purpose = self._cards.require_visible(principal, asset, declared)
        sight = _Sight(self._cards, state, principal, purpose)
        names, edges, complete = self._walk(sight, asset, depth)
        nodes = [LineageNode(n, n, state.assets[n].kind) for n in names]
        shown = dict.fromkeys(sight.told(e) for e in edges)
        for name in names:
            still_wanted()
            for node, edge in self._sources(sight, name):
                nodes.append(node)
                shown[edge] = None
        return Lineage(tuple(nodes), tuple(shown), complete)

    def _walk(self, sight: _Sight, asset: str, depth: int) -> tuple[list[str], list[Edge], bool]:
        """Return names by distance, the edges between them, and whether there is nothing more."""
        names = {asset: None}
        edges: dict[tuple[str, str, str], Edge] = {}
        border = {asset}
        for _ in range(depth):
            still_wanted()
            around = self._touching(sight, border)
            found = {n for e in around for n in (e.asset, e.origin.asset)} - names.keys()
            border = set(sorted(found)[: MAX_NODES - len(names)])
            names |= dict.fromkeys(sorted(border))
            for edge in around:
                if edge.asset in names and edge.origin.asset in names:
                    # Of many loads between two assets the newest one is shown.
                    key = (edge.origin.asset, edge.asset, edge.origin.proof)
                    edges.setdefault(key, edge)
            if not border or border != found:
                break
        beyond = {
            n for e in self._touching(sight, border) for n in (e.asset, e.origin.asset)
        } - names.keys()
        complete = not beyond and len(names) < MAX_NODES
        return list(names), list(edges.values()), complete

    def _touching(self, sight: _Sight, border: Iterable[str]) -> list[Edge]:
        found = self._ledger.lineage.touching(list(border))
        return [e for e in found if sight.discovers(e.asset) and sight.discovers(e.origin.asset)]

    def _sources(self, sight: _Sight, name: str) -> list[tuple[LineageNode, LineageEdge]]:
        """Return what an asset was loaded from outside the lake, for those who see all of it."""
        decision = sight.decision(name)
        if decision is None or not decision.permitted or decision.row_filter != TRUE:
            return []
        newest: dict[str, tuple[LineageNode, LineageEdge]] = {}
        for load in self._ledger.loads(name):
            if not load.source or load.source.endswith(IN_MEMORY) or load.source in newest:
                continue
            node = LineageNode(f"source:{load.source}", load.source, "source")
            newest[load.source] = node, LineageEdge(node.id, name, load.snapshot_id, None, load.by)
            if len(newest) == SOURCES:
                break
        return list(newest.values())


class _Sight:
    """What one principal may be told of nodes and edges."""

    def __init__(self, cards: Cards, state: PolicyState, principal: str, purpose: str) -> None:
        self._cards = cards
        self._state = state
        self._principal = principal
        self._purpose = purpose

    def discovers(self, name: str) -> bool:
        if name not in self._state.assets:
            return False
        now = utc_now()
        return self._state.decide(self._principal, "discover", name, self._purpose, now).permitted

    def decision(self, name: str) -> Decision | None:
        return self._cards.decision(self._state, self._principal, self._purpose, name)

    def _reads(self, name: str) -> bool:
        decision = self.decision(name)
        return decision is not None and decision.permitted

    def told(self, edge: Edge) -> LineageEdge:
        """Return an edge with versions only of what may be read."""
        target, origin = self._reads(edge.asset), self._reads(edge.origin.asset)
        return LineageEdge(
            origin=edge.origin.asset,
            target=edge.asset,
            snapshot_id=edge.snapshot_id if target else None,
            origin_snapshot_id=edge.origin.snapshot_id if origin else None,
            by=edge.by if target else "",
            proof=edge.origin.proof,
        )
