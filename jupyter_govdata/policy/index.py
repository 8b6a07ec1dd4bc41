"""Which policies can apply: by action, by what their head says of the resource and principal.

Runs in the gateway; pure. Built from records without parsing anything, so that 10,000 policies
load at once and only the few that concern an asset are ever handed to Cedar.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jupyter_govdata.model.asset import namespace_of
from jupyter_govdata.model.identity import Principal
from jupyter_govdata.policy.cedar import EntityRef
from jupyter_govdata.policy.records import PolicyText, Scope

LAKE = EntityRef("Lake", "lake")


@dataclass(frozen=True, slots=True)
class Target:
    """A resource and what contains it, outermost last."""

    ref: EntityRef
    ancestors: tuple[EntityRef, ...]

    def matches(self, scope: Scope) -> bool:
        """Return whether the head of a policy can match this resource."""
        if scope.kind and scope.kind != self.ref.type:
            return False
        if scope.op == "all" or scope.entity == self.ref:
            return True
        return scope.op == "in" and scope.entity in self.ancestors


def asset_ref(name: str) -> EntityRef:
    """Return the entity of an asset."""
    return EntityRef("Asset", name)


def target_of(kind: str, name: str, column: str = "") -> Target:
    """Return the target of a Lake, Namespace, Asset, Column or Row by name.

    >>> target_of("Column", "trials.outcomes", "age").ref.id
    'trials.outcomes.age'
    """
    if kind == "Lake":
        return Target(LAKE, ())
    if kind == "Namespace":
        return Target(EntityRef("Namespace", name), (LAKE,))
    above = (EntityRef("Namespace", namespace_of(name)), LAKE)
    if kind == "Asset":
        return Target(asset_ref(name), above)
    if kind == "Row":
        return Target(EntityRef("Row", "*"), (asset_ref(name), *above))
    return Target(EntityRef("Column", f"{name}.{column}"), (asset_ref(name), *above))


class PolicyIndex:
    """Policies by action and by the entity that their resource scope names."""

    def __init__(self, policies: Sequence[PolicyText]) -> None:
        self.policies = policies
        index: dict[tuple[str, EntityRef | None], list[int]] = defaultdict(list)
        for position, policy in enumerate(policies):
            for action in policy.actions or ("*",):
                index[action, policy.resource.entity].append(position)
        self._index = dict(index)

    def for_target(self, action: str, target: Target) -> tuple[int, ...]:
        """Return the positions of policies whose action and resource scope match, ascending."""
        found: set[int] = set()
        for name in (action, "*"):
            for entity in (None, target.ref, *target.ancestors):
                found.update(self._index.get((name, entity), ()))
        return tuple(sorted(p for p in found if target.matches(self.policies[p].resource)))

    def for_principal(self, positions: Iterable[int], principal: Principal) -> tuple[int, ...]:
        """Return those of `positions` whose principal scope matches."""
        user = EntityRef("User", principal.id)
        who = Target(user, tuple(EntityRef("Group", group) for group in principal.groups))
        return tuple(p for p in positions if who.matches(self.policies[p].principal))
