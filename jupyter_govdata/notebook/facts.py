"""What SQL in a notebook may name: what the gateway showed, and the notebook's own tables.

Runs in the kernel. Frames are looked at, never computed.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from jupyter_govdata.notebook.known import Shown
from jupyter_govdata.notebook.lazy import LazyModule
from jupyter_govdata.query.text.name_index import NameIndex
from jupyter_govdata.query.text.proposals import Vocabulary
from jupyter_govdata.query.text.scope import KnownColumn

_vocabulary = LazyModule("jupyter_govdata.query.text.vocabulary")
_frames = LazyModule("jupyter_govdata.query.frames")
_BINDABLE = (str, bytes, int, float, Decimal, dt.date, dt.time, dt.timedelta, list, tuple, set)


@dataclass(slots=True)
class NotebookFacts:
    """What SQL in this notebook may name.

    Args:
        shown: What the gateway showed, or None where there is no session or no answer.
        variables_of: The notebook's variables.
        hidden: Names of variables that are IPython's own.
    """

    shown: Shown | None
    variables_of: Mapping[str, Any]
    hidden: Iterable[str] = ()
    _tables: dict[str, str] | None = field(default=None)

    def names(self) -> NameIndex:
        """Return the visible assets."""
        return self.shown.names() if self.shown else NameIndex()

    def access(self, assets: Sequence[str]) -> Mapping[str, str]:
        """Return what is done to the rows of assets, where that is known."""
        return self.shown.access(assets) if self.shown else {}

    def columns(self, parts: tuple[str, ...]) -> Sequence[KnownColumn]:
        """Return the columns of an asset or a frame."""
        if len(parts) == 2 and self.shown:
            return self.shown.columns(".".join(parts).lower())
        if len(parts) == 1 and parts[0] in self.tables():
            return frame_columns(self.variables_of[parts[0]])
        return ()

    def versions(self, asset: str) -> Sequence[tuple[int, str, tuple[str, ...]]]:
        """Return the versions of a visible asset."""
        return self.shown.versions(asset) if self.shown else ()

    def tables(self) -> Mapping[str, str]:
        """Return the frames of the notebook."""
        if self._tables is None:
            self._tables = {
                name: "result" if type(value).__name__ == "QueryResult" else type(value).__name__
                for name, value in self._own()
                if "pyarrow" in sys.modules and _frames.is_frame(value)
            }
        return self._tables

    def variables(self) -> Mapping[str, str]:
        """Return the variables that a query may bind."""
        return {
            name: type(value).__name__
            for name, value in self._own()
            if isinstance(value, _BINDABLE) or type(value).__module__ in ("numpy", "uuid")
        }

    def words(self) -> Vocabulary:
        """Return the words of DuckDB."""
        found: Vocabulary = _vocabulary.vocabulary()
        return found

    def _own(self) -> list[tuple[str, Any]]:
        hidden = set(self.hidden)
        return [
            (name, value)
            for name, value in self.variables_of.items()
            if not name.startswith("_") and name not in hidden
        ]


def frame_columns(frame: Any) -> list[KnownColumn]:
    """Return the columns of a local table; nothing is computed for it."""
    schema: Any = getattr(frame, "schema", None)
    if isinstance(getattr(schema, "names", None), list) and hasattr(schema, "types"):  # Arrow
        return [KnownColumn(n, str(t)) for n, t in zip(schema.names, schema.types, strict=True)]
    if type(frame).__name__ == "LazyFrame":
        return []
    columns = [str(name) for name in getattr(frame, "columns", ())]
    types = getattr(frame, "dtypes", None)
    if types is None or len(types) != len(columns):
        return [KnownColumn(name) for name in columns]
    return [KnownColumn(n, str(t).lower()) for n, t in zip(columns, types, strict=True)]
