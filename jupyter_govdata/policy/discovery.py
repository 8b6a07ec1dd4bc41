"""Which assets a principal may discover, for many assets at once. Runs in the gateway.

Most policies on `discover` do not look at the asset beyond their head. Their conditions are
evaluated once per question, without the head; what does look at the card is evaluated once per
kind of card.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

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
from jupyter_govdata.policy.likeness import Likeness
from jupyter_govdata.policy.sorting import Sorting

ACTION = "discover"
Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class _Group:
    """Assets on which every question has one answer."""

    name: str
    general: frozenset[str]
    special: tuple[int, ...]


class Discovery:
    """Answer `discover` for all assets of an epoch.

    Args:
        evaluator: Of the epoch.
        likeness: Of its policies.
        known: An older sorting under the same policies: spares what did not change.
    """

    def __init__(
        self, evaluator: Evaluator, likeness: Likeness, known: Sorting | None = None
    ) -> None:
        self._evaluator = evaluator
        self._likeness = likeness
        self._known = known

    @property
    def known(self) -> Sorting | None:
        """The newest sorting that there is, without making one."""
        return vars(self).get("sorting", self._known)

    @cached_property
    def sorting(self) -> Sorting:
        """All assets by name, and which of them are alike for `discover`."""
        return Sorting.of(self._evaluator.assets, self._likeness.asset, self._known)

    @cached_property
    def now_dependent(self) -> bool:
        """True if an answer may hold only for the second it was made in."""
        policies = self._evaluator.governance.policies
        used = {p for key in self.sorting.kinds for p in key[0]}  # type: ignore[index]
        return any(policies[p].mentions_now for p in used)

    def names(self, ask: Question) -> tuple[str, ...]:
        """Return the names of the assets that may be discovered, sorted."""
        names = self.sorting.names
        return tuple(names[i] for i in np.flatnonzero(self.mask(ask)).tolist())

    def mask(self, ask: Question) -> Mask:
        """Return for each asset, by name, whether it may be discovered."""
        request = request_of(ask, ACTION, EntityRef("Asset", "*"))
        everywhere = entity_handle(principal_entities(ask.principal))
        permits, forbids = (evaluate(handle, everywhere, [request])[0] for handle in self._general)
        satisfied = permits.satisfied
        denied = forbids.satisfied | forbids.errored
        answers = np.zeros(len(self._groups), np.bool_)
        unsure: list[int] = []
        for i, group in enumerate(self._groups):
            if group.general & denied:
                continue
            if group.special:
                unsure.append(i)
            else:
                answers[i] = bool(group.general & satisfied)
        self._look(ask, unsure, satisfied, answers)
        return answers[self.sorting.kind_of]

    def _look(
        self, ask: Question, unsure: list[int], satisfied: frozenset[str], answers: Mask
    ) -> None:
        """Decide the groups whose policies look at the card."""
        if not unsure:
            return
        entities = self._cards.with_added(principal_entities(ask.principal))
        together: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for i in unsure:
            special = self._groups[i].special
            together[self._evaluator.index.for_principal(special, ask.principal)].append(i)
        for positions, members in together.items():
            for alone in self._apart(positions, members):
                known = entities if alone is None else self._own(alone, ask)
                chosen = members if alone is None else [alone]
                self._decide(ask, positions, chosen, known, satisfied, answers)

    def _apart(self, positions: tuple[int, ...], members: list[int]) -> Sequence[int | None]:
        """Return the groups that are asked one by one; a single None where all go together.

        SECURITY: a policy that looks into another asset than the one asked about errs, and so
        denies, where that asset is not there; none may be there for another's sake.
        """
        elsewhere = any(self._likeness.reads(p).elsewhere for p in positions)
        return members if elsewhere else (None,)

    def _own(self, group: int, ask: Question) -> EntityHandle:
        card = self._evaluator.assets[self._groups[group].name]
        return self._evaluator.entities(card, namespace_in(card.name), ask.principal)

    def _decide(
        self,
        ask: Question,
        positions: tuple[int, ...],
        members: Sequence[int],
        entities: EntityHandle,
        satisfied: frozenset[str],
        answers: Mask,
    ) -> None:
        policies = self._evaluator.slice_of(positions)
        requests = [
            request_of(ask, ACTION, EntityRef("Asset", self._groups[i].name)) for i in members
        ]
        permits = evaluate(policies.permits, entities, requests)
        forbids = evaluate(policies.forbids, entities, requests)
        for i, permit, forbid in zip(members, permits, forbids, strict=True):
            granted = permit.satisfied or self._groups[i].general & satisfied
            answers[i] = bool(granted) and not forbid.satisfied and not forbid.errored

    @cached_property
    def _groups(self) -> tuple[_Group, ...]:
        policies = self._evaluator.governance.policies
        groups = []
        for name, key in zip(self.sorting.examples, self.sorting.kinds, strict=True):
            positions: tuple[int, ...] = key[0]  # type: ignore[index]
            special = tuple(p for p in positions if not self._likeness.reads(p).nothing)
            general = frozenset(policies[p].id for p in positions if p not in special)
            groups.append(_Group(name, general, special))
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
        chosen = [self._evaluator.assets[group.name] for group in self._groups if group.special]
        places = place_entities(namespace_in(card.name) for card in chosen)
        groups = self._evaluator.governance.groups
        return entity_handle([*places, *(asset_entity(card, groups) for card in chosen)])
