"""Readers of the files a scientist has, into Arrow.

Runs in the client process, never in the gateway: parsers of foreign files stay outside of the
trusted side, which takes Arrow only. Files are not trusted.
"""

from jupyter_govdata.formats.iceberg_types import describe_schema
from jupyter_govdata.formats.registry import Format, formats, open_source
from jupyter_govdata.formats.rejects import Reject, RejectReport
from jupyter_govdata.formats.source import Request, Source

__all__ = [
    "Format",
    "Reject",
    "RejectReport",
    "Request",
    "Source",
    "describe_schema",
    "formats",
    "open_source",
]
