"""The catalog and governance calls of the protocol: name -> function. Runs in the gateway.

Each takes the gateway, the authenticated principal and a JSON object, and returns plain data.
Messages are checked field by field; permission is asked in `access`, `cards` and `loading`.
"""

from __future__ import annotations

import datetime as dt
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_govdata import __version__
from jupyter_govdata.catalog import Hold
from jupyter_govdata.errors import CatalogError, NotVisibleError, ProtocolError
from jupyter_govdata.gateway.composer import Gateway
from jupyter_govdata.gateway.filing_actions import FILE_ACTIONS
from jupyter_govdata.gateway.request_actions import (
    decide_request,
    request_access,
    request_scopes,
    requests,
    withdraw_request,
)
from jupyter_govdata.gateway.state import COMPILED
from jupyter_govdata.model.browsing import MAX_DEPTH, CatalogPage, Citation
from jupyter_govdata.model.view import AssetSummary, AssetView
from jupyter_govdata.model.wire import at_from_wire
from jupyter_govdata.model.wire_browsing import (
    browse_from_wire,
    comparison_to_wire,
    lineage_to_wire,
    page_of,
    snapshot_id_of,
    versions_to_wire,
    whole_number,
)

Data = Mapping[str, Any]


def _text(data: Data, key: str, limit: int = 10_000) -> str:
    value = data.get(key)
    if not isinstance(value, str) or len(value) > limit:
        raise ProtocolError(f"`{key}` must be a text of at most {limit} characters")
    return value


def _optional(data: Data, key: str) -> str | None:
    return None if data.get(key) is None else _text(data, key)


def _number(data: Data, key: str) -> int:
    text = _text(data, key, 20)
    if not (text.isascii() and text.isdecimal()):
        raise ProtocolError(f"`{key}` is a whole number as text")
    return int(text)


