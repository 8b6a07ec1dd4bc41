"""Evaluate the policies that concern one resource, and no others.

Runs in the gateway. Everything is derived from one epoch's governance and assets and cached;
safe to use from many threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from jupyter_govdata.errors import PolicyFileError
from jupyter_govdata.model.asset import Asset, namespace_of
from jupyter_govdata.model.decision import Action
from jupyter_govdata.model.identity import Principal
from jupyter_govdata.model.predicate import FALSE, TRUE, Predicate, all_of, any_of
from jupyter_govdata.policy.cedar import (
    EntityHandle,
    EntityRef,
    PolicyHandle,
    Request,
    entity_handle,
    evaluate,
    evaluate_partially,
    policy_handle,
)
from jupyter_govdata.policy.entities import (
    asset_entity,
    column_entity,
    place_entities,
    principal_entities,
    row_attributes,
    row_entity,
    row_shape,
)
from jupyter_govdata.policy.governance import Governance
from jupyter_govdata.policy.index import PolicyIndex, Target, target_of
from jupyter_govdata.policy.residual import compile_residual
from jupyter_govdata.policy.rows import for_rows

T = TypeVar("T")
CACHE_SIZE = 4_096


class Cache:
    """A bounded mapping for values that are cheap to lose; the oldest goes first."""

    def __init__(self, size: int = CACHE_SIZE) -> None:
        self._size = size
        self._values: dict[Hashable, Any] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of `key`; two threads may make it at once, which is harmless."""
        found: T | None = self._values.get(key)
        if found is None:
            found = make()
            with self._lock:
                while len(self._values) >= self._size:
                    del self._values[next(iter(self._values))]
                self._values[key] = found
        return found


@dataclass(frozen=True, slots=True)
class Question:
    """Who asks, what for and when; `now` is Cedar's datetime text."""

    principal: Principal
    purpose: str
    now: str


@dataclass(frozen=True, slots=True)
class Slice:
    """The policies that can apply to one question, parsed.

    `unusable` are forbids that cannot be evaluated on rows: they forbid.
    """

    permits: PolicyHandle
    forbids: PolicyHandle
    unusable: frozenset[str]
    mentions_now: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """Which permits grant and which forbids deny (by applying, or by failing)."""

    granting: frozenset[str]
    forbidding: frozenset[str]
    now_dependent: bool

    @property
    def permitted(self) -> bool:
        """True if a permit grants and no forbid denies."""
        return bool(self.granting) and not self.forbidding

    @property
    def policies(self) -> frozenset[str]:
        """The policies that determined the answer."""
        return self.forbidding or self.granting


@dataclass(frozen=True, slots=True)
class RowAnswer:
    """The row filter of an action, and the policies that shape it."""

    row_filter: Predicate
    policies: frozenset[str]
    now_dependent: bool


