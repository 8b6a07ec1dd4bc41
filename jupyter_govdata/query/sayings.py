"""DuckDB's messages, said to people who analyse data. Runs in the kernel.

Each rule is a pattern of DuckDB's first line, what is said instead, and the way out. A message
without a rule stays as it is.
"""

from __future__ import annotations

import re

_NO_CHOICE = "convert one side first, for example `x::DOUBLE` or `x::VARCHAR`"
_OWN_COPY = "work on a copy: `CREATE TABLE mine AS FROM ...`"

# RE2's words, which come without the word "regular expression".
_WRONG_PATTERN = (
    r"(missing [)\]]|no argument for repetition operator|invalid escape sequence"
    r"|bad repetition operator|unexpected [)]|invalid character class range|invalid perl operator)"
    r".*"
)
_NO_DATE = (
    r"invalid (\w+) field format: .*, expected format is (\(.*\)) when casting from source "
    r"column (\w+).*"
)
_OUT_OF_RANGE = (
    r"Type (\w+) with value .* can't be cast because the value is out of range for the "
    r"destination type (\w+).*"
)

_RULES: tuple[tuple[str, str, str | None], ...] = (
    (
        r'Ambiguous reference to column name "(.+?)" \(use: (.+)\)',
        r'column "\1" is in more than one table',
        r"write \2",
    ),
    (r'Referenced table "(.+?)" not found', r'no table of this query is called "\1"', None),
    (
        r'Column "(.+?)" in (EXCLUDE|REPLACE|RENAME) list not found.*',
        r'column "\1" does not exist, so \2 finds nothing',
        None,
    ),
    (
        r'Column "(.+?)" does not exist on (left|right) side of join',
        r'column "\1" does not exist on the \2 side of the join',
        None,
    ),
    (
        r"No function matches the given name and argument types '(\W+)\((.+), (.+)\)'.*",
        r'"\1" does not take \2 and \3',
        _NO_CHOICE,
    ),
    (
        r"No function matches the given name and argument types '(\w+)\((.*)\)'.*",
        r'"\1" does not take (\2)',
        "convert an argument, for example `x::DOUBLE`, or look the function up in DuckDB's manual",
    ),
    (
        r'Could not choose a best candidate function for the function call "(\W+)\((.+), (.+)\)".*',
        r'"\1" takes \2 and \3 in more than one way',
        _NO_CHOICE,
    ),
    (
        r"Cannot compare values of type DATE and type (.+?) - .*",
        r"cannot compare a date with \1",
        "write a date, `DATE '2026-01-31'`, or compare a part of it, `year(x) > 1990`",
    ),
    (
        r"Cannot compare values of type (.+?) and type (.+?) - .*",
        r"cannot compare \1 with \2",
        _NO_CHOICE,
    ),
    (
        r"(?i)column \"?(\w+)\"? must appear in the GROUP BY clause or (?:must )?be .*",
        r'column "\1" is neither grouped nor aggregated',
        r"add it to `GROUP BY`, or take one value of each group: `any_value(\1)`",
    ),
    (
        r"WHERE clause cannot contain aggregates",
        "`WHERE` looks at single rows and cannot aggregate",
        "conditions on aggregates go into `HAVING`",
    ),
    (
        r"WHERE clause cannot contain window functions",
        "`WHERE` cannot contain window functions",
        "conditions on window functions go into `QUALIFY`",
    ),
    (
        r"aggregate function calls cannot be nested",
        "an aggregate cannot hold another aggregate",
        "aggregate in a subquery first: `SELECT avg(s) FROM (SELECT sum(x) AS s ...)`",
    ),
    (
        r"Set operations can only apply to expressions with the same number of result columns",
        "the two sides of `UNION`, `INTERSECT` or `EXCEPT` have different numbers of columns",
        "select the same columns on both sides, or use `UNION BY NAME`",
    ),
    (
        r"More than one row returned by a subquery used as an expression.*",
        "a subquery in place of a value returned more than one row",
        "aggregate in it, for example `max(x)`, or add `LIMIT 1`",
    ),
    (
        r"Subquery returns (\d+) columns - expected 1",
        r"a subquery in place of a value has \1 columns",
        "select one column in it",
    ),
    (
        r"at least one window function must appear.*",
        "`QUALIFY` needs a window function",
        "conditions on columns go into `WHERE`",
    ),
    (r"errhint NOT IMPLEMENTED", "`LIMIT` takes one number", "write `LIMIT 20 OFFSET 10`"),
    (
        r'No catalog \+ schema named "(.+?)" found',
        r'there is no namespace or schema "\1"',
        "`USE` takes the part of a name before the dot",
    ),
    (
        r"An error occurred while trying to automatically install the required extension '(\w+)'.*",
        r"this needs DuckDB's extension `\1`, which could not be installed",
        r"run `INSTALL \1` where there is a network, then `LOAD \1`",
    ),
    (
        r'Failed to download extension "(\w+)".*',
        r"DuckDB's extension `\1` could not be downloaded",
        "check the name and the network",
    ),
    (r'Extension ".*" not found.*', "DuckDB has no such extension installed",
     "run `INSTALL name` first"),
    (
        _WRONG_PATTERN,
        r"the regular expression is wrong: \1",
        None,
    ),
    (
        r"cannot (commit|rollback) - no transaction is active",
        r"there is nothing to \1: no transaction was begun",
        "`BEGIN` starts one",
    ),
    (
        r"cannot start a transaction within a transaction",
        "a transaction is running already",
        "end it with `COMMIT` or `ROLLBACK`",
    ),
    (
        r"extract specifier \"(.+?)\" not recognized",
        r'"\1" is no part of a date',
        "`'year'`, `'month'`, `'week'`, `'day'`, `'hour'` ...",
    ),
    (
        r"(\S+) is not an table",
        r'"\1" cannot be written to: it is a view, or a frame of the notebook',
        _OWN_COPY,
    ),
    (
        r"Can only (update|delete from|merge into|vacuum or analyze) base tables?",
        r"only a table of your own can be changed",
        _OWN_COPY,
    ),
    (r"Can only create an index on a base table", "only a table of your own can have an index",
     _OWN_COPY),
    (
        r"Existing object (\S+) is of type (\w+), trying to \w+ type (\w+)",
        r'"\1" is a \2, not a \3',
        r"write `DROP \2 \1`",
    ),
    (
        r"unterminated quoted string.*",
        "the text that starts here is not closed",
        "close it with a single quote; a quote inside a text is doubled: `'it''s'`",
    ),
    (
        r"unterminated quoted identifier.*",
        "the name that starts here is not closed",
        'close it with "; text takes single quotes',
    ),
    (r"unterminated /\* comment.*", "the comment that starts here is not closed",
     "close it with `*/`"),
    (
        r"Could not convert string '.*?' to (\w+) when casting from source column (\w+).*",
        r'"\2" holds text that is not \1',
        r"`TRY_CAST(\2 AS \1)` gives NULL where a text does not convert",
    ),
    (
        _NO_DATE,
        r'"\3" holds text that is not a \1 \2',
        r"`TRY_CAST(\3 AS \1)` gives NULL where a text does not convert",
    ),
    (
        _OUT_OF_RANGE,
        r"a number is outside the range of \2",
        "convert to a wider type, for example `DOUBLE`",
    ),
    (
        r"(Overflow in \w+ of \w+).*",
        r"\1",
        "convert to a wider type first, for example `x::DOUBLE`",
    ),
    (
        r"(\w+) is out of range",
        r'"\1" cannot be computed: a column holds NaN or infinity',
        "leave such values out, for example `WHERE isfinite(x)`",
    ),
    (r"SELECT clause without selection list", "`SELECT` has no columns", None),
    (
        r"UNNEST\(\) can only be applied to lists, structs and NULL, not (\w+)",
        r"`unnest` takes a list or a struct, not \1",
        None,
    ),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), said, hint) for pattern, said, hint in _RULES)

