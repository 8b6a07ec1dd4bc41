"""The Jupyter server extension: the sidebar's REST API, and stamps that are folded on saving.

Runs in the Jupyter server, as the user, who could do all of it in a kernel: it adds no privilege
and decides nothing. It waits for no kernel. Enabled by
``etc/jupyter/jupyter_server_config.d/jupyter_govdata.json`` of the wheel.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from jupyter_govdata.errors import MissingExtraError


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    try:
        app = import_module("jupyter_govdata.server.app")
    except ImportError as exc:
        raise MissingExtraError.for_extra("server", "the server extension") from exc
    points: list[dict[str, Any]] = app.extension_points()
    return points
