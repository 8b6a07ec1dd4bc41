"""What to say of a table that DuckDB does not find. Runs in the kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_govdata.errors import GovDataError, NotVisibleError, QueryError
from jupyter_govdata.query.assets import AssetTables
from jupyter_govdata.query.faults import Fault, located, suggestion
from jupyter_govdata.query.frames import is_frame
from jupyter_govdata.query.text.names import Analysis, Reference
from jupyter_govdata.query.text.positions import Rewrite


def missing_table(
    fault: Fault,
    analysis: Analysis,
    rewritten: Rewrite,
    frames: Mapping[str, Any],
    assets: AssetTables,
) -> GovDataError:
    """Return the error for `fault.missing_table`, with names that may have been meant."""
    name = fault.missing_table or ""
    reference = _reference(fault, name, analysis, rewritten)
    if reference is not None:
        error = NotVisibleError.for_asset(reference.name)
        return assets.not_visible(error, reference, analysis.text)
    value = frames.get(name)
    if value is not None and not is_frame(value):
        hint = f"`{name}` is a `{type(value).__name__}`; a query reads frames and Arrow tables"
    else:
        known = sorted(assets.names())
        full = [a for a in known if a.rpartition(".")[2] == name.lower()]
        tables = [n for n in frames if is_frame(frames[n])]
        hint = (
            f"did you mean {' or '.join(f'`{a}`' for a in full)}?"
            if full
            else suggestion(name, known, tables, fault.candidates)
        ) or "list what you may see with `%govdata ls`"
    return located(QueryError(f"table `{name}` does not exist", hint=hint), fault, rewritten)


def _reference(fault: Fault, name: str, analysis: Analysis, rewritten: Rewrite) -> Reference | None:
    """Return the `namespace.asset` that DuckDB did not find, or None for a plain table."""
    same = [
        r
        for r in analysis.references
        if not r.deeper and name.lower() in (r.name, r.name.rpartition(".")[2])
    ]
    if fault.position is None:
        return same[0] if same else None
    offset = rewritten.source_offset_of_byte(fault.position)
    return next((r for r in same if r.start <= offset < r.end), None)
