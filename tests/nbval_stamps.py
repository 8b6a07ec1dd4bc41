"""A plug-in of pytest that lets nbval compare stamps of different lakes: `-p tests.nbval_stamps`.

What a lake gives to a stamp (snapshot ids, epoch, keys, signatures) and the versions of packages
are left out; what a query was, and what it answered, is compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from nbval.plugin import IPyNbCell

COMPARED = ("query_digest", "parameters_digest", "result_digest", "status", "error", "wall")
COMPARED_OF_RECEIPTS = ("asset", "principal", "purpose", "filtered", "masked")


def stable(value: Any) -> Any:
    """Return what every lake and every machine writes alike."""
    if not isinstance(value, Mapping) or "query_digest" not in value:
        return value
    receipts = [{key: r[key] for key in COMPARED_OF_RECEIPTS} for r in value["receipts"]]
    kept = {key: value[key] for key in COMPARED}
    return {**kept, "receipts": receipts, "pinned": sorted(value["pins"])}


class _Compared:
    def __init__(self, patterns: pytest.MonkeyPatch) -> None:
        plain = IPyNbCell.sanitize
        patterns.setattr(IPyNbCell, "sanitize", lambda cell, s: stable(plain(cell, s)))
        self._patterns = patterns

    def pytest_unconfigure(self) -> None:
        self._patterns.undo()


def pytest_configure(config: pytest.Config) -> None:
    """Let nbval see stamps without what is volatile."""
    config.pluginmanager.register(_Compared(pytest.MonkeyPatch()))
