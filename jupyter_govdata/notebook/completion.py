"""Completion in ``%%govsql`` cells: assets, and columns of the assets that the cell names.

Runs in the kernel. Only what the gateway showed this principal is proposed, with the mask of a
masked column; while the user types, nothing is fetched more often than once a minute.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher
from IPython.core.getipython import get_ipython

from jupyter_govdata.errors import GovDataError
from jupyter_govdata.model.view import AssetView

if TYPE_CHECKING:
    from jupyter_govdata.session import Session

COMPLETER_ID = "jupyter_govdata"
_FRESH_SECONDS = 60.0
_CELL = re.compile(r"\s*%%govsql\b")
_LINE = re.compile(r"%govsql\s")
_FRAGMENT = re.compile(r"[\w.]*$")
_SOURCE = re.compile(r"\b(?:from|join)\s+(\w+\.\w+)(?:\s+(?:as\s+)?(\w+))?", re.IGNORECASE)
_NO_ALIAS = frozenset({"where", "join", "on", "group", "order", "limit", "left", "at", "using"})


class Names:
    """What was shown to the principal, kept for a minute."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[float, Any]] = {}

    def assets(self, session: Session) -> tuple[str, ...]:
        """Return the names of the visible assets."""
        found: tuple[str, ...] = self._get(session, "", session.names) or ()
        return found

    def card(self, session: Session, asset: str) -> AssetView | None:
        """Return the card of an asset, or None."""
        if asset not in self.assets(session):
            return None
        found: AssetView | None = self._get(session, asset, lambda: session.view(asset))
        return found

    def _get(self, session: Session, key: str, fetch: Any) -> Any:
        place = (f"{id(session)} {session.purpose}", key)
        kept = self._kept.get(place)
        if kept is None or time.monotonic() - kept[0] > _FRESH_SECONDS:
            try:
                value = fetch()
            except GovDataError:
                value = None
            self._kept[place] = kept = (time.monotonic(), value)
        return kept[1]


_names = Names()


@context_matcher(identifier=COMPLETER_ID)  # type: ignore[untyped-decorator]
def govsql_matcher(context: CompletionContext) -> dict[str, Any]:
    """Complete names in the SQL of ``%%govsql`` and ``%govsql``."""
    shell = get_ipython()
    magics = shell.magics_manager.registry.get("GovDataMagics") if shell is not None else None
    sql = _sql(context)
    if sql is None or magics is None or not magics.is_connected:
        return {"completions": []}
    found = _FRAGMENT.search(context.text_until_cursor)
    fragment = found.group() if found else ""
    completions = [
        SimpleCompletion(text=text, type=kind)
        for text, kind in candidates(magics.session, sql, _names)
        if text.lower().startswith(fragment.lower())
    ]
    return {"completions": completions, "suppress": bool(completions), "matched_fragment": fragment}


def candidates(session: Session, sql: str, names: Names) -> Iterator[tuple[str, str]]:
    """Yield what may stand in the SQL: assets, columns, and columns behind an alias."""
    for asset in names.assets(session):
        yield asset, "asset"
    seen: set[str] = set()
    for match in _SOURCE.finditer(sql):
        view = names.card(session, match[1].lower())
        if view is None:
            continue
        alias = match[2] if match[2] and match[2].lower() not in _NO_ALIAS else None
        qualifier = alias or match[1].partition(".")[2]
        for column in view.columns:
            kind = f"masked: {column.mask}" if column.mask else "column"
            if column.column not in seen:
                seen.add(column.column)
                yield column.column, kind
            yield f"{qualifier}.{column.column}", kind


def _sql(context: CompletionContext) -> str | None:
    text = context.full_text
    cell = _CELL.match(text)
    if cell:
        body = text.partition("\n")[2]
        return body if context.cursor_line > 0 else None
    return context.text_until_cursor if _LINE.search(context.text_until_cursor) else None
