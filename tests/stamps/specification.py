"""The result digest as `docs/reference/stamp.md` specifies it: one cell at a time, no vectors.

An oracle for the fast one; it takes Python values and logical types, never Arrow.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import struct
from decimal import Decimal
from typing import Any

Words = tuple[int, int]
ALL = 2**64 - 1
NULL = (0, 0x4E554C4C4E554C4C)
EPOCH = dt.datetime(1970, 1, 1)
MICROSECOND = dt.timedelta(microseconds=1)


def mix(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & ALL
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & ALL
    return x ^ (x >> 31)


def fold(cells: list[Words]) -> Words:
    a, b = 0x243F6A8885A308D3, 0x13198A2E03707344
    for u, v in cells:
        a = mix(((a ^ u) + b) & ALL)
        b = mix(((b + v) & ALL) ^ a)
    return mix((a + b) & ALL), b


def blake(data: bytes) -> Words:
    return struct.unpack("<QQ", hashlib.blake2b(data, digest_size=16).digest())  # type: ignore[return-value]


def text(data: bytes) -> Words:
    if len(data) > 256:
        return blake(data)
    pieces = [data[i : i + 8].ljust(8, b"\0") for i in range(0, len(data), 8)]
    return fold([(int.from_bytes(p, "little"), len(data)) for p in pieces])


def decimal(value: Decimal) -> Words:
    digits = format(value, "f")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    whole, _, behind = digits.partition(".")
    number = int(whole + behind)
    if -(2**63) <= number < 2**63:
        return number & ALL, len(behind)
    return blake(f"{number}e-{len(behind)}".encode())


def cell(value: Any, kind: Any) -> Words:
    if value is None:
        return NULL
    match kind:
        case "bool":
            return int(value), 0
        case "int":
            return value & ALL, ALL if value < 0 else 0
        case "float":
            if value != value:
                return 0x7FF8000000000000, 0
            return struct.unpack("<Q", struct.pack("<d", value + 0.0))[0], 0
        case "decimal":
            return decimal(value)
        case "string":
            return text(value.encode())
        case "binary":
            return text(value)
        case "date":
            return cell((value - EPOCH.date()).days, "int")
        case "timestamp" | "instant":
            return ((value.replace(tzinfo=None) - EPOCH) // MICROSECOND) & ALL, 0
        case ["struct", fields]:
            return fold([cell(value[name], part) for name, part in fields])
        case ["list", part]:
            return sequence([cell(v, part) for v in value])
        case ["map", key, part]:
            return sequence([fold([cell(k, key), cell(v, part)]) for k, v in value])
    raise AssertionError(kind)


def sequence(elements: list[Words]) -> Words:
    states = [fold([(place, 0), element]) for place, element in enumerate(elements)]
    sums = sum(a for a, _ in states) & ALL, sum(b for _, b in states) & ALL
    return fold([sums, (len(elements), 0)])


def digest(columns: list[tuple[str, Any]], rows: list[dict[str, Any]], *, ordered: bool) -> str:
    first = second = 0
    for number, row in enumerate(rows):
        cells = [cell(row[name], kind) for name, kind in columns]
        a, b = fold([*cells, (number, 0)] if ordered else cells)
        first, second = (first + a) & ALL, (second + b) & ALL
    header = {
        "columns": [list(c) for c in columns],
        "ordered": ordered,
        "rows": len(rows),
        "sum": f"{first:016x}{second:016x}",
    }
    canonical = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "v1:" + hashlib.sha256(canonical.encode()).hexdigest()
