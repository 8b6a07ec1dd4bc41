"""What the routes of one Jupyter server share. Runs in the Jupyter server, on its event loop."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_govdata.server.jobs import Jobs
from jupyter_govdata.server.pictures import Pictures
from jupyter_govdata.server.sessions import Links
from jupyter_govdata.server.work import Workers


@dataclass(frozen=True, slots=True)
class Shared:
    """Made when the extension starts; kept in the server's settings."""

    jobs: Jobs
    links: Links
    workers: Workers
    pictures: Pictures
