"""An index over the words and facets of all cards. Runs in the gateway; asks no policy.

SECURITY: it holds hidden assets and columns too. Whoever asks narrows every answer to what the
principal sees, before anything is counted.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jupyter_govdata.gateway.texts import Cards, Mask, Numbers, Postings, Texts
from jupyter_govdata.model.asset import Asset, Column, namespace_of

NO_VALUE = -1
MODALITY = "modality"


def asset_text(card: Asset) -> str:
    """Return what of an asset is searched, beside its name and columns."""
    return " ".join((card.description, *card.tags, *card.tags.values())).casefold()


def column_text(column: Column) -> str:
    """Return what of a column is searched."""
    return f"{column.name} {column.description}".casefold()


def tags_of(card: Asset) -> list[str]:
    """Return the tags of an asset as facets say them; its modality is a facet of its own."""
    return [f"{k}={v}" if v else k for k, v in card.tags.items() if k != MODALITY]


class Numbered:
    """Texts with numbers that stay; it grows only."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self._searched: Texts | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))

    def texts(self) -> list[str]:
        """Return all texts, by number."""
        return list(self.numbers)

    def searched(self) -> Texts:
        """Return the texts that there are now, to be searched."""
        found = self._searched
        if found is None or len(found) != len(self.numbers):
            # A copy in one step: another thread may be adding the texts of a newer epoch.
            found = self._searched = Texts(list(self.numbers))
        return found


@dataclass(frozen=True, slots=True)
class _Card:
    """What the index keeps of a card: numbers of words, tags, columns and facets."""

    card: Asset
    words: array[int]
    tags: array[int]
    columns: array[int]
    facets: tuple[int, int, int]


class Words:
    """The vocabulary of a lake's cards, kept from epoch to epoch."""

    def __init__(self) -> None:
        self.words = Numbered()
        self.tags = Numbered()
        self.owners = Numbered()
        self.modalities = Numbered()
        self.namespaces = Numbered()
        self.columns = Numbered()
        self._column_numbers: dict[int, tuple[Column, int]] = {}
        self._cards: dict[str, _Card] = {}
        self._lock = threading.Lock()

    def index(self, names: Sequence[str], cards: Sequence[Asset]) -> Index:
        """Return the index of these cards; those that it knew already cost little."""
        with self._lock:
            kept: dict[str, _Card] = {}
            for name, card in zip(names, cards, strict=True):
                known = self._cards.get(name)
                kept[name] = known if known and known.card is card else self._read(card)
            self._cards = kept
            if len(self._column_numbers) > 4 * len(self.columns) + 100_000:
                self._column_numbers = {}
            return Index(self, list(kept.values()))

    def _read(self, card: Asset) -> _Card:
        modality = card.tags.get(MODALITY)
        return _Card(
            card,
            _numbers([self.words[word] for word in set(asset_text(card).split())]),
            _numbers([self.tags[tag] for tag in tags_of(card)]),
            _numbers([self._column(column) for column in card.columns]),
            (
                self.namespaces[namespace_of(card.name)],
                self.owners[card.owner] if card.owner else NO_VALUE,
                NO_VALUE if modality is None else self.modalities[modality],
            ),
        )

    def _column(self, column: Column) -> int:
        known = self._column_numbers.get(id(column))
        if known is None:
            known = self._column_numbers[id(column)] = (column, self.columns[column_text(column)])
        return known[1]


def _numbers(found: list[int]) -> array[int]:
    return array("i", found)