# DuckDB 1.5 calls types by the names of its source code in some messages.
_TYPES = {
    "INT8": "TINYINT", "INT16": "SMALLINT", "INT32": "INTEGER", "INT64": "BIGINT",
    "INT128": "HUGEINT", "UINT8": "UTINYINT", "UINT16": "USMALLINT", "UINT32": "UINTEGER",
    "UINT64": "UBIGINT", "INTEGER_LITERAL": "INTEGER", "STRING_LITERAL": "VARCHAR",
}  # fmt: skip
_TYPE = re.compile(rf"\b({'|'.join(_TYPES)})\b")

_OF_OTHERS = {
    "isnull": "coalesce", "nvl": "coalesce", "nvl2": "if", "iif": "if", "decode": "case",
    "charindex": "position", "getdate": "now", "sysdate": "now", "to_date": "strptime",
    "to_char": "strftime", "dateadd": "date_add", "convert": "cast", "n": "count",
    "std": "stddev", "sd": "stddev", "nunique": "count(DISTINCT x)",
    "n_distinct": "count(DISTINCT x)",
}  # fmt: skip
_OF_WINDOWS = frozenset(
    {"row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead",
     "first_value", "last_value", "nth_value", "fill"}
)  # fmt: skip


def said(message: str) -> tuple[str, str | None]:
    """Return the first line of a message in plain words, and the way out or None."""
    for pattern, text, hint in _COMPILED:
        found = pattern.match(message)
        if found is not None:
            way_out = found.expand(hint) if hint else None
            return plain_types(found.expand(text)), way_out and plain_types(way_out)
    return plain_types(message), None


def plain_types(text: str) -> str:
    """Return the text with types by the names that SQL has for them.

    >>> plain_types("could not convert to INT32")
    'could not convert to INTEGER'
    """
    return _TYPE.sub(lambda m: _TYPES[m[1]], text)


def missing_function(name: str) -> str | None:
    """Return what to write instead of a function that DuckDB does not have, or None."""
    if name.lower() in _OF_WINDOWS:
        return f"`{name}` needs a window: `{name}() OVER (ORDER BY x)`"
    other = _OF_OTHERS.get(name.lower())
    return f"DuckDB calls it `{other}`" if other else None
