"""Column masks on Arrow data. Runs in the gateway, after the row filter. Pure but for its cache.

A mask that does not fit its column's type shows NULL (deny on doubt).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from string import Formatter

import pyarrow as pa
import pyarrow.compute as pc

from jupyter_govdata.model.decision import Mask, MaskKind

PSEUDONYM_BYTES = 13
CACHED_PSEUDONYMS = 200_000


def _texty(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _dated(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _numeric(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _step(argument: str) -> Decimal | None:
    try:
        step = Decimal(argument)
    except InvalidOperation:
        return None
    return step if step.is_finite() and step > 0 else None


def fits(kind: MaskKind, argument: str, column: pa.DataType) -> bool:
    """Return whether a mask shows more than NULL on a column of this type."""
    match kind:
        case "null":
            return True
        case "constant":
            return _texty(column)
        case "pseudonym":
            return _texty(column) or bool(pa.types.is_integer(column))
        case "last":
            return _texty(column) and argument.isdecimal()
        case "year":
            return _dated(column) or _texty(column)
        case "round":
            step = _step(argument)
            whole = step is not None and step == step.to_integral_value()
            return (
                step is not None and _numeric(column) and (whole or not pa.types.is_integer(column))
            )


def shown_type(mask: Mask, column: pa.DataType) -> pa.DataType:
    """Return the type that a masked column is shown with."""
    if mask.kind == "pseudonym" and fits(mask.kind, mask.argument, column):
        return pa.string()
    return column


def shown_schema(schema: pa.Schema, masks: Mapping[str, Mask]) -> pa.Schema:
    """Return `schema` as it is shown under `masks`; masked columns lose their file metadata."""
    return pa.schema(
        [
            pa.field(f.name, shown_type(masks[f.name], f.type), nullable=True)
            if f.name in masks
            else pa.field(f.name, f.type, f.nullable)
            for f in schema
        ]
    )


class Masker:
    """Applies masks to batches of one scan.

    Args:
        key: The lake's pseudonym key.
        purpose: Declared purpose: another purpose gives other pseudonyms.
        domains: Column -> identifier domain, which may be a template of other columns.
    """

    def __init__(self, key: bytes, purpose: str, domains: Mapping[str, str]) -> None:
        self._key = key
        self._purpose = purpose
        self._domains = domains
        self._subkeys: dict[str, bytes] = {}
        self._cache: OrderedDict[tuple[str, str], str] = OrderedDict()

    def apply(self, batch: pa.RecordBatch, column: str, mask: Mask) -> pa.Array:
        """Return the masked values of a column; `batch` also holds what its domain reads."""
        values = batch.column(column)
        kind = values.type
        target = shown_type(mask, kind)
        if not fits(mask.kind, mask.argument, kind) or mask.kind == "null":
            return pa.nulls(len(values), target)
        match mask.kind:
            case "constant":
                return pa.repeat(pa.scalar(mask.argument, kind), len(values))
            case "last":
                return self._last(values, int(mask.argument))
            case "year":
                return _year(values)
            case "round":
                return _rounded(values, mask.argument)
            case "pseudonym":
                return self._pseudonyms(batch, column, values)

    @staticmethod
    def _last(values: pa.Array, count: int) -> pa.Array:
        if count == 0:
            return pc.if_else(pc.is_valid(values), pa.scalar("", values.type), values)
        return pc.utf8_slice_codeunits(values, start=-count)

    def _pseudonyms(self, batch: pa.RecordBatch, column: str, values: pa.Array) -> pa.Array:
        domain = self._domains.get(column)
        if not domain:
            return pa.nulls(len(values), pa.string())
        texts = pc.cast(values, pa.string())
        if "{" not in domain:
            coded = pc.dictionary_encode(texts)
            shown = [self.pseudonym(domain, v) for v in coded.dictionary.to_pylist()]
            return pa.array(shown, pa.string()).take(coded.indices)
        keys = _domain_values(batch, domain)
        return pa.array(
            [
                None if key is None or value is None else self.pseudonym(key, value)
                for key, value in zip(keys, texts.to_pylist(), strict=True)
            ],
            pa.string(),
        )

    def pseudonym(self, domain: str, value: str) -> str:
        """Return the pseudonym of an identifier.

        HMAC-SHA-256 (RFC 2104) of the value under a key derived from the lake's key, the purpose
        and the domain; 104 bits, base32, lower case. Without the lake's key no dictionary of
        identifiers finds it (T33).
        """
        known = self._cache.get((domain, value))
        if known is not None:
            return known
        subkey = self._subkeys.get(domain)
        if subkey is None:
            label = b"\x00".join(
                part.encode() for part in ("govdata-pseudonym-v1", self._purpose, domain)
            )
            subkey = self._subkeys[domain] = hmac.digest(self._key, label, hashlib.sha256)
        digest = hmac.digest(subkey, value.encode(), hashlib.sha256)[:PSEUDONYM_BYTES]
        shown = "p_" + base64.b32encode(digest).decode().rstrip("=").lower()
        self._cache[domain, value] = shown
        if len(self._cache) > CACHED_PSEUDONYMS:
            self._cache.popitem(last=False)
        return shown


def domain_columns(domain: str) -> tuple[str, ...]:
    """Return the columns that a domain template reads."""
    return tuple(name for _, name, _, _ in Formatter().parse(domain) if name is not None)


def _domain_values(batch: pa.RecordBatch, domain: str) -> list[str | None]:
    names = domain_columns(domain)
    columns = [pc.cast(batch.column(n), pa.string()).to_pylist() for n in names]
    return [
        None if None in row else domain.format(**dict(zip(names, row, strict=True)))
        for row in zip(*columns, strict=True)
    ]


def _year(values: pa.Array) -> pa.Array:
    if _texty(values.type):
        iso = pc.match_substring_regex(values, r"^\d{4}(-|$)")
        return pc.if_else(iso, pc.utf8_slice_codeunits(values, 0, 4), pa.nulls(1, values.type)[0])
    return pc.cast(pc.floor_temporal(values, unit="year"), values.type)


def _rounded(values: pa.Array, argument: str) -> pa.Array:
    """Round to the nearest multiple of the step, halves to the even multiple."""
    kind = values.type
    step = Decimal(argument)
    if pa.types.is_floating(kind):
        size = float(step)
        whole = pc.round(pc.divide(values, size), round_mode="half_to_even")
        return pc.cast(pc.multiply(whole, size), kind)
    coded = pc.dictionary_encode(values)
    shown = [
        None if v is None else (Decimal(v) / step).to_integral_value() * step
        for v in coded.dictionary.to_pylist()
    ]
    if pa.types.is_integer(kind):
        low, high = _bounds(kind)
        dictionary = pa.array([_clamped(int(v), step, low, high) for v in shown], kind)
    else:
        dictionary = pa.array(shown, pa.decimal128(38, kind.scale)).cast(kind, safe=False)
    return dictionary.take(coded.indices)


def _bounds(kind: pa.DataType) -> tuple[int, int]:
    return -(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1


def _clamped(value: int, step: Decimal, low: int, high: int) -> int:
    """Keep a multiple of the step within the column's type."""
    size = int(step)
    return value if low <= value <= high else value - size if value > high else value + size
