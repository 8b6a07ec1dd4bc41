"""Two results compared by what a notebook shows of them, where their digests differ.

Pure. A stamp holds no values, so how far apart two results are is told only by the table that
was shown beside it; and only if it shows all rows and columns.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

_FOOTER = re.compile(r"[0-9][0-9,]* rows?\b")
_LEFT_OUT = re.compile(r"…|\(first |not shown|more rows|more columns")
_NUMBER = re.compile(r"[-+]?(?:[0-9][0-9,]*)(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|nan|[-+]?inf")


def shown_results(cell: Mapping[str, Any]) -> list[str]:
    """Return the texts of a cell's results: its outputs but stamps, streams and errors."""
    found = []
    for output in cell.get("outputs", ()):
        data = output.get("data")
        if not isinstance(data, Mapping) or any("govdata.stamp" in str(key) for key in data):
            continue
        text = data.get("text/plain", "")
        found.append(text if isinstance(text, str) else "".join(map(str, text)))
    return found


def apart(before: str, after: str, tolerance: float) -> str:
    """Return why two shown tables are not within a tolerance; empty if they are.

    Args:
        before: Text of the earlier result.
        after: Text of the later one.
        tolerance: Numbers may differ by this, relative to the larger of the two, or to 1.
    """
    tables = _table(before), _table(after)
    for table, which in zip(tables, ("earlier", "new"), strict=True):
        if not table:
            return f"the {which} values are not in the notebook"
        if any(_LEFT_OUT.search(line) for line in table):
            return f"the notebook shows only a part of the {which} result"
    words = [" ".join(table).split() for table in tables]
    if len(words[0]) != len(words[1]):
        return "the results have other rows or columns"
    worst = 0.0
    for old, new in zip(*words, strict=True):
        if old == new:
            continue
        if not (_NUMBER.fullmatch(old) and _NUMBER.fullmatch(new)):
            return "the results differ in more than numbers"
        x, y = (float(word.replace(",", "")) for word in (old, new))
        if not (math.isfinite(x) and math.isfinite(y)):
            return "the results differ in NaN or infinity"
        worst = max(worst, abs(x - y) / max(abs(x), abs(y), 1.0))
    return "" if worst <= tolerance else f"numbers shown differ by {worst:.2g}"


def _table(text: str) -> list[str]:
    """Return the lines of a table without its rules and its footer."""
    lines = [line for line in text.splitlines() if line.strip(" ─━═-—┼│|+")]
    cut = next((i for i, line in enumerate(lines) if _FOOTER.match(line)), len(lines))
    return lines[:cut]
