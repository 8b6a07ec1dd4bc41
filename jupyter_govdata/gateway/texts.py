"""Many texts, searched for a part at every keystroke. Runs in the gateway; asks no policy.

SECURITY: it holds hidden names and columns too. Whoever asks narrows every answer to what the
principal sees, before anything is counted.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Mask = np.ndarray[Any, np.dtype[np.bool_]]
Numbers = np.ndarray[Any, np.dtype[np.int32]]

_KEPT = 32
_MOST_KEPT = 1_000_000
"""Places of one part; more are found anew."""
_LONG = 32
"""Entries of a number, on average, from which it costs less to go by number than by entry."""


class Texts:
    """Texts by number, as one run of bytes; where one more letter is typed, only the places of
    the letters before it are looked at.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        raw = [_bytes(text) for text in texts]
        self._bytes = np.frombuffer(b"\n".join((*raw, b"")), np.uint8)
        lengths = np.fromiter((len(text) + 1 for text in raw), np.int64, len(raw))
        self._starts = np.cumsum(lengths) - lengths
        self._known: OrderedDict[bytes, tuple[Any, Numbers]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._starts)

    def holding(self, part: str) -> Numbers:
        """Return the numbers of the texts that hold a part, ascending.

        Args:
            part: Not empty, without blanks.
        """
        wanted = _bytes(part)
        with self._lock:
            length = next((n for n in range(len(wanted), 0, -1) if wanted[:n] in self._known), 0)
            places, numbers = self._known[wanted[:length]] if length else (None, None)
            if numbers is not None and length == len(wanted):
                self._known.move_to_end(wanted)
                return numbers
        if places is None:
            length = 1
            places = np.flatnonzero(self._bytes == wanted[0]).astype(np.int32)
        for i in range(length, len(wanted)):
            # No part has the line end in it that every text ends with: none reaches beyond.
            places = places[self._bytes[places + i] == wanted[i]]
        numbers = self._numbers(places)
        if len(places) <= _MOST_KEPT:
            with self._lock:
                self._known[wanted] = places, numbers
                while len(self._known) > _KEPT:
                    self._known.popitem(last=False)
        return numbers

    def _numbers(self, places: Any) -> Numbers:
        found: Numbers = (np.searchsorted(self._starts, places, "right") - 1).astype(np.int32)
        is_first: Mask = np.append(True, found[1:] != found[:-1])[: len(found)]
        kept: Numbers = found[is_first]
        return kept


@dataclass(frozen=True, slots=True)
class Cards:
    """The cards that have a number, by number.

    Args:
        cards: Those of number 0, those of number 1 and so on.
        begins: Where those of each number begin, and the end.
    """

    cards: Numbers
    begins: Any
    count: int

    def having(self, numbers: Numbers) -> Mask:
        """Return which cards have any of some numbers."""
        found = np.zeros(self.count, np.bool_)
        first, last = self.begins[numbers], self.begins[numbers + 1]
        lengths = last - first
        total = int(lengths.sum())
        if total > _LONG * len(numbers):
            for begin, end in zip(first.tolist(), last.tolist(), strict=True):
                found[self.cards[begin:end]] = True
            return found
        before = np.cumsum(lengths, dtype=np.int32) - lengths
        at = np.arange(total, dtype=np.int32) + np.repeat(first - before, lengths)
        found[self.cards[at]] = True
        return found


class Postings:
    """Which numbers each card has, and which cards have a number.

    Args:
        pieces: The numbers of each card, one card after the other; as `array("i")` or alike.
        count: Numbers there are.
    """

    def __init__(self, pieces: Iterable[Any], count: int) -> None:
        listed = list(pieces)
        lengths = np.fromiter((len(piece) for piece in listed), np.int64, len(listed))
        self.numbers: Numbers = np.frombuffer(b"".join(listed), np.int32)
        self.starts = np.append(0, np.cumsum(lengths))
        self.card_of: Numbers = np.repeat(np.arange(len(listed), dtype=np.int32), lengths)
        self.count = count

    @cached_property
    def _order(self) -> Numbers:
        return np.argsort(self.numbers, kind="stable").astype(np.int32)

    @cached_property
    def cards(self) -> Cards:
        """The cards by number."""
        return self._by_number(self._order)

    def visible(self, entries: Mask) -> Cards:
        """Return the cards by number, where only these entries are known of."""
        return self._by_number(self._order[entries[self._order]])

    def _by_number(self, order: Numbers) -> Cards:
        counts = np.bincount(self.numbers[order], minlength=self.count)
        begins = np.append(0, np.cumsum(counts)).astype(np.int32)
        return Cards(self.card_of[order], begins, len(self.starts) - 1)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
