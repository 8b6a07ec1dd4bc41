"""Grants of files that the gateway holds: bounded in number and memory. Runs in the gateway.

A grant is no capability that lives outside: its handle means something only here, to one
principal, and only as long as the policy says so. Grants end with the gateway; whoever still
needs one asks again and is decided anew.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from jupyter_govdata.errors import BusyError, GrantError, StorageError
from jupyter_govdata.gateway.access import utc_now
from jupyter_govdata.gateway.binding import BoundDecision
from jupyter_govdata.gateway.consents import ConsentView
from jupyter_govdata.gateway.filing_known import Rows
from jupyter_govdata.model.asset import Asset
from jupyter_govdata.model.decision import Decision
from jupyter_govdata.model.files import FilesRequest, Way
from jupyter_govdata.model.stamp import Receipt

GRANT_SECONDS = 3_600
GRANTS_PER_PRINCIPAL = 256
PREFIX = "rows-"
IN_MEMORY_BYTES = 4 << 20
"""Larger grants are kept in a file of the lake that is mapped, not read."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a grant was last decided on; it holds as long as all of this is still so.

    Args:
        card: Of the asset.
        decision: Permits.
        bound: The decision in the names of the version.
        consents: Of the moment.
        snapshot_id: Version of the inventory.
        second: Of the decision, for decisions that time changes.
        plain: Addresses are shown as they are stored.
        rows: The granted ones, as they are visible under all of this.
        receipt: Signed.
    """

    card: Asset
    decision: Decision
    bound: BoundDecision
    consents: ConsentView
    snapshot_id: int
    second: int
    plain: bool
    rows: Rows = field(repr=False)
    receipt: Receipt = field(repr=False)


@dataclass(slots=True, eq=False)
class Held:
    """A grant.

    Args:
        name: Stands for it in the audit chain; opens nothing.
        principal: Whom it was given to.
        purpose: What for.
        request: What was asked.
        way: How the bytes come.
        expires: UTC.
        whole: The files are the data files of a table that is seen as it is stored.
        basis: Replaced as a whole when the policy, the consents or the inventory changed.
    """

    name: str
    principal: str
    purpose: str
    request: FilesRequest
    way: Way
    expires: dt.datetime
    basis: Basis = field(repr=False)
    whole: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    opened: set[int] = field(default_factory=set, repr=False)


class Grants:
    """Keeps grants by handle."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for left in folder.glob(f"{PREFIX}*"):
            left.unlink()
        self._held: OrderedDict[bytes, Held] = OrderedDict()
        self._streams: dict[str, int] = {}
        self._lock = threading.Lock()

    def table(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> pa.Table:
        """Return the rows of a grant; many of them lie in a mapped file that has no name.

        Raises:
            StorageError: The lake folder cannot be written.
        """
        kept: list[pa.RecordBatch] = []
        size = 0
        for batch in batches:
            kept.append(batch)
            size += batch.nbytes
            if size > IN_MEMORY_BYTES:
                return self._mapped(schema, kept, batches)
        return pa.Table.from_batches(kept, schema)

    def _mapped(
        self, schema: pa.Schema, kept: list[pa.RecordBatch], batches: Iterator[pa.RecordBatch]
    ) -> pa.Table:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # SECURITY: the file holds addresses. Once mapped it has no name: nobody else opens
            # it, and it is gone with the gateway however that ends.
            with tempfile.NamedTemporaryFile(dir=self._folder, prefix=PREFIX) as file:
                self._write(file, schema, kept, batches)
                return pa.ipc.open_file(pa.memory_map(file.name)).read_all()
        except OSError as exc:
            raise StorageError("the rows of the grant cannot be kept in the lake folder") from exc

    @staticmethod
    def _write(
        file: Any,
        schema: pa.Schema,
        kept: list[pa.RecordBatch],
        batches: Iterator[pa.RecordBatch],
    ) -> None:
        with pa.ipc.new_file(file, schema) as out:
            while kept:
                out.write_batch(kept.pop(0))
            for batch in batches:
                out.write_batch(batch)
        file.flush()

    def keep(self, held: Held) -> str:
        """Hold a grant and return its handle.

        A principal's oldest grant goes when there are too many: asking again brings it back.
        """
        handle = secrets.token_urlsafe(32)
        with self._lock:
            now = utc_now()
            for key in [k for k, h in self._held.items() if h.expires <= now]:
                del self._held[key]
            own = [k for k, h in self._held.items() if h.principal == held.principal]
            for key in own[: len(own) - GRANTS_PER_PRINCIPAL + 1]:
                del self._held[key]
            self._held[_key(handle)] = held
        return handle

    def find(self, principal: str, handle: str) -> Held:
        """Return a grant.

        Raises:
            GrantError: Unknown, expired, or another principal's: one answer.
        """
        held = self._held.get(_key(handle))
        if held is None or held.principal != principal or held.expires <= utc_now():
            raise GrantError("the grant is unknown or expired", hint="ask for the files again")
        return held

    @contextmanager
    def stream(self, principal: str, most: int) -> Iterator[None]:
        """Count a stream of a principal while it runs.

        Raises:
            BusyError: `most` run already.
        """
        with self._lock:
            active = self._streams.get(principal, 0)
            if active >= most:
                raise BusyError(
                    f"you read {active} files already", hint="wait until one ends, or stop one"
                )
            self._streams[principal] = active + 1
        try:
            yield
        finally:
            with self._lock:
                self._streams[principal] -= 1
                if not self._streams[principal]:
                    del self._streams[principal]


def _key(handle: str) -> bytes:
    # SECURITY: looked up by digest, so that how long a look-up takes tells nothing of a handle.
    return hashlib.sha256(handle.encode(errors="surrogatepass")).digest()
