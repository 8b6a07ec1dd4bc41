"""What a stamped notebook tells of its queries, in the form that all exports start from.

Pure; a notebook is untrusted text. SQL text is taken from a cell only where its SHA-256 is that
of the stamp, so an edited cell is not passed off as what ran.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_govdata.errors import StampError
from jupyter_govdata.model.stamp import STAMP_MIME, Receipt, Stamp
from jupyter_govdata.model.wire import canonical_json
from jupyter_govdata.stamps.bundle import METADATA_KEY, stamp_bundle, stamp_from_bundle
from jupyter_govdata.stamps.folding import StampedCell, stamped_cells

Columns = Mapping[str, tuple[str, ...]]
QueriesOf = Callable[[str], Iterable[str]]

_SPACE = uuid.UUID("6f2f9c3e-7c0b-5d5c-9a49-3f1d0d5f6a10")
"""Namespace of our name-based identifiers; the same notebook gives the same ones anywhere."""


@dataclass(frozen=True, slots=True)
class QueryRun:
    """One governed query of a notebook, as its stamp tells.

    Args:
        cell: Id of its cell, or its place (``#3``).
        number: 0-based among the stamps of the cell.
        stamp: Not verified.
        sql: Its text, or None where the cell beside it no longer holds it.
        started: When it began, or None where only a folded copy is left.
        ended: When it ended.
        columns: Asset -> columns that it read; empty where only a folded copy is left.
    """

    cell: str
    number: int
    stamp: Stamp
    sql: str | None = None
    started: dt.datetime | None = None
    ended: dt.datetime | None = None
    columns: Columns = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the name of the query within its notebook."""
        return f"{self.cell}.{self.number}" if self.number else self.cell

    @property
    def run_id(self) -> str:
        """Return a UUID of this run: of what the stamp says and when it ended."""
        body = stamp_bundle(self.stamp, {})[0][STAMP_MIME]
        return identifier([self.name, body, self.ended.isoformat() if self.ended else ""])


@dataclass(frozen=True, slots=True)
class NotebookRun:
    """A notebook and its governed queries.

    Args:
        name: File name, without folders.
        code: The notebook without outputs, attachments and metadata of others, as JSON.
        queries: In the order of the cells.
    """

    name: str
    code: bytes
    queries: tuple[QueryRun, ...]

    @property
    def run_id(self) -> str:
        """Return a UUID of the run of all queries."""
        return identifier([self.name, [query.run_id for query in self.queries]])

    @property
    def ended(self) -> dt.datetime | None:
        """Return when the last query ended, as far as known."""
        return max((q.ended for q in self.queries if q.ended), default=None)

    @property
    def started(self) -> dt.datetime | None:
        """Return when the first query began, as far as known."""
        return min((q.started for q in self.queries if q.started), default=None)


def identifier(parts: Any) -> str:
    """Return a UUID that names these JSON values: the same ones, the same UUID."""
    return str(uuid.uuid5(_SPACE, hashlib.sha256(canonical_json(parts)).hexdigest()))


def record(nb: Mapping[str, Any], name: str, *, queries_of: QueriesOf) -> NotebookRun:
    """Return what a notebook tells.

    Args:
        nb: A notebook of format 4, as `read_notebook` or `nbformat` reads it.
        name: Its file name.
        queries_of: Gives the SQL texts of a cell's source.

    Raises:
        StampError: The notebook has no stamps, or a malformed one.
    """
    cells = stamped_cells(nb)
    for cell in cells:
        for problem in cell.problems:
            raise StampError(f"cell `{cell.name}`: {problem}")
    queries = tuple(query for cell in cells for query in _queries(nb, cell, queries_of))
    if not queries:
        raise StampError(
            f"`{name}` has no stamps: nothing says what it read",
            hint="run it with `jupyter govdata rerun --pins current`",
        )
    return NotebookRun(name, _code(nb, name), queries)


def snapshots(runs: Iterable[QueryRun]) -> list[Receipt]:
    """Return one receipt for each snapshot of each asset that was read, sorted."""
    found = {(r.asset, r.snapshot_id, r.key_id): r for q in runs for r in q.stamp.receipts}
    return [found[key] for key in sorted(found)]


def _queries(nb: Mapping[str, Any], cell: StampedCell, queries_of: QueriesOf) -> Iterator[QueryRun]:
    texts = {hashlib.sha256(sql.encode()).hexdigest(): sql for sql in queries_of(cell.source)}
    told = _told(nb["cells"][cell.place])
    for number, stamp in enumerate(cell.stamps):
        metadata = told[number] if number < len(told) else {}
        started, ended = _time(metadata)
        sql = texts.get(stamp.query_digest)
        yield QueryRun(cell.name, number, stamp, sql, started, ended, _columns(metadata, stamp))


def _told(cell: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what the outputs of a cell tell beside their stamps, in order."""
    found: list[Mapping[str, Any]] = []
    for output in cell.get("outputs") or []:
        data = output.get("data") if isinstance(output, Mapping) else None
        if not isinstance(data, Mapping) or STAMP_MIME not in data:
            continue
        try:
            stamp_from_bundle(data)
        except StampError:
            continue
        metadata = output.get("metadata")
        told = metadata.get(METADATA_KEY) if isinstance(metadata, Mapping) else None
        found.append(told if isinstance(told, Mapping) else {})
    return found


def _time(told: Mapping[str, Any]) -> tuple[dt.datetime | None, dt.datetime | None]:
    """Return start and end of a query."""
    try:
        ended = dt.datetime.fromisoformat(str(told.get("at")))
        seconds = float(told.get("seconds") or 0.0)
        if not math.isfinite(seconds) or seconds < 0:
            seconds = 0.0
        if ended.tzinfo is None:
            ended = ended.replace(tzinfo=dt.UTC)
        ended = ended.astimezone(dt.UTC)
        return ended - dt.timedelta(seconds=round(seconds, 3)), ended
    except (TypeError, ValueError, OverflowError):
        return None, None


def _columns(told: Mapping[str, Any], stamp: Stamp) -> Columns:
    """Return the columns of the assets that the stamp names; nobody signed them."""
    columns = told.get("columns")
    if not isinstance(columns, Mapping):
        return {}
    assets = sorted({receipt.asset for receipt in stamp.receipts} & columns.keys())
    lists = {asset: columns[asset] for asset in assets if isinstance(columns[asset], list)}
    return {a: tuple(n for n in names if isinstance(n, str)) for a, names in lists.items()}


def _code(nb: Mapping[str, Any], name: str) -> bytes:
    """Return the notebook's code alone, as a notebook that nobody has run."""
    cells = []
    for place, cell in enumerate(nb["cells"]):
        if not isinstance(cell, Mapping) or cell.get("cell_type") not in ("code", "markdown"):
            continue
        source = cell.get("source", "")
        text = source if isinstance(source, str) else "".join(map(str, source))
        made = {
            "cell_type": cell["cell_type"],
            "id": uuid.UUID(identifier([name, place, text])).hex[:16],
            "metadata": {},
            "source": text,
        }
        if made["cell_type"] == "code":
            made |= {"execution_count": None, "outputs": []}
        cells.append(made)
    whole = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return canonical_json(whole)
