"""What a policy is checked against: entity types, names, and what a request will bring.

Runs in `apply` and `jupyter govdata check`; pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from jupyter_govdata.model.asset import Asset, Column
from jupyter_govdata.model.identity import AttributeValue
from jupyter_govdata.policy.cards import TagDefinition
from jupyter_govdata.policy.compare import RowShape
from jupyter_govdata.policy.terms import CedarType
from jupyter_govdata.policy.tokens import quoted

ASSET_ATTRIBUTES: Mapping[str, CedarType] = {
    "asset": "entity",
    "name": "string",
    "kind": "string",
    "owner": "entity",
    "steward": "entity",
}
COLUMN_ATTRIBUTES: Mapping[str, CedarType] = {"asset": "entity", "name": "string"}
CONTEXT: Mapping[str, CedarType] = {"purpose": "string", "now": "datetime"}
ACTION_KINDS: Mapping[str, tuple[str, ...]] = {
    "discover": ("Asset",),
    "select": ("Row",),
    "reveal": ("Column",),
    "open": ("Row", "Asset"),
    "publish": ("Asset", "Namespace", "Lake"),
    "approve": ("Asset", "Namespace", "Lake"),
    "hold": ("Asset", "Namespace", "Lake"),
    "manage": ("Asset", "Namespace", "Lake"),
}
"""What each action is asked on."""
TYPES = frozenset(("User", "Group", "Lake", "Namespace", "Asset", "Column", "Row", "Action"))

SAMPLES: Mapping[str, Any] = {
    "bool": True,
    "long": 1,
    "string": "x",
    "decimal": Decimal("1.5"),
    "datetime": 0,
    "duration": 0,
}
WORDS: Mapping[str, str] = {
    "bool": "true or false",
    "long": "a whole number",
    "string": "a text",
    "decimal": "a decimal",
    "datetime": "a date or time",
    "duration": "a duration",
    "ip": "an address",
    "entity": "a principal, group or asset",
    "record": "a record",
    "set": "a set",
}
ADDRESS_TESTS = frozenset(("isIpv4", "isIpv6", "isLoopback", "isMulticast", "isInRange"))


@dataclass(frozen=True, slots=True)
class StandIn:
    """A value that a request will bring: `origin` says which, e.g. ``purpose`` or ``tag:x``."""

    origin: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong, and token sequences of which the first found in the text is the place."""

    message: str
    hint: str | None
    sequences: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class World:
    """Everything that a policy may name."""

    groups: frozenset[str]
    principals: frozenset[str]
    purposes: frozenset[str]
    tags: Mapping[str, TagDefinition]
    attributes: Mapping[str, frozenset[CedarType]]
    assets: Mapping[str, Asset]
    namespaces: frozenset[str]


@dataclass(slots=True)
class Scene:
    """What a policy is checked on.

    Args:
        kind: Entity type of the resource.
        row: Columns of the row; for other kinds, columns that the author may have meant.
        where: Asset to name in messages, or empty.
        column: One column, to decide conditions on its tags; None leaves them open.
        asset: Its asset.
    """

    kind: str
    row: RowShape
    where: str = ""
    column: Column | None = None
    asset: Asset | None = None
    findings: list[Finding] = field(default_factory=list)


def attribute_type(value: AttributeValue) -> CedarType:
    """Return the Cedar type of a principal's attribute."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "long"
    return "string" if isinstance(value, str) else "set"


def attribute_places(name: str) -> tuple[tuple[str, ...], ...]:
    """Return the ways in which a policy may spell an attribute of a resource."""
    return (
        ("resource", ".", name),
        ("resource", "[", quoted(name)),
        ("has", name),
        ("has", quoted(name)),
        (".", name),
        (quoted(name),),
    )
