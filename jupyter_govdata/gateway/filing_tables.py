"""Data files in place of a stream, for scans of large tables that are seen as they are stored.

Runs in the gateway. The scan was decided, recorded and signed like any other; this only adds leave
to read the files that hold its rows. SECURITY: whether a table is seen as it is stored is decided
in `filing`, at the grant and again at every address that is signed.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from jupyter_govdata.errors import AccessDeniedError, GrantError, StorageError
from jupyter_govdata.gateway.access import utc_now
from jupyter_govdata.gateway.filing import Filing
from jupyter_govdata.gateway.filing_grants import Held
from jupyter_govdata.gateway.filing_rows import URI
from jupyter_govdata.gateway.scans import PreparedScan
from jupyter_govdata.model.files import MAX_SIGN, FilesRequest, TableFiles
from jupyter_govdata.model.scan import At, Filter, Fragment, Project, Scan, ScanRequest
from jupyter_govdata.storage.stores import Stores

LEAST_ROWS = 65_536
LEAST_BYTES = 1 << 20
"""Smaller scans come faster through the gateway."""
_LEFT = dt.timedelta(minutes=20)
_KEPT = 1_024

_Key = tuple[str, str, str, int]


@dataclass(frozen=True, slots=True)
class _Known:
    """A grant that later scans of the same snapshot share.

    Args:
        handle: Opens it.
        held: The grant.
        places: Address -> index.
    """

    handle: str
    held: Held
    places: Mapping[str, int]


class TableGrants:
    """Grants the data files of scans, one grant for all scans of a principal and snapshot."""

    def __init__(self, filing: Filing, stores: Stores) -> None:
        self._filing = filing
        self._known: OrderedDict[_Key, _Known] = OrderedDict()
        self._lock = threading.Lock()
        self.are_granted = stores.hold_tables
        """Whether a storage of this lake allows it at all."""

    def offered(self, request: ScanRequest, prepared: PreparedScan) -> TableFiles | None:
        """Return the files of a scan that its client may read itself; None: it gets a stream."""
        if not (self.are_granted and request.files and _is_plain(request, prepared)):
            return None
        try:
            known = self._grant(prepared)
        except (AccessDeniedError, StorageError):
            return None
        if known.held.way == "proxied":
            return None
        files = prepared.plan.files
        if not all(file.path in known.places for file in files):
            return None
        return TableFiles(
            grant=known.handle,
            way=known.held.way,
            files=tuple((known.places[f.path], f.rows, f.size) for f in files),
            columns={c.name: c.field_id for c in prepared.plan.columns},
        )

    def _grant(self, prepared: PreparedScan) -> _Known:
        receipt = prepared.receipt
        key = (prepared.principal, receipt.purpose, receipt.asset, receipt.snapshot_id)
        with self._lock:
            known = self._known.get(key)
        if known is not None and self._still_good(known):
            return known
        told = self._filing.table_grant(
            prepared.principal,
            FilesRequest(
                receipt.asset, purpose=receipt.purpose, at=At(snapshot_id=receipt.snapshot_id)
            ),
        )
        held = self._filing.held(prepared.principal, told.grant)
        addresses = held.basis.rows.granted.column(URI).to_pylist()
        known = _Known(told.grant, held, {address: i for i, address in enumerate(addresses)})
        with self._lock:
            self._known[key] = known
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return known

    def _still_good(self, known: _Known) -> bool:
        """Return True if a grant lives on for a while; what it opens is decided when it is used."""
        try:
            self._filing.held(known.held.principal, known.handle)
        except GrantError:
            return False
        return known.held.expires - utc_now() > _LEFT


def _is_rows(fragment: Fragment) -> bool:
    """Return True for rows of an asset, all of them or filtered, and nothing computed of them."""
    while isinstance(fragment, Filter | Project):
        fragment = fragment.input
    return isinstance(fragment, Scan)


def _is_plain(request: ScanRequest, prepared: PreparedScan) -> bool:
    """Return True if the files of a scan hold its rows as they are shown, and are worth it."""
    plan = prepared.plan
    return (
        _is_rows(request.fragment)
        and prepared.decision.whole
        and not prepared.decision.now_dependent
        and not prepared.bound.masks
        and 0 < len(plan.files) <= MAX_SIGN
        and plan.rows > LEAST_ROWS
        and plan.size > LEAST_BYTES
        and not any(file.has_deletes or file.constants for file in plan.files)
    )
