"""Looking around in the catalog: pages, filters, facets. Runs in the gateway.

SECURITY: everything is computed on what the principal may discover, and columns are matched only
where the principal sees them; so no number, match or order depends on anything hidden.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from jupyter_govdata.gateway.access import utc_now
from jupyter_govdata.gateway.cards import Cards
from jupyter_govdata.gateway.finding import Index, Words
from jupyter_govdata.gateway.heeding import still_wanted
from jupyter_govdata.gateway.state import PolicyState
from jupyter_govdata.gateway.texts import Cards as Found
from jupyter_govdata.gateway.texts import Mask
from jupyter_govdata.ledger import Ledger
from jupyter_govdata.model.browsing import Browse, CatalogPage, FacetCount, NamespaceCount
from jupyter_govdata.model.view import Access, AssetSummary
from jupyter_govdata.policy.overview import (
    AS_STORED,
    HIDDEN,
    NO_ROWS,
    SOME_ROWS,
    Bytes,
    Overview,
    Sight,
)

FACET_VALUES = 200
REMEMBERED = 256
"""Answers that are kept while the epoch lasts."""
T = TypeVar("T")


@dataclass(slots=True)
class _Epoch:
    """What was worked out for one epoch."""

    state: PolicyState
    made: OrderedDict[Hashable, Any] = field(default_factory=OrderedDict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` made for a key; two threads never make it at once."""
        with self.lock:
            if key not in self.made:
                still_wanted()  # another caller's turn may have lasted
                self.made[key] = make()
                while len(self.made) > REMEMBERED:
                    self.made.popitem(last=False)
            self.made.move_to_end(key)
            found: T = self.made[key]
            return found


@dataclass(frozen=True, slots=True)
class _Look:
    """One principal's question under one policy state."""

    epoch: _Epoch
    principal: str
    purpose: str

    @property
    def state(self) -> PolicyState:
        return self.epoch.state

    @property
    def overview(self) -> Overview:
        return self.epoch.state.engine.overview


