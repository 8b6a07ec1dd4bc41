"""Governed scans: decide, plan, record, then stream under a decision that must stay true.

Runs in the gateway. Trusts nothing in a request; the order here is the security of the product:
purpose -> discover -> select -> columns -> predicate types -> plan -> audit record -> ticket.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import pyarrow as pa

from jupyter_govdata.catalog import Catalog
from jupyter_govdata.config import Limits
from jupyter_govdata.errors import (
    BusyError,
    ColumnNotFoundError,
    LimitError,
    ProtocolError,
)
from jupyter_govdata.gateway.access import Access, utc_now
from jupyter_govdata.gateway.binding import BoundDecision, bind, field_ids
from jupyter_govdata.gateway.consents import ConsentView
from jupyter_govdata.gateway.guard import Guard
from jupyter_govdata.gateway.health import Metrics
from jupyter_govdata.gateway.signing import Signer
from jupyter_govdata.gateway.watch import Watch
from jupyter_govdata.ledger import Ledger, Pending
from jupyter_govdata.model.decision import Decision
from jupyter_govdata.model.plan import Plan
from jupyter_govdata.model.predicate import TRUE, all_of, columns_of
from jupyter_govdata.model.scan import FlatScan, ScanRequest, flatten
from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.model.wire import canonical_json, fragment_to_wire
from jupyter_govdata.storage import (
    check_predicate,
    columns_read,
    open_scan,
    shown_schema,
    split_predicate,
    summary_schema,
)
from jupyter_govdata.storage.even import even

PART_ROWS = 500_000
"""Rows from which a scan is worth splitting into parallel parts."""
TICKET_SECONDS = 120
PENDING_SCANS = 10_000
WATCHED_ROWS = 1_000_000
"""Planned rows from which the engine may work for long without giving a batch."""


def _nobody_leaves() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class PreparedScan:
    """A scan that was decided, planned and recorded, waiting to be streamed.

    Args:
        columns: What is shown; of an aggregation what it reads.
        schema: What the client receives.
        recorded: The audit record; nothing may leave before it is durable.
        parts: How many tickets there are; each is redeemed once.
        expires: UTC.
    """

    scan_id: str
    principal: str
    flat: FlatScan
    decision: Decision
    bound: BoundDecision
    version: Mapping[int, str]
    plan: Plan
    columns: tuple[str, ...]
    schema: pa.Schema
    receipt: Receipt
    recorded: Pending
    consents: ConsentView
    parts: int
    expires: dt.datetime


class Scans:
    """Prepares governed scans and streams them."""

    def __init__(
        self,
        *,
        access: Access,
        catalog: Catalog,
        ledger: Ledger,
        signer: Signer,
        pseudonym_key: bytes,
        limits: Limits,
        metrics: Metrics,
        threads: int,
    ) -> None:
        self._access = access
        self._catalog = catalog
        self._ledger = ledger
        self._signer = signer
        self._pseudonym_key = pseudonym_key
        self._limits = limits
        self._metrics = metrics
        self._threads = threads
        self._pending: dict[tuple[str, int], PreparedScan] = {}
        self._active: dict[str, int] = {}
        self._lock = threading.Lock()

    # -- prepare -----------------------------------------------------------------------------

    def prepare(self, principal: str, request: ScanRequest) -> PreparedScan:
        """Decide, plan and record a scan whose parts are redeemed later.

        Raises:
            RefusalError: Not visible, not permitted, no or unknown purpose, over a limit.
            ColumnNotFoundError: A column that does not exist or is hidden: one answer.
            QueryError: A predicate constant that does not fit its column.
            SnapshotNotFoundError: No such version.
            StorageError: The audit record could not be made durable.
        """
        prepared = self.begin(principal, request)
        # INVARIANT 4: the record is durable before a ticket exists, so before the first byte.
        prepared.recorded.wait()
        self.keep(prepared, 0)
        return prepared

    def begin(self, principal: str, request: ScanRequest) -> PreparedScan:
        """Decide and plan a scan; its audit record waits to be committed.

        INVARIANT 4: the caller waits for `PreparedScan.recorded` before anything leaves. One that
        reads meanwhile starts it first.

        Raises:
            GovDataError: As `prepare`.
        """
        flat = flatten(request.fragment)
        with self._metrics.decision_timer():
            state, purpose, decision = self._access.select(principal, flat.asset, request.purpose)
        version = self._catalog.resolve(flat.asset, flat.at)
        names = field_ids(version.schema)
        bound = bind(decision, state.assets[flat.asset], names)
        columns = flat.columns if flat.columns is not None else bound.visible
        require_visible(flat, columns, bound)
        visible = visible_schema(version.schema, bound)
        if flat.summary is None:
            schema = pa.schema([visible.field(name) for name in columns])
        else:
            schema = summary_schema(flat.summary, columns, visible)
        check_predicate(flat.predicate, visible)
        # SECURITY: files are chosen by raw values, so by no condition on a masked column.
        raw, _ = split_predicate(flat.predicate, bound.masks)
        plan = self._catalog.plan(version, all_of(bound.row_filter, raw))
        fragment = hashlib.sha256(canonical_json(fragment_to_wire(request.fragment))).hexdigest()
        consents = ConsentView(self._ledger)
        consents.load(bound)
        receipt = self._signer.sign_receipt(
            Receipt(
                asset=flat.asset,
                snapshot_id=version.snapshot_id,
                schema_id=version.schema_id,
                epoch=state.epoch,
                principal=principal,
                purpose=purpose,
                decision_id=decision.decision_id,
                fragment_digest=fragment,
                filtered=bound.row_filter != TRUE,
                masked=tuple(sorted(set(bound.masks) & set(bound.visible))),
            )
        )
        recorded = self._access.record(
            principal,
            "select",
            flat.asset,
            decision,
            snapshot_id=version.snapshot_id,
            detail={"columns": list(columns)[:200], "fragment": fragment},
        )
        return PreparedScan(
            scan_id=secrets.token_hex(16),
            principal=principal,
            flat=flat,
            decision=decision,
            bound=bound,
            version=names,
            plan=plan,
            columns=columns,
            schema=schema,
            receipt=receipt,
            recorded=recorded,
            consents=consents,
            parts=self._parts(flat, plan, filtered=bound.row_filter != TRUE),
            expires=utc_now() + dt.timedelta(seconds=TICKET_SECONDS),
        )

    def tag(self, prepared: PreparedScan) -> str:
        """Return the tag of a scan's answer: equal rows for equal tags; empty if time decides.

        Like an entity tag of HTTP. It depends on all that the rows depend on: the receipt names
        snapshot, schema, epoch (so policies and consents), decision and fragment; the lake's
        pseudonym key is the one thing that it does not name.
        """
        if prepared.decision.now_dependent:
            return ""
        told = f"scan-tag-v1:{prepared.receipt.signature}".encode()
        return hmac.digest(self._pseudonym_key, told, "sha256").hex()

    def _parts(self, flat: FlatScan, plan: Plan, *, filtered: bool) -> int:
        # SECURITY: parts are made of planned rows, so under a row filter they would count (T31).
        if filtered or flat.limit is not None or flat.summary is not None:
            return 1
        return max(1, min(self._threads, len(plan.files), plan.rows // PART_ROWS))

    def keep(self, prepared: PreparedScan, first: int) -> None:
        """Let the parts from `first` on be redeemed, once each.

        Raises:
            BusyError: Too many scans wait to be read.
        """
        now = utc_now()
        with self._lock:
            if len(self._pending) >= PENDING_SCANS // 2:
                for key in [k for k, p in self._pending.items() if p.expires <= now]:
                    del self._pending[key]
            if len(self._pending) + prepared.parts - first > PENDING_SCANS:
                raise BusyError("the gateway holds too many unread scans", hint="try again")
            for part in range(first, prepared.parts):
                self._pending[prepared.scan_id, part] = prepared

    # -- stream ------------------------------------------------------------------------------

    def redeem(self, principal: str, scan_id: str, part: int) -> PreparedScan:
        """Take a prepared scan's part; it cannot be taken again.

        Raises:
            ProtocolError: Unknown, expired or used, or another principal's: one answer.
        """
        with self._lock:
            prepared = self._pending.get((scan_id, part))
            if prepared is None or prepared.principal != principal or prepared.expires <= utc_now():
                raise ProtocolError("the ticket is unknown, used or expired", hint="scan again")
            del self._pending[scan_id, part]
        return prepared

    def stream(
        self, prepared: PreparedScan, part: int, is_gone: Callable[[], bool] = _nobody_leaves
    ) -> Generator[pa.RecordBatch, None, None]:
        """Yield the part's batches while the decision stays true.

        Args:
            prepared: The scan.
            part: Number of the part.
            is_gone: Whether the reader has left; asked in another thread while the engine works
                on a large scan.

        Raises:
            StaleDecisionError: Policy or consent changed what may be seen.
            BusyError: Too many streams of this principal.
            LimitError: The scan takes too long.
            StorageError: A data file cannot be read.
        """
        with self._slot(prepared.principal):
            yield from self._governed(prepared, part, is_gone)

    def _governed(
        self, prepared: PreparedScan, part: int, is_gone: Callable[[], bool]
    ) -> Iterator[pa.RecordBatch]:
        guard = Guard(
            self._access,
            self._ledger,
            prepared.principal,
            prepared.flat.asset,
            prepared.decision,
            prepared.bound,
            prepared.version,
            prepared.consents,
            prepared.receipt.epoch,
        )
        guard.check()
        deadline = utc_now() + dt.timedelta(seconds=self._limits.scan_seconds)
        summary = prepared.flat.summary
        reader = open_scan(
            prepared.plan,
            columns=prepared.columns,
            row_filter=prepared.bound.row_filter,
            masks=prepared.bound.masks,
            predicate=prepared.flat.predicate,
            limit=prepared.flat.limit,
            consents=prepared.consents,
            pseudonym_key=self._pseudonym_key,
            purpose=prepared.decision.purpose,
            domains=prepared.bound.domains,
            part=(part, prepared.parts),
            # SECURITY: what one principal's aggregate takes, the scans of others keep.
            memory_limit=self._limits.memory if summary is None else self._limits.summary_memory,
            threads=self._threads,
            filesystem=self._catalog.filesystem(),
            summary=summary,
        )
        watch = Watch(lambda: is_gone() or utc_now() > deadline, reader.cancel)
        try:
            with watch if prepared.plan.rows > WATCHED_ROWS else nullcontext():
                for batch in even(reader) if prepared.receipt.filtered else reader:
                    guard.check()
                    if utc_now() > deadline:
                        raise LimitError("too late")
                    self._metrics.streamed(batch.num_rows, batch.nbytes)
                    yield batch
            guard.check()
        except LimitError as error:
            if utc_now() <= deadline:
                raise
            raise LimitError(
                f"the scan took longer than {self._limits.scan_seconds} s",
                hint="ask for fewer rows or columns",
            ) from error
        finally:
            reader.close()

    @contextmanager
    def _slot(self, principal: str) -> Iterator[None]:
        with self._lock:
            active = self._active.get(principal, 0)
            if active >= self._limits.streams_per_principal:
                raise BusyError(
                    f"you stream {active} scans already",
                    hint="wait until one ends, or stop one",
                )
            self._active[principal] = active + 1
        try:
            with self._metrics.active_stream():
                yield
        finally:
            with self._lock:
                self._active[principal] -= 1
                if not self._active[principal]:
                    del self._active[principal]


def require_visible(flat: FlatScan, columns: tuple[str, ...], bound: BoundDecision) -> None:
    """Refuse columns, read or compared, that the asset does not show.

    Raises:
        ColumnNotFoundError: One that does not exist or is hidden: one answer.
    """
    visible = set(bound.visible)
    read = columns if flat.summary is None else columns_read(flat.summary, columns)
    for name in (*read, *sorted(columns_of(flat.predicate))):
        if name not in visible:
            # SECURITY: a hidden column and a missing one get the same answer (invariant 5).
            raise ColumnNotFoundError(
                f"`{flat.asset}` shows you no column `{name[:200]}`",
                hint=f"see its columns with `%govdata describe {flat.asset}`",
                detail={"asset": flat.asset, "column": name[:200]},
            )


def visible_schema(schema: pa.Schema, bound: BoundDecision) -> pa.Schema:
    """Return the schema of a version as a decision shows it."""
    shown = shown_schema(schema, bound.masks)
    return pa.schema([shown.field(name) for name in bound.visible])
