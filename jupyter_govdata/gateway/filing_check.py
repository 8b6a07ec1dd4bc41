"""Keeps a grant of files honest: permission is current, read by read (invariant 3).

Runs in the gateway. A grant that was decided under another epoch, other consents or an older
inventory is decided again: rows that are visible no more are withdrawn, the others go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa

from jupyter_govdata.catalog import Catalog, Version
from jupyter_govdata.errors import AccessDeniedError
from jupyter_govdata.gateway.access import Access, utc_now
from jupyter_govdata.gateway.binding import bind, field_ids
from jupyter_govdata.gateway.consents import ConsentView
from jupyter_govdata.gateway.filing_grants import Basis, Grants, Held
from jupyter_govdata.gateway.filing_known import BLOCK, Match, Rows
from jupyter_govdata.gateway.filing_rows import (
    CHECKSUM,
    URI,
    VERSION,
    Inventories,
    Reading,
    data_files,
)
from jupyter_govdata.gateway.signing import Signer
from jupyter_govdata.gateway.state import PolicyState
from jupyter_govdata.ledger import Ledger
from jupyter_govdata.model.decision import Decision
from jupyter_govdata.model.files import FilesRequest
from jupyter_govdata.model.predicate import TRUE, In
from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.model.wire import canonical_json
from jupyter_govdata.model.wire_files import files_request_to_wire


@dataclass(frozen=True, slots=True)
class Checks:
    """Decides grants, first and again."""

    access: Access
    catalog: Catalog
    ledger: Ledger
    signer: Signer
    inventories: Inventories
    grants: Grants

    def first(
        self, principal: str, request: FilesRequest, decided: tuple[PolicyState, str, Decision]
    ) -> Basis:
        """Return what a new grant rests on.

        Raises:
            GovDataError: A condition that does not fit; a version or an inventory that is none.
        """
        state, purpose, decision = decided
        version = self.catalog.resolve(request.asset, request.at)
        reading = self._reading(state, purpose, decision, version)
        reading = replace(reading, predicate=request.predicate)
        reading.columns()
        self.inventories.check(reading)
        rows = self.grants.table(
            self.inventories.schema(reading), self.inventories.batches(reading)
        )
        return self._basis(request, reading, decision, Rows(rows), principal)

    def sure(self, held: Held, indexes: Iterable[int]) -> Basis:
        """Return what a grant rests on at this moment, with some of its rows looked up.

        Raises:
            GovDataError: As `current`; the inventory cannot be read.
        """
        basis = self.current(held)
        while not basis.rows.knows(indexes):
            basis.rows.look_up(indexes)
            # SECURITY: what changed while rows were looked up counts too.
            basis = self.current(held)
        return basis

    def current(self, held: Held) -> Basis:
        """Return what a grant rests on at this moment.

        Raises:
            RefusalError: The asset may not be opened any more.
            AuthenticationError: The principal is gone.
        """
        basis = held.basis
        if self._holds(held, basis):
            return basis
        with held.lock:
            if not self._holds(held, held.basis):
                held.basis = self._again(held)
            return held.basis

    def _holds(self, held: Held, basis: Basis) -> bool:
        if self.ledger.epoch() != basis.decision.epoch:
            return False
        if basis.decision.now_dependent and int(utc_now().timestamp()) != basis.second:
            return False
        version = self.catalog.resolve(held.request.asset, held.request.at)
        return version.snapshot_id == basis.snapshot_id

    def first_whole(
        self, principal: str, request: FilesRequest, decided: tuple[PolicyState, str, Decision]
    ) -> Basis:
        """Return what a grant of the data files of a table rests on.

        Raises:
            AccessDeniedError: The table is not seen as it is stored.
            GovDataError: A version that is none.
        """
        state, purpose, decision = decided
        version = self.catalog.resolve(request.asset, request.at)
        reading = self._reading(state, purpose, decision, version)
        if not self._is_whole(reading, decision):
            raise not_whole(request.asset)
        table = data_files(self.catalog.plan(version))
        if table is None:
            raise not_whole(request.asset)
        return self._basis(request, reading, decision, Rows(table), principal)

    def _is_whole(self, reading: Reading, decision: Decision) -> bool:
        # SECURITY: data files keep columns that were dropped since; whoever reads the files
        # themselves would see them.
        names = tuple(c.name for c in reading.version.columns)
        ids = {c.field_id for c in reading.version.columns}
        return (
            decision.whole
            and reading.bound.visible == names
            and self.catalog.ever(reading.version.asset) <= ids
        )

    def _again(self, held: Held) -> Basis:
        before, asset = held.basis, held.request.asset
        action: Literal["select", "open"] = "select" if held.whole else "open"
        state, _, decision = self.access.select(held.principal, asset, held.purpose, action)
        version = self.catalog.resolve(asset, held.request.at)
        reading = self._reading(state, held.purpose, decision, version)
        same = (
            reading.bound == before.bound
            and version.snapshot_id == before.snapshot_id
            and reading.card.files == before.card.files
            and reading.consents.same(before.consents)
        )
        if held.whole and not self._is_whole(reading, decision):
            raise not_whole(asset)
        rows = before.rows
        if not same and not held.whole:
            rows = Rows(rows.granted, self._match(held, reading, decision))
        basis = self._basis(held.request, reading, decision, rows, held.principal)
        self.access.record(
            held.principal,
            "open",
            asset,
            decision,
            snapshot_id=version.snapshot_id,
            detail={"grant": held.name, "again": True},
        ).wait()
        return basis

    def _match(self, held: Held, reading: Reading, decision: Decision) -> Match:
        """Return what looks rows up under one decision; what it withdraws is recorded."""

        def match(granted: pa.Table) -> pa.Table:
            rows = self._rematched(reading, granted)
            if rows.column(URI).null_count:
                self.access.record(
                    held.principal,
                    "open",
                    held.request.asset,
                    decision,
                    snapshot_id=reading.version.snapshot_id,
                    detail={
                        "grant": held.name,
                        "looked_up": rows.num_rows,
                        "withdrawn": rows.column(URI).null_count,
                    },
                ).wait()
            return rows

        return match

    def _reading(
        self, state: PolicyState, purpose: str, decision: Decision, version: Version
    ) -> Reading:
        card = state.assets[version.asset]
        bound = bind(decision, card, field_ids(version.schema))
        consents = ConsentView(self.ledger)
        consents.load(bound)
        return Reading(card, bound, version, consents, purpose)

    def _rematched(self, reading: Reading, granted: pa.Table) -> pa.Table:
        """Return granted rows as they are visible now, in their order; others are NULL."""
        if granted.num_rows <= BLOCK:
            addresses = granted.column(URI).to_pylist()
            only = In(reading.columns()[URI], tuple(dict.fromkeys(addresses)))
            reading = replace(reading, only=only)
        now = self.grants.table(self.inventories.schema(reading), self.inventories.batches(reading))
        found: dict[tuple[str | None, ...], int] = {}
        for position, key in enumerate(_keys(now)):
            found.setdefault(key, position)
        chosen = np.array([found.get(key, -1) for key in _keys(granted)], np.int64)
        return now.take(pa.array(chosen, mask=chosen < 0))

    def _basis(
        self,
        request: FilesRequest,
        reading: Reading,
        decision: Decision,
        rows: Rows,
        principal: str,
    ) -> Basis:
        asked = canonical_json(files_request_to_wire(request))
        receipt = Receipt(
            asset=request.asset,
            snapshot_id=reading.version.snapshot_id,
            schema_id=reading.version.schema_id,
            epoch=decision.epoch,
            principal=principal,
            purpose=reading.purpose,
            decision_id=decision.decision_id,
            fragment_digest=hashlib.sha256(b"files:" + asked).hexdigest(),
            filtered=reading.bound.row_filter != TRUE,
            masked=tuple(sorted(set(reading.bound.masks) & set(reading.bound.visible))),
        )
        return Basis(
            card=reading.card,
            decision=decision,
            bound=reading.bound,
            consents=reading.consents,
            snapshot_id=reading.version.snapshot_id,
            second=int(utc_now().timestamp()),
            plain=reading.card.files is None or reading.is_plain(),
            rows=rows,
            receipt=self.signer.sign_receipt(receipt),
        )


def _keys(table: pa.Table) -> list[tuple[str | None, ...]]:
    """Return what makes a row the same file: address, version and checksum."""
    columns = (table.column(name).to_pylist() for name in (URI, VERSION, CHECKSUM))
    return list(zip(*columns, strict=True))


def not_whole(asset: str) -> AccessDeniedError:
    """Return the answer for a table whose files cannot be given as they are."""
    return AccessDeniedError(
        f"refused: `{asset}` is not seen as it is stored, so its files are not given",
        hint="scan it",
    )


def withdrawn(index: int) -> AccessDeniedError:
    """Return the refusal of a file whose row is visible no more."""
    return AccessDeniedError(
        f"refused: file {index} of the grant is no longer permitted",
        hint="ask for the files again to get those that are permitted now",
    )
