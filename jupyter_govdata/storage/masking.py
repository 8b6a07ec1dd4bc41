"""Column masks on Arrow arrays.

Runs in the gateway, on rows that the row filter let through, before any condition of the user.
INVARIANT: a mask that does not fit its column's type shows NULL (deny on doubt), never the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, InvalidOperation, localcontext

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jupyter_govdata.model.decision import Mask, MaskKind
from jupyter_govdata.storage.binding import template_columns, template_parts
from jupyter_govdata.storage.pseudonym import Pseudonyms
from jupyter_govdata.storage.side import plain_domain

STARS = "***"
_SAFE = 1 << 61
_ISO_YEAR = r"^[0-9]{4}(-|$)"


def _kind_of(kind: pa.DataType) -> str:
    """Return the word that mask rules know a type by."""
    types = pa.types
    tests: tuple[tuple[str, Callable[[pa.DataType], bool]], ...] = (
        ("string", types.is_string),
        ("uuid", lambda t: isinstance(t, pa.UuidType)),
        ("int", types.is_integer),
        ("float", types.is_floating),
        ("decimal", types.is_decimal),
        ("date", types.is_date),
        ("timestamp", types.is_timestamp),
    )
    return next((word for word, test in tests if test(kind)), "other")


def _kind_of_iceberg(iceberg_type: str) -> tuple[str, int]:
    """Return that word, and the scale of a decimal."""
    name = iceberg_type.strip()
    if match := re.fullmatch(r"decimal\(\s*\d+\s*,\s*(\d+)\s*\)", name):
        return "decimal", int(match[1])
    words = {
        "string": "string",
        "uuid": "uuid",
        "int": "int",
        "long": "int",
        "float": "float",
        "double": "float",
        "date": "date",
    }
    if name.startswith("timestamp"):
        return "timestamp", 0
    return words.get(name, "other"), 0


def mask_fits(kind: MaskKind, argument: str, iceberg_type: str) -> bool:
    """Return True if the mask can be applied to columns of a type; else it shows NULL.

    >>> mask_fits("year", "", "date"), mask_fits("year", "", "long")
    (True, False)
    """
    word, scale = _kind_of_iceberg(iceberg_type)
    return _fits(kind, argument, word, scale)


def _fits(kind: MaskKind, argument: str, word: str, scale: int) -> bool:
    match kind:
        case "null":
            return True
        case "constant":
            return True
        case "pseudonym":
            return word in ("string", "int", "uuid")
        case "last":
            return word in ("string", "int", "uuid") and _count(argument) is not None
        case "year":
            return word in ("date", "timestamp", "string")
        case "round":
            return _step(argument, word, scale) is not None


def _count(argument: str) -> int | None:
    """Return how many characters `last` leaves, 1 to 100, or None."""
    text = argument.strip()
    fits = text.isascii() and text.isdigit() and 1 <= int(text) <= 100
    return int(text) if fits else None


def _step(argument: str, word: str, scale: int) -> Decimal | None:
    """Return the step of `round`, or None if it does not fit the type."""
    try:
        step = Decimal(argument.strip())
    except InvalidOperation:
        return None
    if not step.is_finite() or step <= 0 or not -30 <= step.adjusted() <= 15:
        return None
    if word == "int":
        return step if step == step.to_integral_value() else None
    if word == "decimal":
        exponent = step.normalize().as_tuple().exponent
        return step if isinstance(exponent, int) and -exponent <= scale else None
    return step if word == "float" else None


def effective(mask: Mask, kind: pa.DataType) -> Mask:
    """Return the mask that is applied to a column: itself, or `null` if it does not fit."""
    scale = kind.scale if pa.types.is_decimal(kind) else 0
    fits = _fits(mask.kind, mask.argument, _kind_of(kind), scale)
    return mask if fits else Mask("null", policy=mask.policy)


def masked_type(mask: Mask, kind: pa.DataType) -> pa.DataType:
    """Return the Arrow type that a column of type `kind` has under a mask."""
    shown = effective(mask, kind).kind
    return pa.string() if shown in ("constant", "pseudonym", "last") else kind


def shown_schema(schema: pa.Schema, masks: Mapping[str, Mask]) -> pa.Schema:
    """Return the schema that a scan shows: masked types, every column nullable, no metadata.

    Args:
        schema: Raw schema, of the visible columns, in the order they are shown.
        masks: Column name -> mask.
    """
    return pa.schema(
        [
            pa.field(f.name, masked_type(masks[f.name], f.type) if f.name in masks else f.type)
            for f in (g.with_type(plain_type(g.type)) for g in schema)
        ]
    )


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return a nested type without field ids and docs; other types unchanged."""
    if pa.types.is_list(kind):
        return pa.list_(pa.field("element", plain_type(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, plain_type(f.type)) for f in kind])
    if pa.types.is_map(kind):
        return pa.map_(plain_type(kind.key_type), plain_type(kind.item_type))
    return kind


