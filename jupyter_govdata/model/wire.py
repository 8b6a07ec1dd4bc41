"""JSON forms of the model: strict, bounded, canonical. Runs everywhere, trusts nothing.

Every decoder refuses what it does not know (`ProtocolError`), so a forged message fails here
and not deeper in the gateway.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from jupyter_govdata.errors import ProtocolError
from jupyter_govdata.model.asset import Asset, Column, FileColumns, Snapshot, Subject
from jupyter_govdata.model.predicate import (
    OPS,
    And,
    Compare,
    CompareColumns,
    Consent,
    Constant,
    In,
    IsNull,
    Like,
    Or,
    Predicate,
)
from jupyter_govdata.model.scan import (
    Aggregate,
    At,
    Filter,
    First,
    Fragment,
    Limit,
    Project,
    Scan,
    ScanRequest,
)
from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.model.wire_summary import (
    aggregation_from_wire,
    aggregation_to_wire,
    top_from_wire,
    top_to_wire,
)
from jupyter_govdata.model.wire_values import value_from_wire, value_to_wire

MAX_DEPTH = 64
MAX_NAME = 1_000


def canonical_json(data: Any) -> bytes:
    """Return JSON with sorted keys, no blanks, UTF-8: equal data, equal bytes.

    Raises:
        ValueError: A NaN or an infinity.
    """
    return json.dumps(
        data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def parse_json(data: bytes, limit: int = 4_000_000) -> Any:
    """Parse a message of at most `limit` bytes.

    Raises:
        ProtocolError: Too large, or not JSON in UTF-8.
    """
    if len(data) > limit:
        raise ProtocolError(f"the message is larger than {limit} bytes")
    try:
        parsed = json.loads(data.decode())
        # SECURITY: half a surrogate pair is no character. It could be neither recorded nor
        # answered, so a refusal of it would fail before it is in the audit chain.
        if b"\\u" in data:
            json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as exc:
        raise ProtocolError("the message is not JSON") from exc
    return parsed


# -- predicates ------------------------------------------------------------------------------


def predicate_to_wire(node: Predicate) -> dict[str, Any]:
    """Return the JSON form of a predicate."""
    match node:
        case Constant(value):
            return {"constant": value}
        case Compare(column, op, value):
            return {"compare": op, "column": column, "value": value_to_wire(value)}
        case In(column, values, negated):
            return {"in": [value_to_wire(v) for v in values], "column": column, "negated": negated}
        case IsNull(column, negated):
            return {"is_null": column, "negated": negated}
        case Like(column, parts, negated):
            return {"like": list(parts), "column": column, "negated": negated}
        case CompareColumns(left, op, right):
            return {"compare_columns": op, "left": left, "right": right}
        case Consent(column, domain, purpose, negated):
            return {
                "consent": purpose,
                "column": column,
                "domain": domain,
                "negated": negated,
            }
        case And(args):
            return {"and": [predicate_to_wire(a) for a in args]}
        case Or(args):
            return {"or": [predicate_to_wire(a) for a in args]}


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or len(value) > MAX_NAME:
        raise ProtocolError(f"`{key}` must be a text of at most {MAX_NAME} characters")
    return value


def _flag(data: Mapping[str, Any], key: str) -> bool:
    value = data.get(key, False)
    if not isinstance(value, bool):
        raise ProtocolError(f"`{key}` must be true or false")
    return value


def _items(data: Mapping[str, Any], key: str) -> list[Any]:
    value = data.get(key)
    if not isinstance(value, list):
        raise ProtocolError(f"`{key}` must be a list")
    return value


def _known(data: Mapping[str, Any], *keys: str) -> None:
    if not set(data) <= set(keys):
        raise ProtocolError("the message has a field that this version does not know")


def predicate_from_wire(data: Any, depth: int = 0) -> Predicate:
    """Decode what a user may push: `Constant`, `Compare`, `In`, `IsNull`, `And`, `Or`.

    Policy-only nodes never come from a wire, so they have no decoder.

    Raises:
        ProtocolError: Anything else, or nesting deeper than `MAX_DEPTH`.
    """
    if not isinstance(data, dict) or depth > MAX_DEPTH:
        raise ProtocolError("a predicate is an object, nested at most 64 deep")
    if "compare" in data:
        _known(data, "compare", "column", "value")
        op = data["compare"]
        if op not in OPS:
            raise ProtocolError("a comparison has an unknown operator")
        return Compare(_text(data, "column"), op, value_from_wire(data.get("value")))
    if "in" in data:
        _known(data, "in", "column", "negated")
        values = tuple(value_from_wire(v) for v in _items(data, "in"))
        return In(_text(data, "column"), values, _flag(data, "negated"))
    if "is_null" in data:
        _known(data, "is_null", "negated")
        return IsNull(_text(data, "is_null"), _flag(data, "negated"))
    if "and" in data or "or" in data:
        key = "and" if "and" in data else "or"
        _known(data, key)
        args = tuple(predicate_from_wire(a, depth + 1) for a in _items(data, key))
        return And(args) if key == "and" else Or(args)
    if "constant" in data:
        _known(data, "constant")
        return Constant(_flag(data, "constant"))
    raise ProtocolError("a scan predicate holds a condition that cannot be pushed down")


# -- scan requests ---------------------------------------------------------------------------


def at_to_wire(at: At | None) -> dict[str, Any] | None:
    """Return the JSON form of a version, None for now."""
    if at is None:
        return None
    if at.timestamp is not None:
        return {"timestamp": at.timestamp.isoformat()}
    return {"tag": at.tag} if at.tag is not None else {"snapshot_id": str(at.snapshot_id)}


def at_from_wire(data: Any) -> At | None:
    """Reverse `at_to_wire`.

    Raises:
        ProtocolError: Malformed.
    """
    if data is None:
        return None
    if not isinstance(data, dict):
        raise ProtocolError("a version is an object")
    _known(data, "snapshot_id", "timestamp", "tag")
    try:
        moment = None
        if "timestamp" in data:
            moment = dt.datetime.fromisoformat(_text(data, "timestamp"))
            moment.astimezone(dt.UTC)
        return At(
            snapshot_id=int(_text(data, "snapshot_id")) if "snapshot_id" in data else None,
            timestamp=moment,
            tag=_text(data, "tag") if "tag" in data else None,
        )
    except (ValueError, OverflowError) as exc:
        raise ProtocolError("a version does not parse") from exc


def fragment_to_wire(node: Fragment) -> dict[str, Any]:
    """Return the JSON form of a fragment."""
    match node:
        case Scan(asset, at):
            return {"scan": asset, "at": at_to_wire(at)}
        case Filter(below, predicate):
            return {"filter": predicate_to_wire(predicate), "input": fragment_to_wire(below)}
        case Project(below, columns):
            return {"project": list(columns), "input": fragment_to_wire(below)}
        case Limit(below, rows):
            return {"limit": rows, "input": fragment_to_wire(below)}
        case Aggregate(below, aggregation):
            told = aggregation_to_wire(aggregation)
            return {"aggregate": told, "input": fragment_to_wire(below)}
        case First(below, top):
            return {"first": top_to_wire(top), "input": fragment_to_wire(below)}


def fragment_from_wire(data: Any, depth: int = 0) -> Fragment:
    """Reverse `fragment_to_wire`.

    Raises:
        ProtocolError: Malformed, or a node that this version does not know.
    """
    if not isinstance(data, dict) or depth > MAX_DEPTH:
        raise ProtocolError("a fragment is an object, nested at most 64 deep")
    if "scan" in data:
        _known(data, "scan", "at")
        return Scan(_text(data, "scan"), at_from_wire(data.get("at")))
    below = fragment_from_wire(data.get("input"), depth + 1)
    if "filter" in data:
        _known(data, "filter", "input")
        return Filter(below, predicate_from_wire(data["filter"]))
    if "project" in data:
        _known(data, "project", "input")
        columns = _items(data, "project")
        if not all(isinstance(c, str) and len(c) <= MAX_NAME for c in columns):
            raise ProtocolError("a projection is a list of column names")
        return Project(below, tuple(columns))
    if "limit" in data:
        _known(data, "limit", "input")
        rows = data["limit"]
        if not isinstance(rows, int) or isinstance(rows, bool) or not 0 <= rows < 2**63:
            raise ProtocolError("a limit is a whole number of rows")
        return Limit(below, rows)
    if "aggregate" in data:
        _known(data, "aggregate", "input")
        return Aggregate(below, aggregation_from_wire(data["aggregate"]))
    if "first" in data:
        _known(data, "first", "input")
        return First(below, top_from_wire(data["first"]))
    raise ProtocolError("the fragment has a node that this version does not know")


def request_to_wire(request: ScanRequest) -> bytes:
    """Return the message of a scan request."""
    message = {"v": 1, "fragment": fragment_to_wire(request.fragment), "purpose": request.purpose}
    if request.known:
        message["known"] = request.known
    if request.files:
        message["files"] = True
    return canonical_json(message)


def request_from_wire(data: bytes) -> ScanRequest:
    """Reverse `request_to_wire`.

    Raises:
        ProtocolError: Malformed, oversized, or another version.
    """
    parsed = parse_json(data)
    if not isinstance(parsed, dict) or parsed.get("v") != 1:
        raise ProtocolError("a scan request is an object with `v` 1")
    _known(parsed, "v", "fragment", "purpose", "known", "files")
    purpose = None if parsed.get("purpose") is None else _text(parsed, "purpose")
    known = _text(parsed, "known") if "known" in parsed else ""
    if not known.isascii():
        raise ProtocolError("`known` is a tag that the gateway gave")
    files = parsed.get("files", False)
    if not isinstance(files, bool):
        raise ProtocolError("`files` is true or false")
    return ScanRequest(fragment_from_wire(parsed.get("fragment")), purpose, known, files)


# -- cards, views, receipts ------------------------------------------------------------------
# These travel from the gateway to the kernel, or between the gateway and its own store.


_PLAIN = frozenset({str, int, float, bool, type(None)})


@cache
def _is_model(kind: Any) -> bool:
    return dataclasses.is_dataclass(kind)


@cache
def _fields(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def to_wire(value: Any) -> Any:
    """Return the JSON form of a model dataclass that holds plain data (cards, views, receipts)."""
    kind: Any = type(value)
    if kind in _PLAIN or isinstance(value, str | int | float):
        return value
    if _is_model(kind):
        return {name: to_wire(getattr(value, name)) for name in _fields(kind)}
    if isinstance(value, Mapping):
        return {str(k): to_wire(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [to_wire(v) for v in value]
    if isinstance(value, frozenset | set):
        return sorted(value)
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value


def column_from_wire(data: Mapping[str, Any]) -> Column:
    """Reverse `to_wire` for a `Column`."""
    return Column(**data)


def asset_from_wire(
    data: Mapping[str, Any], column: Callable[[Mapping[str, Any]], Column] = column_from_wire
) -> Asset:
    """Reverse `to_wire` for an `Asset`.

    Args:
        data: The JSON form.
        column: Decodes a column; another one may share equal columns.
    """
    fields = dict(data)
    fields["columns"] = tuple(column(c) for c in data.get("columns", ()))
    subject = data.get("subject")
    fields["subject"] = Subject(**subject) if subject else None
    fields["files"] = FileColumns(**data["files"]) if data.get("files") else None
    fields["quality"] = tuple(data.get("quality", ()))
    return Asset(**fields)


def snapshot_from_wire(data: Mapping[str, Any]) -> Snapshot:
    """Reverse `to_wire` for a `Snapshot`."""
    fields = dict(data)
    fields["committed_at"] = dt.datetime.fromisoformat(data["committed_at"])
    fields["tags"] = tuple(data.get("tags", ()))
    return Snapshot(**fields)


def receipt_from_wire(data: Mapping[str, Any]) -> Receipt:
    """Reverse `to_wire` for a `Receipt`; snapshot ids travel as numbers.

    Raises:
        ProtocolError: Not a receipt.
    """
    try:
        return Receipt(**{**data, "masked": tuple(data.get("masked", ()))})
    except TypeError as exc:
        raise ProtocolError("this is not a receipt") from exc
