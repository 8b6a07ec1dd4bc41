"""Small scans answered in one message. Runs in the gateway.

A stream costs several turns of the wire; most scans that are read again, and most small ones, need
one. What a scan may show is decided in `scans`, for both ways alike.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from jupyter_govdata.errors import LimitError
from jupyter_govdata.gateway.scans import PreparedScan, Scans
from jupyter_govdata.model.files import TableFiles
from jupyter_govdata.model.predicate import TRUE
from jupyter_govdata.model.wire import canonical_json, to_wire

WHOLE_ROWS = 65_536
PICKED_ROWS = 1_000_000
WHOLE_BYTES = 4 << 20
"""Scans of at most so many planned rows, more if the user picks some of them, and of so many Arrow
bytes are answered in one message. Under a row filter, shown rows count instead."""
WHOLE_SECONDS = 2.0
"""What takes longer comes as a stream, which its reader can stop."""
HEAD_BYTES = 4
"""Big-endian length of the JSON head, before the head; an Arrow stream follows it."""


def told(
    prepared: PreparedScan,
    tag: str,
    *,
    same: bool,
    tickets: Sequence[bytes],
    files: TableFiles | None = None,
) -> dict[str, Any]:
    """Return what leads the answer to a scan request, in one message or as a stream."""
    head = {
        "receipt": to_wire(prepared.receipt),
        "tag": tag,
        "same": same,
        "tickets": [base64.b64encode(ticket).decode() for ticket in tickets],
    }
    return head if files is None else {**head, "files": to_wire(files)}


def whole(scans: Scans, prepared: PreparedScan) -> list[pa.RecordBatch] | None:
    """Return all batches of a small scan, None for a large one.

    INVARIANT 4: the caller waits for the audit record before they leave.

    Raises:
        GovDataError: As `Scans.stream`.
    """
    flat = prepared.flat
    until = time.monotonic() + WHOLE_SECONDS
    picked = flat.predicate != TRUE or flat.limit is not None or flat.summary is not None
    # SECURITY: under a row filter, planned rows would tell of hidden ones (T31): only shown ones
    # count there.
    most = PICKED_ROWS if picked else WHOLE_ROWS
    first = flat.predicate == TRUE and flat.limit is not None and flat.limit <= WHOLE_ROWS
    if prepared.plan.rows > most and not (prepared.receipt.filtered or first):
        return None
    found: list[pa.RecordBatch] = []
    rows = size = 0
    batches = scans.stream(prepared, 0, lambda: time.monotonic() > until)
    try:
        for batch in batches:
            rows += batch.num_rows
            size += batch.nbytes
            if rows > most or size > WHOLE_BYTES or time.monotonic() > until:
                return None
            found.append(batch)
    except LimitError:
        if time.monotonic() > until:
            return None
        raise
    finally:
        batches.close()
    return found


def message(head: dict[str, Any], schema: pa.Schema, batches: Sequence[pa.RecordBatch]) -> bytes:
    """Return the head and the batches as one message."""
    sink = pa.BufferOutputStream()
    text = canonical_json(head)
    sink.write(len(text).to_bytes(HEAD_BYTES, "big") + text)
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed
