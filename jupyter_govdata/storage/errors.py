"""Foreign errors of the readers, said in our words.

Runs in the gateway. SECURITY: what DuckDB and pyarrow say may hold a path or a cell value, so
none of their text reaches a message; it stays in `__cause__` for the gateway's own log.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from jupyter_govdata.errors import GovDataError, LimitError, StorageError

FOREIGN = (duckdb.Error, pa.ArrowException, OSError, ValueError, RuntimeError)


@contextmanager
def storage_errors(asset: str) -> Iterator[None]:
    """Map what the readers raise in the block; `asset` names the asset in messages."""
    try:
        yield
    except FOREIGN as exc:
        raise mapped(exc, asset) from exc


def mapped(exc: Exception, asset: str) -> GovDataError:
    """Return our error for a foreign one."""
    # Errors that surface while streaming arrive as pyarrow's, with DuckDB's text inside.
    text = str(exc)
    if isinstance(exc, duckdb.InterruptException) or "INTERRUPT" in text:
        return LimitError(f"the scan of `{asset}` was cancelled")
    if isinstance(exc, duckdb.OutOfMemoryException | MemoryError | pa.ArrowMemoryError) or (
        "Out of Memory" in text
    ):
        return LimitError(
            f"the scan of `{asset}` needs more memory than the gateway may use",
            hint="read fewer columns, or try again when fewer scans run",
        )
    if isinstance(exc, FileNotFoundError) or "No files found" in text or "No such file" in text:
        return StorageError(f"a data file of `{asset}` is missing", hint="tell its steward")
    return StorageError(f"a data file of `{asset}` cannot be read", hint="tell its steward")
