"""Which cells of a resumed run need not run again.

Runs in the process that runs the notebook. The state of the kernel died with the run, so every
cell that others may need runs again. Kept is only what provably leaves nothing behind but its
output: a `%%govsql` cell that shows its result (`docs/adr/0011-resume-runs-python-again.md`).
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Callable
from typing import Any

from jupyter_govdata.errors import ConfigError, GovDataError
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.model.stamp import STAMP_MIME
from jupyter_govdata.query.cell import CellQuery, cell_queries
from jupyter_govdata.query.text.tokens import tokenize
from jupyter_govdata.rerun.journal import Entry, Head, Journalled
from jupyter_govdata.rerun.record import Run
from jupyter_govdata.stamps.folding import stamped_cells

_WRITES = re.compile(
    r"(?i:alter|analyze|attach|begin|call|checkpoint|comment|commit|copy|create|deallocate|delete|"
    r"detach|drop|execute|export|import|insert|install|into|load|merge|pragma|prepare|reset|"
    r"rollback|set|truncate|update|use|vacuum)\Z"
)
_REFLECTS = re.compile(
    r"GovDataMagics|magics_manager|run_(?:cell|line)|user_ns|push\(|%(?:history|hist|recall|rep|rerun|"
    r"macro|save|notebook|edit|pastebin|logstart|store)\b"
)
_OUTPUT_NAMES = re.compile(r"(?:_+|_\d+|_i+|_i\d+|_[iod]h|In|Out)\Z")
_WORD = re.compile(r"\b\w+\b")
_MAGIC_LINE = re.compile(r"^[ \t]*[%!?].*$", re.MULTILINE)

Ask = Callable[[str], Any]


def check(past: Journalled, head: Head) -> None:
    """Check that a run can go on where another one ended.

    Raises:
        ConfigError: Cells that have run, parameters, pins, purpose or kernel are others now.
    """
    if past.head is None:
        raise ConfigError(
            "there is no journal of an unfinished run", hint="run it without `--resume`"
        )
    was = past.head
    ran = max(past.last_good + 1, 0)
    for name, is_same in (
        ("the code of a cell that has run", was.cells[:ran] == head.cells[:ran]),
        ("a parameter", was.parameters == head.parameters),
        ("the purpose", was.purpose == head.purpose),
        ("the pins", was.pins == head.pins or not head.pins),
        ("the kernel", was.kernel == head.kernel),
    ):
        if not is_same:
            raise ConfigError(
                f"the run cannot be resumed: {name} changed since",
                hint="run it again without `--resume`",
            )


def pins_of_resumed(past: Journalled, nb: Any) -> Pins:
    """Return the pins of the run, and as pins what it read while it was free to choose.

    So one run reads one state of the data, however often it was stopped.
    """
    assert past.head is not None
    pins = past.head.pins
    read: dict[str, int] = {}
    cells = {cell: dict(own) for cell, own in pins.cells.items()}
    for place in range(past.last_good + 1):
        outputs = {"cells": [{"cell_type": "code", "outputs": past.entries[place].outputs}]}
        for cell in stamped_cells(outputs):
            for stamp in cell.stamps:
                read |= stamp.pins
                own = cells.setdefault(str(nb.cells[place].get("id")), {})
                own.update({k: v for k, v in stamp.pins.items() if k not in own})
    return Pins({**read, **pins.assets}, {k: v for k, v in cells.items() if v}, pins.as_of)


class Resumption:
    """Decides cell by cell, in the order of the notebook."""

    def __init__(self, run: Run, environment: str) -> None:
        """Compare the kernel with that of the run that is resumed, and note it in the journal.

        Raises:
            ConfigError: Its packages have changed.
        """
        past = run.past
        if past is not None and past.last_good >= 0 and past.environment != environment:
            raise ConfigError(
                "the run cannot be resumed: the kernel's packages changed since",
                hint="run it again without `--resume`",
            )
        if run.journal is not None:
            run.journal.environment(environment)
        self._run = run
        self._last = -1 if past is None else past.last_good
        self._is_spoiled = False

    def kept(self, cell: Any, place: int, ask: Ask) -> Entry | None:
        """Return the journal's entry of a cell that need not run again, or None."""
        if self._is_spoiled or self._run.past is None or place > self._last:
            return None
        if cell.cell_type != "code":
            return None
        source = str(cell.source)
        queries = cell_queries(source)
        if _REFLECTS.search(source) or any(_writes(query.sql) for query in queries):
            # What follows may read what this cell leaves in DuckDB or in the magics.
            self._is_spoiled = True
        if not queries:
            return None
        entry = self._run.past.entries[place]
        why = self._why_not(source, queries, entry, place)
        if not why:
            answer = ask(_question(cell, queries[0], entry))
            why = answer if isinstance(answer, str) else "the kernel cannot tell what changed"
        if why:
            self._run.notes.append(f"cell `{cell.id}` ran again: {why}")
            return None
        return entry

    def _why_not(self, source: str, queries: list[CellQuery], entry: Entry, place: int) -> str:
        options = queries[0].options
        if self._is_spoiled or len(queries) != 1 or not source.lstrip().startswith("%%govsql"):
            return "it does more than show the result of one query"
        if queries[0].name is not None:
            return f"it assigns `{queries[0].name}`"
        if options.session or options.form or options.dry_run:
            return "it uses an option that is not taken over"
        stamp = _stamp(entry)
        digest = hashlib.sha256(queries[0].sql.encode("utf-8", "replace")).hexdigest()
        if stamp is None or stamp["status"] != "complete" or stamp["query_digest"] != digest:
            return "its journal holds no stamp of this query"
        later = self._run.nb.cells[place + 1 :]
        if any(c.cell_type == "code" and _reads_outputs(str(c.source)) for c in later):
            return "a later cell reads the outputs of others (`_`, `Out`)"
        return ""


def _question(cell: Any, query: CellQuery, entry: Entry) -> str:
    asked = {
        "cell_id": cell.get("id"),
        "sql": query.sql,
        "purpose": query.options.purpose,
        "stamp": _stamp(entry),
    }
    return f"keep(get_ipython(), {asked!r})"


def _stamp(entry: Entry) -> Any:
    """Return the one stamp among the outputs as JSON, if it is well-formed."""
    cells = stamped_cells({"cells": [{"cell_type": "code", "outputs": entry.outputs}]})
    if len(cells) != 1 or len(cells[0].stamps) != 1 or cells[0].problems:
        return None
    bodies = [o["data"][STAMP_MIME] for o in entry.outputs if STAMP_MIME in o.get("data", {})]
    return bodies[0]


def _writes(sql: str) -> bool:
    """Return whether a query may leave something in DuckDB that a later one reads."""
    try:
        return any(_WRITES.match(t.value) for t in tokenize(sql) if t.kind == "word")
    except GovDataError:
        return True


def _reads_outputs(source: str) -> bool:
    """Return whether a cell may read IPython's record of outputs; on doubt it does."""
    if _REFLECTS.search(source) or any(map(_names_outputs, _MAGIC_LINE.findall(source))):
        return True
    if source.lstrip().startswith("%%"):
        return _names_outputs(source)
    try:
        tree = ast.parse(_MAGIC_LINE.sub("pass", source))
    except (SyntaxError, ValueError):
        return _names_outputs(source)
    stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and _is_stored(n)}
    read = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not _is_stored(n)}
    return any(_OUTPUT_NAMES.match(name) for name in read - (stored & {"_", "__"}))


def _names_outputs(text: str) -> bool:
    return any(_OUTPUT_NAMES.match(word) for word in _WORD.findall(text))


def _is_stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)
