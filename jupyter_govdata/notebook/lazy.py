"""Modules that are imported when they are first used. Runs in the kernel.

Keeps ``%load_ext`` fast: the session brings Flight, Arrow and DuckDB.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class LazyModule:
    """A stand-in that imports its module on the first access to an attribute."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._name), name)


session = LazyModule("jupyter_govdata.session")
proposing = LazyModule("jupyter_govdata.notebook.proposing")
names = LazyModule("jupyter_govdata.query.text.names")
stamps = LazyModule("jupyter_govdata.stamps.stamp")
frames = LazyModule("jupyter_govdata.query.frames")
widgets = LazyModule("jupyter_govdata.notebook.widgets")
console = LazyModule("rich.console")
live = LazyModule("rich.live")
text = LazyModule("rich.text")
folding = LazyModule("jupyter_govdata.stamps.folding")
tokens = LazyModule("jupyter_govdata.query.text.tokens")
