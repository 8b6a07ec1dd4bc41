"""The one rule by which stamps are folded into a notebook's metadata, and read back.

Pure; runs in the kernel, in the Jupyter server and wherever notebooks are read. Outputs are the
source; what is folded is a copy that outlives them. `docs/reference/stamp.md` states the rule so
that other languages can follow it: a change here is a change there.

A notebook is untrusted text: what is malformed is named and never folded, and nothing here is
verified (`jupyter_govdata.stamps.verify`).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from jupyter_govdata.errors import StampError
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.model.stamp import STAMP_MIME, Stamp
from jupyter_govdata.stamps.bundle import METADATA_KEY, stamp_from_bundle

NAMESPACE = "jupyter_govdata"
"""Our key in the metadata of notebooks and cells."""

COPY_FORMAT = 1
CURRENT, KEPT, OUTDATED = "current", "kept", "outdated"

_OURS = ("v", "source", "stamps", "state")
_OURS_OF_NOTEBOOK = ("v", "pins", "purposes", "cells")
_CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEX = re.compile(r"[0-9a-f]{64}")
_STAMP_KEY = re.compile(r"application/vnd\.govdata\.stamp\.v[0-9]{1,4}\+json")


@dataclass(frozen=True, slots=True)
class StampedCell:
    """A code cell and the stamps that belong to it.

    Args:
        name: Its id, or ``#3`` (0-based place) where it has none of its own.
        place: 0-based place in the notebook.
        source: Its text.
        stamps: In the order of its outputs; not verified.
        state: ``current``: the outputs hold the stamps; ``kept``: only the folded copy does;
            ``outdated``: the code has changed since; empty: no stamps.
        problems: What is malformed, one sentence each.
    """

    name: str
    place: int
    source: str
    stamps: tuple[Stamp, ...]
    state: str
    problems: tuple[str, ...] = ()


def source_digest(source: str) -> str:
    """Return the SHA-256 (hex) of a cell's text, UTF-8; a lone surrogate counts as U+FFFD."""
    whole = source.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return hashlib.sha256(whole.encode()).hexdigest()


def fold_stamps(nb: MutableMapping[str, Any], before: Mapping[str, Any] | None = None) -> bool:
    """Fold the stamps of a notebook's outputs into its metadata, in place.

    Folding twice changes nothing, and so does folding what was folded before.

    Args:
        nb: A notebook of format 4, as `nbformat` or `json` reads it.
        before: The notebook that this one replaces: an editor that had it open before it was
            folded does not have its copies.

    Returns:
        True if anything was changed.
    """
    changed = False
    copies: dict[str, Any] = {}
    readings = {reading.place: reading for reading in _readings(nb, before)}
    for place, cell in enumerate(_items(nb.get("cells"))):
        if not isinstance(cell, MutableMapping):
            continue
        reading = readings.get(place)
        copy = reading.copy if reading else None
        changed |= _write(cell, _OURS, copy)
        if copy is not None and reading is not None and not reading.name.startswith("#"):
            copies[reading.name] = copy
    summary = None
    if any(reading.copy for reading in readings.values()):
        cells = [reading.read() for reading in readings.values()]
        purposes = {r.purpose for cell in cells for stamp in cell.stamps for r in stamp.receipts}
        summary = {
            "v": COPY_FORMAT,
            "pins": pins_of_cells(cells).to_wire(),
            "purposes": sorted(purposes),
            "cells": copies,
        }
    return _write(nb, _OURS_OF_NOTEBOOK, summary) or changed


def stamped_cells(nb: Mapping[str, Any]) -> list[StampedCell]:
    """Return every code cell of a notebook with its stamps: of the outputs, else the copy.

    Never raises: what is malformed is named in `StampedCell.problems`.
    """
    return [reading.read() for reading in _readings(nb)]


def pins_of_cells(cells: list[StampedCell]) -> Pins:
    """Return the snapshots that cells read without naming a version.

    Where cells disagree, the notebook's pin is what most of them read (the later one if as many
    did), and the others have pins of their own. Where the queries of one cell disagree, the last
    one counts.
    """
    read: dict[str, dict[str, int]] = {}
    for cell in cells:
        own = {asset: pin for stamp in cell.stamps for asset, pin in stamp.pins.items()}
        if own:
            read[cell.name] = own
    assets: dict[str, int] = {}
    for asset in sorted({name for own in read.values() for name in own}):
        seen = [own[asset] for own in read.values() if asset in own]
        counts = Counter(seen)
        assets[asset] = max(reversed(seen), key=lambda pin: counts[pin])
    others = {
        name: {asset: pin for asset, pin in own.items() if pin != assets[asset]}
        for name, own in read.items()
    }
    return Pins(assets, {name: own for name, own in others.items() if own})


# -- the rule ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the rule says of one code cell: the copy to fold, and what is malformed."""

    name: str
    place: int
    source: str
    copy: Mapping[str, Any] | None
    problems: tuple[str, ...]

    def read(self) -> StampedCell:
        stamps, problems = [], list(self.problems)
        for body in (self.copy or {}).get("stamps", ()):
            try:
                stamps.append(stamp_from_bundle({STAMP_MIME: body}))
            except StampError as error:
                problems.append(f"the folded copy: {error.message}")
        state = self.copy.get("state", CURRENT) if self.copy else ""
        return StampedCell(
            self.name, self.place, self.source, tuple(stamps), state, tuple(problems)
        )


