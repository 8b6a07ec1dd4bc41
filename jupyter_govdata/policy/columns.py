"""Which columns are shown, masked or hidden. Runs in the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from jupyter_govdata.errors import PolicyFileError
from jupyter_govdata.model.asset import Asset, Column
from jupyter_govdata.model.decision import Mask
from jupyter_govdata.policy.cedar import EntityHandle
from jupyter_govdata.policy.evaluation import Answer, Evaluator, Question
from jupyter_govdata.policy.index import target_of
from jupyter_govdata.policy.masks import fits, parse_mask, strictest


@dataclass(frozen=True, slots=True)
class ColumnAnswer:
    """Masks and hidden columns, and the policies that say so."""

    masks: Mapping[str, Mask]
    hidden: frozenset[str]
    policies: frozenset[str]
    now_dependent: bool


def decide_columns(
    evaluator: Evaluator, ask: Question, asset: Asset, entities: EntityHandle
) -> ColumnAnswer:
    """Decide `reveal` on every column of an asset.

    A column is shown if `reveal` is permitted. If it is permitted but for forbids that all
    carry a mask, the strictest of those masks applies. Otherwise it is hidden.
    """
    alike: dict[tuple[object, ...], list[Column]] = {}
    for column in asset.columns:
        alike.setdefault(_signature(evaluator, ask, asset, column), []).append(column)
    targets = [target_of("Column", asset.name, group[0].name) for group in alike.values()]
    masks: dict[str, Mask] = {}
    hidden: set[str] = set()
    policies: set[str] = set()
    now_dependent = False
    answers = evaluator.answers(ask, "reveal", targets, entities)
    for group, answer in zip(alike.values(), answers, strict=True):
        policies |= answer.policies
        now_dependent |= answer.now_dependent
        for column in group:
            mask = shown_as(evaluator, answer, column)
            if mask == "hidden":
                hidden.add(column.name)
            elif mask is not None:
                masks[column.name] = mask
    ordered = {name: masks[name] for name in sorted(masks)}
    return ColumnAnswer(ordered, frozenset(hidden), frozenset(policies), now_dependent)


def _signature(
    evaluator: Evaluator, ask: Question, asset: Asset, column: Column
) -> tuple[object, ...]:
    """Return what the answer for a column can depend on: equal signatures, equal answers."""
    target = target_of("Column", asset.name, column.name)
    positions = evaluator.positions("reveal", target, ask.principal)
    uses = {evaluator.governance.policies[p].resource_use for p in positions}
    return (
        positions,
        tuple(sorted(column.tags.items())) if uses != {"none"} else (),
        column.name if "all" in uses else "",
    )


def shown_as(
    evaluator: Evaluator, answer: Answer, column: Column
) -> Mask | Literal["hidden"] | None:
    """Return the mask of a column, None if it is shown as stored, or ``hidden``."""
    if answer.permitted:
        return None
    mask = _mask(evaluator, answer)
    return mask if mask is not None and fits(mask, column) else "hidden"


def _mask(evaluator: Evaluator, answer: Answer) -> Mask | None:
    """Return the mask for a column that may not be revealed, None to hide it."""
    if not answer.granting:
        return None
    found = []
    for name in answer.forbidding:
        policy = evaluator.by_id.get(name)
        text = policy.annotations.get("mask") if policy is not None else None
        if text is None:
            return None
        try:
            found.append(parse_mask(text, name))
        except PolicyFileError:
            return None  # SECURITY: a mask that is not understood hides
    return strictest(found)
