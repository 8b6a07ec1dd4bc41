"""Changes to assets and to the policy state: load, tag, rename, apply, consent.

Runs in the gateway. Every change is permitted first, recorded, and raises the epoch where it
changes what somebody may see.
"""

from __future__ import annotations

import threading
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import pyarrow as pa

from jupyter_govdata.catalog import Catalog
from jupyter_govdata.errors import CatalogError, PolicyFileError
from jupyter_govdata.gateway.access import Access
from jupyter_govdata.gateway.origins import Origins
from jupyter_govdata.gateway.registers import Registers
from jupyter_govdata.gateway.state import COMPILED, governance_of, with_compiled
from jupyter_govdata.ledger import Ledger
from jupyter_govdata.model.asset import Asset, FileColumns, Snapshot, asset_name
from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.policy.governance import read_all
from jupyter_govdata.policy.validate import check

Mode = Literal["create", "append", "overwrite"]


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What a client wants to load.

    Args:
        asset: Canonical name.
        mode: ``create``, ``append`` or ``overwrite``.
        partition_by: Partition columns or transforms, on create.
        tags: Asset tags for a new card.
        description: For a new card.
        provenance: Source, checksum and counts, as the client measured them.
        evolve: Add new columns instead of refusing them.
        receipts: Of the reads that the data was made from.
        inputs: Names of further assets that the client says it was made from.
    """

    asset: str
    mode: Mode
    partition_by: Sequence[str] = ()
    tags: Mapping[str, str] | None = None
    description: str = ""
    provenance: Mapping[str, str] | None = None
    evolve: bool = False
    purpose: str | None = None
    receipts: tuple[Receipt, ...] = ()
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply` found: problems refuse it, otherwise `epoch` is the new one.

    Args:
        problems: Every problem found; nothing was changed if there is one.
        epoch: The new epoch, or the current one for a dry run.
        changes: One line for each thing that differs from the current state.
    """

    problems: tuple[PolicyFileError, ...]
    epoch: int
    changes: tuple[str, ...]


