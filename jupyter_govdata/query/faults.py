"""DuckDB's errors in the words of this package. Runs in the kernel.

DuckDB is asked for errors as JSON, which holds a byte offset into the text it got; `Rewrite`
maps it back to the user's text. Nothing internal (names of registered objects, pointers, Python
tracebacks) and no cell value gets into a message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from jupyter_govdata.errors import ColumnNotFoundError, LimitError, QueryError
from jupyter_govdata.query.sayings import missing_function, said
from jupyter_govdata.query.text.positions import Rewrite, place
from jupyter_govdata.query.text.slips import name_hint, name_offset, syntax_hint

AT_CATALOG = "__gd_at_"
"""Databases of pinned versions are called ``__gd_at_1``, ``__gd_at_2``, ..."""

_INTERNAL = re.compile(rf'"?{AT_CATALOG}\d+"?\.|\bmemory\.(?=\w+\.\w)')
_QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"")
_DATA_KINDS = ("Conversion", "Out of Range", "Invalid Input", "Constraint", "Invalid", "IO")
_NOT_IN_TABLE = re.compile(r'^[\w ]+ "(?P<table>.+?)" does not have a column named "(?P<name>.+?)"')
_NO_SCHEMA = re.compile(r'Table with name "?(?P<name>[^"]+?)"? does not exist because schema')
_NO_CATALOG = re.compile(r'Catalog "(?P<name>[^"]+)" does not exist')
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d.]*(?!\w)")
_RAISED = re.compile(r"\berror\s*\(", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d]\w*")
_CANDIDATES = re.compile(r"(?:Did you mean:?|Candidate (?:tables|bindings|extensions):) *([^?]*)")
_SOURCE_COLUMN = re.compile(r"(casting from source column )(?:\w+\.)+")
_LIMIT_PAIR = re.compile(r"\blimit\s+\S+\s*,", re.IGNORECASE)
_NAMED = re.compile(r"`([^`]+)`")
_LONG = re.compile(r"`[^`]{80,}`")
_ENTRIES = {"scalar function": "function", "aggregate function": "function"}
_QUOTES = 'names take double quotes where they need any: "my column"'
_LISTED = 8
_LINES = re.compile(r"\s*\n+\s*")


@dataclass(frozen=True, slots=True)
class Fault:
    """A DuckDB error, taken apart.

    Args:
        kind: DuckDB's word, e.g. ``Binder``.
        message: DuckDB's text.
        position: Byte offset into the text DuckDB got, or None.
        subtype: e.g. ``COLUMN_NOT_FOUND``, or empty.
        name: What is missing, or empty.
        entry: Kind of catalog entry that is missing (``Table``), or empty.
        candidates: DuckDB's proposals.
    """

    kind: str
    message: str
    position: int | None = None
    subtype: str = ""
    name: str = ""
    entry: str = ""
    candidates: tuple[str, ...] = ()

    @property
    def missing_table(self) -> str | None:
        """Name of the table that DuckDB does not find, perhaps qualified, or None."""
        if self.subtype == "MISSING_ENTRY" and self.entry == "Table":
            return self.name
        found = _NO_SCHEMA.search(self.message) or _NO_CATALOG.search(self.message)
        return found["name"] if found else None

    @property
    def missing_column(self) -> str | None:
        """Name of the column that DuckDB does not find, or None."""
        if self.subtype == "COLUMN_NOT_FOUND":
            return self.name
        found = _NOT_IN_TABLE.search(self.message)
        return found["name"] if found else None


def fault_of(error: BaseException) -> Fault:
    """Take a DuckDB error apart; a text that is not JSON is its own message."""
    text = str(error)
    start = text.find("{")
    try:
        data: Any = json.loads(text[start:]) if start >= 0 else None
    except ValueError:
        data = None
    if not isinstance(data, dict) or "exception_message" not in data:
        kind, _, message = text.partition(" Error: ")
        return Fault(kind, message.split("\n\nLINE ")[0]) if message else Fault("", text)
    position = str(data.get("position", ""))
    return Fault(
        kind=str(data.get("exception_type", "")),
        message=str(data["exception_message"]),
        position=int(position) if position.isdecimal() else None,
        subtype=str(data.get("error_subtype", "")),
        name=str(data.get("name", "")),
        entry=str(data.get("type", "")),
        candidates=tuple(c for c in re.split(r", | or ", str(data.get("candidates", ""))) if c),
    )


def query_error(fault: Fault, rewrite: Rewrite, columns: Sequence[str] = ()) -> QueryError:
    """Return the error that the user gets.

    Args:
        fault: What DuckDB says.
        rewrite: Between the user's text and DuckDB's.
        columns: Names that a misspelt column may have meant.
    """
    sql, offset = rewrite.original, _offset(fault, rewrite)
    column = fault.missing_column
    error: QueryError
    if column is not None:
        hint = _column_hint(column, [*columns, *fault.candidates], sql, offset)
        error = ColumnNotFoundError(f"column `{column}` does not exist", hint=hint)
    else:
        message, hint = _message(fault, sql)
        if hint is None and fault.kind == "Parser" and offset is not None:
            hint = syntax_hint(sql, offset)
        error = QueryError(_LONG.sub(_shortened, message), hint=hint)
    if offset is None:
        offset = name_offset(sql, _NAMED.findall(error.message))
    return error if offset is None else place(error, sql, offset)


def _offset(fault: Fault, rewrite: Rewrite) -> int | None:
    if fault.position is None:
        return None
    return rewrite.source_offset_of_byte(fault.position)


def _column_hint(name: str, columns: Sequence[str], sql: str, offset: int | None) -> str | None:
    """Return what a missing column probably is; the columns there are, if it is like none."""
    text = name_hint(sql, offset) if offset is not None else None
    close = suggestion(name, columns)
    if close or text or not columns:
        return text if text and (close is None or sql[offset : 1 + (offset or 0)] == '"') else close
    known = list(dict.fromkeys(columns))
    listed = ", ".join(f"`{c}`" for c in known[:_LISTED])
    return f"columns: {listed}{' ...' if len(known) > _LISTED else ''}"


def located(error: QueryError, fault: Fault, rewrite: Rewrite) -> QueryError:
    """Put the fault's place in the user's text into the error's detail."""
    offset = _offset(fault, rewrite)
    return error if offset is None else place(error, rewrite.original, offset)


