"""What a query would read, without reading it. Runs in the kernel.

DuckDB is asked for its plan; the governed cards say what would be filtered and masked. Nothing is
run and no governed row is asked for. How many rows there are is told where the card tells it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jupyter_govdata.errors import GovDataError, QueryError
from jupyter_govdata.query.assets import AssetTables
from jupyter_govdata.query.dataset import GovernedDataset
from jupyter_govdata.query.repeat import Plan, nodes_of
from jupyter_govdata.query.show.html_table import listing_html
from jupyter_govdata.query.show.page import count
from jupyter_govdata.query.show.text_table import listing_lines, note, terminal_width, wrapped
from jupyter_govdata.query.show.visible import visible
from jupyter_govdata.query.text.names import Analysis

if TYPE_CHECKING:
    from jupyter_govdata.query.run import Run

_HEADER = ("asset", "snapshot", "columns", "condition", "rows", "masked", "size")
_TEXT_BYTES = 24
"""What a text is taken to need, where an estimate is asked for."""


@dataclass(frozen=True, slots=True)
class DryScan:
    """One scan that would be asked for.

    Args:
        asset: Name.
        snapshot_id: What would be read, or None for an asset without data.
        version: Why this snapshot: ``newest``, ``pinned``, or what the query says in ``AT``.
        columns: What would be asked for; one of them if rows are only counted.
        condition: What DuckDB hands over to the scan, in its words; or empty. The gateway applies
            what is a comparison with a constant, the kernel the rest.
        row_filter: Row filter of the policies, in words; or empty.
        masked: Those of `columns` that are shown through a mask, with its kind.
        policies: Ids of the deciding policies.
        why: Sentences that name them.
        total_rows: Rows of the snapshot, or None where the card does not tell them.
        estimated_bytes: Of these rows and columns in memory, before the condition; None likewise.
    """

    asset: str
    snapshot_id: int | None
    version: str
    columns: tuple[str, ...]
    condition: str = ""
    row_filter: str = ""
    masked: Mapping[str, str] = field(default_factory=dict)
    policies: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    total_rows: int | None = None
    estimated_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a query would read.

    Args:
        query: SQL text as written.
        scans: One entry a scan; a self-join has two.
        purpose: That was decided on, or empty.
        wall: ``enforced`` or ``advisory``.
        notes: Remarks; also what could not be looked into.
    """

    query: str
    scans: tuple[DryScan, ...]
    purpose: str = ""
    wall: str = "advisory"
    notes: tuple[str, ...] = ()

    @property
    def assets(self) -> tuple[str, ...]:
        """Names of the assets that would be read, sorted."""
        return tuple(sorted({scan.asset for scan in self.scans}))

    @property
    def facts(self) -> list[str]:
        """What stands below the table."""
        size = [scan.estimated_bytes for scan in self.scans]
        facts = ["dry run: nothing was read", count(len(self.scans), "scan")]
        if self.scans:
            facts.append(f"purpose {self.purpose}" if self.purpose else "no purpose")
            facts.append(self.wall)
            if None not in size:
                facts.append(f"at most about {_size(sum(s or 0 for s in size))}")
        return facts

    def __str__(self) -> str:
        limit = terminal_width()
        rows = [[visible(text) for text in _row(scan)] for scan in self.scans]
        columns = list(zip(*rows, strict=True))
        lines = listing_lines(_HEADER, columns, [False] * len(_HEADER), limit) if rows else []
        lines += wrapped(self.facts, limit)
        for remark in self._remarks():
            lines += note(remark, limit)
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = [_row(scan) for scan in self.scans]
        return listing_html(_HEADER, rows, [" · ".join(self.facts), *self._remarks()])

    def _remarks(self) -> list[str]:
        """Return why each asset is as it is, and the notes."""
        why = dict.fromkeys(f"{scan.asset}: {line}" for scan in self.scans for line in scan.why)
        return [*why, *(f"note: {n}" for n in self.notes)]


