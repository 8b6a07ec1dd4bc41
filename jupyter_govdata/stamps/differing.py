"""Which governed cells of two notebooks have other results, and why, as far as stamps tell.

Pure; runs wherever notebooks are read. Both notebooks are untrusted text: what is said here is
what they say, until `jupyter_govdata.stamps.verify` has checked the receipts.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from jupyter_govdata.model.stamp import Receipt, Stamp
from jupyter_govdata.stamps.folding import OUTDATED, StampedCell, stamped_cells

SAME, DIFFERENT, UNKNOWN = "same", "different", "unknown"
ONLY_A, ONLY_B = "only in A", "only in B"
DATA, CODE, PARAMETERS = "data", "code", "parameters"
PERMISSION, ENVIRONMENT, WALL, STATUS = "permission", "environment", "wall", "status"

Snapshots = Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that differs between the stamps of two cells.

    Args:
        kind: ``data``, ``code``, ``parameters``, ``permission``, ``environment``, ``wall`` or
            ``status``.
        said: One clause for people.
        snapshots: Of ``data``: asset -> snapshots that the first and the second read.
        lines: Of ``code``: the changed lines, with ``-`` or ``+`` in front.
    """

    kind: str
    said: str
    snapshots: Snapshots = field(default_factory=dict)
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CellDifference:
    """A governed cell of either notebook, beside the one that it belongs to.

    Args:
        a: The cell in the first notebook, or None.
        b: The cell in the second, or None.
        aligned: ``id``, ``query`` or ``place``: by what the two were found to belong together.
        verdict: ``same`` or ``different``: the results; ``unknown``: a query had not ended;
            ``only in A``, ``only in B``.
        causes: What differs, most telling first. The same result may have causes too: they did
            not matter to it.
    """

    a: StampedCell | None
    b: StampedCell | None
    aligned: str
    verdict: str
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True, slots=True)
class NotebookDifference:
    """What two notebooks differ in.

    Args:
        cells: Governed cells, in the order of the second notebook, those of the first alone last.
        other_code: Cells without stamps whose code differs, as named in the second notebook.
        problems: Malformed stamps, one sentence each.
    """

    cells: tuple[CellDifference, ...]
    other_code: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Every governed cell is in both and gave the same result."""
        return all(cell.verdict == SAME for cell in self.cells) and not self.problems


def compare_notebooks(a: Mapping[str, Any], b: Mapping[str, Any]) -> NotebookDifference:
    """Compare the stamped results of two notebooks of format 4.

    Cells belong together by id, then by equal queries, then by their order.
    """
    ours, theirs = stamped_cells(a), stamped_cells(b)
    problems = [
        f"{which}, cell `{cell.name}`: {problem}"
        for which, cells in (("A", ours), ("B", theirs))
        for cell in cells
        for problem in cell.problems
    ]
    pairs = _aligned([c for c in ours if c.stamps], [c for c in theirs if c.stamps])
    plain = _aligned([c for c in ours if not c.stamps], [c for c in theirs if not c.stamps])
    other = [
        (two or one).name  # type: ignore[union-attr]  # one of them is there
        for one, two, _ in plain
        if (one.source if one else "").strip() != (two.source if two else "").strip()
    ]
    return NotebookDifference(
        tuple(_compared(one, two, by) for one, two, by in pairs), tuple(other), tuple(problems)
    )


Pair = tuple[StampedCell | None, StampedCell | None, str]


def _aligned(ours: list[StampedCell], theirs: list[StampedCell]) -> list[Pair]:
    keys: tuple[tuple[str, Callable[[StampedCell], Any]], ...] = (
        ("id", lambda cell: None if cell.name.startswith("#") else cell.name),
        ("query", lambda cell: tuple(s.query_digest for s in cell.stamps) or cell.source),
        ("place", lambda _: 0),
    )
    partner: dict[int, tuple[StampedCell, str]] = {}
    left, right = ours, theirs
    for by, key in keys:
        waiting: dict[Any, list[StampedCell]] = {}
        for cell in left:
            if key(cell) is not None:
                waiting.setdefault(key(cell), []).append(cell)
        for cell in right:
            if waiting.get(key(cell)):
                partner[cell.place] = waiting[key(cell)].pop(0), by
        taken = {cell.place for cell, _ in partner.values()}
        left = [cell for cell in left if cell.place not in taken]
        right = [cell for cell in right if cell.place not in partner]
    pairs: list[Pair] = []
    for cell in theirs:
        found = partner.get(cell.place)
        pairs.append((found[0], cell, found[1]) if found else (None, cell, ""))
    return pairs + [(cell, None, "") for cell in left]


def _compared(one: StampedCell | None, two: StampedCell | None, by: str) -> CellDifference:
    if one is None or two is None:
        return CellDifference(one, two, by, ONLY_B if one is None else ONLY_A)
    causes = tuple(_causes(one, two))
    ended = all(s.status in ("complete", "failed") for s in (*one.stamps, *two.stamps))
    if not ended:
        told = any(cause.kind == STATUS for cause in causes)
        return CellDifference(one, two, by, DIFFERENT if told else UNKNOWN, causes)
    # A query that is to show a refusal has the error as its result.
    ours, theirs = ([(s.result_digest, s.error) for s in cell.stamps] for cell in (one, two))
    return CellDifference(one, two, by, SAME if ours == theirs else DIFFERENT, causes)


# -- causes --------------------------------------------------------------------------------------


def _causes(one: StampedCell, two: StampedCell) -> Iterable[Cause]:
    pairs = list(zip_longest(one.stamps, two.stamps))
    ours, theirs = one.stamps, two.stamps
    yield from _status(pairs)
    yield from _data(_receipts(ours), _receipts(theirs))
    if any(not (s and t and s.query_digest == t.query_digest) for s, t in pairs):
        yield _code(one, two)
    elif OUTDATED in (one.state, two.state):
        which = " and ".join(n for n, c in (("A", one), ("B", two)) if c.state == OUTDATED)
        yield Cause(CODE, f"in {which} the code was edited after the query had run")
    if any(s and t and s.parameters_digest != t.parameters_digest for s, t in pairs):
        yield Cause(PARAMETERS, "the query's parameters have other values")
    yield from _permission(_receipts(ours), _receipts(theirs))
    yield from _environment(ours, theirs)
    walls = [" and ".join(sorted({s.wall for s in stamps})) for stamps in (ours, theirs)]
    if walls[0] != walls[1]:
        yield Cause(WALL, f"the wall was {walls[0]}, then {walls[1]}")


def _status(pairs: Sequence[tuple[Stamp | None, Stamp | None]]) -> Iterable[Cause]:
    for s, t in pairs:
        if s and t and (s.status, s.error) != (t.status, t.error):
            yield Cause(STATUS, f"the query was {_ended(s)} in A and {_ended(t)} in B")
            return


def _ended(stamp: Stamp) -> str:
    return f"{stamp.status} ({stamp.error})" if stamp.error else stamp.status


def _code(one: StampedCell, two: StampedCell) -> Cause:
    lines = [
        line
        for line in difflib.unified_diff(
            one.source.splitlines(), two.source.splitlines(), n=0, lineterm=""
        )
        if not line.startswith(("---", "+++", "@@"))
    ]
    if lines:
        return Cause(CODE, "the query was edited", lines=tuple(lines))
    if len(one.stamps) != len(two.stamps):
        return Cause(CODE, f"{len(one.stamps)} queries ran in A, {len(two.stamps)} in B")
    return Cause(CODE, "another query ran, though the cells read alike")


Receipts = dict[str, list[Receipt]]


def _receipts(stamps: Iterable[Stamp]) -> Receipts:
    found: Receipts = {}
    for stamp in stamps:
        for receipt in stamp.receipts:
            found.setdefault(receipt.asset, []).append(receipt)
    return found


def _data(ours: Receipts, theirs: Receipts) -> Iterable[Cause]:
    clauses, snapshots = [], {}
    for asset in sorted(ours.keys() | theirs.keys()):
        was, now = (
            tuple(sorted({r.snapshot_id for r in side.get(asset, ())})) for side in (ours, theirs)
        )
        schemas = [{r.schema_id for r in side.get(asset, ())} for side in (ours, theirs)]
        if not was or not now:
            clauses.append(f"`{asset}` was read in {'B' if not was else 'A'} only")
        elif was != now:
            snapshots[asset] = (was, now)
            clauses.append(f"`{asset}` at snapshot {_listed(was)}, then {_listed(now)}")
        elif schemas[0] != schemas[1]:
            clauses.append(f"the columns of `{asset}` were changed")
    if clauses:
        yield Cause(DATA, "; ".join(clauses), snapshots)


def _permission(ours: Receipts, theirs: Receipts) -> Iterable[Cause]:
    clauses: dict[str, None] = {}
    for asset in sorted(ours.keys() & theirs.keys()):
        for name, told in (
            ("principal", "`{was}` asked, then `{now}`"),
            ("purpose", "for purpose `{was}`, then `{now}`"),
            ("epoch", "policy or consent changed (epoch {was}, then {now})"),
            ("decision_id", "another decision on `{asset}` ({was}, then {now})"),
        ):
            was, now = ({getattr(r, name) for r in side[asset]} for side in (ours, theirs))
            if was != now:
                short = 12 if name == "decision_id" else 10_000
                texts = [", ".join(str(v)[:short] for v in sorted(s)) for s in (was, now)]
                clauses[told.format(was=texts[0], now=texts[1], asset=asset)] = None
        masked = [{c for r in side[asset] for c in r.masked} for side in (ours, theirs)]
        filtered = [any(r.filtered for r in side[asset]) for side in (ours, theirs)]
        # SECURITY: how many rows a filter hides is nowhere in a stamp and is not asked for.
        for columns, word in ((masked[1] - masked[0], "now"), (masked[0] - masked[1], "no longer")):
            if columns:
                clauses[f"{word} masked in `{asset}`: {_listed(sorted(columns))}"] = None
        if filtered[0] != filtered[1]:
            clauses[f"rows of `{asset}` are {'now' if filtered[1] else 'no longer'} filtered"] = (
                None
            )
    if clauses:
        yield Cause(PERMISSION, "; ".join(clauses))


def _environment(ours: Sequence[Stamp], theirs: Sequence[Stamp]) -> Iterable[Cause]:
    was, now = ({k: v for s in stamps for k, v in s.versions.items()} for stamps in (ours, theirs))
    clauses = [
        f"{name} {was.get(name, '(none)')}, then {now.get(name, '(none)')}"
        for name in sorted(was.keys() | now.keys())
        if was.get(name) != now.get(name)
    ]
    if clauses:
        yield Cause(ENVIRONMENT, "; ".join(clauses))


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(str(v) for v in values)
