"""Holding snapshots for a principal: who may, and the record of it. Runs in the gateway.

To hold keeps storage in use, so it is an action of its own (`hold`) that a policy permits; and
only somebody who may read the asset can hold what it was.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from jupyter_govdata.catalog import Catalog, Hold, Lifetime
from jupyter_govdata.errors import CatalogError, NotVisibleError
from jupyter_govdata.gateway.access import Access, utc_now

LONGEST = dt.timedelta(days=30 * 366)
"""Thirty years: how far ahead a hold may reach."""


class Holding:
    """Holds and releases snapshots on behalf of a principal."""

    def __init__(self, access: Access, catalog: Catalog) -> None:
        self._access = access
        self._catalog = catalog

    def hold(
        self,
        principal: str,
        asset: str,
        snapshot_id: int,
        name: str,
        until: dt.datetime,
        declared: str | None,
    ) -> Hold:
        """Keep a snapshot from expiring until a moment.

        Raises:
            RefusalError: Not visible, or `select` or `hold` is not permitted.
            CatalogError: Not a name, or a moment that is past or too far ahead.
            SnapshotNotFoundError: No such snapshot.
        """
        self._access.select(principal, asset, declared)
        decision = self._access.require(principal, "hold", asset, declared)
        now = utc_now()
        if not now < until <= now + LONGEST:
            raise CatalogError(
                "a hold ends in the future, at most 30 years ahead",
                hint="check the clock of this machine" if until <= now else None,
            )
        made = self._catalog.holds.hold(asset, snapshot_id, principal, name, until)
        self._access.record(
            principal, "hold", asset, decision, snapshot_id=snapshot_id, detail=_told(made)
        ).wait()
        return made

    def release(
        self, principal: str, name: str, asset: str | None, holder: str | None
    ) -> list[tuple[str, Hold]]:
        """Let go of everything held under a name, and return it by asset.

        A principal's own holds take no permission but to see the asset; those of a `holder`
        take `manage` on it.

        Raises:
            RefusalError: `asset` is not visible, or `manage` is needed and not permitted.
        """
        state = self._access.state()
        own = self._access.principal(state, principal).purpose
        seen = state.engine.discoverable(principal, own or None, utc_now())
        if asset is not None and asset not in seen:
            raise NotVisibleError.for_asset(asset[:200])
        found = []
        for each in seen if asset is None else (asset,):
            if not self._catalog.exists(each):
                continue
            if holder is not None and not self._may_manage(principal, each, asked=asset):
                continue
            gone = self._catalog.holds.release(each, holder or principal, name)
            if gone:
                decision = state.decide(principal, "discover", each, own or "", utc_now())
                for hold in gone:
                    self._access.record(
                        principal,
                        "hold",
                        each,
                        decision,
                        snapshot_id=hold.snapshot_id,
                        detail={**_told(hold), "released": True, "holder": holder or principal},
                    ).wait()
            found += [(each, hold) for hold in gone]
        return found

    def _may_manage(self, principal: str, asset: str, asked: str | None) -> bool:
        if asked is not None:
            self._access.require(principal, "manage", asset, None)
            return True
        state = self._access.state()
        own = self._access.principal(state, principal).purpose
        purpose = own or next(iter(sorted(state.governance.purposes)), "")
        return state.decide(principal, "manage", asset, purpose, utc_now()).permitted

    def holds(
        self, principal: str, asset: str, declared: str | None
    ) -> tuple[list[Hold], list[Lifetime]]:
        """Return what the principal holds of an asset, and until when each snapshot is kept.

        Raises:
            RefusalError: Not visible, or `select` is not permitted.
        """
        self._access.select(principal, asset, declared)
        holds = self._catalog.holds
        return holds.of(asset, principal), holds.lifetimes(asset)


def _told(hold: Hold) -> Mapping[str, Any]:
    return {"hold": hold.name, "until": hold.until.isoformat() if hold.until else ""}
