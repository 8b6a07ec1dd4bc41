"""Secrets that the tests plant, and where they may lie. Nothing else of a run may hold one.

`tests/canary_scan.py` looks for them in all that a run wrote. A canary begins with a mark that no
source text holds in one piece, so a traceback that shows the planting line is no leak.
"""

from __future__ import annotations

MARK = "gd" + "canary" + "5e1f9a7c0b"
"""How every planted value begins."""

KEPT = ("warehouse",)
"""Folders of a lake whose files hold rows as they are stored."""


def canary(kind: str, number: int | str = 0) -> str:
    """Return a planted value, e.g. of a row that is denied, or of a column that is masked."""
    return f"{MARK}-{kind}-{number}"
