"""Values bound to the parameters of a query. Runs in the kernel.

Values are bound by DuckDB, never pasted into the text; only types whose meaning is plain are
taken. A message names the parameter and its type, never its value.
"""

from __future__ import annotations

import datetime as dt
import math
import sys
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from jupyter_govdata.errors import QueryError
from jupyter_govdata.query.faults import suggestion
from jupyter_govdata.query.text.names import Analysis
from jupyter_govdata.query.text.positions import place

_PLAIN = (str, bytes, Decimal, dt.datetime, dt.date, dt.time, dt.timedelta, uuid.UUID)
_LISTS = (list, tuple, set, frozenset, range)
_INT_BITS = 127  # HUGEINT


def bind(analysis: Analysis, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the parameters that the query names.

    Raises:
        QueryError: A parameter has no value, a value has no parameter, or its type cannot be
            bound.
    """
    needed = analysis.parameters
    for parameter in analysis.placeholders:
        if parameter.name not in given:
            hint = suggestion(parameter.name, list(given)) or (
                f"pass it in `params`, or define a variable `{parameter.name}` in the notebook"
            )
            error = QueryError(f"parameter `{parameter.name}` has no value", hint=hint)
            raise place(error, analysis.text, parameter.start)
    extra = sorted(set(given) - set(needed))
    if extra:
        raise QueryError(
            f"the query has no parameter `{extra[0]}`",
            hint=suggestion(extra[0], needed) or f"write `${extra[0]}` where the value belongs",
        )
    bound: dict[str, Any] = {}
    for parameter in analysis.placeholders:
        try:
            bound[parameter.name] = bindable(given[parameter.name], parameter.name)
        except QueryError as error:
            raise place(error, analysis.text, parameter.start) from None
    return bound


def bindable(value: Any, name: str) -> Any:
    """Return the value as DuckDB binds it.

    NumPy scalars become Python numbers, arrays and columns become lists, pandas' missing values
    become NULL.

    Raises:
        QueryError: The type cannot be bound.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _whole(value, name)
    if isinstance(value, float):
        return float(value)
    if _is_missing(value):
        return None
    if isinstance(value, Decimal) and not value.is_finite():
        return math.nan if value.is_nan() else float(value)
    if isinstance(value, _PLAIN):
        return value.to_pydatetime() if hasattr(value, "to_pydatetime") else value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, _LISTS):
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        return [bindable(item, name) for item in items]
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise _unsupported(value, name)
        return {key: bindable(item, name) for key, item in value.items()}
    return bindable(_from_array_library(value, name), name)


def _whole(value: int, name: str) -> int:
    if value.bit_length() > _INT_BITS:
        raise QueryError(
            f"parameter `{name}` is larger than the largest whole number of DuckDB",
            hint="bind it as a `float` or as text",
        )
    return int(value)


def _is_missing(value: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and (value is pandas.NaT or value is pandas.NA)


def _from_array_library(value: Any, name: str) -> Any:
    """Convert NumPy scalars and arrays, pandas and polars columns, Arrow scalars and arrays."""
    package = type(value).__module__.partition(".")[0]
    if package == "numpy" and getattr(value, "ndim", None) == 0:
        plain = value.item()
        if type(plain) is not type(value):
            return plain
    for method, packages in (
        ("tolist", ("numpy", "pandas")),
        ("to_list", ("polars",)),
        ("to_pylist", ("pyarrow",)),
        ("as_py", ("pyarrow",)),
    ):
        convert = getattr(value, method, None)
        if package in packages and convert is not None and getattr(value, "ndim", 1) == 1:
            return convert()
    raise _unsupported(value, name)


def _unsupported(value: Any, name: str) -> QueryError:
    kind = type(value)
    frames: Sequence[str] = ("DataFrame", "LazyFrame", "Table", "QueryResult")
    hint = (
        f"name the table in the query instead: `FROM {name}`"
        if kind.__name__ in frames
        else "numbers, text, dates, times, bytes, NULL (`None`), and lists and dicts of these"
    )
    return QueryError(f"parameter `{name}` has the type `{kind.__name__}`", hint=hint)
