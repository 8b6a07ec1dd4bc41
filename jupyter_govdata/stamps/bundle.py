"""Stamps as JSON: written as a cell output, read back from a notebook.

Pure; runs in the kernel, in the Jupyter server and wherever notebooks are read; loads no Arrow. A
notebook is untrusted text: what does not follow `stamp.v1.schema.json` is refused, and nothing
read here is verified until `verify_receipt` has checked it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jupyter_govdata.errors import ProtocolError, StampError
from jupyter_govdata.model.stamp import STAMP_MIME, Receipt, Stamp
from jupyter_govdata.model.wire import receipt_from_wire, to_wire

FORMAT = 1
METADATA_KEY = "govdata"
"""Key of the output's metadata that holds what changes from run to run."""

STATUSES = ("complete", "partial", "failed", "interrupted")

_MIME = re.compile(r"application/vnd\.govdata\.stamp\.v([0-9]{1,4})\+json")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_RESULT_DIGEST = re.compile(r"v1:[0-9a-f]{64}")
_NO_RESULT = "v1:" + 64 * "0"
_CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SNAPSHOT_ID = re.compile(r"0|[1-9][0-9]{0,18}")
_RECEIPT_KINDS: Mapping[str, type] = {
    "asset": str,
    "snapshot_id": str,
    "schema_id": int,
    "epoch": int,
    "principal": str,
    "purpose": str,
    "decision_id": str,
    "fragment_digest": str,
    "filtered": bool,
    "masked": list,
    "key_id": str,
    "signature": str,
}
_STAMP_KINDS: Mapping[str, type] = {
    "v": int,
    "query_digest": str,
    "parameters_digest": str,
    "receipts": list,
    "result_digest": str,
    "wall": str,
    "versions": dict,
    "status": str,
    "error": str,
    "pins": dict,
}


@dataclass(frozen=True, slots=True)
class FoundStamp:
    """A stamp as it stands in a notebook.

    Args:
        cell_id: Id of the cell whose output holds it; ``#3`` (0-based place) if the cell has none.
        stamp: Not verified yet.
        volatile: What changes from run to run: times, durations, bytes.
    """

    cell_id: str
    stamp: Stamp
    volatile: Mapping[str, Any]


