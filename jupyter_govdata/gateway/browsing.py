"""Looking around in the catalog: pages, filters, facets. Runs in the gateway.

SECURITY: everything is computed on what the principal may discover, and columns are matched only
where the principal sees them; so no number, match or order depends on anything hidden.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from jupyter_govdata.gateway.access import utc_now
from jupyter_govdata.gateway.cards import Cards, access_of
from jupyter_govdata.gateway.state import PolicyState
from jupyter_govdata.model.asset import Asset, namespace_of
from jupyter_govdata.model.browsing import Browse, CatalogPage, FacetCount, NamespaceCount
from jupyter_govdata.model.view import AssetSummary

FACET_VALUES = 200


class Browsing:
    """Answers questions about many assets for one principal at a time."""

    def __init__(self, cards: Cards) -> None:
        self._cards = cards

    def names(self, principal: str, declared: str | None) -> tuple[int, tuple[str, ...]]:
        """Return the epoch and the sorted names that the principal may discover under it."""
        state, purpose = self._cards.situation(principal, declared)
        return state.epoch, state.engine.discoverable(principal, purpose, utc_now())

    def ls(
        self, principal: str, namespace: str | None, declared: str | None
    ) -> tuple[AssetSummary, ...]:
        """List the assets that the principal may discover, sorted by name."""
        state, purpose = self._cards.situation(principal, declared)
        names = state.engine.discoverable(principal, purpose, utc_now())
        return tuple(
            self._summary(state, principal, purpose, state.assets[name], ())
            for name in names
            if namespace is None or namespace_of(name) == namespace
        )

    def search(self, principal: str, text: str, declared: str | None) -> tuple[AssetSummary, ...]:
        """List discoverable assets whose name, description, tags or visible columns hold every
        word of `text`, ignoring case.
        """
        state, purpose = self._cards.situation(principal, declared)
        words = text.casefold().split()
        found = []
        for summary in self.ls(principal, None, declared):
            card = state.assets[summary.name]
            hay = self._hay(state, principal, purpose, card)
            if all(word in hay for word in words):
                found.append(summary)
        return tuple(found)

    def _hay(self, state: PolicyState, principal: str, purpose: str, card: Asset) -> str:
        visible = self._cards.visible(state, principal, purpose, card)
        columns = (f"{c.name} {c.description}" for c in visible)
        own = (card.name, card.description, *card.tags, *card.tags.values())
        return " ".join((*own, *columns)).casefold()

    def _summary(
        self,
        state: PolicyState,
        principal: str,
        purpose: str,
        card: Asset,
        words: Iterable[str],
    ) -> AssetSummary:
        visible = self._cards.visible(state, principal, purpose, card) if words else ()
        return AssetSummary(
            name=card.name,
            kind=card.kind,
            description=card.description,
            access=access_of(self._cards.decision(state, principal, purpose, card.name)),
            owner=card.owner,
            steward=card.steward,
            tags=dict(card.tags),
            matched=tuple(
                c.name
                for c in visible
                if any(w in f"{c.name} {c.description}".casefold() for w in words)
            ),
        )

    def browse(self, principal: str, ask: Browse, declared: str | None) -> CatalogPage:
        """Return a page of the assets that were asked for, with the counts around them.

        Raises:
            PurposeError: A purpose was declared that the lake does not know.
        """
        state, purpose = self._cards.situation(principal, declared)
        names = state.engine.discoverable(principal, purpose, utc_now())
        words = ask.text.casefold().split()
        found = [
            card
            for card in (state.assets[name] for name in names)
            if all(word in self._hay(state, principal, purpose, card) for word in words)
        ]
        if ask.readable:
            found = [
                card
                for card in found
                if (d := self._cards.decision(state, principal, purpose, card.name)) and d.permitted
            ]
        checks: dict[str, Callable[[Asset], bool]] = {
            "namespace": lambda c: not ask.namespace or namespace_of(c.name) == ask.namespace,
            "modality": lambda c: not ask.modality or c.tags.get("modality", "") in ask.modality,
            "owner": lambda c: not ask.owner or c.owner in ask.owner,
            "tag": lambda c: set(ask.tag) <= set(_tags(c)),
        }

        def left(but: str) -> list[Asset]:
            return [c for c in found if all(check(c) for k, check in checks.items() if k != but)]

        chosen = left("")
        chosen.sort(key=lambda c: (not all(w in c.name for w in words), c.name))
        page = chosen[ask.offset : ask.offset + ask.limit]
        modalities = Counter(c.tags["modality"] for c in left("modality") if "modality" in c.tags)
        spaces = Counter(namespace_of(c.name) for c in left("namespace"))
        return CatalogPage(
            epoch=state.epoch,
            total=len(chosen),
            namespaces=tuple(NamespaceCount(n, spaces[n]) for n in sorted(spaces)),
            facets={
                "modality": _facet(modalities),
                "tag": _facet(Counter(t for c in chosen for t in _tags(c))),
                "owner": _facet(Counter(c.owner for c in left("owner") if c.owner)),
            },
            assets=tuple(self._summary(state, principal, purpose, c, words) for c in page),
        )


def _tags(card: Asset) -> list[str]:
    return [f"{k}={v}" if v else k for k, v in card.tags.items() if k != "modality"]


def _facet(counts: Counter[str]) -> tuple[FacetCount, ...]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(FacetCount(value, count) for value, count in ordered[:FACET_VALUES])
