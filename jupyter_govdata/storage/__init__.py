"""Readers of table files: governed scans over planned Parquet files.

Runs in the gateway. Uses DuckDB and pyarrow; knows nothing of Iceberg's metadata (the catalog
plans) and asks no policy (the gateway decides).
"""

from jupyter_govdata.storage.binding import bind_predicate, check_predicate
from jupyter_govdata.storage.masking import mask_fits, masked_type, shown_schema
from jupyter_govdata.storage.reader import ScanReader
from jupyter_govdata.storage.scan import open_scan
from jupyter_govdata.storage.shape import split_predicate
from jupyter_govdata.storage.side import Consents, PairConsents
from jupyter_govdata.storage.summary import columns_read, summary_schema

__all__ = [
    "Consents",
    "PairConsents",
    "ScanReader",
    "bind_predicate",
    "check_predicate",
    "columns_read",
    "mask_fits",
    "masked_type",
    "open_scan",
    "shown_schema",
    "split_predicate",
    "summary_schema",
]
