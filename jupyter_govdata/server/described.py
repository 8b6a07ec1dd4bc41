"""The route of the API's own description. Runs in the Jupyter server."""

from __future__ import annotations

from importlib.resources import files

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from jupyter_govdata.server.handlers import GovDataHandler

FILE = "openapi.yaml"


class Description(GovDataHandler):
    """The API, as OpenAPI 3.1."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """Return the file that is shipped."""
        text = (files("jupyter_govdata.server") / FILE).read_text("utf-8")
        self.finish(text, set_content_type="application/yaml")


ROUTES = ((r"openapi\.yaml", Description),)
