"""Builds and refreshes inventories: what lies in a storage becomes governed rows.

Runs in the gateway, where the storage's credentials are. Whoever may publish the asset may scan
the storages that serve it, and no other.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from jupyter_govdata.catalog import Catalog
from jupyter_govdata.config import Limits
from jupyter_govdata.errors import CatalogError
from jupyter_govdata.gateway.access import Access
from jupyter_govdata.gateway.loading import Loading, LoadRequest
from jupyter_govdata.ledger import Ledger
from jupyter_govdata.model.asset import Asset, FileColumns, asset_name
from jupyter_govdata.model.predicate import TRUE
from jupyter_govdata.storage import open_scan
from jupyter_govdata.storage.listing import Found, list_files
from jupyter_govdata.storage.stores import Stores

COLUMNS = FileColumns("uri", "bytes", "checksum", "version", "format")
SCHEMA = pa.schema(
    [
        ("uri", pa.string()),
        ("format", pa.string()),
        ("bytes", pa.int64()),
        ("checksum", pa.string()),
        ("version", pa.string()),
        ("problem", pa.string()),
    ]
)
PROGRESS = pa.schema([("files", pa.int64()), ("bytes", pa.int64()), ("unreadable", pa.int64())])
EVERY = 200
"""Files between two messages of progress, and between two writes of the journal."""
Rows = dict[str, dict[str, Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan of a storage came to.

    Args:
        asset: The inventory.
        snapshot_id: The new version, or None if nothing changed.
        added, changed, removed, unchanged: Files.
        unreadable: Address and reason of at most 100 files that cannot be read.
    """

    asset: str
    snapshot_id: int | None
    added: int
    changed: int
    removed: int
    unchanged: int
    unreadable: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Inventorying:
    """Scans storages into inventories."""

    access: Access
    catalog: Catalog
    ledger: Ledger
    loading: Loading
    stores: Stores
    run: Path
    limits: Limits

    def scan(
        self, principal: str, asset: str, address: str, purpose: str | None
    ) -> Generator[tuple[int, int, int] | Scanned, None, None]:
        """Yield files, bytes and unreadable files so far, and at last what it came to.

        A scan that was broken off goes on where it was: what it has read is not read again.

        Raises:
            RefusalError: `publish` is not permitted.
            CatalogError: The asset has no column for the addresses.
            StorageError: No storage that serves the asset has the address, or it fails.
        """
        name = asset_name(asset)
        self.access.require_publish(principal, name, purpose)
        store, below = self.stores.folder(address, name)
        card = self.ledger.state().cards.get(name)
        columns = card.files if card is not None and card.files is not None else COLUMNS
        before = self._rows(name, columns)
        found: dict[str, Found] = {}
        size = 0
        with closing(_Journal(self.run, name, address)) as journal:
            known = _Known(before, columns, journal.read())
            for one in list_files(store, below, known):
                found[one.uri] = one
                size += one.bytes or 0
                journal.add(one)
                if len(found) % EVERY == 0:
                    yield len(found), size, _unreadable(found)
            yield len(found), size, _unreadable(found)
            base = store.address(below).rstrip("/") + "/" if below else store.address("")
            scanned = self._write(principal, name, purpose, columns, before, found, base)
            journal.done()
        if card is None:
            self._card(principal, name)
        yield scanned

    def _rows(self, name: str, columns: FileColumns) -> Rows:
        """Return address -> row of the inventory as it is stored."""
        if not self.catalog.exists(name):
            return {}
        version = self.catalog.resolve(name)
        if columns.uri not in version.schema.names:
            raise CatalogError(
                f"`{name}` has no column `{columns.uri}` for addresses",
                hint="scan into a new asset, or name its columns in the card: `files`",
            )
        reader = open_scan(
            self.catalog.plan(version),
            columns=tuple(version.schema.names),
            row_filter=TRUE,
            masks={},
            predicate=TRUE,
            limit=None,
            consents=lambda _domain, _purpose: frozenset(),
            pseudonym_key=b"",
            purpose="",
            domains={},
            memory_limit=self.limits.memory,
            filesystem=self.catalog.filesystem(),
        )
        with closing(reader):
            rows = [row for batch in reader for row in batch.to_pylist()]
        return {row[columns.uri]: row for row in rows}

    def _write(
        self,
        principal: str,
        name: str,
        purpose: str | None,
        columns: FileColumns,
        before: Rows,
        found: Mapping[str, Found],
        base: str,
    ) -> Scanned:
        told = {uri: _row(one, columns) for uri, one in found.items()}
        added = [uri for uri in told if uri not in before]
        changed = [
            uri
            for uri, row in told.items()
            if uri in before and any(before[uri].get(k) != v for k, v in row.items())
        ]
        gone = [uri for uri in before if uri.startswith(base) and uri not in told]
        unreadable = tuple((u, f.problem) for u, f in found.items() if f.problem)[:100]
        counts = len(added), len(changed), len(gone), len(told) - len(added) - len(changed)
        if not (added or changed or gone) and before:
            return Scanned(name, None, *counts, unreadable)
        if before and not changed and not gone:
            rows, mode = [told[uri] for uri in added], "append"
        else:
            kept = {uri: row for uri, row in before.items() if uri not in set(gone)}
            merged = {uri: {**kept.get(uri, {}), **row} for uri, row in told.items()}
            rows, mode = list({**kept, **merged}.values()), "overwrite" if before else "create"
        exists = self.catalog.exists(name)
        schema = self.catalog.resolve(name).schema if exists else _schema(columns)
        data = pa.Table.from_pylist(rows, schema=schema)
        request = LoadRequest(
            asset=name,
            mode="overwrite" if mode == "create" and exists else mode,  # type: ignore[arg-type]
            purpose=purpose,
            provenance={"source": "inventory scan"},
        )
        snapshot = self.loading.load(principal, request, schema, iter(data.to_batches()), {})
        return Scanned(name, snapshot.snapshot_id, *counts, unreadable)

    def _card(self, principal: str, name: str) -> None:
        card: Asset = self.ledger.state().cards[name]
        if card.files is None:
            made = dataclasses.replace(card, kind="files", files=COLUMNS)
            self.ledger.put_card(made, principal)