class Evaluator:
    """Evaluate policies on resources of one epoch."""

    def __init__(self, governance: Governance, assets: Mapping[str, Asset]) -> None:
        self.governance = governance
        self.assets = assets
        self.index = PolicyIndex(governance.policies)
        self.by_id = {policy.id: policy for policy in governance.policies}
        self._slices = Cache()
        self._entities = Cache()
        self._targets = Cache(65_536)

    def applicable(self, action: str, target: Target) -> tuple[int, ...]:
        """Return the positions of policies whose action and resource scope match."""
        return self._targets.get((action, target), lambda: self.index.for_target(action, target))

    def positions(self, action: str, target: Target, principal: Principal) -> tuple[int, ...]:
        """Return the positions of policies whose whole head matches."""
        return self.index.for_principal(self.applicable(action, target), principal)

    def slice_of(self, positions: tuple[int, ...], rows_of: Asset | None = None) -> Slice:
        """Return the parsed policies at these positions, made ready for rows if asked for."""
        key = (positions, rows_of.name if rows_of is not None else "")
        return self._slices.get(key, lambda: self._parse(positions, rows_of))

    def _parse(self, positions: tuple[int, ...], rows_of: Asset | None) -> Slice:
        texts: dict[str, list[tuple[str, str]]] = {"permit": [], "forbid": []}
        unusable = set()
        attributes = row_attributes(row_shape(rows_of)) if rows_of is not None else ()
        chosen = [self.governance.policies[p] for p in positions]
        for policy in chosen:
            try:
                text = policy.cedar if rows_of is None else for_rows(policy.cedar, attributes)
            except PolicyFileError:
                # SECURITY: a permit that is not understood grants nothing, a forbid forbids.
                if policy.effect == "forbid":
                    unusable.add(policy.id)
                continue
            texts[policy.effect].append((policy.id, text))
        return Slice(
            policy_handle(texts["permit"]),
            policy_handle(texts["forbid"]),
            frozenset(unusable),
            any(policy.mentions_now for policy in chosen),
        )

    def entities(self, asset: Asset | None, namespace: str, principal: Principal) -> EntityHandle:
        """Return the asset with its columns and row (or only places), and the principal."""
        key = asset.name if asset is not None else f"{namespace}."
        base = self._entities.get(key, lambda: self._entities_of(asset, namespace))
        return base.with_added(principal_entities(principal))

    def _entities_of(self, asset: Asset | None, namespace: str) -> EntityHandle:
        found = place_entities([namespace] if namespace else [])
        if asset is not None:
            found.append(asset_entity(asset, self.governance.groups))
            found.append(row_entity(asset, row_shape(asset)))
            found.extend(column_entity(asset, column) for column in asset.columns)
        return entity_handle(found)

    def answer(
        self,
        ask: Question,
        action: Action,
        target: Target,
        entities: EntityHandle,
    ) -> Answer:
        """Decide an action on a resource whose attributes are all known."""
        return self.answers(ask, action, [target], entities)[0]

    def answers(
        self, ask: Question, action: Action, targets: Iterable[Target], entities: EntityHandle
    ) -> list[Answer]:
        """Decide an action on several resources; those with the same policies go together."""
        asked = list(targets)
        groups: dict[tuple[int, ...], list[int]] = {}
        for i, target in enumerate(asked):
            groups.setdefault(self.positions(action, target, ask.principal), []).append(i)
        found: dict[int, Answer] = {}
        for positions, members in groups.items():
            policies = self.slice_of(positions)
            requests = [request_of(ask, action, asked[i].ref) for i in members]
            permits = evaluate(policies.permits, entities, requests)
            forbids = evaluate(policies.forbids, entities, requests)
            for i, permit, forbid in zip(members, permits, forbids, strict=True):
                found[i] = Answer(
                    permit.satisfied,
                    # SECURITY: Cedar skips a forbid that errs; here it forbids.
                    forbid.satisfied | forbid.errored | policies.unusable,
                    policies.mentions_now,
                )
        return [found[i] for i in range(len(asked))]

    def rows(
        self, ask: Question, action: Action, asset: Asset, entities: EntityHandle
    ) -> RowAnswer:
        """Decide an action on the rows of an asset: the filter on raw values."""
        target = target_of("Row", asset.name)
        policies = self.slice_of(self.positions(action, target, ask.principal), asset)
        request = request_of(ask, action, target.ref)
        shape = row_shape(asset)
        granted: dict[str, Predicate] = {}
        residuals, _ = evaluate_partially(policies.permits, entities, request)
        for name, body in residuals.items():
            try:
                granted[name] = compile_residual(body, shape).yes
            except PolicyFileError:
                granted[name] = FALSE  # SECURITY: what no predicate expresses grants nothing
        residuals, errored = evaluate_partially(policies.forbids, entities, request)
        passed: dict[str, Predicate] = dict.fromkeys(errored | policies.unusable, FALSE)
        for name, body in residuals.items():
            try:
                passed[name] = compile_residual(body, shape).no
            except PolicyFileError:
                passed[name] = FALSE  # SECURITY: what no predicate expresses forbids
        row_filter = all_of(
            any_of(*(granted[name] for name in sorted(granted))),
            *(passed[name] for name in sorted(passed)),
        )
        return RowAnswer(row_filter, _determining(granted, passed), policies.mentions_now)


def _determining(
    granted: Mapping[str, Predicate], passed: Mapping[str, Predicate]
) -> frozenset[str]:
    closing = frozenset(name for name, rest in passed.items() if rest == FALSE)
    if closing:
        return closing
    granted = {name: rows for name, rows in granted.items() if rows != FALSE}
    if not granted:
        return frozenset()
    if any(rows == TRUE for rows in granted.values()):
        granted = {name: rows for name, rows in granted.items() if rows == TRUE}
    narrowing = (name for name, rest in passed.items() if rest != TRUE)
    return frozenset((*narrowing, *granted))


def request_of(ask: Question, action: str, resource: EntityRef) -> Request:
    """Return the request that Cedar evaluates."""
    return Request(EntityRef("User", ask.principal.id), action, resource, ask.purpose, ask.now)


def namespace_in(resource: str) -> str:
    """Return the namespace of an asset name, or the namespace itself; the lake has none."""
    return "" if resource == "*" else namespace_of(resource)
