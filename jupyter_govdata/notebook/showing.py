"""A result as the user asked to have it: rows shown, notes, another kind of table.

Runs in the kernel.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_govdata.query.result import QueryResult


def shown(result: QueryResult, **changes: Any) -> QueryResult:
    """Return the result with other ways of showing it; its stamp is the same and kept."""
    changed = replace(result, **changes)
    if "stamp" in vars(result):
        vars(changed)["stamp"] = vars(result)["stamp"]
    return changed


def converted(result: QueryResult, to: str) -> Any:
    """Return the result as one of `CONVERSIONS`.

    Raises:
        MissingExtraError: The library is not installed.
    """
    match to:
        case "pandas":
            return result.df()
        case "polars":
            return result.pl()
        case "arrow":
            return result.arrow()
        case "relation":
            return result.relation()
        case _:
            return result