def limit_error(fault: Fault) -> LimitError | None:
    """Return the error for a statement that ran out of memory, else None."""
    if fault.kind != "Out of Memory":
        return None
    return LimitError(
        "the query needs more memory than DuckDB may use here",
        hint="read fewer columns or rows, or `SET memory_limit = '...GB'`",
    )


def suggestion(name: str, *candidates: Sequence[str]) -> str | None:
    """Return "did you mean" with the closest names, or None."""
    known = {c.lower(): c for group in candidates for c in group}
    # A namespace that is right should not make a name look alike.
    cutoff = 0.75 if "." in name else 0.65
    close = get_close_matches(name.lower(), known, n=3, cutoff=cutoff)
    if not close:
        return None
    return f"did you mean {' or '.join(f'`{known[c]}`' for c in close)}?"


def _message(fault: Fault, sql: str) -> tuple[str, str | None]:
    text = _INTERNAL.sub("", fault.message).replace('""', '"')
    text = _SOURCE_COLUMN.sub(r"\1", text)
    if fault.entry and fault.subtype == "MISSING_ENTRY":
        return _missing_entry(fault)
    if "errhint" in text and not _LIMIT_PAIR.search(sql):
        return "syntax error", None
    if "does not support time travel" in text:
        return (
            "`AT (...)` names a version of a governed asset only",
            "list what you may see with `%govdata ls`",
        )
    if any(mark in text for mark in ("Python exception", "\nAt:", "arrow_scan")):
        return "DuckDB could not read the data", "run the query again"
    first, *rest = _LINES.split(text.removeprefix("SET schema: ").strip())
    candidates = next((c for c in map(_CANDIDATES.match, rest) if c is not None), None)
    hint = None if candidates is None else f"did you mean {_backticks(candidates[1])}?"
    if fault.kind in _DATA_KINDS:
        first = _without_values(first, sql)
    said_first, way_out = said(first.rstrip(" .!:"))
    hint = way_out or hint
    if fault.kind.startswith("Transaction") and hint is None:
        hint = "run `ROLLBACK`"
    if hint is not None and "`" not in hint:
        hint = _backticks(hint)
    return _backticks(_first_lower(said_first)), hint


def _missing_entry(fault: Fault) -> tuple[str, str | None]:
    """Return message and hint for a table, function, type or setting that DuckDB lacks."""
    entry = _ENTRIES.get(fault.entry.lower(), fault.entry.lower())
    if fault.name.endswith("__postfix"):  # x! calls this function
        operator = fault.name.removesuffix("__postfix")
        return f"'{operator}' means nothing here", _QUOTES if operator == "`" else None
    candidates = [_INTERNAL.sub("", c).removeprefix("main.") for c in fault.candidates]
    hint = suggestion(fault.name, candidates)
    if entry == "function":
        hint = missing_function(fault.name) or hint
    return f"{entry} `{fault.name}` does not exist", hint


def _without_values(text: str, sql: str) -> str:
    """Leave out what may be a cell value: whatever the user did not write."""
    if text.startswith("Malformed JSON"):
        return text.partition("  Input:")[0]
    if _RAISED.search(sql) and f"'{text}'" not in sql:
        return "the query called `error()`"

    def quoted(match: re.Match[str]) -> str:
        inner = match.group()[1:-1]
        is_written = f"'{inner}'" in sql or bool(
            _WORD.fullmatch(inner) and re.search(rf"\b{re.escape(inner)}\b", sql)
        )
        return match.group() if inner and is_written else f"{match.group()[0]}…{match.group()[0]}"

    def number(match: re.Match[str]) -> str:
        is_written = re.search(rf"(?<![\w.]){re.escape(match.group())}(?![\w.])", sql)
        return match.group() if is_written else "…"

    if not _QUOTED.search(text):
        text = text.partition(": ")[0]  # RE2 shows the piece of the pattern that it did not like
    text = _QUOTED.sub(quoted, text)
    # Overflow in addition of INT64 (9223372036854775807 + 1)
    text = re.sub(r" \([^()]*\d[^()]*\)$", "", text.rstrip(" .!"))
    return _NUMBER.sub(number, text)


def _shortened(match: re.Match[str]) -> str:
    return f"{match.group()[:60]}…`"


def _first_lower(text: str) -> str:
    if text.startswith("DuckDB"):
        return text
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


def _backticks(text: str) -> str:
    return _QUOTED.sub(lambda m: f"`{m.group()[1:-1]}`" if m.group()[1:-1] else m.group(), text)
