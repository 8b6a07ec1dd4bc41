"""How a session begins: a lake is made, a gateway is found. Runs in the kernel.

Trusts the environment for where to go, never for what may be seen.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jupyter_govdata.client.connection import DEFAULT_TIMEOUT
from jupyter_govdata.client.endpoint import find_endpoint, make_lake
from jupyter_govdata.config import read_client_settings
from jupyter_govdata.files.fileset import FileSet
from jupyter_govdata.session.session import Session


def init_lake(
    folder: str | Path, governance: str | Path | None = None, steward: str | None = None
) -> Path:
    """Make an empty lake; the current OS user is its steward unless another is named.

    Args:
        folder: Where; made if missing.
        governance: Folder to start from instead of the commented template.
        steward: Principal id recorded as the maker.

    Raises:
        GovDataError: The folder is a lake already or cannot be written, or the governance
            folder has a problem.
    """
    target = Path(folder).expanduser().absolute()
    make_lake(target, steward=steward, governance=Path(governance) if governance else None)
    return target


def connect(
    target: str | Path | None = None,
    *,
    user: str | None = None,
    purpose: str | None = None,
    token: str | Callable[[], str] | None = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> Session:
    """Open a session.

    Args:
        target: A lake folder, a gateway address (``grpc+tls://host:port``), or None for what
            ``GOVDATA_GATEWAY`` or ``GOVDATA_LAKE`` names, else this OS user's own lake (made on
            first use).
        user: Principal of an embedded session; the OS user by default. A team's gateway takes
            the principal from the token instead.
        purpose: What the data is used for; the principal's own purpose by default.
        token: Bearer token, or a function that returns a current one.
        timeout: Seconds that one call to the gateway may take; a stream may take longer.

    Raises:
        ConfigError: No lake, no token, an unusable address, or an unusable pin file in
            ``GOVDATA_PINS``.
        AuthenticationError: The principal is unknown or the token is refused.
    """
    settings = read_client_settings(os.environ)
    endpoint = find_endpoint(target, settings, user=user, token=token)
    try:
        session = Session(
            endpoint,
            purpose=purpose or settings.purpose or None,
            pins=settings.pins,
            scan_cache=settings.scan_cache,
            timeout=timeout,
        )
    except BaseException:
        endpoint.close()
        raise
    session._reopen = reopened
    return session


def reopened(recipe: Mapping[str, Any]) -> FileSet:
    """Return the files of a `FileSet.recipe`, in a process of their own: over a session of its own.

    Raises:
        AccessDeniedError: Some of them may not be opened any more.
    """
    session = connect(recipe["target"], user=recipe["user"], purpose=recipe["purpose"])
    return session._files_of(recipe)
