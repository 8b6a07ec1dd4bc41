"""The extension: its settings, its routes, its begin and its end. Runs in the Jupyter server."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from jupyter_server.auth.identity import (
    IdentityProvider,
    LegacyIdentityProvider,
    PasswordIdentityProvider,
)
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.utils import url_path_join
from traitlets import Any as AnyTrait

from jupyter_govdata.server import asking, catalog, described, notebooks
from jupyter_govdata.server.handlers import RESOURCE
from jupyter_govdata.server.jobs import Jobs
from jupyter_govdata.server.pictures import Pictures
from jupyter_govdata.server.saving import install
from jupyter_govdata.server.sessions import Links
from jupyter_govdata.server.shared import Shared
from jupyter_govdata.server.work import Workers

ROUTES = (*catalog.ROUTES, *asking.ROUTES, *notebooks.ROUTES, *described.ROUTES)

END_SECONDS = 5.0
"""That the server's own end may wait for jobs and gateways, which end by themselves after that."""

_ONE_SECRET = (IdentityProvider, PasswordIdentityProvider, LegacyIdentityProvider)


class GovDataExtension(ExtensionApp):
    """One governed layer over life-science data, for JupyterLab."""

    name = RESOURCE

    sign_in = AnyTrait(
        None,
        allow_none=True,
        help="Function from an identity (`jupyter_server.auth.User`) to arguments of "
        "`jupyter_govdata.connect` as a dict, or None to refuse: for a server that several "
        "people share.",
    ).tag(config=True)

    shared: Shared

    def initialize_settings(self) -> None:
        """Fold stamps on every save; make what the routes share."""
        assert self.serverapp is not None
        install(self.serverapp.contents_manager, self.serverapp.log)
        provider = self.serverapp.identity_provider
        workers = Workers()
        links = Links(
            workers,
            owner=os.environ.get("JUPYTERHUB_USER"),
            is_shared=type(provider) not in _ONE_SECRET,
            sign_in=self.sign_in,
        )
        self.shared = Shared(Jobs(), links, workers, Pictures())
        self.settings[RESOURCE] = self.shared

    def initialize_handlers(self) -> None:
        """Add the routes; the server puts its own base address before them."""
        self.handlers.extend((url_path_join("/", RESOURCE, path), route) for path, route in ROUTES)

    async def stop_extension(self) -> None:
        """Stop every job and close every session; a gateway that this server started ends too."""
        shared = self.shared
        shared.workers.close()
        await asyncio.gather(shared.jobs.close(END_SECONDS), shared.links.close(END_SECONDS))


def extension_points() -> list[dict[str, Any]]:
    """Return what a Jupyter server loads."""
    return [{"module": "jupyter_govdata.server", "app": GovDataExtension}]
