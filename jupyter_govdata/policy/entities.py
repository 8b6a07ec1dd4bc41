"""Entities that policies are evaluated on, in Cedar's JSON form. Runs in the gateway; pure.

Types: `User` (in `Group`s), `Lake`, `Namespace` in the lake, `Asset` in its namespace, `Column`
and `Row` in their asset. `Asset`, `Column` and `Row` have the attribute `asset`; `Asset` also
`name`, `kind`, `owner` (a `User`) and `steward` (a `User` or `Group`); `Column` also `name`.
An asset and its rows carry the asset's tags, a column its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from jupyter_govdata.model.asset import Asset, Column
from jupyter_govdata.model.decision import ACTIONS
from jupyter_govdata.model.identity import Principal
from jupyter_govdata.policy.cards import RESERVED_COLUMNS
from jupyter_govdata.policy.cedar import EntityRef
from jupyter_govdata.policy.compare import RowShape
from jupyter_govdata.policy.index import LAKE, Target, asset_ref, target_of
from jupyter_govdata.policy.residual import HAS

Entity = dict[str, Any]


def _entity(target: Target, attrs: Entity, tags: Entity | None = None) -> Entity:
    parents = [ref.uid() for ref in target.ancestors[:1]]
    return {"uid": target.ref.uid(), "attrs": attrs, "parents": parents, "tags": tags or {}}


def principal_entities(principal: Principal) -> list[Entity]:
    """Return a user with the groups it is in."""
    attrs = {k: list(v) if isinstance(v, tuple) else v for k, v in principal.attributes.items()}
    groups = [{"type": "Group", "id": group} for group in principal.groups]
    user = {"type": "User", "id": principal.id}
    return [
        {"uid": user, "attrs": attrs, "parents": groups},
        *({"uid": group, "attrs": {}, "parents": []} for group in groups),
    ]


def place_entities(namespaces: Iterable[str]) -> list[Entity]:
    """Return the lake, the namespaces in it, and the actions.

    UPSTREAM: partial evaluation takes an entity that is not there as unknown, so without the
    actions a policy on ``action in [...]`` would leave a residual that asks for the action.
    """
    actions = [_entity(Target(EntityRef("Action", name), ()), {}) for name in ACTIONS]
    found = [_entity(target_of("Namespace", name), {}) for name in sorted(set(namespaces))]
    return [_entity(Target(LAKE, ()), {}), *actions, *found]


def asset_entity(asset: Asset, groups: Collection[str]) -> Entity:
    """Return an asset.

    Args:
        asset: Its card.
        groups: All groups, to tell whether the steward is one.
    """
    steward = "Group" if asset.steward in groups else "User"
    attrs: Entity = {
        "asset": asset_ref(asset.name).to_json(),
        "name": asset.name,
        "kind": asset.kind,
        # Nobody has an empty id: an asset without an owner still answers who its steward is.
        "owner": EntityRef("User", asset.owner).to_json(),
        "steward": EntityRef(steward, asset.steward).to_json(),
    }
    return _entity(target_of("Asset", asset.name), attrs, dict(asset.tags))


def column_entity(asset: Asset, column: Column) -> Entity:
    """Return a column of an asset."""
    attrs = {"asset": asset_ref(asset.name).to_json(), "name": column.name}
    return _entity(target_of("Column", asset.name, column.name), attrs, dict(column.tags))


def row_shape(asset: Asset) -> RowShape:
    """Return what policies may ask of the rows of an asset."""
    types = {
        c.name: c.type
        for c in asset.columns
        if c.name not in RESERVED_COLUMNS and not c.name.startswith(HAS)
    }
    return RowShape(types, asset.subject)


def row_attributes(shape: RowShape) -> list[str]:
    """Return the attributes of a row that may be missing: its columns and its subject."""
    known = shape.subject is not None and shape.subject_columns <= shape.types.keys()
    return [*shape.types, *(("subject",) if known else ())]


def row_entity(asset: Asset, shape: RowShape) -> Entity:
    """Return the row of an asset whose values are all unknown."""
    attrs: Entity = {"asset": asset_ref(asset.name).to_json()}
    for name in row_attributes(shape):
        attrs[name] = _unknown(name)
        attrs[HAS + name] = _unknown(HAS + name)
    return _entity(target_of("Row", asset.name), attrs, dict(asset.tags))


def _unknown(name: str) -> Entity:
    return {"__extn": {"fn": "unknown", "arg": name}}