class Loading:
    """Writes assets and policy state on behalf of a principal."""

    def __init__(
        self,
        access: Access,
        catalog: Catalog,
        ledger: Ledger,
        registers: Registers,
        origins: Origins,
    ) -> None:
        self._access = access
        self._origins = origins
        self._catalog = catalog
        self._ledger = ledger
        self._registers = registers
        self._lock = threading.Lock()

    # -- data --------------------------------------------------------------------------------

    def load(
        self,
        principal: str,
        request: LoadRequest,
        schema: pa.Schema,
        data: Iterator[pa.RecordBatch],
        counts: Mapping[str, str],
    ) -> Snapshot:
        """Write batches as one snapshot.

        `counts` (``rows_read``, ``rows_rejected``) is filled while `data` is consumed and joins
        the provenance when the snapshot is committed.

        Raises:
            RefusalError: `publish` is not permitted.
            NotVisibleError: An asset that is named as an input is missing or hidden.
            ProtocolError: A receipt that this lake did not sign for the principal.
            CatalogError: The asset exists already (create), is missing (append), or its schema
                does not fit.
            StorageError: The data cannot be written; nothing was committed.
        """
        name = asset_name(request.asset)
        decision = self._access.require_publish(principal, name, request.purpose)
        origins = self._origins.of(principal, request.purpose, request.receipts, request.inputs)
        exists = self._catalog.exists(name)
        if request.mode == "create" and exists:
            raise CatalogError(
                f"asset `{name}` exists already", hint="use mode `append` or `overwrite`"
            )
        if request.mode != "create" and not exists:
            raise CatalogError(f"asset `{name}` does not exist yet", hint="use mode `create`")
        facts = {"loaded_by": principal, "decision_id": decision.decision_id}
        # Later maps lose: nothing that a client says replaces what the gateway knows.
        provenance = ChainMap(facts, counts, dict(request.provenance or {}))  # type: ignore[arg-type]
        reader = pa.RecordBatchReader.from_batches(schema, data)
        snapshot = self._catalog.write(
            name,
            reader,
            mode=request.mode,
            provenance=provenance,
            evolve=request.evolve,
            partition_by=request.partition_by,
        )
        self._ledger.record_load(
            name,
            snapshot.snapshot_id,
            provenance.get("source", ""),
            provenance.get("sha256", ""),
            _count(counts.get("rows_read"), snapshot.added_rows or 0),
            _count(counts.get("rows_rejected"), 0),
            principal,
        )
        self._ledger.lineage.record(name, snapshot.snapshot_id, origins, principal)
        self._put_card(principal, name, request)
        self._registers.sync(name)
        return snapshot

    def _put_card(self, principal: str, name: str, request: LoadRequest) -> None:
        with self._lock:
            state = self._ledger.state()
            declared = governance_of(state.files).cards.get(name)
            card = state.cards.get(name) or declared
            fresh = card or Asset(
                name=name,
                owner=principal,
                steward=principal,
                tags=dict(request.tags or {}),
                description=request.description,
            )
            # SECURITY: a column that a later load adds takes its tags, and so its mask, from the
            # governance files that named it before it came.
            known = {column.name for column in fresh.columns}
            announced = [c for c in (declared.columns if declared else ()) if c.name not in known]
            bound = self._catalog.bind(replace(fresh, columns=(*fresh.columns, *announced)))
            if bound != card:
                self._ledger.put_card(bound, principal)

    def rename_column(self, principal: str, asset: str, old: str, new: str) -> None:
        """Rename a column; old snapshots keep the old name.

        Raises:
            RefusalError: `manage` is not permitted.
            CatalogError: No such column, or the new name is taken.
        """
        self._access.require(principal, "manage", asset, None)
        with self._lock:
            card = self._ledger.state().cards[asset]
            self._catalog.rename_column(asset, old, new)
            renamed = tuple(replace(c, name=new) if c.name == old else c for c in card.columns)
            subject = card.subject
            if subject is not None and subject.column == old:
                subject = replace(subject, column=new)
            files = card.files
            if files is not None:
                told = {k: new if v == old else v for k, v in asdict(files).items()}
                files = FileColumns(**told)
            self._ledger.put_card(
                self._catalog.bind(replace(card, columns=renamed, subject=subject, files=files)),
                principal,
            )

    def tag(self, principal: str, asset: str, tag: str, snapshot_id: int) -> None:
        """Name a snapshot.

        Raises:
            RefusalError: `manage` is not permitted.
            SnapshotNotFoundError: No such snapshot.
        """
        self._access.require(principal, "manage", asset, None)
        self._catalog.tag(asset, tag, snapshot_id)

    # -- policy ------------------------------------------------------------------------------

    def apply(self, principal: str, files: Mapping[str, str], *, dry_run: bool) -> Applied:
        """Check a governance folder and, unless it is a dry run, make it the new epoch.

        Raises:
            RefusalError: `manage` on the lake is not permitted.
        """
        self._access.require(principal, "manage", "*", None)
        return self.apply_files(files, principal, dry_run=dry_run)

    def apply_files(self, files: Mapping[str, str], by: str, *, dry_run: bool) -> Applied:
        """Check and apply without a permission question: for `init`, before anybody is known."""
        with self._lock:
            before = self._ledger.state()
            governance, problems = read_all(files)
            if problems:
                return Applied(tuple(problems), before.epoch, ())
            cards = {name: self._bound(card) for name, card in governance.cards.items()}
            problems = check(governance, {**before.cards, **cards})
            changes = tuple(_changes(before.files, files))
            if problems or dry_run:
                return Applied(tuple(problems), before.epoch, changes)
            stored = with_compiled(files, governance)
            return Applied((), self._ledger.apply(stored, cards, by), changes)

    def _bound(self, card: Asset) -> Asset:
        return self._catalog.bind(card) if self._catalog.exists(card.name) else card

    def consent(
        self, principal: str, domain: str, subject: str, purpose: str, status: str, source: str
    ) -> int:
        """Record a consent given or withdrawn; it counts from the next batch of every stream.

        Raises:
            RefusalError: `manage` on the lake is not permitted.
            CatalogError: Unknown purpose or status.
        """
        self._access.require(principal, "manage", "*", None)
        if purpose not in self._access.state().governance.purposes:
            raise CatalogError(f"the purpose `{purpose[:100]}` is not declared in this lake")
        if status not in ("given", "withdrawn"):
            raise CatalogError("a consent is `given` or `withdrawn`")
        return self._registers.record_consent(principal, domain, subject, purpose, status, source)


def _count(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 19 else otherwise


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*before, *after} - {COMPILED}):
        if name not in before:
            yield f"added {name}"
        elif name not in after:
            yield f"removed {name}"
        elif before[name] != after[name]:
            yield f"changed {name}"
