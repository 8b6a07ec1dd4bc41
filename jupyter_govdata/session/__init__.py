"""The Python face: `connect()` and the session that every surface uses. Runs in the kernel.

Composes the Flight client, the query engine, the readers of source files and stamps. A session
holds no permission: it shows what the gateway decides.
"""

from jupyter_govdata.client.calling import ending
from jupyter_govdata.client.endpoint import default_lake
from jupyter_govdata.session.catalog import SessionCatalog
from jupyter_govdata.session.connecting import connect, init_lake
from jupyter_govdata.session.session import Session

__all__ = ["Session", "SessionCatalog", "connect", "default_lake", "ending", "init_lake"]
