"""Governed files: grants of rows of an inventory, and the bytes of the files that they name.

Runs in the gateway. Trusts nothing in a request: a file is named by grant and index, and every
read asks anew whether its row is still visible to this principal for this purpose.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc

from jupyter_govdata.errors import ProtocolError, StaleDecisionError
from jupyter_govdata.gateway.access import Access, utc_now
from jupyter_govdata.gateway.filing_check import Checks, withdrawn
from jupyter_govdata.gateway.filing_grants import GRANT_SECONDS, Basis, Grants, Held
from jupyter_govdata.gateway.filing_rows import (
    CHECKSUM,
    FORMAT,
    SIZE,
    URI,
    VERSION,
    Inventories,
    format_of,
    formats,
    name_of,
    shown,
)
from jupyter_govdata.gateway.filing_ways import Ways
from jupyter_govdata.model.files import (
    DATA_BYTES,
    MAX_SIGN,
    FileRead,
    FileSession,
    FilesGrant,
    FilesRequest,
    FileStat,
    SignedFile,
)
from jupyter_govdata.model.scan import At
from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.storage.places import Expected, OpenFile, Span
from jupyter_govdata.storage.stores import Stores

DATA = pa.schema([("data", pa.binary())])
ROWS = 65_536


class Filing:
    """Grants files and opens them."""

    def __init__(
        self,
        access: Access,
        checks: Checks,
        inventories: Inventories,
        grants: Grants,
        stores: Stores,
        streams: int,
    ) -> None:
        self._access = access
        self._checks = checks
        self._inventories = inventories
        self._grants = grants
        self._stores = stores
        self._streams = streams
        self._ways = Ways(stores)

    # -- granting ----------------------------------------------------------------------------

    def grant(self, principal: str, request: FilesRequest) -> FilesGrant:
        """Grant the files of the rows that a principal sees; recorded before it is answered.

        Raises:
            RefusalError: Not visible, not permitted, no or unknown purpose.
            ColumnNotFoundError: A condition on a column that is not shown.
            CatalogError: The asset is no inventory, or has no such version.
        """
        decided = self._access.select(principal, request.asset, request.purpose, "open")
        basis = self._checks.first(principal, request, decided)
        return self._given(principal, request, decided[1], basis, whole=False)

    def table_grant(self, principal: str, request: FilesRequest) -> FilesGrant:
        """Grant the data files of a table that the principal sees as it is stored.

        The grant is bound to the snapshot: what is loaded later is in none of its files.

        Raises:
            RefusalError: `select` is not permitted, or there is a filter, a mask, a hidden or a
                dropped column, or files that are not what a scan shows.
            StorageError: No storage of the lake serves the files.
        """
        decided = self._access.select(principal, request.asset, request.purpose)
        snapshot = self._checks.catalog.resolve(request.asset, request.at).snapshot_id
        request = FilesRequest(request.asset, purpose=decided[1], at=At(snapshot_id=snapshot))
        basis = self._checks.first_whole(principal, request, decided)
        for address in basis.rows.granted.column(URI).to_pylist()[:1]:
            self._stores.find(address, request.asset, tables=True)
        return self._given(principal, request, decided[1], basis, whole=True)

    def _given(
        self, principal: str, request: FilesRequest, purpose: str, basis: Basis, *, whole: bool
    ) -> FilesGrant:
        held = Held(
            name=secrets.token_hex(8),
            principal=principal,
            purpose=purpose,
            request=request,
            way=self._ways.choose(basis, whole=whole),
            expires=utc_now() + dt.timedelta(seconds=GRANT_SECONDS),
            basis=basis,
            whole=whole,
        )
        told = self._told(held, self._grants.keep(held))
        # INVARIANT 4: the record is durable before anybody has the handle.
        self._record(held, basis, {"files": told.count, "way": held.way})
        return told

    def _told(self, held: Held, handle: str) -> FilesGrant:
        basis, table = held.basis, held.basis.rows.granted
        sizes = table.column(SIZE)
        return FilesGrant(
            grant=handle,
            asset=held.request.asset,
            count=table.num_rows,
            bytes=None if sizes.null_count else int(pc.sum(sizes, min_count=0).as_py()),
            formats=formats(table),
            epoch=basis.decision.epoch,
            snapshot_id=basis.snapshot_id,
            way=held.way,
            expires_at=held.expires,
            decision_id=basis.decision.decision_id,
            receipt=basis.receipt,
            filtered=basis.receipt.filtered,
        )

    def _record(self, held: Held, basis: Basis, detail: dict[str, object]) -> None:
        self._access.record(
            held.principal,
            "open",
            held.request.asset,
            basis.decision,
            snapshot_id=basis.snapshot_id,
            detail={"grant": held.name, **detail},
        ).wait()

    def held(self, principal: str, handle: str) -> Held:
        """Return a grant.

        Raises:
            GrantError: Unknown, expired, or another principal's.
        """
        return self._grants.find(principal, handle)

    def note_manifest(self, held: Held, digest: str) -> None:
        """Record that a grant's files were signed as a manifest; durable on return."""
        self._record(held, held.basis, {"manifest": digest})

    # -- what is granted ---------------------------------------------------------------------

    def rows(
        self, principal: str, handle: str, offset: int, limit: int | None
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch], Receipt]:
        """Return the rows of a grant as they are shown now; withdrawn ones are left out.

        Raises:
            GrantError: Unknown, expired, or another principal's.
            RefusalError: The asset may not be opened any more.
        """
        held = self._grants.find(principal, handle)
        basis = self._checks.current(held)
        count = len(basis.rows)
        end = count if limit is None else min(count, offset + limit)
        basis = self._checks.sure(held, range(min(offset, end), end))

        def part(first: int, rows: int) -> pa.Table:
            piece = basis.rows.part(first, rows)
            asset, purpose = held.request.asset, held.purpose
            return shown(piece, first, self._inventories, asset, purpose, plain=basis.plain)

        def batches() -> Iterator[pa.RecordBatch]:
            for first in range(offset, end, ROWS):
                if self._checks.current(held) is not basis:
                    raise StaleDecisionError(
                        "the policy, a consent or the inventory changed while rows were read",
                        hint="ask for the rows again to get what is permitted now",
                    )
                yield from part(first, min(ROWS, end - first)).to_batches()

        return part(0, 0).schema, batches(), basis.receipt

    def stat(self, principal: str, handle: str, index: int) -> FileStat:
        """Describe a granted file as it is stored now.

        Raises:
            GrantError: Unknown, expired, or another principal's.
            RefusalError: The row is not visible any more.
            FileChangedError: The file was replaced.
            StorageError: It cannot be opened.
        """
        held = self._grants.find(principal, handle)
        with self._opened(held, index) as (file, basis):
            return self._stat(held, basis, index, file)

    def _stat(self, held: Held, basis: Basis, index: int, file: OpenFile) -> FileStat:
        row = basis.rows.part(index, 1)
        address, told = row.column(URI)[0].as_py(), row.column(FORMAT)[0].as_py()
        key = self._inventories.key(held.request.asset, address, held.purpose)
        return FileStat(
            index=index,
            name=name_of(address, key, plain=basis.plain),
            format=format_of(address, told),
            size=file.size,
            checksum=file.checksum,
            version=file.version,
            key=key,
        )

    # -- bytes through the gateway -----------------------------------------------------------

    def read(
        self, principal: str, read: FileRead
    ) -> Generator[FileStat | pa.RecordBatch, None, None]:
        """Yield what is known of a file, then its bytes; none leave after a withdrawal.

        Raises:
            GovDataError: As `stat`.
        """
        held, index = self._grants.find(principal, read.grant), read.index
        span = (read.offset, read.length)
        with (
            self._grants.stream(principal, self._streams),
            self._opened(held, index, span) as (file, basis),
        ):
            self._note(held, basis, index)
            yield self._stat(held, basis, index, file)
            for chunk in file.read(*span):
                # INVARIANT 3: the row is visible at the moment these bytes leave.
                self._row(held, index)
                for start in range(0, len(chunk), DATA_BYTES):
                    yield _batch(chunk[start : start + DATA_BYTES])

    @contextmanager
    def _opened(
        self, held: Held, index: int, span: Span | None = None
    ) -> Iterator[tuple[OpenFile, Basis]]:
        basis, row = self._row(held, index)
        address = row.column(URI)[0].as_py()
        store, key = self._stores.find(address, held.request.asset, tables=held.whole)
        file = store.open(
            key,
            Expected(
                row.column(SIZE)[0].as_py(),
                row.column(CHECKSUM)[0].as_py() or "",
                row.column(VERSION)[0].as_py() or "",
            ),
            span,
        )
        try:
            yield file, basis
        finally:
            file.close()

    def _row(self, held: Held, index: int) -> tuple[Basis, pa.Table]:
        """Return a row that is visible at this moment, and what that rests on."""
        if not 0 <= index < len(held.basis.rows):
            raise ProtocolError(f"the grant has no file {index}")
        basis = self._checks.sure(held, (index,))
        row = basis.rows.part(index, 1)
        if row.column(URI).null_count:
            raise withdrawn(index)
        return basis, row

    def _note(self, held: Held, basis: Basis, index: int) -> None:
        """Record the first opening of each file of a grant; durable on return."""
        if index in held.opened:
            return
        address = basis.rows.part(index, 1).column(URI)[0].as_py()
        # SECURITY: the chain is read by auditors; it names the file by digest, not by address.
        digest = hashlib.sha256(address.encode(errors="surrogatepass")).hexdigest()
        self._record(held, basis, {"index": index, "file": digest})
        held.opened.add(index)

    # -- bytes from the storage --------------------------------------------------------------

    def sign(
        self, principal: str, handle: str, indexes: list[int], method: str
    ) -> tuple[SignedFile, ...]:
        """Return short-lived addresses of single objects; recorded before they are answered.

        Raises:
            GrantError: Unknown, expired, or another principal's.
            RefusalError: A row is not visible any more, or the grant is not of the way `signed`.
        """
        if not 1 <= len(indexes) <= MAX_SIGN or method not in ("GET", "HEAD"):
            raise ProtocolError(f"1 to {MAX_SIGN} files are signed at a time, for GET or HEAD")
        held = self._grants.find(principal, handle)
        if not all(0 <= index < len(held.basis.rows) for index in indexes):
            raise ProtocolError("the grant has no such file")
        basis = self._checks.sure(held, indexes)
        rows = basis.rows.take(indexes).select([URI, CHECKSUM, VERSION])
        if rows.column(URI).null_count:
            raise withdrawn(indexes[rows.column(URI).is_null().to_pylist().index(True)])
        signed = self._ways.sign(held, basis, indexes, rows, method)
        self._record(held, basis, {"signed": _ranges(indexes), "method": method})
        return signed

    def session(self, principal: str, handle: str) -> FileSession:
        """Return credentials for exactly the granted files; recorded before they are answered.

        Raises:
            GrantError: Unknown, expired, or another principal's.
            RefusalError: Rows were withdrawn, or the grant is not of the way `session`.
        """
        held = self._grants.find(principal, handle)
        basis = self._checks.sure(held, range(len(held.basis.rows)))
        session = self._ways.session(held, basis)
        self._record(held, basis, {"session_until": session.expires_at.isoformat()})
        return session


def _batch(chunk: bytes) -> pa.RecordBatch:
    offsets = pa.array([0, len(chunk)], pa.int32()).buffers()[1]
    data = pa.Array.from_buffers(pa.binary(), 1, [None, offsets, pa.py_buffer(chunk)])
    return pa.RecordBatch.from_arrays([data], schema=DATA)


def _ranges(indexes: list[int]) -> str:
    """Return indexes as text, runs of them as ``first-last``.

    >>> _ranges([0, 1, 2, 7])
    '0-2,7'
    """
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
