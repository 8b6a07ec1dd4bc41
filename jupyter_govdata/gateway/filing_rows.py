"""Reads the governed rows of an inventory, with the stored addresses beside what may be shown.

Runs in the gateway. SECURITY: the columns named in `STORED` hold addresses and stay here; what a
client sees of them is made in `shown`.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.compute as pc

from jupyter_govdata.catalog import Catalog, Version
from jupyter_govdata.config import Limits
from jupyter_govdata.errors import CatalogError
from jupyter_govdata.gateway.binding import BoundDecision, field_ids
from jupyter_govdata.gateway.consents import ConsentView
from jupyter_govdata.gateway.scans import require_visible, visible_schema
from jupyter_govdata.model.asset import Asset
from jupyter_govdata.model.plan import Plan
from jupyter_govdata.model.predicate import TRUE, Predicate, all_of
from jupyter_govdata.model.scan import FlatScan
from jupyter_govdata.storage import check_predicate, open_scan, split_predicate

URI, SIZE, CHECKSUM, VERSION, FORMAT = (
    "\0uri",
    "\0size",
    "\0checksum",
    "\0version",
    "\0format",
)
STORED = {
    URI: pa.string(),
    SIZE: pa.int64(),
    CHECKSUM: pa.string(),
    VERSION: pa.string(),
    FORMAT: pa.string(),
}
FACTS = ("index", "name", "format", "size", "checksum", "version", "key")
_SUFFIX = re.compile(r"\.([A-Za-z0-9]{1,10})$")


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read of an inventory.

    Args:
        card: Today's.
        bound: A decision that permits, in the version's names.
        version: Of the inventory.
        predicate: The user's, on masked values.
        only: A further condition on stored values, of the gateway's own.
        consents: Of this moment.
        purpose: Declared.
    """

    card: Asset
    bound: BoundDecision
    version: Version
    consents: ConsentView
    purpose: str
    predicate: Predicate = TRUE
    only: Predicate = TRUE

    def columns(self) -> Mapping[str, str]:
        """Return stored column -> the version's column, for those that it has.

        Raises:
            CatalogError: The asset is no inventory, or the version lacks the addresses.
        """
        files = self.card.files
        if files is None:
            raise CatalogError(
                f"`{self.card.name}` is no inventory of files",
                hint="its card needs `kind: files` and `files: {uri: COLUMN}`",
            )
        names = field_ids(self.version.schema)
        version = {c.name: names[c.field_id] for c in self.card.columns if c.field_id in names}
        found = {f"\0{k}": version[c] for k, c in asdict(files).items() if c in version}
        if URI not in found:
            raise CatalogError(f"this version of `{self.card.name}` has no addresses of files")
        return found

    def is_plain(self) -> bool:
        """Return True if the addresses are shown as they are stored."""
        column = self.columns()[URI]
        return column in self.bound.visible and column not in self.bound.masks


class Inventories:
    """Reads rows of inventories."""

    def __init__(self, catalog: Catalog, pseudonym_key: bytes, limits: Limits) -> None:
        self._catalog = catalog
        self._key = pseudonym_key
        self._limits = limits
        self._threads = limits.threads or os.cpu_count() or 1

    def check(self, reading: Reading) -> None:
        """Refuse a user's condition that does not fit what is shown.

        Raises:
            ColumnNotFoundError: A column that does not exist or is hidden.
            QueryError: A constant that does not fit its column.
        """
        flat = FlatScan(reading.card.name, None, reading.predicate, None, None)
        require_visible(flat, (), reading.bound)
        check_predicate(reading.predicate, visible_schema(reading.version.schema, reading.bound))

    def schema(self, reading: Reading) -> pa.Schema:
        """Return the schema of `batches`: the visible columns, and those of `STORED`."""
        shown = visible_schema(reading.version.schema, reading.bound)
        return pa.schema([*shown, *STORED.items()])

    def batches(self, reading: Reading) -> Iterator[pa.RecordBatch]:
        """Yield the rows that have an address.

        Raises:
            StorageError: A file of the inventory's table cannot be read.
        """
        bound, stored = reading.bound, reading.columns()
        row_filter = all_of(bound.row_filter, reading.only)
        # SECURITY: files of the table are chosen by no condition on a masked column.
        raw, _ = split_predicate(reading.predicate, bound.masks)
        schema = self.schema(reading)
        reader = open_scan(
            self._catalog.plan(reading.version, all_of(row_filter, raw)),
            columns=bound.visible,
            row_filter=row_filter,
            masks=bound.masks,
            predicate=reading.predicate,
            limit=None,
            consents=reading.consents,
            pseudonym_key=self._key,
            purpose=reading.purpose,
            domains=bound.domains,
            memory_limit=self._limits.memory,
            threads=self._threads,
            filesystem=self._catalog.filesystem(),
            unmasked=stored,
        )
        try:
            for batch in reader:
                yield _whole(batch, schema)
        finally:
            reader.close()

    def key(self, asset: str, address: str, purpose: str) -> str:
        """Return what names a file in all grants of an asset under one purpose."""
        told = f"file-key-v1\0{asset}\0{purpose}\0{address}".encode(errors="surrogatepass")
        return hmac.digest(self._key, told, "sha256").hex()[:32]


