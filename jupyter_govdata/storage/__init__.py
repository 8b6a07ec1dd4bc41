"""Readers of table files. Runs in the gateway; trusts plans and decisions, no request."""

from jupyter_govdata.storage.check import check_predicate
from jupyter_govdata.storage.masking import Masker, fits, shown_schema
from jupyter_govdata.storage.scan import Consents, ScanReader, open_scan

__all__ = [
    "Consents",
    "Masker",
    "ScanReader",
    "check_predicate",
    "fits",
    "open_scan",
    "shown_schema",
]
