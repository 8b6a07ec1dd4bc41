"""JSON forms of constants: exact for every type, strict. Runs everywhere, trusts nothing."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import math
from decimal import Decimal, InvalidOperation
from typing import Any

from jupyter_govdata.errors import ProtocolError
from jupyter_govdata.model.predicate import Value


def value_to_wire(value: Value) -> list[Any]:
    """Return ``[type, text]`` for a constant; exact for every type."""
    match value:
        case bool():
            return ["bool", value]
        case int():
            return ["int", str(value)]
        case float():
            return ["float", value.hex() if math.isfinite(value) else repr(value)]
        case str():
            return ["str", value]
        case bytes():
            return ["bytes", base64.b64encode(value).decode()]
        case Decimal():
            return ["decimal", str(value)]
        case dt.datetime():
            return ["datetime", value.isoformat()]
        case dt.date():
            return ["date", value.isoformat()]
        case dt.time():
            return ["time", value.isoformat()]


def _decimal(text: str) -> Decimal:
    value = Decimal(text)
    if not value.is_finite():
        raise ValueError(text)
    return value


_FROM_TEXT: dict[str, Any] = {
    "int": int,
    "float": lambda t: float(t) if t in ("nan", "inf", "-inf") else float.fromhex(t),
    "bytes": lambda t: base64.b64decode(t, validate=True),
    "decimal": _decimal,
    "datetime": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
    "str": str,
}


def value_from_wire(data: Any) -> Value:
    """Reverse `value_to_wire`.

    Raises:
        ProtocolError: Not such a pair.
    """
    if not isinstance(data, list) or len(data) != 2 or not isinstance(data[0], str):
        raise ProtocolError("a constant is a pair of type and text")
    kind, text = data
    if kind == "bool" and isinstance(text, bool):
        return text
    if kind in _FROM_TEXT and isinstance(text, str):
        try:
            value: Value = _FROM_TEXT[kind](text)
        except (ValueError, OverflowError, InvalidOperation, binascii.Error) as exc:
            raise ProtocolError(f"a constant of type `{kind}` does not parse") from exc
        return value
    raise ProtocolError("a constant has an unknown type")
