"""The SQL in a notebook cell: the head line of ``%%govsql`` and what it runs.

Pure: the magic runs it in the kernel, verify and rerun wherever a notebook is read. A cell is
text of strangers; nothing of it is executed here.

INVARIANT: the magic hands `govsql_text` to the session, and `cell_queries` finds the same text in
the cell's source. So the query digest of a stamp can be checked against the code beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from keyword import iskeyword
from typing import Any

from jupyter_govdata.errors import ConfigError

# The assignment stands at the head only: `SELECT 1 << 3` is SQL.
_ASSIGN = re.compile(r"\s*([^\W\d]\w*)\s*<<(?=\s|$)")
# A SQL comment needs a blank behind `--`, so that a misspelt option is not taken for one.
_OPTION = re.compile(r"\s*(-o|--[A-Za-z][\w-]*)(?:=|(?=\s|$))")
_VALUE = re.compile(r"\s*(\"[^\"]*\"|'[^']*'|[^\s\"']\S*)(?=\s|$)")
_BLANK_LINE = re.compile(r"^[^\S\n]+$", re.MULTILINE)

CONVERSIONS = ("result", "pandas", "polars", "arrow", "relation")
"""What `--to` takes."""

_VALUED = {
    "-o": ("name", "NAME"),
    "--purpose": ("purpose", "PURPOSE"),
    "--limit": ("limit", "100"),
    "--to": ("to", "pandas"),
    "--as-of": ("as_of", "2026-01-31"),
    "--session": ("session", "NAME"),
}
_FLAGS = {
    "--dry-run": "dry_run",
    "--stats": "stats",
    "--no-progress": "no_progress",
    "--form": "form",
}


@dataclass(frozen=True, slots=True)
class SqlArguments:
    """The head line of a query: ``[NAME <<] [options] [SQL]``.

    Args:
        rest: SQL on the same line.
        name: Variable to assign the result to, or None.
        purpose: Purpose of this query, or None.
        limit: Rows to show, or None.
        to: One of `CONVERSIONS`, or None.
        as_of: Moment that the data is read as of, as written, or None.
        session: Name of the session, or None for the current one.
        dry_run: Say what would be read; read nothing.
        stats: Show a summary of the columns.
        no_progress: Show no progress.
        form: Show inputs for the parameters.
    """

    rest: str
    name: str | None = None
    purpose: str | None = None
    limit: int | None = None
    to: str | None = None
    as_of: str | None = None
    session: str | None = None
    dry_run: bool = False
    stats: bool = False
    no_progress: bool = False
    form: bool = False


@dataclass(frozen=True, slots=True)
class CellQuery:
    """A query that a cell runs.

    Args:
        sql: The text that its stamp digests.
        name: Variable that gets the result, or None.
        options: The whole head line.
        line: Line of the cell, from 1, that the SQL starts on.
    """

    sql: str
    name: str | None = None
    options: SqlArguments = field(default_factory=lambda: SqlArguments(""))
    line: int = 1

    @property
    def is_stamped(self) -> bool:
        """True if running the cell leaves a stamp in it: a dry run reads nothing, a form waits."""
        return not (self.options.dry_run or self.options.form)


def options() -> dict[str, str | None]:
    """Return every option with an example of its value, None for one that takes none."""
    return {option: example for option, (_, example) in _VALUED.items()} | dict.fromkeys(_FLAGS)


def parse_sql_line(line: str) -> SqlArguments:
    """Split the first line of ``%%govsql``.

    Raises:
        ConfigError: An unknown option, or a value that does not fit.
    """
    found: dict[str, Any] = {}
    while True:
        if match := _ASSIGN.match(line):
            line = line[match.end() :]
            _set(found, "name", _name(match[1]))
        elif match := _OPTION.match(line):
            line = _take(found, match[1], line[match.end() :])
        else:
            return SqlArguments(line.strip(), **found)


def _take(found: dict[str, Any], option: str, rest: str) -> str:
    """Put an option and its value into `found`; return what stands behind them."""
    if option in _FLAGS:
        _set(found, _FLAGS[option], True)
        return rest
    if option not in _VALUED:
        close = get_close_matches(option, (*_VALUED, *_FLAGS), n=1, cutoff=0.5)
        hint = f"did you mean `{close[0]}`? " if close else ""
        raise ConfigError(
            f"unknown option `{option}`", hint=f"{hint}A SQL comment needs a blank behind `--`"
        )
    key, example = _VALUED[option]
    match = _VALUE.match(rest)
    if match is None:
        raise ConfigError(f"`{option}` takes a value", hint=f"`%%govsql {option} {example}`")
    value = match[1][1:-1] if match[1][0] in "\"'" else match[1]
    check = {"limit": _rows, "to": _conversion, "name": _name}.get(key, str)
    _set(found, key, check(value))
    return rest[match.end() :]


def _set(found: dict[str, Any], key: str, value: Any) -> None:
    if key in found:
        raise ConfigError(f"`{key.replace('_', '-')}` is given twice")
    found[key] = value


def _name(value: str) -> str:
    if not value.isidentifier() or iskeyword(value):
        raise ConfigError(f"`{value}` is not the name of a variable")
    return value


def _rows(value: str) -> int:
    if not (value.isdecimal() and value.isascii() and len(value) < 10):
        raise ConfigError("`--limit` takes a number of rows", hint="`%%govsql --limit 100`")
    return int(value)


def _conversion(value: str) -> str:
    if value not in CONVERSIONS:
        raise ConfigError(
            f"`--to` does not know `{value}`", hint=f"it takes {', '.join(CONVERSIONS)}"
        )
    return value


def govsql_text(arguments: SqlArguments, cell: str | None) -> str:
    """Return the SQL of a call of the magic: what the session gets and the stamp digests.

    Blanks at the end, and in lines of nothing else, are dropped: whether they reach the magic
    depends on the frontend and on IPython's version.
    """
    text = "\n".join(part for part in (arguments.rest, cell) if part)
    return _BLANK_LINE.sub("", text).rstrip()


# -- a cell's source -----------------------------------------------------------------------------

_MAGIC = "govsql"
_CELL_MAGIC = re.compile(r"%%(\w+)(?:[^\S\n]+([^\n]*))?(?:\n|\Z)")
_RUNS_PYTHON = {"time", "capture", "prun"}
_LINE_WRAPPER = re.compile(r"%(?:time|prun)[^\S\n]+")
_AUTOMAGIC = re.compile(rf"{_MAGIC}[^\S\n]+(?=[\w\"('-])(?!(?:in|is|and|or|not|if)\b)")
_LINE_MAGIC = re.compile(rf"%{_MAGIC}(?:[ ]|\s*\Z)")
_PYTHON = re.compile(
    r"""
      (?P<triple>\"{3}|'{3})
    | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    | (?P<comment>\#[^\n]*)
    | (?P<open>[(\[{])
    | (?P<close>[)\]}])
    | (?P<assign>(?<![=!<>:+\-*/%&|^@])=(?!=))
    """,
    re.VERBOSE | re.DOTALL,
)
_TRIPLE_END = {q: re.compile(rf"(?:[^\\]|\\.)*?{q}", re.DOTALL) for q in ('"' * 3, "'" * 3)}


def cell_queries(source: str) -> list[CellQuery]:
    """Return the queries that a code cell runs, in the order of its text.

    Found are ``%%govsql`` cells and ``%govsql`` lines, also assigned ones, also below ``%%time``
    and ``%%capture``. A line whose options are wrong runs no query and is left out, and so are
    queries that Python code makes (``session.sql(...)``).
    """
    return list(_queries(source, 1))


def _queries(source: str, first: int) -> Iterator[CellQuery]:
    lines = source.splitlines(keepends=True)
    while lines and lines[0].isspace():
        lines, first = lines[1:], first + 1
    if not lines:
        return
    indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    lines = [line.removeprefix(indent) for line in lines]
    head = _CELL_MAGIC.match(lines[0])
    body = "".join(lines[1:])
    if head is None:
        yield from _line_queries(lines, first)
    elif head[1] == _MAGIC:
        yield from _query((head[2] or "").rstrip(), body, None, first)
    elif head[1] in _RUNS_PYTHON:
        yield from _queries(body, first + 1)


def _query(line: str, cell: str | None, name: str | None, first: int) -> Iterator[CellQuery]:
    try:
        options = parse_sql_line(line)
    except ConfigError:
        return
    start = first + 1 if cell is not None and not options.rest else first
    yield CellQuery(govsql_text(options, cell), options.name or name, options, start)


def _line_queries(lines: list[str], first: int) -> Iterator[CellQuery]:
    """Yield the ``%govsql`` lines of Python code."""
    if len(lines) == 1 and (automatic := _AUTOMAGIC.match(lines[0])):
        yield from _query(lines[0][automatic.end() :].rstrip(), None, None, first)
        return
    scan = _PythonScan()
    i = 0
    while i < len(lines):
        end = _end_of_continued(lines, i)
        place = scan.magic_in(lines[i])
        if place is None:
            i += 1
            continue
        text = _joined([lines[i][place:], *lines[i + 1 : end + 1]])
        if _LINE_MAGIC.match(text):
            name = lines[i][:place].strip().removesuffix("=").strip()
            arguments = text[len(_MAGIC) + 2 :]
            yield from _query(arguments, None, name if name.isidentifier() else None, first + i)
        elif wrapper := _LINE_WRAPPER.match(text):
            yield from _queries(text[wrapper.end() :], first + i)
        scan = _PythonScan()
        i = end + 1


def _end_of_continued(lines: list[str], i: int) -> int:
    while lines[i].endswith("\\\n") and i + 1 < len(lines):
        i += 1
    return i


def _joined(parts: list[str]) -> str:
    return " ".join([*(part.rstrip()[:-1] for part in parts[:-1]), parts[-1].rstrip()])


class _PythonScan:
    """Where in Python source a logical line starts and what it assigns; strings are told apart."""

    def __init__(self) -> None:
        self._quote = ""
        self._depth = 0
        self._continued = False
        self._assigned = False

    def magic_in(self, line: str) -> int | None:
        """Take the next physical line; return the place of the ``%`` of a magic in it."""
        at = 0
        if not (self._quote or self._depth or self._continued):
            self._assigned = False
            start = len(line) - len(line.lstrip())
            if line.startswith(("%", "!"), start):
                return start
        if self._quote:
            match = _TRIPLE_END[self._quote].match(line)
            if match is None:
                return None
            self._quote, at = "", match.end()
        return self._rest(line, at)

    def _rest(self, line: str, at: int) -> int | None:
        while match := _PYTHON.search(line, at):
            at = match.end()
            match match.lastgroup:
                case "triple":
                    closed = _TRIPLE_END[match.group()].match(line, at)
                    if closed is None:
                        self._quote = match.group()
                        return None
                    at = closed.end()
                case "open":
                    self._depth += 1
                case "close":
                    self._depth = max(self._depth - 1, 0)
                case "assign" if not self._depth and not self._assigned:
                    self._assigned = True
                    behind = line[at:]
                    if behind.lstrip(" \t").startswith("%"):
                        return at + len(behind) - len(behind.lstrip(" \t"))
        self._continued = line.endswith("\\\n")
        return None
