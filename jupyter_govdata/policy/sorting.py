"""Sort many things into kinds, and again at little cost when few of them changed.

Runs in the gateway; pure. A value is known by its identity: cards are frozen, and the store hands
out the same object until a card changes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jupyter_govdata.model.asset import Asset, Column
from jupyter_govdata.policy.likeness import Likeness, Positions

Numbers = np.ndarray[Any, np.dtype[np.int32]]


@dataclass(frozen=True, slots=True)
class Sorting:
    """Assets by name, each with the number of its kind.

    Args:
        names: Sorted.
        cards: Of the same order.
        kind_of: Index into `kinds`, of the same order.
        kinds: Key of each kind.
        examples: Name of an asset of each kind.
    """

    names: Sequence[str]
    cards: Sequence[Asset]
    kind_of: Numbers
    kinds: Sequence[Hashable]
    examples: Sequence[str]

    @classmethod
    def of(
        cls,
        assets: Mapping[str, Asset],
        key_of: Callable[[Asset], Hashable],
        before: Sorting | None = None,
    ) -> Sorting:
        """Sort assets by a key; what `before` knows is not asked again."""
        names = sorted(assets)
        cards = [assets[name] for name in names]
        known: dict[int, int] = {}
        if before is not None:
            known = dict(zip(map(id, before.cards), before.kind_of.tolist(), strict=True))
        numbers: dict[Hashable, int] = {}
        examples: list[str] = []
        kind_of = np.empty(len(cards), np.int32)
        moved: dict[int, int] = {}
        for i, card in enumerate(cards):
            old = known.get(id(card))
            number = moved.get(old) if old is not None else None
            if number is None:
                key = before.kinds[old] if before and old is not None else key_of(card)
                number = numbers.setdefault(key, len(numbers))
                if number == len(examples):
                    examples.append(card.name)
                if old is not None:
                    moved[old] = number
            kind_of[i] = number
        return cls(names, cards, kind_of, tuple(numbers), tuple(examples))


class ColumnTable:
    """All columns of all assets, one after the other.

    Attributes:
        cards: The assets.
        starts: Where the columns of each asset begin; one more than there are assets.
        asset: Number of the asset of each column.
        kind_of: Kind of each column: columns of one kind get one answer.
        kinds: How many kinds there are, at most.
        example: A column of each kind that has one.
        columns: The columns.
    """

    def __init__(self, cards: Sequence[Asset], likeness: Likeness) -> None:
        self.cards = cards
        self._likeness = likeness
        self._numbers: dict[tuple[int, int], int] = {}
        self._bases: dict[Hashable, int] = {}
        self._parts: dict[Hashable, int] = {}
        self._known: dict[Positions, dict[int, int]] = {}

    @classmethod
    def of(
        cls, cards: Sequence[Asset], likeness: Likeness, before: ColumnTable | None = None
    ) -> ColumnTable:
        """Sort the columns of all assets; what `before` knows is not asked again."""
        table = cls(cards, likeness)
        old: dict[int, int] = {}
        if before is not None:
            # SECURITY: copies, because two epochs may be sorted at once from one older table, and
            # a number that two threads hand out would make two kinds one.
            table._numbers = dict(before._numbers)
            table._bases, table._parts = dict(before._bases), dict(before._parts)
            old = {id(card): i for i, card in enumerate(before.cards)}
        table._fill(before, old)
        return table

    def _fill(self, before: ColumnTable | None, old: Mapping[int, int]) -> None:
        pieces: list[Numbers] = []
        columns: list[Column] = []
        lengths = np.fromiter((len(card.columns) for card in self.cards), np.int64)
        starts = before.starts.tolist() if before is not None else []
        for card in self.cards:
            columns.extend(card.columns)
            number = old.get(id(card))
            if before is not None and number is not None:
                pieces.append(before.kind_of[starts[number] : starts[number + 1]])
            else:
                pieces.append(np.array(self._kinds_of(card), np.int32))
        self.columns = tuple(columns)
        self.kind_of: Numbers = np.concatenate([np.empty(0, np.int32), *pieces])
        self.starts: Numbers = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
        self.asset: Numbers = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        self.kinds = len(self._numbers)
        self.example: Numbers = np.zeros(self.kinds, np.int32)
        self.example[self.kind_of] = np.arange(len(self.kind_of), dtype=np.int32)
        self._known = {}

    def _kinds_of(self, card: Asset) -> list[int]:
        positions, key = self._likeness.column_base(card)
        base = self._bases.setdefault(key, len(self._bases))
        if positions is None:
            parts = [self._part(positions, card, column) for column in card.columns]
        else:
            known = self._known.setdefault(positions, {})
            parts = []
            for column in card.columns:
                part = known.get(id(column))
                if part is None:
                    part = known[id(column)] = self._part(positions, card, column)
                parts.append(part)
        numbers = self._numbers
        return [numbers.setdefault((base, part), len(numbers)) for part in parts]

    def _part(self, positions: Positions | None, card: Asset, column: Column) -> int:
        key = self._likeness.column(positions, card, column)
        return self._parts.setdefault(key, len(self._parts))
