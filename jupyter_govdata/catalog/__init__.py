"""Assets as Iceberg tables: schemas, snapshots, loads and plans. The only user of pyiceberg.

Runs in the gateway, which holds the credentials of catalog and storage. Asks no policy: whoever
calls it has decided.
"""

from jupyter_govdata.catalog.catalog import Catalog
from jupyter_govdata.catalog.holding import Hold, Lifetime
from jupyter_govdata.catalog.types import normalise_schema
from jupyter_govdata.catalog.versions import Step, Version
from jupyter_govdata.catalog.writing import Limits

__all__ = ["Catalog", "Hold", "Lifetime", "Limits", "Step", "Version", "normalise_schema"]
