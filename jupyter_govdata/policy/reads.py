"""What a policy can read of its resource: derived from its conditions. Runs in the gateway; pure.

Two resources of one kind that agree on everything that the policies on them read, and that the
same policies name, get the same answers. SECURITY: what is not understood reads everything, so
that doubt never makes two resources look alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jupyter_govdata.policy.cedar import Json
from jupyter_govdata.policy.records import CARD_ATTRIBUTES, PolicyText, conditions

_RESOURCE = {"Var": "resource"}
_ASSET = {".": {"left": _RESOURCE, "attr": "asset"}}
_SAME_EVERYWHERE = frozenset(("User", "Group", "Action"))
"""Entities that do not depend on the resource that is asked about."""


@dataclass(frozen=True, slots=True)
class Reads:
    """What conditions look at.

    Args:
        card: Attributes of the resource's asset: ``owner``, ``steward``, ``kind``.
        asset_tags: Tags of the resource's asset.
        tags: Tags of the resource itself.
        attributes: Attributes of the resource itself; of a row these are columns.
        everything: Nothing is known but that.
        elsewhere: A resource that is named may be looked into, which is not the one asked about.
    """

    card: frozenset[str] = frozenset()
    asset_tags: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()
    everything: bool = False
    elsewhere: bool = False

    @property
    def nothing(self) -> bool:
        """True if the resource is not looked at."""
        return self == NOTHING


NOTHING = Reads()
EVERYTHING = Reads(everything=True)


def union(reads: Iterable[Reads]) -> Reads:
    """Return what is read by any of several policies."""
    found = list(reads)
    return Reads(
        card=frozenset().union(*(r.card for r in found)),
        asset_tags=frozenset().union(*(r.asset_tags for r in found)),
        tags=frozenset().union(*(r.tags for r in found)),
        attributes=frozenset().union(*(r.attributes for r in found)),
        everything=any(r.everything for r in found),
        elsewhere=any(r.elsewhere for r in found),
    )


def reads_of(policy: PolicyText) -> Reads:
    """Return what the conditions of a policy read of their resource."""
    if policy.resource_use == "none" and "__entity" not in policy.cedar:
        return NOTHING
    reader = _Reader()
    for _, body in conditions(policy):
        reader.visit(body)
    return reader.result()


class _Reader:
    def __init__(self) -> None:
        self._card: set[str] = set()
        self._asset_tags: set[str] = set()
        self._tags: set[str] = set()
        self._attributes: set[str] = set()
        self._everything = False
        self._elsewhere = False

    def result(self) -> Reads:
        return Reads(
            frozenset(self._card),
            frozenset(self._asset_tags),
            frozenset(self._tags),
            frozenset(self._attributes),
            self._everything,
            self._elsewhere,
        )

    def visit(self, expr: Json) -> None:
        if isinstance(expr, list):
            for part in expr:
                self.visit(part)
        elif isinstance(expr, dict):
            if expr in (_RESOURCE, _ASSET):
                self._everything = True
            for name, body in expr.items():
                self._operator(name, body)

    def _operator(self, name: str, body: Json) -> None:
        if name == "Value":
            self._literal(body)
        elif not isinstance(body, dict):
            self.visit(body)
        elif name in (".", "has") and body.get("left") in (_RESOURCE, _ASSET):
            self._attribute(body)
        elif name in ("hasTag", "getTag") and body.get("left") in (_RESOURCE, _ASSET):
            self._tag(body)
        elif name == "is" and body.get("left") == _RESOURCE and "in" not in body:
            return  # what kind of thing is asked about is known from the question
        elif name in ("==", "!=", "in") and body.get("left") in (_RESOURCE, _ASSET):
            # What it is compared with is only named, so it need not be there.
            elsewhere = self._elsewhere
            self.visit(list(body.values()))
            if _is_literal(body.get("right")):
                self._elsewhere = elsewhere
        else:
            for part in body.values():
                self.visit(part)

    def _attribute(self, body: Json) -> None:
        attr = body.get("attr")
        own = body["left"] == _RESOURCE
        if not isinstance(attr, str) or (own and attr == "asset"):
            self._everything = True
        elif own:
            self._attributes.add(attr)
        elif attr in CARD_ATTRIBUTES:
            self._card.add(attr)
        else:
            self._everything = True

    def _tag(self, body: Json) -> None:
        right = body.get("right")
        key = right.get("Value") if isinstance(right, dict) else None
        if not isinstance(key, str):
            self._everything = True
        elif body["left"] == _RESOURCE:
            self._tags.add(key)
        else:
            self._asset_tags.add(key)

    def _literal(self, value: Json) -> None:
        if isinstance(value, list):
            for part in value:
                self._literal(part)
        elif isinstance(value, dict):
            entity = value.get("__entity")
            if entity is not None and entity.get("type") not in _SAME_EVERYWHERE:
                self._everything = self._elsewhere = True
            for part in value.values():
                self._literal(part)


def _is_literal(expr: Json) -> bool:
    """Return whether an expression is a value, or a set of values, as they are written."""
    if not isinstance(expr, dict):
        return False
    return "Value" in expr or ("Set" in expr and all(_is_literal(part) for part in expr["Set"]))
