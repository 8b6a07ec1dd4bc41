"""The one place that writes SQL: identifiers, constants, predicates.

Runs in the gateway. SECURITY: no user text ever becomes SQL. Columns are named by field id,
constants are rendered here from typed values, operators come from a closed set; whoever needs SQL
in this room calls this module.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa

from jupyter_govdata.errors import QueryError
from jupyter_govdata.model.predicate import (
    And,
    Compare,
    CompareColumns,
    Consent,
    Constant,
    In,
    IsNull,
    Like,
    Op,
    Or,
    Predicate,
    Value,
)
from jupyter_govdata.storage.binding import bind_predicate, check_predicate, template_parts
from jupyter_govdata.storage.side import SideTables, is_template

__all__ = ["Columns", "bind_predicate", "check_predicate", "render"]

LONG_LIST = 50
"""Constants from which a list becomes a side table; see `side`."""

_SIMPLE: dict[str, str] = {
    "bool": "BOOLEAN",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date32[day]": "DATE",
    "time64[us]": "TIME",
    "timestamp[us]": "TIMESTAMP",
    "timestamp[us, tz=UTC]": "TIMESTAMPTZ",
    "timestamp[ns]": "TIMESTAMP_NS",
    "string": "VARCHAR",
    "binary": "BLOB",
}


def duckdb_type(kind: pa.DataType) -> str:
    """Return DuckDB's name of an Arrow type.

    Raises:
        QueryError: A type that the reader does not know.
    """
    if isinstance(kind, pa.UuidType):
        return "UUID"
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    if pa.types.is_list(kind):
        return f"{duckdb_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        return f"STRUCT({', '.join(f'{identifier(f.name)} {duckdb_type(f.type)}' for f in kind)})"
    if pa.types.is_map(kind):
        return f"MAP({duckdb_type(kind.key_type)}, {duckdb_type(kind.item_type)})"
    try:
        return _SIMPLE[str(kind)]
    except KeyError:
        raise QueryError(f"type `{kind}` cannot be read") from None


def identifier(name: str) -> str:
    """Return a quoted identifier.

    Raises:
        QueryError: The name holds a NUL character, which no identifier can.
    """
    if "\0" in name:
        raise QueryError("a column's name holds a NUL character")
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Return a text constant; DuckDB's parser ends at a NUL, so those are written as `chr(0)`."""
    pieces = ["'" + piece.replace("'", "''") + "'" for piece in value.split("\0")]
    return pieces[0] if len(pieces) == 1 else "(" + " || chr(0) || ".join(pieces) + ")"


