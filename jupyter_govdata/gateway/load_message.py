"""The message that asks for a load. Runs in the gateway; trusts nothing in it."""

from __future__ import annotations

from typing import Any

from jupyter_govdata.errors import ProtocolError
from jupyter_govdata.gateway.loading import LoadRequest
from jupyter_govdata.model.wire import receipt_from_wire

MAX_ORIGINS = 1_000
"""Receipts, and named inputs, of one load."""


def texts(data: Any, name: str) -> dict[str, str]:
    """Return a mapping of short texts as it is.

    Raises:
        ProtocolError: Anything else.
    """
    if (
        not isinstance(data, dict)
        or len(data) > 100
        or not all(isinstance(v, str) and len(v) <= 4_000 for v in data.values())
    ):
        raise ProtocolError(f"`{name}` maps at most 100 names to texts")
    return data


def load_request(data: Any) -> LoadRequest:
    """Return what a client wants to load.

    Raises:
        ProtocolError: Malformed, or a field that this version does not know.
    """
    if not isinstance(data, dict) or data.get("v") != 1:
        raise ProtocolError("a load request is an object with `v` 1")
    fields = {k: v for k, v in data.items() if k != "v"}
    if not all(isinstance(fields.get(k, ""), str) for k in ("asset", "mode", "description")):
        raise ProtocolError("a load request names `asset`, `mode` and `description` as text")
    for key in ("tags", "provenance"):
        texts(fields.get(key) or {}, key)
    partition = fields.get("partition_by", [])
    if not isinstance(partition, list) or not all(isinstance(p, str) for p in partition):
        raise ProtocolError("`partition_by` is a list of column names or transforms")
    if fields.get("mode") not in ("create", "append", "overwrite"):
        raise ProtocolError("`mode` is `create`, `append` or `overwrite`")
    receipts, inputs = fields.get("receipts", []), fields.get("inputs", [])
    if not all(isinstance(v, list) and len(v) <= MAX_ORIGINS for v in (receipts, inputs)):
        raise ProtocolError(f"`receipts` and `inputs` are lists of at most {MAX_ORIGINS}")
    if not all(isinstance(r, dict) for r in receipts) or not all(
        isinstance(name, str) for name in inputs
    ):
        raise ProtocolError("`receipts` holds receipts, and `inputs` names of assets")
    fields["receipts"] = tuple(receipt_from_wire(r) for r in receipts)
    fields["inputs"] = tuple(inputs)
    try:
        return LoadRequest(**{**fields, "partition_by": tuple(partition)})
    except TypeError as exc:
        raise ProtocolError("the load request has a field that this version does not know") from exc