def name_of(address: str, key: str, *, plain: bool) -> str:
    """Return what a client may call a file: its own name, or a pseudonym with its suffix."""
    last = address.rsplit("/", 1)[-1]
    if plain:
        return last
    found = _SUFFIX.search(last)
    return key[:16] + (f".{found[1].lower()}" if found else "")


def _whole(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch with all columns of the schema, without rows that have no address."""
    batch = batch.filter(pc.is_valid(batch.column(URI)))
    have = set(batch.schema.names)
    columns = []
    for field in schema:
        if field.name not in have:
            columns.append(pa.nulls(batch.num_rows, field.type))
            continue
        column = batch.column(field.name)
        try:
            columns.append(column if column.type == field.type else column.cast(field.type))
        except pa.ArrowInvalid as exc:
            told = field.name.removeprefix("\0")
            raise CatalogError(
                f"the column of `{told}` does not hold what the card says", hint="see its `files`"
            ) from exc
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def data_files(plan: Plan) -> pa.Table | None:
    """Return the files of a plan as rows of a grant; None if they do not hold what a scan shows:
    rows are deleted, or values are known that no file holds.
    """
    if any(file.has_deletes or file.constants for file in plan.files):
        return None
    return pa.table(
        {
            URI: pa.array([file.path for file in plan.files], pa.string()),
            SIZE: pa.array([file.size for file in plan.files], pa.int64()),
            CHECKSUM: pa.nulls(len(plan.files), pa.string()),
            VERSION: pa.nulls(len(plan.files), pa.string()),
            FORMAT: pa.array(["parquet"] * len(plan.files), pa.string()),
        }
    )


def format_of(address: str, told: str | None) -> str:
    """Return the format that the inventory tells, else the suffix in lower case."""
    if told:
        return told
    found = _SUFFIX.search(address)
    return found[1].lower() if found else ""


def formats(table: pa.Table) -> dict[str, int]:
    """Return format -> how many files have it, the most frequent first."""
    suffix = pc.struct_field(pc.extract_regex(table.column(URI), r"\.(?P<s>[A-Za-z0-9]{1,10})$"), 0)
    told = pc.fill_null(pc.coalesce(table.column(FORMAT), pc.utf8_lower(suffix)), "")
    counts = pc.value_counts(told).to_pylist()
    return {c["values"]: c["counts"] for c in sorted(counts, key=lambda c: -c["counts"])}


def shown(
    table: pa.Table,
    first: int,
    inventories: Inventories,
    asset: str,
    purpose: str,
    *,
    plain: bool,
) -> pa.Table:
    """Return rows of a grant as a client sees them; withdrawn ones are left out.

    Args:
        table: Rows, from `first` on.
        first: Index of the first row.
        inventories: Makes names.
        asset: Asset name.
        purpose: Declared.
        plain: Addresses are shown as they are.
    """
    index = pa.array(range(first, first + table.num_rows), pa.int64())
    table = table.append_column("\0index", index)
    table = table.filter(pc.is_valid(table.column(URI)))
    addresses = table.column(URI).to_pylist()
    told = table.column(FORMAT).to_pylist()
    keys = [inventories.key(asset, address, purpose) for address in addresses]
    names = [name_of(a, k, plain=plain) for a, k in zip(addresses, keys, strict=True)]
    checksum = pc.fill_null(table.column(CHECKSUM), "")
    facts = [
        table.column("\0index"),
        pa.array(names, pa.string()),
        pa.array([format_of(a, t) for a, t in zip(addresses, told, strict=True)], pa.string()),
        table.column(SIZE),
        checksum,
        pc.coalesce(table.column(VERSION), checksum),
        pa.array(keys, pa.string()),
    ]
    own = [name for name in table.column_names if not name.startswith("\0")]
    renamed = [f"row_{name}" if name in FACTS else name for name in own]
    return pa.table([*facts, *(table.column(n) for n in own)], names=[*FACTS, *renamed])
