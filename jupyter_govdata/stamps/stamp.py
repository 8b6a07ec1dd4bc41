"""Making the stamp of a query. Pure; runs in the kernel.

Reading one back is in `jupyter_govdata.stamps.bundle`, which loads no Arrow.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import platform
import uuid
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa

from jupyter_govdata.errors import StampError
from jupyter_govdata.model.stamp import Receipt, Stamp
from jupyter_govdata.model.wire import canonical_json
from jupyter_govdata.model.wire_values import value_to_wire
from jupyter_govdata.stamps.bundle import (
    STATUSES,
    FoundStamp,
    read_stamps,
    stamp_bundle,
    stamp_from_bundle,
)
from jupyter_govdata.stamps.digest import result_digest

__all__ = ["FoundStamp", "make_stamp", "read_stamps", "stamp_bundle", "stamp_from_bundle"]

_STAMPED_PACKAGES = ("duckdb", "jupyter_govdata", "pyarrow")


def make_stamp(
    *,
    query: str,
    parameters: Mapping[str, Any],
    receipts: Iterable[Receipt],
    table: pa.Table | None,
    ordered: bool,
    wall: str,
    pins: Mapping[str, int],
    status: str = "complete",
    error: str = "",
) -> Stamp:
    """Return the stamp of a query.

    Args:
        query: Text as written.
        parameters: Values bound to its parameters, by name.
        receipts: Of all scans of the query; equal ones are kept once.
        table: The whole result; None unless the query is complete.
        ordered: The order of rows is part of the result.
        wall: ``enforced`` or ``advisory``.
        pins: See `Stamp.pins`.
        status: See `Stamp.status`.
        error: See `Stamp.error`.

    Raises:
        StampError: A parameter or a column has a type that cannot be stamped, the wall or the
            status has another name, or a complete result has no table.
    """
    if status not in STATUSES or (status == "complete") != (table is not None):
        raise StampError("a stamp is `complete` with its table, or has another status without")
    if wall not in ("enforced", "advisory"):
        raise StampError("a wall is `enforced` or `advisory`")
    named = {name: _parameter(name, value) for name, value in parameters.items()}
    return Stamp(
        query_digest=hashlib.sha256(query.encode()).hexdigest(),
        parameters_digest=hashlib.sha256(canonical_json(named)).hexdigest(),
        receipts=tuple(sorted(set(receipts), key=_place)),
        result_digest="" if table is None else result_digest(table, ordered=ordered),
        wall=wall,
        versions=dict(_versions()),
        status=status,
        error=error,
        pins=dict(sorted(pins.items())),
    )


@cache
def _versions() -> Mapping[str, str]:
    """Return what computed the result; looked up once, it cannot change in a running process."""
    found = {name: version(name) for name in _STAMPED_PACKAGES}
    return {**found, "python": platform.python_version()}


def _place(receipt: Receipt) -> tuple[Any, ...]:
    # Receipts that differ in nothing else (two purposes, two epochs) still need one order.
    rest = (receipt.purpose, receipt.epoch, receipt.decision_id, receipt.signature)
    return (receipt.asset, receipt.snapshot_id, receipt.fragment_digest, *rest)


def _parameter(name: str, value: Any) -> Any:
    """Return ``[type, text]``, nested for lists and structs; never depends on `repr`."""
    if isinstance(value, np.generic):
        value = value.item()
    match value:
        case None:
            return ["null", ""]
        case bool() | int() | float() | str() | bytes() | Decimal() | dt.date() | dt.time():
            return value_to_wire(value)
        case dt.timedelta():
            return ["duration", str(value // dt.timedelta(microseconds=1))]
        case uuid.UUID():
            return ["uuid", str(value)]
        case list() | tuple() | range():
            return ["list", [_parameter(name, v) for v in value]]
        case set() | frozenset():
            # A set has no order of its own: strings come in another one in every process.
            return ["set", sorted((_parameter(name, v) for v in value), key=canonical_json)]
        case Mapping():
            return ["struct", {str(k): _parameter(name, v) for k, v in value.items()}]
        case _:
            raise StampError(
                f"the parameter `{name}` of type `{type(value).__name__}` cannot be stamped",
                hint="bind numbers, text, dates, lists or structs",
            )
