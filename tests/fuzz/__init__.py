"""Fuzzing that one number replays: `make fuzz N=... SEED=...`.

Case `n` draws everything from the number `n`, so a failing case says how to see it again. How many
cases and from which number on come from `GOVDATA_FUZZ_CASES` and `GOVDATA_FUZZ_SEED`.
"""

from __future__ import annotations

import os

SEED = int(os.environ.get("GOVDATA_FUZZ_SEED", "20251120"))
"""Number of the first case."""


def cases(usual: int, more: int | None = None) -> int:
    """Return how many cases to try: what was asked for, else `usual`, or `more` in test-all."""
    asked = os.environ.get("GOVDATA_FUZZ_CASES")
    if asked is not None:
        return int(asked)
    return more if more is not None and os.environ.get("GOVDATA_TEST_ALL") == "1" else usual


def replay(case: int) -> str:
    """Return the command that runs one case again."""
    return f"make fuzz N=1 SEED={case}"
