"""The test of times sees a difference that is there, and none that is not.

Times themselves are measured by `benchmarks/timing.py`: a shared machine is no clock for a test.
"""

from __future__ import annotations

import random

import pytest

from benchmarks.timing import ALPHA, mann_whitney


def sample(seed: int, shift: float = 0.0, size: int = 1_000) -> list[float]:
    """Return times as an answer has them: most alike, some very late."""
    rng = random.Random(seed)
    return [
        500 + shift + rng.expovariate(1 / 40) + 5_000 * (rng.random() < 0.02) for _ in range(size)
    ]


@pytest.mark.attack("T30", surface="flight")
def test_times_of_one_distribution_are_rarely_told_apart() -> None:
    found = [mann_whitney(sample(seed), sample(seed + 1_000)) for seed in range(300)]
    assert sum(p < ALPHA for p in found) <= 9
    assert 0.4 < sum(found) / len(found) < 0.6


@pytest.mark.parametrize("shift", [10.0, -10.0, 200.0])
def test_times_that_differ_by_a_hundredth_are_told_apart(shift: float) -> None:
    assert mann_whitney(sample(1), sample(2, shift)) < ALPHA


def test_p_value_is_the_one_of_the_tables() -> None:
    """U = 25 of ten values each, without ties: z = (25 - 50) / sqrt(175), -1.890."""
    left = [1, 2, 3, 4, 5, 9, 12, 13, 15, 16]
    right = [6, 7, 8, 10, 11, 14, 17, 18, 19, 20]
    wins = sum(a > b for a in left for b in right)
    assert wins == 25
    assert mann_whitney(left, right) == pytest.approx(0.0588, abs=2e-4)
    assert mann_whitney([1, 1], [1, 1]) == 1.0
