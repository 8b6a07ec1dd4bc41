"""One governed layer over life-science data, in the notebook.

``gd.connect()`` opens a session; ``%load_ext jupyter_govdata`` brings the magics. Importing this
package loads nothing heavy: the names below are resolved on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jupyter_govdata.errors import GovDataError, RefusalError

if TYPE_CHECKING:
    from jupyter_govdata.notebook import load_ipython_extension, unload_ipython_extension
    from jupyter_govdata.query.result import QueryResult
    from jupyter_govdata.session import Session, connect, init_lake

__version__ = "0.1.0"

__all__ = [
    "GovDataError",
    "QueryResult",
    "RefusalError",
    "Session",
    "__version__",
    "connect",
    "init_lake",
    "load_ipython_extension",
    "unload_ipython_extension",
]

_LAZY = {
    "QueryResult": "jupyter_govdata.query.result",
    "Session": "jupyter_govdata.session",
    "connect": "jupyter_govdata.session",
    "init_lake": "jupyter_govdata.session",
    "load_ipython_extension": "jupyter_govdata.notebook",
    "unload_ipython_extension": "jupyter_govdata.notebook",
    "_jupyter_server_extension_points": "jupyter_govdata.server",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