@dataclass(frozen=True, slots=True)
class Masker:
    """Applies masks.

    Args:
        masks: Column name -> mask.
        domains: Column name -> identifier domain, maybe a template.
        pseudonyms: Key holder of this scan, or None if no mask needs one.
        asset: Asset name; a column without a domain has one of its own.
    """

    masks: Mapping[str, Mask]
    domains: Mapping[str, str]
    pseudonyms: Pseudonyms | None
    asset: str

    def domain_of(self, column: str) -> str:
        """Return the identifier domain of a column."""
        own = f"{self.asset}.{column}".replace("{", "{{").replace("}", "}}")
        return self.domains.get(column) or own

    def reads(self, column: str) -> tuple[str, ...]:
        """Return the other columns that masking `column` needs."""
        mask = self.masks.get(column)
        if mask is None or mask.kind != "pseudonym":
            return ()
        return template_columns(self.domain_of(column))

    def blind(self, column: str, kind: pa.DataType) -> bool:
        """Return True if a column is shown without its values, so that none need be read."""
        mask = self.masks.get(column)
        return mask is not None and effective(mask, kind).kind in ("null", "constant")

    def apply(self, column: str, array: pa.Array, raw: Mapping[str, pa.Array]) -> pa.Array:
        """Return the column as it is shown.

        Args:
            column: Its name.
            array: Its raw values.
            raw: Raw values of the columns that `reads` names.
        """
        mask = self.masks.get(column)
        if mask is None:
            return array
        mask = effective(mask, array.type)
        match mask.kind:
            case "null":
                return pa.nulls(len(array), array.type)
            case "constant":
                return pa.repeat(pa.scalar(mask.argument, pa.string()), len(array))
            case "pseudonym":
                return self._pseudonym(column, array, raw)
            case "last":
                return _last(as_text(array), _count(mask.argument) or 1)
            case "year":
                return _year(array)
            case "round":
                return _round(array, Decimal(mask.argument.strip()))

    def _pseudonym(self, column: str, array: pa.Array, raw: Mapping[str, pa.Array]) -> pa.Array:
        if self.pseudonyms is None:
            return pa.nulls(len(array), pa.string())
        domain = self.domain_of(column)
        values = as_text(array)
        if not template_columns(domain):
            return self.pseudonyms.column(values, plain_domain(domain))
        pieces: list[pa.Array | str] = []
        for piece, name in template_parts(domain):
            if piece:
                pieces.append(piece)
            if name is not None:
                pieces.append(as_text(raw[name]))
        # NULL in a column of the domain: whose identifier it is is unknown, so it is not shown.
        domains = pc.binary_join_element_wise(*pieces, "", null_handling="emit_null")
        return self.pseudonyms.rows(values, domains)


def as_text(array: pa.Array) -> pa.Array:
    """Return identifiers in their canonical text: digits, lower-case UUIDs, or themselves."""
    if isinstance(array.type, pa.UuidType):
        return pa.array([None if v is None else str(v) for v in array.to_pylist()], pa.string())
    return array if pa.types.is_string(array.type) else array.cast(pa.string())


def _last(array: pa.Array, count: int) -> pa.Array:
    """Return stars and the last characters; a text no longer than these shows only stars."""
    tail = pc.utf8_slice_codeunits(array, -count, None)
    shown = pc.binary_join_element_wise(STARS, tail, "")
    longer = pc.greater(pc.utf8_length(array), count)
    return pc.if_else(longer, shown, pa.scalar(STARS))


def _year(array: pa.Array) -> pa.Array:
    if pa.types.is_string(array.type):
        first = pc.utf8_slice_codeunits(array, 0, 4)
        iso = pc.match_substring_regex(array, _ISO_YEAR)
        return pc.if_else(iso, first, pa.scalar(None, pa.string()))
    return pc.floor_temporal(array, unit="year")


def _round(array: pa.Array, step: Decimal) -> pa.Array:
    if pa.types.is_floating(array.type):
        width = float(step)
        values = array.cast(pa.float64())
        return pc.multiply(pc.round(pc.divide(values, width), round_mode="half_up"), width).cast(
            array.type
        )
    if pa.types.is_decimal(array.type):
        return _each(array, lambda v: _nearest(v, step))
    whole = int(step)
    bounds = pc.min_max(array)
    low, high = bounds["min"].as_py(), bounds["max"].as_py()
    if low is None:
        return array
    if low < -_SAFE or high > _SAFE or whole > _SAFE:
        return _each(array, lambda v: int(_nearest(Decimal(v), step)))
    values = array.cast(pa.int64()).fill_null(0).to_numpy()
    rest = values % whole
    rounded = values - rest + np.where(rest * 2 >= whole, whole, 0)
    if array.type.bit_width == 32:
        limit = 1 << 31
        fits = (rounded >= -limit) & (rounded < limit)
    else:
        fits = np.ones(len(rounded), dtype=bool)
    gone = ~fits | array.is_null().to_numpy(zero_copy_only=False)
    return pa.array(np.where(fits, rounded, 0), pa.int64(), mask=gone).cast(array.type)


def _nearest(value: Decimal, step: Decimal) -> Decimal:
    """Return the nearest multiple of the step; a tie goes up."""
    with localcontext() as context:
        context.prec = 100
        return (value / step + Decimal("0.5")).to_integral_value(ROUND_FLOOR) * step


def _each(array: pa.Array, function: Callable[[Decimal], Decimal | int]) -> pa.Array:
    """Apply a function once per distinct value; what does not fit the type is NULL."""
    encoded = array.dictionary_encode()
    shown = [_fitted(function(v), array.type) for v in encoded.dictionary.to_pylist()]
    return pa.array(shown, array.type).take(encoded.indices)


def _fitted(value: Decimal | int, kind: pa.DataType) -> Decimal | int | None:
    try:
        return pa.scalar(value, kind).as_py()  # type: ignore[no-any-return]
    except (pa.ArrowException, OverflowError, ValueError):
        return None
