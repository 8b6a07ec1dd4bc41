"""The Jupyter server extension: folds stamps into a notebook when it is saved.

Runs in the Jupyter server, as the user; adds no privilege and opens no session. Enabled by
``etc/jupyter/jupyter_server_config.d/jupyter_govdata.json`` of the wheel.
"""

from __future__ import annotations

from typing import Any

from jupyter_govdata.server.saving import install


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "jupyter_govdata.server"}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    install(serverapp.contents_manager, serverapp.log)