class Index:
    """Cards by name; every answer is a mask over them."""

    def __init__(self, words: Words, cards: Sequence[_Card]) -> None:
        self._all = words
        # What the vocabulary has later numbers for is of newer epochs.
        self._words = words.words.searched()
        self._texts = words.columns.searched()
        self._names = Texts([card.card.name.casefold() for card in cards])
        self._word = Postings((card.words for card in cards), len(self._words))
        self._column = Postings((card.columns for card in cards), len(self._texts))
        self._tag = Postings((card.tags for card in cards), len(words.tags))
        facets = np.array([card.facets for card in cards], np.int32).reshape(-1, 3)
        self.namespace, self.owner, self.modality = facets.T.copy()
        spaces = words.namespaces.texts()
        self._rank = np.argsort(np.argsort(spaces)).astype(np.int32)[self.namespace]

    def prepare(self) -> None:
        """Sort now what the first search would have to."""
        assert self._word.cards is not None
        self.columns(np.zeros(len(self._column.numbers), np.bool_))

    def with_word(self, word: str) -> Mask:
        """Return the assets that hold a word (part) in name, description or tags."""
        return self._word.cards.having(self._words.holding(word)) | self.named(word)

    def columns(self, visible: Mask) -> Cards:
        """Return what finds assets by columns, where only those that are visible are known of.

        Args:
            visible: Of all columns of all assets, one after the other.
        """
        return self._column.visible(visible)

    def with_column(self, word: str, columns: Cards) -> Mask:
        """Return the assets that hold a word (part) in a column of those.

        Args:
            word: Without blanks, case folded.
            columns: From `columns`.
        """
        return columns.having(self._texts.holding(word))

    def named(self, word: str) -> Mask:
        """Return the assets whose name holds a word (part)."""
        found = np.zeros(len(self._names), np.bool_)
        found[self._names.holding(word)] = True
        return found

    def columns_with(self, words: Sequence[str]) -> Callable[[int], Mask]:
        """Return a function from the number of an asset to which of its columns hold any word."""
        wanted = np.zeros(len(self._texts), np.bool_)
        for word in words:
            wanted[self._texts.holding(word)] = True
        numbers, starts = self._column.numbers, self._column.starts

        def of(number: int) -> Mask:
            found: Mask = wanted[numbers[starts[number] : starts[number + 1]]]
            return found

        return of

    def page(
        self, found: Mask, words: Sequence[str], offset: int, limit: int, *, grouped: bool
    ) -> Numbers:
        """Return a page of the assets found: those whose names hold all words first, then by name.

        Args:
            found: The assets.
            words: Case folded.
            offset: First of the page.
            limit: Most of the page.
            grouped: Sort by namespace first.
        """
        order = np.flatnonzero(found)
        ranks = self._rank[order] if grouped else np.zeros(len(order), np.int32)
        # Sorted are only the namespaces up to where the page ends.
        ends = np.cumsum(np.bincount(ranks, minlength=1))
        within = ranks <= np.searchsorted(ends, offset + limit)
        order, ranks = order[within], ranks[within]
        others = np.zeros(len(order), np.bool_)
        for word in words:
            others |= ~self.named(word)[order]
        return order[np.lexsort((others, ranks))][offset : offset + limit].astype(np.int32)

    def counts(self, facet: str, found: Mask) -> Mapping[str, int]:
        """Return how many of the assets found have each value of a facet."""
        kinds = {
            "namespace": (self.namespace, self._all.namespaces),
            "owner": (self.owner, self._all.owners),
            "modality": (self.modality, self._all.modalities),
        }
        if facet == "tag":
            numbers, texts = self._tag.numbers[found[self._tag.card_of]], self._all.tags
        else:
            values, texts = kinds[facet]
            numbers = values[found]
            numbers = numbers[numbers != NO_VALUE]
        counts = np.bincount(numbers, minlength=len(texts))
        names = texts.texts()
        return {names[i]: int(counts[i]) for i in np.flatnonzero(counts).tolist()}

    def where(self, facet: str, values: Iterable[str]) -> Mask:
        """Return the assets that have any of these values of ``namespace``, ``owner`` or
        ``modality``.
        """
        column, texts = {
            "namespace": (self.namespace, self._all.namespaces),
            "owner": (self.owner, self._all.owners),
            "modality": (self.modality, self._all.modalities),
        }[facet]
        numbers = [texts.numbers[v] for v in values if v in texts.numbers]
        return np.isin(column, numbers)

    def tagged(self, tag: str) -> Mask:
        """Return the assets that have a tag: ``key`` without or ``key=value`` with a value."""
        number = self._all.tags.numbers.get(tag)
        if number is None or number >= self._tag.count:
            return np.zeros(len(self._names), np.bool_)
        return self._tag.cards.having(np.array([number], np.int32))