def stamp_bundle(
    stamp: Stamp, volatile: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the MIME bundle of a stamp: ``(data, metadata)`` of a cell output.

    `data` holds deterministic facts only, so that a rerun with the same answer writes the same
    output; `volatile` (times, durations, bytes) goes to the metadata.
    """
    body = {"v": FORMAT, **to_wire(stamp)}
    for receipt in body["receipts"]:
        # JavaScript reads numbers as doubles and would change a 64-bit snapshot id.
        receipt["snapshot_id"] = str(receipt["snapshot_id"])
    body["pins"] = {name: str(pin) for name, pin in stamp.pins.items()}
    return {STAMP_MIME: body, "text/plain": _line(stamp)}, {METADATA_KEY: dict(volatile)}


def _line(stamp: Stamp) -> str:
    pairs = dict.fromkeys((r.asset, r.snapshot_id) for r in stamp.receipts)
    sources = ", ".join(f"{asset} @ {snapshot}" for asset, snapshot in pairs) or "no governed asset"
    purposes = ", ".join(sorted({r.purpose for r in stamp.receipts}))
    status = "" if stamp.status == "complete" else stamp.status
    return " · ".join(p for p in (f"govdata: {sources}", purposes, stamp.wall, status) if p)


def stamp_from_bundle(data: Mapping[str, Any]) -> Stamp:
    """Return the stamp in the `data` of a MIME bundle; reverses `stamp_bundle`.

    Raises:
        StampError: There is none, it is malformed, or a newer version wrote it.
    """
    found = [match for key in data if (match := _MIME.fullmatch(str(key)))]
    if not found:
        raise StampError("the output holds no stamp")
    if STAMP_MIME not in data:
        raise StampError(
            f"the stamp has version {found[0][1]}, this version reads {FORMAT}",
            hint="pip install -U jupyter_govdata",
        )
    return _stamp(data[STAMP_MIME])


def _checked(data: Any, kinds: Mapping[str, type], what: str) -> dict[str, Any]:
    if not isinstance(data, Mapping) or set(data) != set(kinds):
        raise StampError(f"{what} is malformed: its fields are not those of version {FORMAT}")
    for name, kind in kinds.items():
        # `type`, not `isinstance`: True is an int for Python, and not for the schema.
        if not (isinstance(data[name], kind) and (kind is not int or type(data[name]) is int)):
            raise StampError(f"{what} is malformed: `{name}` has another type")
    return dict(data)


def _stamp(data: Any) -> Stamp:
    fields = _checked(data, _STAMP_KINDS, "a stamp")
    fit = (
        fields.pop("v") == FORMAT
        and _DIGEST.fullmatch(fields["query_digest"])
        and _DIGEST.fullmatch(fields["parameters_digest"])
        and fields["status"] in STATUSES
        and _RESULT_DIGEST.fullmatch(fields["result_digest"] or _NO_RESULT)
        and bool(fields["result_digest"]) == (fields["status"] == "complete")
        and all(
            isinstance(pin, str) and _SNAPSHOT_ID.fullmatch(pin) for pin in fields["pins"].values()
        )
        and fields["wall"] in ("enforced", "advisory")
        and all(isinstance(v, str) for v in fields["versions"].values())
    )
    if not fit:
        raise StampError("a stamp is malformed: a digest, the status or a version does not parse")
    fields["receipts"] = tuple(_receipt(r) for r in fields["receipts"])
    fields["versions"] = dict(fields["versions"])
    fields["pins"] = {str(name): int(pin) for name, pin in fields["pins"].items()}
    return Stamp(**fields)


def _receipt(data: Any) -> Receipt:
    fields = _checked(data, _RECEIPT_KINDS, "a receipt")
    fit = (
        _SNAPSHOT_ID.fullmatch(fields["snapshot_id"])
        and _DIGEST.fullmatch(fields["fragment_digest"])
        and min(fields["schema_id"], fields["epoch"]) >= 0
        and all(isinstance(v, str) for v in fields["masked"])
    )
    if not fit:
        raise StampError("a receipt is malformed: an id or a digest does not parse")
    try:
        receipt = receipt_from_wire(fields)
    except ProtocolError as exc:
        raise StampError("a receipt is malformed") from exc
    return replace(receipt, snapshot_id=int(fields["snapshot_id"]))


# -- the notebook ------------------------------------------------------------------------------


def read_stamps(nb: Mapping[str, Any]) -> list[FoundStamp]:
    """Return the stamps of a notebook in the order of its cells.

    Args:
        nb: A notebook of format 4, as `nbformat` or `json` reads it.

    Raises:
        StampError: An output holds a malformed stamp or one of a newer version.
    """
    found = []
    for cell_id, output in _outputs(nb):
        data = _mapping(output.get("data"))
        if not any(_MIME.fullmatch(str(key)) for key in data):
            continue
        try:
            stamp = stamp_from_bundle(data)
        except StampError as exc:
            raise StampError(f"cell `{cell_id}`: {exc.message}", hint=exc.hint) from exc
        volatile = _mapping(_mapping(output.get("metadata")).get(METADATA_KEY))
        found.append(FoundStamp(cell_id, stamp, dict(volatile)))
    return found


def _outputs(nb: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for place, cell in enumerate(_items(nb.get("cells"))):
        name = str(_mapping(cell).get("id", ""))
        cell_id = name if _CELL_ID.fullmatch(name) else f"#{place}"
        for output in _items(_mapping(cell).get("outputs")):
            yield cell_id, _mapping(output)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
