"""Commands about what a notebook read: stamp, pins, hold, release. Runs on the user's side."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jupyter_govdata.cli.options import add_session_options, open_session
from jupyter_govdata.errors import ConfigError, GovDataError, StorageError
from jupyter_govdata.model.asset import Snapshot
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.session import Session
from jupyter_govdata.session.holding import end_of
from jupyter_govdata.stamps.folding import fold_stamps, stamped_cells
from jupyter_govdata.stamps.pinning import pins_of
from jupyter_govdata.stamps.reading import read_notebook

NO_STAMPS = 3


def add_commands(commands: Any) -> None:
    """Add the commands of this module."""
    command = commands.add_parser("stamp", help="fold the stamps of a notebook into its metadata")
    command.add_argument("notebook", type=Path, nargs="+", metavar="NB")
    command.add_argument(
        "--check", action="store_true", help="change nothing; status 1 if it would"
    )
    command.set_defaults(run=_stamp)

    command = commands.add_parser("pins", help="show which snapshots a notebook read")
    command.add_argument("notebook", type=Path, metavar="NB")
    command.add_argument("--json", action="store_true", help="print a pin file (GOVDATA_PINS)")
    command.add_argument("--offline", action="store_true", help="open no session")
    command.add_argument("--hold", metavar="TIME", help="hold each of them: 90d, 6m, 5y")
    command.add_argument("--name", metavar="NAME", help="of the hold")
    add_session_options(command)
    command.set_defaults(run=_pins)

    command = commands.add_parser("hold", help="keep a snapshot from expiring")
    command.add_argument("asset", metavar="ASSET")
    command.add_argument("snapshot", type=int, metavar="SNAPSHOT")
    command.add_argument("--until", required=True, metavar="TIME", help="90d, 6m, 5y or a moment")
    command.add_argument("--name", required=True, metavar="NAME")
    add_session_options(command)
    command.set_defaults(run=_hold)

    command = commands.add_parser("release", help="let go of what is held under a name")
    command.add_argument("name", metavar="NAME")
    command.add_argument("--asset", metavar="ASSET", help="of this asset only")
    command.add_argument("--of", dest="holder", metavar="USER", help="somebody else's (`manage`)")
    command.add_argument("--json", action="store_true", help="print JSON")
    add_session_options(command)
    command.set_defaults(run=_release)


# -- stamp -------------------------------------------------------------------------------------


def _stamp(options: argparse.Namespace) -> int:
    would = 0
    for path in options.notebook:
        malformed = stamped_cells(read_notebook(path))
        nb = _whole(path)
        changed = fold_stamps(nb)
        if changed and not options.check:
            _write(path, nb)
        would += changed
        count = sum(bool(cell.stamps) for cell in stamped_cells(nb))
        done = "would change" if options.check else "folded"
        print(f"{path}: {count} stamped cells, {done if changed else 'nothing to do'}")
        for cell in malformed:
            for problem in cell.problems:
                print(f"  cell `{cell.name}`: {problem}", file=sys.stderr)
    return 1 if options.check and would else 0


def _whole(path: Path) -> dict[str, Any]:
    try:
        nb: dict[str, Any] = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as exc:
        raise ConfigError(f"`{path}` is not a notebook of format 4") from exc
    return nb


def _write(path: Path, nb: Mapping[str, Any]) -> None:
    """Replace the file in one step, as Jupyter formats it; a link stays a link."""
    target = Path(os.path.realpath(path))
    fresh = ""
    try:
        descriptor, fresh = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            json.dump(nb, out, ensure_ascii=False, indent=1)
            out.write("\n")
            os.fchmod(out.fileno(), stat.S_IMODE(target.stat().st_mode))
            os.fsync(out.fileno())
        Path(fresh).replace(target)
    except (OSError, UnicodeEncodeError) as exc:
        if fresh:
            with suppress(OSError):
                Path(fresh).unlink()
        said = getattr(exc, "strerror", None) or "its text cannot be written"
        raise StorageError(f"`{path}` cannot be written: {said}") from exc


# -- pins --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PinnedAsset:
    """A pinned snapshot beside what the lake has now.

    Args:
        asset: Asset name.
        snapshot_id: What was read.
        cells: Cells that read it, where they differ from the notebook; empty for all.
        made: When it was committed, or None.
        newer: Snapshots committed after it.
        rows: Rows added and removed since, or None where the policy does not tell.
        kept: Why it is kept: see `Session.lifetimes`; or ``expired``, or ``refused``.
        until: Until when, if there is a moment.
        said: What was refused.
    """

    asset: str
    snapshot_id: int
    cells: tuple[str, ...] = ()
    made: dt.datetime | None = None
    newer: int = 0
    rows: tuple[int, int] | None = None
    kept: str = ""
    until: dt.datetime | None = None
    said: str = ""


def _pins(options: argparse.Namespace) -> int:
    pins = pins_of(read_notebook(options.notebook))
    if bool(options.hold) != bool(options.name):
        raise ConfigError("`--hold` and `--name` go together", hint="--hold 5y --name paper-2026")
    if not pins:
        print(f"`{options.notebook}` has no stamps: nothing says what it read", file=sys.stderr)
        return NO_STAMPS
    if options.offline:
        found = [PinnedAsset(a, s, cells) for a, s, cells in _pairs(pins)]
        return _print_pins(options, pins, found)
    with open_session(options) as session:
        refused = _hold_all(session, pins, options) if options.hold else 0
        found = list(_beside(session, pins))
    return _print_pins(options, pins, found) or (1 if refused else 0)


def _hold_all(session: Session, pins: Pins, options: argparse.Namespace) -> int:
    """Hold every pinned snapshot; say what is refused and return how many were."""
    end_of(options.hold, dt.datetime.now(dt.UTC))
    refused = 0
    for asset, snapshot_id, _ in _pairs(pins):
        if not snapshot_id:
            continue  # an asset without data has nothing to hold
        try:
            session.hold(asset, snapshot_id, name=options.name, until=options.hold)
        except GovDataError as error:
            refused += 1
            print(f"not held: {error.message}", file=sys.stderr)
    return refused


def _pairs(pins: Pins) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    for asset, snapshot_id in sorted(pins.assets.items()):
        yield asset, snapshot_id, ()
        others: dict[int, list[str]] = {}
        for cell, own in pins.cells.items():
            if asset in own:
                others.setdefault(own[asset], []).append(cell)
        for other, cells in others.items():
            yield asset, other, tuple(cells)


def _beside(session: Session, pins: Pins) -> Iterator[PinnedAsset]:
    known: dict[str, Any] = {}
    for asset, snapshot_id, cells in _pairs(pins):
        if asset not in known:
            try:
                known[asset] = session.catalog.versions(asset), session.lifetimes(asset)
            except GovDataError as error:
                known[asset] = error
        found = known[asset]
        if isinstance(found, GovDataError):
            said = found.message
            yield PinnedAsset(asset, snapshot_id, cells, kept="refused", said=said)
        else:
            yield _compared(asset, snapshot_id, cells, *found)


def _compared(
    asset: str, snapshot_id: int, cells: tuple[str, ...], versions: list[Snapshot], lives: Any
) -> PinnedAsset:
    own = next((v for v in versions if v.snapshot_id == snapshot_id), None)
    if own is None and snapshot_id:
        return PinnedAsset(asset, snapshot_id, cells, newer=len(versions), kept="expired")
    made = own.committed_at if own else None
    # Newest first, so what stands before it came after it.
    newer = versions[: versions.index(own)] if own else versions
    counts = [(v.added_rows, v.removed_rows) for v in newer]
    rows = None
    if all(added is not None and removed is not None for added, removed in counts):
        rows = sum(a or 0 for a, _ in counts), sum(r or 0 for _, r in counts)
    life = lives.get(snapshot_id)
    kept, until = (life.why, life.until) if life else ("open", None)
    return PinnedAsset(asset, snapshot_id, cells, made, len(newer), rows, kept, until)


_KEPT = {
    "newest": "while it is the newest",
    "tagged": "while it is tagged",
    "held": "held until {until}",
    "retention": "until {until}",
    "open": "until somebody expires it",
    "expired": "expired: not replayable",
}


def _print_pins(options: argparse.Namespace, pins: Pins, found: list[PinnedAsset]) -> int:
    if options.json:
        print(json.dumps({**pins.to_wire(), "snapshots": [_told(p) for p in found]}, indent=2))
        return 0
    table = Table(box=None, header_style="bold")
    for heading in ("asset", "pinned snapshot", "made", "newer", "kept"):
        # A snapshot's id is copied from here: it is never cut.
        table.add_column(heading, overflow="fold", no_wrap=heading == "pinned snapshot")
    for pin in found:
        name = f"{pin.asset} ({', '.join(pin.cells)})" if pin.cells else pin.asset
        until = f"{pin.until:%Y-%m-%d}" if pin.until else ""
        kept = pin.said or _KEPT.get(pin.kept, "").format(until=until)
        style = "red" if pin.kept in ("expired", "refused") else ""
        made = f"{pin.made:%Y-%m-%d %H:%M:%S} UTC" if pin.made else ""
        table.add_row(
            Text(name), Text(str(pin.snapshot_id)), made, Text(_newer(pin)), Text(kept, style=style)
        )
    Console(soft_wrap=not sys.stdout.isatty()).print(table)
    return 0


def _newer(pin: PinnedAsset) -> str:
    if not pin.newer:
        return ""
    text = f"{pin.newer} snapshot{'s' if pin.newer > 1 else ''}"
    if pin.rows is not None:
        added, removed = pin.rows
        text += f", +{added:,} rows" + (f", -{removed:,}" if removed else "")
    return text


def _told(pin: PinnedAsset) -> dict[str, Any]:
    return {
        "asset": pin.asset,
        "snapshot_id": str(pin.snapshot_id),
        "cells": list(pin.cells),
        "made": pin.made.isoformat() if pin.made else None,
        "newer": pin.newer,
        "rows_added": pin.rows[0] if pin.rows else None,
        "rows_removed": pin.rows[1] if pin.rows else None,
        "kept": pin.kept,
        "until": pin.until.isoformat() if pin.until else None,
        "said": pin.said,
    }


# -- hold and release --------------------------------------------------------------------------


def _hold(options: argparse.Namespace) -> int:
    until: str | dt.datetime = options.until
    with suppress(ValueError):
        moment = dt.datetime.fromisoformat(options.until)
        until = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    with open_session(options) as session:
        held = session.hold(options.asset, options.snapshot, name=options.name, until=until)
    print(f"{held.asset} @ {held.snapshot_id} is held until {held.until:%Y-%m-%d %H:%M} UTC")
    return 0


def _release(options: argparse.Namespace) -> int:
    with open_session(options) as session:
        gone = session.release(options.name, asset=options.asset, holder=options.holder)
    if options.json:
        released = [{"asset": g.asset, "snapshot_id": str(g.snapshot_id)} for g in gone]
        print(json.dumps({"released": released}, indent=2))
    for held in [] if options.json else gone:
        print(f"{held.asset} @ {held.snapshot_id} is not held any more")
    if not gone:
        print(f"nothing that you may release is held as `{options.name}`", file=sys.stderr)
    return 0 if gone else 1