def pattern(path: str) -> str:
    """Return a path as a pattern that matches only itself."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


def literal(value: Value, kind: pa.DataType) -> str:
    """Return a constant of exactly the type `kind`."""
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case str():
            return text(value)
        case bytes():
            return f"unhex('{value.hex()}')"
        case int() | Decimal():
            return (
                f"CAST('{value:f}' AS {duckdb_type(kind)})"
                if isinstance(value, Decimal)
                else (f"CAST('{value}' AS {duckdb_type(kind)})")
            )
        case float():
            return f"CAST('{value!r}' AS {duckdb_type(kind)})"
        case dt.datetime():
            return f"{duckdb_type(kind)} '{value.isoformat(sep=' ')}'"
        case dt.date():
            return f"DATE '{value.isoformat()}'"
        case dt.time():
            return f"TIME '{value.isoformat()}'"


@dataclass(frozen=True, slots=True)
class Columns:
    """How columns are written in SQL.

    Args:
        sql: Column name -> expression; made by this package, never by a user.
        schema: Their types.
        nan_free: Names of floating point columns that certainly hold no NaN.
    """

    sql: Mapping[str, str]
    schema: pa.Schema
    nan_free: frozenset[str] = frozenset()

    def type_of(self, column: str) -> pa.DataType:
        """Return the Arrow type of a column."""
        return self.schema.field(column).type


# -- predicates ------------------------------------------------------------------------------


def render(predicate: Predicate, columns: Columns, side: SideTables) -> str:
    """Return the SQL condition of a *bound* predicate; NULL and false both mean out.

    Args:
        predicate: From `bind_predicate` with the same schema.
        columns: How its columns are written.
        side: Gets the tables that the condition joins with.
    """
    match predicate:
        case Constant(value):
            return "TRUE" if value else "FALSE"
        case And(args):
            return "(" + " AND ".join(render(a, columns, side) for a in args) + ")"
        case Or(args):
            return "(" + " OR ".join(render(a, columns, side) for a in args) + ")"
        case IsNull(column, negated):
            return f"({columns.sql[column]} IS {'NOT ' if negated else ''}NULL)"
        case Compare(column, op, value):
            return _compare(column, op, value, columns)
        case In(column, values, negated):
            return _in(column, values, negated, columns, side)
        case Like(column, parts, negated):
            condition = _like(columns.sql[column], parts)
            return f"(NOT {condition})" if negated else condition
        case CompareColumns(left, op, right):
            return _compare_columns(left, op, right, columns)
        case Consent(column, domain, purpose, negated):
            return _consent(column, domain, side.ids(domain, purpose), negated, columns)


def _is_nan(value: Value) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _operand(column: str, columns: Columns) -> str:
    """Return the column as it compares with constants; UUIDs compare as their text."""
    sql = columns.sql[column]
    is_uuid = isinstance(columns.type_of(column), pa.UuidType)
    return f"CAST({sql} AS VARCHAR)" if is_uuid else sql


def _compare(column: str, op: Op, value: Value, columns: Columns) -> str:
    sql, kind = _operand(column, columns), columns.type_of(column)
    if _is_nan(value):
        # NaN equals itself and is greater than everything else.
        return {
            "=": f"isnan({sql})",
            ">=": f"isnan({sql})",
            "!=": f"(NOT isnan({sql}))",
            "<": f"(NOT isnan({sql}))",
            "<=": f"({sql} IS NOT NULL)",
            ">": "FALSE",
        }[op]
    plain = f"({sql} {op} {literal(value, kind)})"
    # UPSTREAM: DuckDB prunes row groups by Parquet's maximum, which leaves NaN out, so a plain
    # `>` loses NaN rows; `isnan` keeps their row groups.
    may_hold_nan = pa.types.is_floating(kind) and column not in columns.nan_free
    return f"({plain} OR isnan({sql}))" if may_hold_nan and op in (">", ">=", "!=") else plain


def _in(
    column: str, values: tuple[Value, ...], negated: bool, columns: Columns, side: SideTables
) -> str:
    sql, kind = _operand(column, columns), columns.type_of(column)
    plain = [v for v in values if not _is_nan(v)]
    op: Op = "!=" if negated else "="
    parts = [_compare(column, op, v, columns) for v in values if _is_nan(v)][:1]
    if len(plain) == 1:
        parts.append(_compare(column, op, plain[0], columns))
    elif plain:
        listed = _listed(plain, kind, side)
        if not negated:
            parts.append(f"({sql} IN ({listed}))")
        elif pa.types.is_floating(kind) and column not in columns.nan_free:
            parts.append(f"({sql} NOT IN ({listed}) OR isnan({sql}))")
        else:
            parts.append(f"({sql} IS NOT NULL AND {sql} NOT IN ({listed}))")
    return "(" + (" AND " if negated else " OR ").join(parts) + ")"


def _listed(values: list[Value], kind: pa.DataType, side: SideTables) -> str:
    if len(values) < LONG_LIST:
        return ", ".join(literal(v, kind) for v in values)
    stored = pa.string() if isinstance(kind, pa.UuidType) else kind
    return f"SELECT v FROM {side.values(pa.array(values, stored))}"


def _compare_columns(left: str, op: Op, right: str, columns: Columns) -> str:
    first, second = columns.sql[left], columns.sql[right]
    return f"({first} {op} {second})"


def _like(sql: str, parts: tuple[str | None, ...]) -> str:
    """Return the text match; the frequent shapes use functions, which are faster than LIKE."""
    match [p for i, p in enumerate(parts) if p is not None or i == 0 or parts[i - 1] is not None]:
        case []:
            return f"({sql} = '')"
        case [str(whole)]:
            return f"({sql} = {text(whole)})"
        case [None]:
            return f"({sql} LIKE '%')"  # NULL for NULL, so that its negation leaves NULL out too
        case [str(prefix), None]:
            return f"starts_with({sql}, {text(prefix)})"
        case [None, str(suffix)]:
            return f"ends_with({sql}, {text(suffix)})"
        case [None, str(inner), None]:
            return f"contains({sql}, {text(inner)})"
        case shape:
            pattern = "".join("%" if p is None else _escaped(p) for p in shape)
            return f"({sql} LIKE {text(pattern)} ESCAPE '\\')"


def _escaped(part: str) -> str:
    return part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _as_text(column: str, columns: Columns) -> str:
    sql = columns.sql[column]
    return sql if pa.types.is_string(columns.type_of(column)) else f"CAST({sql} AS VARCHAR)"


def domain_sql(domain: str, columns: Columns) -> str:
    """Return the SQL text of a templated domain; NULL where one of its columns is NULL."""
    pieces: list[str] = []
    for literal_text, name in template_parts(domain):
        if literal_text:
            pieces.append(text(literal_text))
        if name is not None:
            pieces.append(_as_text(name, columns))
    return "(" + " || ".join(pieces) + ")"


def _consent(column: str, domain: str, table: str, negated: bool, columns: Columns) -> str:
    key = _as_text(column, columns)
    if is_template(domain):
        whole = domain_sql(domain, columns)
        key = f"(CAST(length({whole}) AS VARCHAR) || ':' || {whole} || {key})"
    # INVARIANT: a NULL id is out either way; `NULL NOT IN ()` would be true.
    if negated:
        return f"({key} IS NOT NULL AND {key} NOT IN (SELECT v FROM {table}))"
    return f"({key} IN (SELECT v FROM {table}))"