def _schema(columns: FileColumns) -> pa.Schema:
    told = dataclasses.asdict(columns)
    names = {**{v: k for k, v in dataclasses.asdict(COLUMNS).items()}, "problem": "problem"}
    fields = [f.with_name(told.get(names[f.name], f.name) or f.name) for f in SCHEMA]
    return pa.schema(fields)


def _row(found: Found, columns: FileColumns) -> dict[str, Any]:
    facts = {
        columns.uri: found.uri,
        columns.format: found.format or None,
        columns.size: found.bytes,
        columns.checksum: found.checksum or None,
        columns.version: found.version or None,
    }
    row = {name: value for name, value in facts.items() if name}
    return row | ({"problem": found.problem or None} if columns == COLUMNS else {})


def _unreadable(found: Mapping[str, Found]) -> int:
    return sum(bool(one.problem) for one in found.values())


class _Known:
    """What needs no reading: it is in the inventory or the journal with the same version."""

    def __init__(self, before: Rows, columns: FileColumns, journal: Iterator[Found]) -> None:
        self._before, self._columns = before, columns
        self._journal = {one.uri: one for one in journal}

    def __call__(self, uri: str, version: str) -> Found | None:
        one = self._journal.get(uri)
        if one is not None and one.version == version and not one.problem:
            return one
        columns, row = self._columns, self._before.get(uri)
        if row is None or not columns.version or row.get(columns.version) != version:
            return None
        size, checksum = row.get(columns.size), row.get(columns.checksum)
        if size is None or not checksum:
            return None
        return Found(uri, row.get(columns.format) or "", size, checksum, version)


class _Journal:
    """What a scan has found so far, so that a broken one need not begin anew."""

    def __init__(self, folder: Path, asset: str, address: str) -> None:
        name = hashlib.sha256(f"{asset}\0{address}".encode(errors="replace")).hexdigest()[:16]
        self._path = folder / f"inventory-{name}.jsonl"
        self._waiting: list[str] = []

    def read(self) -> Iterator[Found]:
        """Yield what an earlier, broken scan found; a torn last line is left out."""
        with suppress(FileNotFoundError):
            for line in self._path.read_text(encoding="utf-8").splitlines():
                with suppress(ValueError, TypeError):
                    yield Found(**json.loads(line))

    def add(self, found: Found) -> None:
        """Note a file."""
        self._waiting.append(json.dumps(dataclasses.asdict(found)))
        if len(self._waiting) >= EVERY:
            self.close()

    def close(self) -> None:
        """Write what was noted."""
        if self._waiting:
            with self._path.open("a", encoding="utf-8") as out:
                out.write("".join(f"{line}\n" for line in self._waiting))
            self._waiting.clear()

    def done(self) -> None:
        """Forget it: the inventory has it now."""
        self._waiting.clear()
        self._path.unlink(missing_ok=True)
