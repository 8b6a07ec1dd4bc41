"""Messages as a client sends them, and what a fuzzer makes of them.

Real messages are taken apart and changed as trees of JSON, or as bytes. For what no Flight client
would send, there is a client of HTTP/2 frames and protobuf fields, small enough to be wrong on
purpose.
"""

from __future__ import annotations

import json
import random
import socket
import struct
from collections.abc import Callable
from typing import Any

from jupyter_govdata.model.files import FileRead
from jupyter_govdata.model.predicate import And, Compare, In, IsNull, Or
from jupyter_govdata.model.scan import At, Filter, Limit, Project, Scan, ScanRequest
from jupyter_govdata.model.wire import request_to_wire
from jupyter_govdata.model.wire_files import read_ticket, rows_ticket

ASSET = "trials.patients"

SCANS = tuple(
    json.loads(request_to_wire(ScanRequest(fragment, "research")))
    for fragment in (
        Scan(ASSET),
        Scan(ASSET, At(snapshot_id=11)),
        Scan(ASSET, At(tag="v1")),
        Limit(Project(Scan(ASSET), ("study", "age")), 3),
        Filter(Scan(ASSET), Compare("age", ">", 30)),
        Filter(Scan(ASSET), In("study", ("S1", "S2"), negated=True)),
        Filter(Scan(ASSET), Or((IsNull("arm"), And((Compare("score", "<=", 1.5),))))),
    )
)
ACTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("whoami", {}),
    ("epoch", {}),
    ("keys", {}),
    ("ls", {"namespace": "trials"}),
    ("names", {"purpose": "research"}),
    ("search", {"text": "patients"}),
    ("browse", {"text": "", "limit": 10, "offset": 0}),
    ("view", {"asset": ASSET, "at": {"snapshot_id": "11"}}),
    ("versions", {"asset": ASSET, "offset": 0, "limit": 10}),
    ("compare_versions", {"asset": ASSET, "from": "11", "to": "12"}),
    ("lineage", {"asset": ASSET, "depth": 2}),
    ("citation", {"asset": ASSET}),
    ("explain_as", {"asset": ASSET, "as": "dina"}),
    ("apply", {"files": {"tags.yaml": "tags: {}"}, "dry_run": False}),
    ("governance", {}),
    ("audit", {"limit": 10}),
    ("tag", {"asset": ASSET, "tag": "v1", "snapshot_id": "11"}),
    ("hold", {"asset": ASSET, "snapshot_id": "1", "name": "x", "until": "2027-01-01T00:00:00Z"}),
    ("holds", {"asset": ASSET}),
    ("release", {"name": "x"}),
    ("rename_column", {"asset": ASSET, "old": "secret", "new": "open"}),
    ("requests", {"box": "mine"}),
    ("request_scopes", {"asset": ASSET}),
    ("decide_request", {"id": "abc", "verdict": "approved"}),
    ("withdraw_request", {"id": "abc"}),
    ("files_grant", {"asset": ASSET}),
    ("table_grant", {"asset": ASSET}),
    ("files_stat", {"grant": "x", "index": 0}),
    ("files_sign", {"grant": "x", "indexes": [0], "method": "GET"}),
    ("files_session", {"grant": "x"}),
    ("files_manifest", {"grant": "x"}),
)
TICKETS = (rows_ticket("x", 0, 10), read_ticket(FileRead("x", 0, 0, 10)))
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 1.5, 2**31, 2**63, -(2**63) - 1, 10**400, float("nan"), 1e308),
    *("", " ", "*", "\x00", "\u202e", "\ud800", "'; --", "../..", "trials.hidden", "secret", ASSET),
    *("x" * 5_000, "ü" * 400, "9" * 5_000, "1e999999999", "0001-01-01T00:00:00+14:00"),
    *([], {}, [[]], [None], {"": None}, {"scan": ASSET}, ["int", "1"], ["decimal", "1E+999999999"]),
)


def tree(rng: random.Random, data: Any) -> Any:
    """Return a JSON value with something wrong in it, somewhere."""
    if isinstance(data, dict) and data and rng.random() < 0.8:
        key = rng.choice(sorted(data))
        match rng.randrange(7):
            case 0:
                return {k: v for k, v in data.items() if k != key}
            case 1:
                return {
                    **data,
                    str(rng.choice(("sql", "masks", "v", "", "\ud800"))): rng.choice(ODD),
                }
            case 2:
                return {**data, key: nested(rng.randint(1, 3_000), data[key])}
            case _:
                return {**data, key: tree(rng, data[key])}
    if isinstance(data, list) and data and rng.random() < 0.8:
        at = rng.randrange(len(data))
        if rng.random() < 0.2:
            return data * rng.choice((0, 2, 20))
        return [*data[:at], tree(rng, data[at]), *data[at + 1 :]]
    return rng.choice(ODD)


def nested(depth: int, data: Any) -> Any:
    """Return a value inside so many conditions that a parser may not follow."""
    for _ in range(min(depth, 120)):
        data = {"and": [data]}
    return data


