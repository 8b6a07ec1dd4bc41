"""An index over the words and facets of all cards. Runs in the gateway; asks no policy.

SECURITY: it holds hidden assets and columns too. Whoever asks narrows every answer to what the
principal sees, before anything is counted.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jupyter_govdata.model.asset import Asset, Column, namespace_of

Mask = np.ndarray[Any, np.dtype[np.bool_]]
Numbers = np.ndarray[Any, np.dtype[np.int32]]
NO_VALUE = -1
MODALITY = "modality"


def asset_text(card: Asset) -> str:
    """Return what of an asset itself is searched."""
    return " ".join((card.name, card.description, *card.tags, *card.tags.values())).casefold()


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
        self._array: pa.Array | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))

    def texts(self) -> list[str]:
        """Return all texts, by number."""
        return list(self.numbers)

    def holding(self, part: str) -> Mask:
        """Return for each text, by number, whether it holds a part."""
        array = self._array
        if array is None or len(array) != len(self.numbers):
            # A copy in one step: another thread may be adding the texts of a newer epoch.
            array = self._array = pa.array(list(self.numbers), pa.large_string())
        found: Mask = pc.match_substring(array, part).to_numpy(zero_copy_only=False)
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
        count = np.arange(len(cards), dtype=np.int32)
        self._word = _joined(card.words for card in cards)
        self._word_of = np.repeat(count, [len(card.words) for card in cards])
        self.tag = _joined(card.tags for card in cards)
        self.tag_of = np.repeat(count, [len(card.tags) for card in cards])
        self._column = _joined(card.columns for card in cards)
        self._column_of = np.repeat(count, [len(card.columns) for card in cards])
        facets = np.array([card.facets for card in cards], np.int32).reshape(-1, 3)
        self.namespace, self.owner, self.modality = facets.T.copy()
        self._names = [card.card.name for card in cards]

    @cached_property
    def _name_texts(self) -> pa.Array:
        return pa.array(self._names, pa.large_string())

    def with_word(self, word: str) -> Mask:
        """Return the assets that hold a word (part) in name, description or tags."""
        found = np.zeros(len(self._names), np.bool_)
        found[self._word_of[self._all.words.holding(word)[self._word]]] = True
        return found

    def with_column(self, word: str, visible: Mask) -> Mask:
        """Return the assets that hold a word (part) in a column that is visible.

        Args:
            word: Without blanks, case folded.
            visible: Of all columns of all assets, one after the other.
        """
        found = np.zeros(len(self._names), np.bool_)
        found[self._column_of[self._all.columns.holding(word)[self._column] & visible]] = True
        return found

    def named(self, word: str) -> Mask:
        """Return the assets whose name holds a word (part)."""
        found: Mask = pc.match_substring(self._name_texts, word).to_numpy(zero_copy_only=False)
        return found

    def counts(self, facet: str, found: Mask) -> Mapping[str, int]:
        """Return how many of the assets found have each value of a facet."""
        kinds = {
            "namespace": (self.namespace, self._all.namespaces),
            "owner": (self.owner, self._all.owners),
            "modality": (self.modality, self._all.modalities),
        }
        if facet == "tag":
            numbers, texts = self.tag[found[self.tag_of]], self._all.tags
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
        found = np.zeros(len(self._names), np.bool_)
        number = self._all.tags.numbers.get(tag)
        if number is not None:
            found[self.tag_of[self.tag == number]] = True
        return found


def _joined(pieces: Iterable[array[int]]) -> Numbers:
    return np.frombuffer(b"".join(pieces), np.int32)
