"""Random choices that are remembered, so that a failing case can be made smaller.

Everything that a case is made of is drawn from a `Choices`. The drawn numbers are the case: a
shorter or smaller list of them makes a simpler case, as long as generators put what is simplest
first. `shrink` looks for the smallest list that still fails.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """Draws from a seed, or repeats what was drawn and then takes what is simplest."""

    def __init__(self, seed: int | None = None, drawn: Sequence[int] = ()) -> None:
        self._random = None if seed is None else random.Random(seed)
        self._given = list(drawn)
        self.drawn: list[int] = []

    def below(self, bound: int) -> int:
        """Return a whole number from 0 up to `bound`, exclusive."""
        if len(self.drawn) < len(self._given):
            number = min(self._given[len(self.drawn)], bound - 1)
        else:
            number = self._random.randrange(bound) if self._random else 0
        self.drawn.append(number)
        return number

    def between(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both inclusive."""
        return low + self.below(high - low + 1)

    def of(self, items: Sequence[T]) -> T:
        """Return one of some items; the first is the simplest."""
        return items[self.below(len(items))]

    def chance(self, percent: int) -> bool:
        """Return True so often; False is simpler."""
        return self.below(100) >= 100 - percent

    def some(self, items: Sequence[T], low: int, high: int) -> list[T]:
        """Return from `low` to `high` of the items, each once."""
        left = list(items)
        count = min(self.between(low, high), len(left))
        return [left.pop(self.below(len(left))) for _ in range(count)]


def shrink(
    drawn: Sequence[int], fails: Callable[[Sequence[int]], bool], tries: int = 400
) -> list[int]:
    """Return a smaller list of draws that still fails, by cutting and lowering what was drawn."""
    best, left = list(drawn), tries
    better = True
    while better:
        better = False
        for candidate in smaller(best):
            if left == 0:
                return best
            left -= 1
            if fails(candidate):
                best, better = candidate, True
                break
    return best


def smaller(drawn: Sequence[int]) -> list[list[int]]:
    """Return simpler lists: without a stretch, or with one number lower; the boldest first."""
    found = []
    size = len(drawn)
    while size > 0:
        found += [[*drawn[:i], *drawn[i + size :]] for i in range(0, len(drawn), size)]
        size //= 2
    for i, number in enumerate(drawn):
        step = number
        while step > 0:
            found.append([*drawn[:i], number - step, *drawn[i + 1 :]])
            step //= 2
    return found