class Browsing:
    """Answers questions about many assets for one principal at a time."""

    def __init__(self, cards: Cards, ledger: Ledger) -> None:
        self._cards = cards
        self._ledger = ledger
        self._words = Words()
        self._lock = threading.Lock()
        self._epoch: _Epoch | None = None

    def names(self, principal: str, declared: str | None) -> tuple[int, tuple[str, ...]]:
        """Return the epoch and the sorted names that the principal may discover under it."""
        look = self._look(principal, declared)
        names = look.overview.names
        visible = np.flatnonzero(self._sight(look).visible)
        return look.state.epoch, tuple(names[i] for i in visible.tolist())

    def ls(
        self, principal: str, namespace: str | None, declared: str | None
    ) -> tuple[AssetSummary, ...]:
        """List the assets that the principal may discover, sorted by name."""
        look = self._look(principal, declared)
        found = self._sight(look).visible
        if namespace is not None:
            found = found & self._index(look).where("namespace", (namespace,))
        return self._summaries(look, np.flatnonzero(found), ())

    def search(self, principal: str, text: str, declared: str | None) -> tuple[AssetSummary, ...]:
        """List discoverable assets whose name, description, tags or visible columns hold every
        word of `text`, ignoring case.
        """
        look = self._look(principal, declared)
        words = text.casefold().split()
        return self._summaries(look, np.flatnonzero(self._matching(look, words)), words)

    def browse(self, principal: str, ask: Browse, declared: str | None) -> CatalogPage:
        """Return a page of the assets that were asked for, with the counts around them.

        Raises:
            PurposeError: A purpose was declared that the lake does not know.
        """
        look = self._look(principal, declared)
        index = self._index(look)
        words = ask.text.casefold().split()
        found = self._matching(look, words)
        if ask.readable:
            found = found & (self._sight(look).rows != NO_ROWS)
        for tag in ask.tag:
            found = found & index.tagged(tag)
        kept = {
            facet: index.where(facet, values)
            for facet, values in (
                ("namespace", (ask.namespace,) if ask.namespace else ()),
                ("modality", ask.modality),
                ("owner", ask.owner),
            )
            if values
        }
        chosen = _all(found, kept, but="")
        page = index.page(chosen, words, ask.offset, ask.limit, grouped=ask.grouped)
        spaces = index.counts("namespace", _all(found, kept, but="namespace"))
        return CatalogPage(
            epoch=look.state.epoch,
            total=int(chosen.sum()),
            namespaces=tuple(NamespaceCount(name, spaces[name]) for name in sorted(spaces)),
            facets={
                facet: _facet(index.counts(facet, _all(found, kept, but=facet)))
                for facet in ("modality", "tag", "owner")
            },
            assets=self._summaries(look, page, words),
        )

    def prepare(self, state: PolicyState) -> None:
        """Sort and index all cards: what a first page needs and is the same for everybody."""
        state.engine.overview.prepare()
        self._indexed(self._epoch_of(state)).prepare()

    # -- what one principal sees -------------------------------------------------------------

    def _look(self, principal: str, declared: str | None) -> _Look:
        state, purpose = self._cards.situation(principal, declared)
        return _Look(self._epoch_of(state), principal, purpose)

    def _epoch_of(self, state: PolicyState) -> _Epoch:
        with self._lock:
            if self._epoch is None or self._epoch.state is not state:
                self._epoch = _Epoch(state)
            return self._epoch

    def _index(self, look: _Look) -> Index:
        return self._indexed(look.epoch)

    def _indexed(self, epoch: _Epoch) -> Index:
        overview = epoch.state.engine.overview
        return epoch.once("index", lambda: self._words.index(overview.names, overview.cards))

    def _sight(self, look: _Look) -> Sight:
        return self._answered(look, "sight", lambda now: self._see(look, now))[0]

    def _see(self, look: _Look, now: dt.datetime) -> tuple[Sight, bool]:
        ask = look.state.engine.question(look.principal, look.purpose, now)
        discovery = look.overview.discovery
        sight = look.overview.sight(ask if look.purpose else None, discovery.mask(ask))
        return sight, discovery.now_dependent or sight.now_dependent

    def _shown(self, look: _Look) -> Bytes:
        """Return how each kind of column is shown that stands in an asset that may be read."""
        return self._answered(look, "shown", lambda now: self._show(look, now))[0]

    def _show(self, look: _Look, now: dt.datetime) -> tuple[Bytes, bool]:
        table = look.overview.columns
        sight, dependent = self._answered(look, "sight", lambda now: self._see(look, now))
        kinds = np.zeros(table.kinds, np.bool_)
        kinds[table.kind_of[(sight.rows != NO_ROWS)[table.asset]]] = True
        ask = look.state.engine.question(look.principal, look.purpose, now)
        shown, also = look.overview.shown(ask, np.flatnonzero(kinds).astype(np.int32))
        return shown, dependent or also

    def _columns(self, look: _Look) -> Found:
        """Return what finds assets by the columns that the principal sees, masked ones included."""
        if not look.purpose:
            return self._index(look).columns(np.zeros(len(look.overview.columns.kind_of), np.bool_))
        return self._answered(look, "columns", lambda _: self._unhidden(look))[0]

    def _unhidden(self, look: _Look) -> tuple[Found, bool]:
        table = look.overview.columns
        shown, dependent = self._answered(look, "shown", lambda now: self._show(look, now))
        readable = self._sight(look).rows != NO_ROWS
        visible = readable[table.asset] & (shown != HIDDEN)[table.kind_of]
        return self._index(look).columns(visible), dependent

    def _answered(
        self, look: _Look, what: str, make: Callable[[dt.datetime], tuple[T, bool]]
    ) -> tuple[T, bool]:
        """Return an answer, from memory where it still holds, and whether it depends on now."""
        now = utc_now()
        second = int(now.timestamp())
        who = (what, look.principal, look.purpose)
        with look.epoch.lock:
            made = look.epoch.made.get(who)
            if made is not None and made[1] and made[2] != second:
                del look.epoch.made[who]
            found: tuple[T, bool, int] = look.epoch.once(who, lambda: (*make(now), second))
            return found[0], found[1]

    def _matching(self, look: _Look, words: Sequence[str]) -> Mask:
        found = self._sight(look).visible
        if not words:
            return found
        index = self._index(look)
        for word in words:
            still_wanted()
            holding = index.with_word(word)
            if (found & ~holding).any():
                holding |= index.with_column(word, self._columns(look))
            found = found & holding
        return found

    def _pending(self, look: _Look) -> frozenset[str]:
        """Return what the principal has asked for; that is no part of the policy state."""
        if not look.purpose:
            return frozenset()
        return self._ledger.requests.pending(look.principal, look.purpose, utc_now())

    def _summaries(
        self, look: _Look, numbers: Any, words: Sequence[str]
    ) -> tuple[AssetSummary, ...]:
        overview, sight, pending = look.overview, self._sight(look), self._pending(look)
        table = overview.columns if look.purpose else None
        shown = self._shown(look) if look.purpose else None
        holding = self._index(look).columns_with(words) if words else None
        found = []
        for number in numbers.tolist():
            card = overview.cards[number]
            access: Access = "none"
            matched: tuple[str, ...] = ()
            if table is not None and shown is not None and sight.rows[number] != NO_ROWS:
                kinds = shown[table.kind_of[table.starts[number] : table.starts[number + 1]]]
                access = "filtered" if sight.rows[number] == SOME_ROWS else "all"
                access = "masked" if (kinds != AS_STORED).any() else access
                if holding is not None:
                    seen = np.flatnonzero(holding(number) & (kinds != HIDDEN))
                    matched = tuple(card.columns[i].name for i in seen.tolist())
            found.append(
                AssetSummary(
                    name=card.name,
                    kind=card.kind,
                    description=card.description,
                    access=access,
                    owner=card.owner,
                    steward=card.steward,
                    tags=dict(card.tags),
                    matched=matched,
                    pending_request=card.name in pending,
                )
            )
        return tuple(found)


def _all(found: Mask, kept: Mapping[str, Mask], *, but: str) -> Mask:
    for facet, mask in kept.items():
        if facet != but:
            found = found & mask
    return found


def _facet(counts: Mapping[str, int]) -> tuple[FacetCount, ...]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(FacetCount(value, count) for value, count in ordered[:FACET_VALUES])