def mangled(rng: random.Random, data: bytes) -> bytes:
    """Return bytes that were cut, repeated, filled or flipped."""
    at = rng.randrange(len(data) + 1)
    match rng.randrange(7):
        case 0:
            return data[:at]
        case 1:
            return data[at:]
        case 2:
            return data + data
        case 3:
            return data[:at] + rng.randbytes(rng.randint(1, 40)) + data[at:]
        case 4:
            return rng.randbytes(rng.randint(0, 300))
        case 5:
            return data[:at] + b"[" * 50_000 + data[at:]
        case _:
            return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def message(rng: random.Random, data: Any) -> bytes:
    """Return a JSON message with something wrong in it, as a tree or as bytes."""
    for _ in range(rng.randint(0, 3)):
        data = tree(rng, data)
    text = json.dumps(data, ensure_ascii=rng.random() < 0.8)
    raw = text.encode("utf-8", "surrogatepass")
    return mangled(rng, raw) if rng.random() < 0.3 else raw


# -- below Flight --------------------------------------------------------------------------------


def field(number: int, content: bytes) -> bytes:
    """Return a length-delimited protobuf field."""
    return number_of(number << 3 | 2) + number_of(len(content)) + content


def number_of(value: int) -> bytes:
    """Return a protobuf number."""
    found = b""
    while value > 127:
        found += bytes([value & 127 | 128])
        value >>= 7
    return found + bytes([value])


def _text(value: bytes) -> bytes:
    if len(value) < 127:
        return bytes([len(value)]) + value
    return b"\x7f" + number_of(len(value) - 127) + value


def frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    """Return a frame of HTTP/2."""
    return (
        struct.pack(">I", len(content))[1:]
        + bytes([kind, flags])
        + struct.pack(">I", stream)
        + content
    )


def spoken(address: str, method: str, token: str, messages: bytes, end: bool = True) -> bytes:
    """Say something to the gateway in frames; return all that it says until the call is over.

    Args:
        address: Of the gateway, ``grpc://host:port``.
        method: Of the Flight service.
        token: Header.
        messages: With their gRPC prefixes, right or wrong.
        end: Close our side of the call. If not, hang up once the gateway has seen it all.
    """
    host, port = address.removeprefix("grpc://").rsplit(":", 1)
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": f"/arrow.flight.protocol.FlightService/{method}",
        ":authority": host,
        "content-type": "application/grpc",
        "te": "trailers",
        "authorization": token,
    }
    block = b"".join(b"\x00" + _text(k.encode()) + _text(v.encode()) for k, v in headers.items())
    sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 4, 1, block)
    for start in range(0, len(messages), 16_000):
        sent += frame(0, 0, 1, messages[start : start + 16_000])
    sent += frame(0, 1, 1, b"") if end else frame(6, 0, 0, b"8 bytes.")
    heard = b""
    with socket.create_connection((host, int(port)), timeout=60) as line:
        line.sendall(sent)
        while not _over(heard, end):
            try:
                got = line.recv(65_536)
            except ConnectionResetError:
                break
            if not got:
                break
            heard += got
    return heard


def _over(heard: bytes, end: bool) -> bool:
    at = 0
    while at + 9 <= len(heard):
        size = int.from_bytes(heard[at : at + 3], "big")
        kind, flags = heard[at + 3], heard[at + 4]
        if kind in (3, 7) or (kind == 1 and flags & 1) or (not end and kind == 6 and flags & 1):
            return True
        at += 9 + size
    return False


def prefixed(payload: bytes, size: int | None = None, packed: int = 0) -> bytes:
    """Return a gRPC message, perhaps with a lie in its prefix."""
    return struct.pack(">BI", packed, len(payload) if size is None else size) + payload


def call_in_frames(rng: random.Random, put: Callable[[random.Random], bytes]) -> tuple[str, bytes]:
    """Return the name of a call and its bytes, mostly wrong."""
    scan = json.dumps(rng.choice(SCANS)).encode()
    name, body = rng.choice(ACTIONS)
    made = {
        "DoAction": field(1, name.encode()) + field(2, json.dumps(body).encode()),
        "GetFlightInfo": b"\x08\x02" + field(2, scan),
        "GetSchema": b"\x08\x02" + field(2, scan),
        "DoGet": field(1, b"scan:" + scan),
        "DoPut": put(rng),
        "DoExchange": put(rng),
        "Handshake": b"\x08\x01" + field(2, b"x"),
        "ListActions": b"",
        "Nonsense": b"",
    }
    method = rng.choice(sorted(made))
    payload = made[method] if rng.random() < 0.3 else mangled(rng, made[method])
    lie = rng.choice((None, None, None, 0, 5, 2**31 - 1, 2**32 - 1))
    said = prefixed(payload, lie, rng.choice((0, 0, 0, 1, 255)))
    return method, said + (prefixed(payload) if rng.random() < 0.3 else b"")
