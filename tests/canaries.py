"""Secrets that the tests plant, and where they may lie. Nothing else of a run may hold one.

`tests/canary_scan.py` looks for them in all that a run wrote. A canary begins with a mark that no
source text holds in one piece, so a traceback that shows the planting line is no leak.
"""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

MARK = "gd" + "canary" + "5e1f9a7c0b"
"""How every planted value begins."""


def canary(kind: str, number: int | str = 0) -> str:
    """Return a planted value, e.g. of a row that is denied, or of a column that is masked."""
    return f"{MARK}-{kind}-{number}"


MAY_HOLD = {
    # kind: patterns of the files that hold it on purpose, with nothing else of ours in them
    "a private key": ("*/tls/*", "*/tls.key", "*/*key*.pem", "*.whl"),
    "a token": ("*/*token*",),
    "the key ticket.key of a lake": ("*/elsewhere.key",),
    "canary storagekey": ("*/*credentials*",),
    "canary unseen-card": ("*/source/*", "*/governance/*", "*/store.db*"),
}


def may_hold(path: Path, kind: str) -> bool:
    """Return True for a file that a test wrote in order to hold such a secret."""
    return any(fnmatch(path.as_posix(), pattern) for pattern in MAY_HOLD.get(kind, ()))
