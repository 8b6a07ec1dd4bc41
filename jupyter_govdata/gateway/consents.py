"""The consents of one moment. Runs in the gateway; trusts the ledger."""

from __future__ import annotations

from jupyter_govdata.gateway.binding import BoundDecision
from jupyter_govdata.ledger import Ledger
from jupyter_govdata.model.predicate import Consent, walk


class ConsentView:
    """The consents of one moment: what a stream filters by, and what it is compared with."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._sets: dict[tuple[str, str], frozenset[str]] = {}
        self._pairs: dict[str, frozenset[tuple[str, str]]] = {}

    def __call__(self, domain: str, purpose: str) -> frozenset[str]:
        """Return the ids of a domain whose subject consents to the purpose."""
        key = (domain, purpose)
        if key not in self._sets:
            self._sets[key] = self._ledger.consenting(domain, purpose)
        return self._sets[key]

    def pairs(self, purpose: str) -> frozenset[tuple[str, str]]:
        """Return (domain, id) pairs whose subject consents to the purpose."""
        if purpose not in self._pairs:
            self._pairs[purpose] = self._ledger.consenting_pairs(purpose)
        return self._pairs[purpose]

    def load(self, bound: BoundDecision) -> None:
        """Look up everything that a row filter will ask for."""
        for node in walk(bound.row_filter):
            if isinstance(node, Consent):
                if "{" in node.domain:
                    self.pairs(node.purpose)
                else:
                    self(node.domain, node.purpose)

    def same(self, other: ConsentView) -> bool:
        """Return whether both hold the same consents."""
        return self._sets == other._sets and self._pairs == other._pairs