def _readings(nb: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Iterator[_Reading]:
    cells = [_mapping(cell) for cell in _items(nb.get("cells"))]
    ids = Counter(_id(cell) for cell in cells)
    whole = _mapping(_namespace(nb).get("cells"))
    replaced = _copies(before or {})
    for place, cell in enumerate(cells):
        if cell.get("cell_type", "code") != "code":
            continue
        name = _id(cell)
        if not _CELL_ID.fullmatch(name) or ids[name] > 1:
            name = f"#{place}"
        yield _reading(name, place, cell, whole.get(name, replaced.get(name)))


def _copies(nb: Mapping[str, Any]) -> dict[str, Any]:
    """Return the copies in the cells of a notebook, by name."""
    return {r.name: r.copy for r in _readings(nb) if r.copy is not None} if nb else {}


def _reading(name: str, place: int, cell: Mapping[str, Any], of_notebook: Any) -> _Reading:
    source = _text(cell.get("source"))
    here = source_digest(source)
    stamps, ran, problems = _of_outputs(cell)
    own = _namespace(cell)
    prior: Mapping[str, Any] | None = own if "stamps" in own else None
    if prior is None and of_notebook is not None:
        prior = _mapping(of_notebook)
    if prior is not None and not _is_copy(prior):
        problems.append("the folded copy is malformed, or a newer version wrote it")
        prior = None
    if stamps:
        if not ran:
            ran = prior["source"] if prior and prior["stamps"] == stamps else here
        return _Reading(name, place, source, _copy(ran, stamps, CURRENT, here), tuple(problems))
    copy = None
    if prior is not None and (prior["source"] == here or not _has_run(cell)):
        copy = _copy(prior["source"], prior["stamps"], KEPT, here)
    return _Reading(name, place, source, copy, tuple(problems))


def _copy(ran: str, stamps: list[Any], state: str, here: str) -> dict[str, Any]:
    """Return a folded copy; the state is left out while the outputs hold the stamps."""
    made: dict[str, Any] = {"v": COPY_FORMAT, "source": ran, "stamps": stamps}
    if ran != here:
        state = OUTDATED
    return made if state == CURRENT else {**made, "state": state}


def _has_run(cell: Mapping[str, Any]) -> bool:
    """Return whether what stands in the cell was run, and left no stamp."""
    return cell.get("execution_count") is not None or bool(_items(cell.get("outputs")))


def _of_outputs(cell: Mapping[str, Any]) -> tuple[list[Any], str, list[str]]:
    """Return the well-formed stamps, the digest of the code that made them, and problems."""
    stamps, ran, problems = [], "", []
    for output in _items(cell.get("outputs")):
        data = _mapping(_mapping(output).get("data"))
        if not any(_STAMP_KEY.fullmatch(str(key)) for key in data):
            continue
        try:
            stamp_from_bundle(data)
        except StampError as error:
            problems.append(error.message)
            continue
        stamps.append(data[STAMP_MIME])
        told = _mapping(_mapping(_mapping(output).get("metadata")).get(METADATA_KEY))
        said = told.get("source")
        ran = said if isinstance(said, str) and _HEX.fullmatch(said) else ran
    return stamps, ran, problems


def _is_copy(copy: Mapping[str, Any]) -> bool:
    return (
        type(copy.get("v")) is int
        and copy["v"] == COPY_FORMAT
        and isinstance(copy.get("source"), str)
        and bool(_HEX.fullmatch(copy["source"]))
        and isinstance(copy.get("stamps"), list)
        and bool(copy["stamps"])
    )


# -- the notebook ------------------------------------------------------------------------------


def _write(
    holder: MutableMapping[str, Any], ours: tuple[str, ...], value: Mapping[str, Any] | None
) -> bool:
    """Put our keys into the namespace of a notebook or cell; leave the keys of others."""
    before = _namespace(holder)
    newer = before.get("v")
    if type(newer) is int and newer > COPY_FORMAT:
        return False
    rest = {key: before[key] for key in before if key not in ours}
    after = {**rest, **(value or {})}
    if dict(before) == after and (after or NAMESPACE not in _mapping(holder.get("metadata"))):
        return False
    if not isinstance(holder.get("metadata"), MutableMapping):
        holder["metadata"] = {}
    if after:
        holder["metadata"][NAMESPACE] = after
    else:
        del holder["metadata"][NAMESPACE]
    return True


def _namespace(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(_mapping(holder.get("metadata")).get(NAMESPACE))


def _id(cell: Mapping[str, Any]) -> str:
    found = cell.get("id")
    return found if isinstance(found, str) else ""


def _text(value: Any) -> str:
    """Return a multi-line string of the format, which may be a list of lines."""
    if isinstance(value, str):
        return value
    return "".join(line for line in _items(value) if isinstance(line, str))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