def dry_run_of(run: Run, assets: AssetTables, analysis: Analysis, wall: str) -> DryRun:
    """Return what the statements of a run would read; nothing is run.

    Raises:
        QueryError: The SQL is wrong, or explains something itself.
    """
    if any(word.upper() == "EXPLAIN" for word in analysis.words):
        raise QueryError("a dry run of `EXPLAIN` reads nothing", hint="leave out `EXPLAIN`")
    notes = list(analysis.notes)
    scans: list[DryScan] = []
    for number, plan in run.explain():
        if isinstance(plan, GovDataError):
            notes.append(f"step {number} needs what a step before it makes: not looked into")
        else:
            named = [t for t in assets.tables() if t.asset in run.views]
            scans += _scans(plan, assets.tables(), named, assets.pinned())
    return DryRun(
        query=analysis.text,
        scans=tuple(scans),
        purpose=next((v.purpose for v in run.views.values() if v.purpose), ""),
        wall=wall,
        notes=tuple(notes),
    )


def _scans(
    plan: Plan,
    known: Sequence[GovernedDataset],
    named: Sequence[GovernedDataset],
    pinned: Mapping[str, Any],
) -> list[DryScan]:
    facts = [n.get("extra_info", {}) for n in nodes_of(plan) if n["name"].strip() == "ARROW_SCAN"]
    found = [(_told_by(known, _texts(fact.get("Projections"))), fact) for fact in facts]
    # A scan that only counts rows has no column in the plan, so nothing that tells its asset.
    silent = iter([d for d in named if all(d is not told for told, _ in found)])
    scans = []
    for told, fact in found:
        columns = _texts(fact.get("Projections"))
        dataset = told if columns else next(silent, None)
        if dataset is not None:
            asked = columns or dataset.schema.names[:1]
            scans.append(_scan(dataset, asked, _texts(fact.get("Filters")), pinned))
    return scans


def _told_by(known: Sequence[GovernedDataset], columns: list[str]) -> GovernedDataset | None:
    return next((d for d in known if columns and columns[0].startswith(d.prefix)), None)


def _scan(
    dataset: GovernedDataset, told: list[str], filters: list[str], pinned: Mapping[str, Any]
) -> DryScan:
    view = dataset.view
    schema = pa.ipc.read_schema(pa.py_buffer(view.arrow_schema))
    columns = tuple(
        dict.fromkeys(_column(name.removeprefix(dataset.prefix), schema) for name in told)
    )
    rows = view.snapshot.total_rows if view.snapshot is not None else None
    return DryScan(
        asset=dataset.asset,
        snapshot_id=view.snapshot.snapshot_id if view.snapshot is not None else None,
        version=_version(dataset, pinned),
        columns=columns,
        condition=" AND ".join(filters).replace(dataset.prefix, ""),
        row_filter=view.row_filter,
        masked={name: kind for name, kind in view.masked.items() if name in columns},
        policies=view.policies,
        why=view.why,
        total_rows=rows,
        estimated_bytes=None if rows is None else rows * sum(_width(schema, c) for c in columns),
    )


def _column(name: str, schema: pa.Schema) -> str:
    """Return the column; DuckDB names a field in a struct as ``column.field``."""
    while name not in schema.names and "." in name:
        name = name.rpartition(".")[0]
    return name


def _version(dataset: GovernedDataset, pinned: Mapping[str, Any]) -> str:
    at = dataset.at
    if at is None:
        return "pinned" if pinned.get(dataset.asset) is not None else "newest"
    if at.tag is not None:
        return f"tag {at.tag}"
    return f"at {at.timestamp.isoformat()}" if at.timestamp is not None else "named"


def _width(schema: pa.Schema, column: str) -> int:
    try:
        return max(1, int(schema.field(column).type.bit_width) // 8)
    except ValueError:
        return _TEXT_BYTES


def _texts(value: Any) -> list[str]:
    if not value:
        return []
    return [str(v) for v in value] if isinstance(value, list) else [str(value)]


def _row(scan: DryScan) -> list[str]:
    snapshot = "no data" if scan.snapshot_id is None else f"{scan.snapshot_id} ({scan.version})"
    if scan.row_filter:
        rows = f"filtered: {scan.row_filter}"
    else:
        rows = "all" if scan.total_rows is None else f"all {scan.total_rows:,}"
    masked = ", ".join(f"{name}: {kind}" for name, kind in scan.masked.items())
    size = "not told" if scan.estimated_bytes is None else f"about {_size(scan.estimated_bytes)}"
    texts = [scan.asset, snapshot, ", ".join(scan.columns), scan.condition, rows, masked, size]
    return [text or "-" for text in texts]


def _size(number: int) -> str:
    """Return bytes for people.

    >>> _size(900), _size(12_345_678)
    ('900 B', '12 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number} {unit}"
        number //= 1000
    return f"{number:,} TB"
