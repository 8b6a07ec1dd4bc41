"""Aggregates and first rows as SQL over governed rows. Runs in the gateway.

SECURITY: what stands in `relation` was filtered and masked before. Nothing here can raise an error
that depends on a value: see `jupyter_govdata.model.summary`. Sums of whole numbers are computed in
128 bits; a sum of decimals that needs more than 38 digits fails, and is one of permitted rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

import pyarrow as pa

from jupyter_govdata.errors import QueryError
from jupyter_govdata.model.summary import (
    Aggregation,
    ArithmeticTerm,
    ColumnTerm,
    Measure,
    NumberTerm,
    Operator,
    Summary,
    Term,
    Top,
    walk_term,
)
from jupyter_govdata.storage.binding import field_of
from jupyter_govdata.storage.sql import duckdb_type, literal

_WIDE = 38
_NARROW = 18
"""Digits that decimals have at most, and in 64 bits."""
_SUM_OF_WHOLE = pa.decimal128(_WIDE, 0)
_DIGITS = {pa.int32(): 10, pa.int64(): 19}
"""Digits that DuckDB gives whole numbers among decimals."""


def columns_read(summary: Summary, shown: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that have to be read, each once, `shown` ones first."""
    further = [order.column for order in summary.order] if isinstance(summary, Top) else []
    return tuple(dict.fromkeys((*shown, *further)))


def summary_schema(summary: Summary, shown: Sequence[str], schema: pa.Schema) -> pa.Schema:
    """Return the schema of the answer.

    Args:
        summary: What is computed.
        shown: Columns of the rows; of an aggregation those that it reads.
        schema: All columns in the types they are shown in.

    Raises:
        ColumnNotFoundError: A column that the schema does not have.
        QueryError: A column of a type that cannot be sorted, grouped or added.
    """
    match summary:
        case Top(order):
            for each in order:
                _require_plain(field_of(each.column, schema))
            return pa.schema([field_of(name, schema) for name in shown])
        case Aggregation(keys, measures):
            for name in keys:
                _require_plain(field_of(name, schema))
            found = [pa.field(f"m{i}", _kind(m, schema)) for i, m in enumerate(measures)]
            return pa.schema([*(field_of(name, schema) for name in keys), *found])
        case _:
            assert_never(summary)


def summary_sql(
    summary: Summary,
    source: str,
    shown: Sequence[str],
    written: Mapping[str, str],
    schema: pa.Schema,
) -> str:
    """Return the SELECT.

    Args:
        summary: What is computed.
        source: Governed rows, as what stands after FROM.
        shown: As of `summary_schema`.
        written: Column -> its name in the source.
        schema: All columns in the types they are shown in.
    """
    match summary:
        case Top(order, rows):
            ranks = ", ".join(
                f"{written[o.column]} {'DESC' if o.descending else 'ASC'} "
                f"NULLS {'FIRST' if o.nulls_first else 'LAST'}"
                for o in order
            )
            columns = ", ".join(written[name] for name in shown) or "1"
            return f"SELECT {columns} FROM {source} ORDER BY {ranks} LIMIT {int(rows)}"
        case Aggregation(keys, measures):
            grouped = [written[name] for name in keys]
            terms = [_measure(measure, written, schema) for measure in measures]
            select = f"SELECT {', '.join([*grouped, *terms])} FROM {source}"
            if not grouped:
                return select
            # SECURITY: the engine chooses how to group, and so the order of groups, by statistics
            # of all rows of the files, hidden ones included (T27).
            by = ", ".join(grouped)
            return f"{select} GROUP BY {by} ORDER BY {by}"
        case _:
            assert_never(summary)


def _kind(measure: Measure, schema: pa.Schema) -> pa.DataType:
    if measure.function == "count":
        if isinstance(measure.term, ColumnTerm):
            _require_plain(field_of(measure.term.column, schema))
        elif measure.term is not None:
            _term_kind(measure.term, schema)
        return pa.int64()
    assert measure.term is not None
    kind = _term_kind(measure.term, schema)
    if measure.function in ("min", "max"):
        if not isinstance(measure.term, ColumnTerm) and pa.types.is_decimal(kind):
            raise QueryError("exact arithmetic is added up only")
        return kind
    if pa.types.is_integer(kind):
        return pa.float64() if measure.function == "avg" else _SUM_OF_WHOLE
    if pa.types.is_decimal(kind):
        return pa.float64() if measure.function == "avg" else pa.decimal128(38, kind.scale)
    if pa.types.is_float32(kind) or pa.types.is_float64(kind):
        return pa.float64()
    raise QueryError(f"`{measure.function}` adds numbers only")