def _moment(data: Data, key: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(_text(data, key, 100))
    except ValueError as exc:
        raise ProtocolError(f"`{key}` is an ISO time") from exc
    if moment.tzinfo is None:
        raise ProtocolError(f"`{key}` needs a time zone")
    return moment


def _files(data: Data) -> dict[str, str]:
    files = data.get("files")
    if not isinstance(files, dict) or not all(
        isinstance(k, str) and isinstance(v, str) for k, v in files.items()
    ):
        raise ProtocolError("`files` maps relative paths to texts")
    return files


def whoami(gateway: Gateway, principal: str, data: Data) -> dict[str, Any]:
    """Say who the caller is and what the gateway is."""
    state = gateway.access.state()
    found = gateway.access.principal(state, principal)
    return {
        "principal": found.id,
        "name": found.name,
        "groups": found.groups,
        "attributes": found.attributes,
        "purpose": found.purpose,
        "purposes": sorted(state.governance.purposes),
        "epoch": state.epoch,
        "version": __version__,
        "host": socket.gethostname(),
        "uid": os.getuid(),
        "public_key": gateway.signer.public_key_pem(),
        "table_files": gateway.tables.are_granted,
    }


def epoch(gateway: Gateway, principal: str, data: Data) -> dict[str, int]:
    """Return the current epoch."""
    return {"epoch": gateway.ledger.epoch()}


def keys(gateway: Gateway, principal: str, data: Data) -> dict[str, Any]:
    """List the public keys that receipts of this lake verify with, the current one first."""
    return {"keys": gateway.public_keys}


def ls(gateway: Gateway, principal: str, data: Data) -> tuple[AssetSummary, ...]:
    """List visible assets, optionally of one `namespace`."""
    return gateway.browsing.ls(principal, _optional(data, "namespace"), _optional(data, "purpose"))


def names(gateway: Gateway, principal: str, data: Data) -> dict[str, Any]:
    """Name the visible assets, and the epoch that the answer is of."""
    state_epoch, found = gateway.browsing.names(principal, _optional(data, "purpose"))
    return {"epoch": state_epoch, "names": found}


def search(gateway: Gateway, principal: str, data: Data) -> tuple[AssetSummary, ...]:
    """List visible assets that match all words of `text`."""
    return gateway.browsing.search(principal, _text(data, "text"), _optional(data, "purpose"))


def view(gateway: Gateway, principal: str, data: Data) -> AssetView:
    """Describe `asset` as the caller sees it, now or `at` a version."""
    return gateway.cards.view(
        principal, _text(data, "asset"), at_from_wire(data.get("at")), _optional(data, "purpose")
    )


def browse(gateway: Gateway, principal: str, data: Data) -> CatalogPage:
    """Return a page of visible assets by text and facets, with counts."""
    ask = browse_from_wire(data)
    return gateway.browsing.browse(principal, ask, _optional(data, "purpose"))


def versions(gateway: Gateway, principal: str, data: Data) -> dict[str, Any]:
    """List the snapshots of `asset`, newest first; a page of them, or all without `limit`."""
    offset, limit = page_of(data)
    page = gateway.versions.page(
        principal,
        _text(data, "asset"),
        _optional(data, "purpose"),
        offset,
        None if data.get("limit") is None else limit,
    )
    return versions_to_wire(page)


def compare_versions(gateway: Gateway, principal: str, data: Data) -> dict[str, Any]:
    """Say what lies between the snapshots `from` and `to` of `asset`."""
    found = gateway.versions.compare(
        principal,
        _text(data, "asset"),
        _optional(data, "purpose"),
        snapshot_id_of(data, "from"),
        snapshot_id_of(data, "to"),
    )
    return comparison_to_wire(found)


def lineage(gateway: Gateway, principal: str, data: Data) -> dict[str, Any]:
    """Return the graph of what `asset` was made from and what was made from it."""
    depth = whole_number(data, "depth", 1, MAX_DEPTH, 3)
    found = gateway.lineage.around(
        principal, _text(data, "asset"), _optional(data, "purpose"), depth
    )
    return lineage_to_wire(found)


def citation(gateway: Gateway, principal: str, data: Data) -> Citation:
    """Say how to cite `asset`, now or `at` a version."""
    return gateway.versions.cite(
        principal, _text(data, "asset"), _optional(data, "purpose"), at_from_wire(data.get("at"))
    )


def explain_as(gateway: Gateway, principal: str, data: Data) -> AssetView:
    """Describe `asset` as principal `as` sees it under `purpose`: for those who manage it."""
    asset = _text(data, "asset")
    if asset not in gateway.access.state().assets:
        raise NotVisibleError.for_asset(asset[:200])
    gateway.access.require(principal, "manage", asset, None)
    return gateway.cards.view(_text(data, "as"), asset, None, _optional(data, "purpose"))


def apply(gateway: Gateway, principal: str, data: Data) -> dict[str, Any]:
    """Check governance `files` and, without `dry_run`, make them the new epoch."""
    applied = gateway.loading.apply(
        principal, _files(data), dry_run=bool(data.get("dry_run", False))
    )
    return {
        "problems": [p.to_wire() for p in applied.problems],
        "epoch": applied.epoch,
        "changes": applied.changes,
    }


def governance(gateway: Gateway, principal: str, data: Data) -> dict[str, Any]:
    """Return the governance files in force: for those who manage the lake."""
    gateway.access.require(principal, "manage", "*", None)
    state = gateway.ledger.state()
    files = {name: text for name, text in state.files.items() if name != COMPILED}
    return {"epoch": state.epoch, "files": files}


def tag(gateway: Gateway, principal: str, data: Data) -> dict[str, Any]:
    """Name the snapshot `snapshot_id` of `asset` `tag`."""
    snapshot_id = _number(data, "snapshot_id")
    gateway.loading.tag(principal, _text(data, "asset"), _text(data, "tag", 200), snapshot_id)
    return {}


def hold(gateway: Gateway, principal: str, data: Data) -> dict[str, Any]:
    """Keep the snapshot `snapshot_id` of `asset` from expiring `until` a moment, as `name`."""
    made = gateway.holding.hold(
        principal,
        _text(data, "asset"),
        _number(data, "snapshot_id"),
        _text(data, "name", 200),
        _moment(data, "until"),
        _optional(data, "purpose"),
    )
    return _held(made)


def release(gateway: Gateway, principal: str, data: Data) -> dict[str, Any]:
    """Let go of all holds `name` of the caller, or of `holder`; of one `asset` or of all."""
    found = gateway.holding.release(
        principal, _text(data, "name", 200), _optional(data, "asset"), _optional(data, "holder")
    )
    return {"released": [{"asset": asset, **_held(made)} for asset, made in found]}


def holds(gateway: Gateway, principal: str, data: Data) -> dict[str, Any]:
    """List the caller's holds of `asset`, and until when each of its snapshots is kept."""
    found, lifetimes = gateway.holding.holds(
        principal, _text(data, "asset"), _optional(data, "purpose")
    )
    return {
        "holds": [_held(made) for made in found],
        "snapshots": [
            {
                "snapshot_id": str(life.snapshot_id),
                "why": life.why,
                "until": life.until.isoformat() if life.until else None,
            }
            for life in lifetimes
        ],
    }


def _held(made: Hold) -> dict[str, Any]:
    until = made.until.isoformat() if made.until else None
    return {"name": made.name, "snapshot_id": str(made.snapshot_id), "until": until}


def rename_column(gateway: Gateway, principal: str, data: Data) -> dict[str, Any]:
    """Rename column `old` of `asset` to `new`."""
    asset, old, new = (_text(data, k, 1_000) for k in ("asset", "old", "new"))
    gateway.loading.rename_column(principal, asset, old, new)
    return {}


def consent(gateway: Gateway, principal: str, data: Data) -> dict[str, int]:
    """Record that `subject` of `domain` has `status` given or withdrawn for `purpose`."""
    fields = [_text(data, k, 1_000) for k in ("domain", "subject", "purpose", "status", "source")]
    return {"epoch": gateway.loading.consent(principal, *fields)}


def audit(gateway: Gateway, principal: str, data: Data) -> dict[str, Any]:
    """Return the newest `limit` audit records as lines, and the state of the chain."""
    limit = data.get("limit", 100)
    if not isinstance(limit, int) or not 1 <= limit <= 100_000:
        raise CatalogError("`limit` is between 1 and 100000")
    gateway.access.require(principal, "manage", "*", None)
    return {
        "lines": [entry.line() for entry in gateway.ledger.records(limit=limit)],
        "chain": gateway.verify_audit(),
    }


ACTIONS: dict[str, Callable[[Gateway, str, Data], Any]] = {
    act.__name__: act
    for act in (
        apply,
        audit,
        browse,
        citation,
        compare_versions,
        consent,
        decide_request,
        epoch,
        explain_as,
        governance,
        hold,
        holds,
        keys,
        lineage,
        ls,
        names,
        release,
        rename_column,
        request_access,
        request_scopes,
        requests,
        search,
        tag,
        versions,
        view,
        whoami,
        withdraw_request,
        *FILE_ACTIONS,
    )
}
