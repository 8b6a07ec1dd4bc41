"""Which assets a principal may discover, for many assets at once. Runs in the gateway.

Most policies on `discover` do not look at the asset beyond their head. Their conditions are
evaluated once per question, without the head; what does look at the card is evaluated once per
kind of card.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from jupyter_govdata.policy.cedar import (
    EntityHandle,
    EntityRef,
    PolicyHandle,
    entity_handle,
    evaluate,
    policy_handle,
)
from jupyter_govdata.policy.entities import asset_entity, place_entities, principal_entities
from jupyter_govdata.policy.evaluation import Evaluator, Question, namespace_in, request_of
from jupyter_govdata.policy.index import target_of

ACTION = "discover"


@dataclass(frozen=True, slots=True)
class _Group:
    """Assets on which every question has one answer."""

    names: tuple[str, ...]
    general: frozenset[str]
    special: tuple[int, ...]


class Discovery:
    """Answer `discover` for all assets of an epoch."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def names(self, ask: Question) -> tuple[str, ...]:
        """Return the names of the assets that may be discovered, sorted."""
        resource = EntityRef("Asset", "*")
        everywhere = entity_handle(principal_entities(ask.principal))
        request = request_of(ask, ACTION, resource)
        permits, forbids = (evaluate(handle, everywhere, [request])[0] for handle in self._general)
        satisfied = permits.satisfied
        denied = forbids.satisfied | forbids.errored
        found: list[str] = []
        open_groups: list[_Group] = []
        for group in self._groups:
            if group.general & denied:
                continue
            if group.special:
                open_groups.append(group)
            elif group.general & satisfied:
                found.extend(group.names)
        found.extend(self._special(ask, open_groups, satisfied))
        return tuple(sorted(found))

    def _special(self, ask: Question, groups: list[_Group], satisfied: frozenset[str]) -> list[str]:
        if not groups:
            return []
        entities = self._cards.with_added(principal_entities(ask.principal))
        together: dict[tuple[int, ...], list[_Group]] = defaultdict(list)
        for group in groups:
            chosen = self._evaluator.index.for_principal(group.special, ask.principal)
            together[chosen].append(group)
        found: list[str] = []
        for positions, members in together.items():
            policies = self._evaluator.slice_of(positions)
            requests = [
                request_of(ask, ACTION, EntityRef("Asset", group.names[0])) for group in members
            ]
            permits = evaluate(policies.permits, entities, requests)
            forbids = evaluate(policies.forbids, entities, requests)
            for group, permit, forbid in zip(members, permits, forbids, strict=True):
                granted = permit.satisfied or group.general & satisfied
                if granted and not forbid.satisfied and not forbid.errored:
                    found.extend(group.names)
        return found

    @cached_property
    def _groups(self) -> tuple[_Group, ...]:
        evaluator = self._evaluator
        policies = evaluator.governance.policies
        alike: dict[tuple[tuple[int, ...], object], list[str]] = defaultdict(list)
        for name, card in evaluator.assets.items():
            positions = evaluator.index.for_target(ACTION, target_of("Asset", name))
            uses = {policies[p].resource_use for p in positions}
            traits: object = None
            if "all" in uses:
                traits = name
            elif "card" in uses:
                tags = tuple(sorted(card.tags.items()))
                traits = (card.owner, card.steward, card.kind, tags)
            alike[positions, traits].append(name)
        groups = []
        for (positions, _), names in alike.items():
            special = tuple(p for p in positions if policies[p].resource_use != "none")
            general = frozenset(policies[p].id for p in positions if p not in special)
            groups.append(_Group(tuple(names), general, special))
        return tuple(groups)

    @cached_property
    def _general(self) -> tuple[PolicyHandle, PolicyHandle]:
        """Permits and forbids that do not look at the resource, without their resource scope."""
        wanted = frozenset().union(*(group.general for group in self._groups))
        texts: dict[str, list[tuple[str, str]]] = {"permit": [], "forbid": []}
        for policy in self._evaluator.governance.policies:
            if policy.id in wanted:
                parsed = json.loads(policy.cedar)
                parsed["resource"] = {"op": "All"}
                texts[policy.effect].append((policy.id, json.dumps(parsed)))
        return policy_handle(texts["permit"]), policy_handle(texts["forbid"])

    @cached_property
    def _cards(self) -> EntityHandle:
        """One asset of each group that needs its card to be looked at."""
        chosen = [self._evaluator.assets[group.names[0]] for group in self._groups if group.special]
        places = place_entities(namespace_in(card.name) for card in chosen)
        groups = self._evaluator.governance.groups
        return entity_handle([*places, *(asset_entity(card, groups) for card in chosen)])