def _term_kind(term: Term, schema: pa.Schema) -> pa.DataType:
    if isinstance(term, ColumnTerm):
        return _require_plain(field_of(term.column, schema))
    return _arithmetic(term, schema).kind


@dataclass(frozen=True, slots=True)
class _Number:
    """A number in SQL.

    Args:
        sql: The expression.
        kind: float64, or the decimal type that DuckDB gives the expression.
    """

    sql: str
    kind: pa.DataType


def _arithmetic(term: Term, schema: pa.Schema, written: Mapping[str, str] | None = None) -> _Number:
    kinds = {
        field_of(node.column, schema).type
        for node in walk_term(term)
        if isinstance(node, ColumnTerm)
    }
    if kinds == {pa.float64()}:
        return _Number(_double(term, written or {}), pa.float64())
    if any(map(pa.types.is_decimal, kinds)):
        return _exact(term, schema, written or {})
    raise QueryError("arithmetic is of double precision, or has a decimal column")


def _double(term: Term, written: Mapping[str, str]) -> str:
    match term:
        case ColumnTerm(column):
            return written.get(column, "")
        case NumberTerm(value):
            return literal(float(value), pa.float64())
        case ArithmeticTerm(operator, left, right):
            return f"({_double(left, written)} {operator} {_double(right, written)})"
        case _:
            assert_never(term)


def _exact(term: Term, schema: pa.Schema, written: Mapping[str, str]) -> _Number:
    """Return decimal arithmetic whose type has room for every value of its operands' types."""
    match term:
        case ColumnTerm(column):
            stored = field_of(column, schema).type
            digits = _DIGITS.get(stored)
            kind = pa.decimal128(digits, 0) if digits else stored
            if not pa.types.is_decimal(kind):
                raise QueryError(f"column `{column}` is no exact number")
            sql = written.get(column, "")
            return _Number(f"CAST({sql} AS {duckdb_type(kind)})" if digits else sql, kind)
        case NumberTerm(value):
            _, figures, exponent = value.as_tuple()
            assert isinstance(exponent, int)
            kind = pa.decimal128(max(len(figures), -exponent, 1), -exponent)
            return _Number(literal(value, kind), kind)
        case ArithmeticTerm(operator, left, right):
            return _wide(operator, _exact(left, schema, written), _exact(right, schema, written))
        case _:
            assert_never(term)


def _wide(operator: Operator, left: _Number, right: _Number) -> _Number:
    """Return an operation that cannot overflow.

    UPSTREAM: DuckDB keeps the result of two decimals of up to 18 digits to 18 digits and fails on
    a value that has more; with one operand of 19 digits it computes in 128 bits.
    """
    kind = _result(operator, left.kind, right.kind)
    if kind.precision <= _NARROW or max(left.kind.precision, right.kind.precision) > _NARROW:
        return _Number(f"({left.sql} {operator} {right.sql})", kind)
    wide = pa.decimal128(_NARROW + 1, left.kind.scale)
    _result(operator, wide, right.kind)
    sql = f"(CAST({left.sql} AS {duckdb_type(wide)}) {operator} {right.sql})"
    return _Number(f"CAST({sql} AS {duckdb_type(kind)})", kind)


def _result(operator: Operator, left: pa.DataType, right: pa.DataType) -> pa.DataType:
    if operator == "*":
        digits, scale = left.precision + right.precision, left.scale + right.scale
    else:
        scale = max(left.scale, right.scale)
        digits = max(left.precision - left.scale, right.precision - right.scale) + scale + 1
    if digits > _WIDE:
        raise QueryError(f"the arithmetic may need more than {_WIDE} digits")
    return pa.decimal128(digits, scale)


def _require_plain(field: pa.Field) -> pa.DataType:
    kind = field.type
    if pa.types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType):
        raise QueryError(f"column `{field.name}` cannot be sorted or grouped here")
    return kind


def _measure(measure: Measure, written: Mapping[str, str], schema: pa.Schema) -> str:
    term = measure.term
    if term is None:
        return "count(*)"
    if isinstance(term, ColumnTerm):
        sql = written[term.column]
    else:
        sql = _arithmetic(term, schema, written).sql
    call = f"{measure.function}({'DISTINCT ' if measure.distinct else ''}{sql})"
    if measure.function == "sum":
        return f"CAST({call} AS {duckdb_type(_kind(measure, schema))})"
    return call
