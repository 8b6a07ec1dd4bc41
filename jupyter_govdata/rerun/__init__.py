"""Reruns: the papermill engine `govdata`, and a notebook run again on the data it was run on.

Runs on the user's side of the wall, in the process that starts a kernel (`asking` alone runs in
the kernel). Needs the extra `rerun`; importing this package loads nothing of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jupyter_govdata.errors import MissingExtraError

if TYPE_CHECKING:
    from jupyter_govdata.rerun.report import CellReport, RerunReport
    from jupyter_govdata.rerun.running import rerun

__all__ = ["CellReport", "RerunReport", "rerun"]

_LAZY = {
    "CellReport": "jupyter_govdata.rerun.report",
    "RerunReport": "jupyter_govdata.rerun.report",
    "rerun": "jupyter_govdata.rerun.running",
}
_EXTRA = ("papermill", "nbclient")


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_LAZY[name]), name)
    except ModuleNotFoundError as exc:
        if (exc.name or "").split(".")[0] in _EXTRA:
            raise MissingExtraError.for_extra("rerun", "running a notebook again") from exc
        raise
