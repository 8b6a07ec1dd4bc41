"""Why a decision is as it is, in sentences. Runs in the gateway; pure.

Says only what concerns a principal who may discover the asset: call it for nobody else. It names
policies, columns that are shown or masked, groups and purposes, never values of cells, and
nothing of a hidden column: the card does not show it either.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jupyter_govdata.model.asset import Asset
from jupyter_govdata.model.decision import Decision
from jupyter_govdata.model.predicate import TRUE, And, Consent, Or, Predicate, columns_of, walk
from jupyter_govdata.policy.governance import Governance
from jupyter_govdata.policy.index import PolicyIndex, Target, target_of
from jupyter_govdata.policy.records import PolicyText, conditions, walk_json
from jupyter_govdata.policy.words import listed, mask_in_words, predicate_in_words


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision in words.

    Args:
        sentences: What was decided and by which policies; for people.
        row_filter: The rows that are seen, or empty for all rows.
        columns: One sentence per masked column, by column name.
        policies: The deciding policies with their descriptions, sorted by id.
    """

    sentences: tuple[str, ...]
    row_filter: str
    columns: dict[str, str]
    policies: tuple[tuple[str, str], ...]


def explain(decision: Decision, asset: Asset, governance: Governance) -> Explanation:
    """Explain a decision to the principal it is about, who must be permitted to discover it.

    Args:
        decision: What the engine decided.
        asset: The card.
        governance: Of the same epoch.
    """
    deciding = [p for p in map(governance.policy, decision.policies) if p is not None]
    masking = {mask.policy for mask in decision.masks.values()}
    if decision.permitted:
        # SECURITY: a policy that only hides columns is not named.
        deciding = [p for p in deciding if p.actions != ("reveal",) or p.id in masking]
    named = tuple((p.id, p.annotations.get("description", "")) for p in deciding)
    if not decision.permitted:
        return Explanation(tuple(_refusal(decision, asset, governance, deciding)), "", {}, named)
    row_filter = filter_in_words(decision, decision.row_filter)
    columns = {name: mask_in_words(name, mask) for name, mask in decision.masks.items()}
    sentences = _permission(decision, deciding, row_filter)
    sentences.extend(_columns(decision, deciding, columns))
    return Explanation(tuple(sentences), row_filter, columns, named)


def filter_in_words(decision: Decision, row_filter: Predicate) -> str:
    """Return the row filter in words; conditions on hidden columns are not spelled out."""
    if row_filter == TRUE:
        return ""
    # SECURITY: a hidden column is indistinguishable from none, so its name does not appear.
    named = frozenset().union(
        *(columns_of(n) for n in walk(row_filter) if not isinstance(n, And | Or | Consent))
    )
    if named & decision.hidden:
        return "rows that the policies permit to you"
    return predicate_in_words(row_filter)


# -- permitted -------------------------------------------------------------------------------


def _permission(decision: Decision, deciding: list[PolicyText], row_filter: str) -> list[str]:
    permits = [p for p in deciding if p.effect == "permit" and _about(p, decision.action)]
    forbids = [p for p in deciding if p.effect == "forbid" and _about(p, "select", "open")]
    said = f"`{decision.action}` on `{decision.asset}` is permitted"
    if decision.purpose:
        said += f" for `{decision.purpose}`"
    sentences = [f"{said} by {_named(permits)}" if permits else said]
    if decision.action not in ("select", "open"):
        return sentences
    if row_filter:
        by = f" (narrowed by {_named(forbids)})" if forbids else ""
        sentences.append(f"you see {row_filter}{by}")
    else:
        sentences.append("you see all rows")
    return sentences


def _columns(decision: Decision, deciding: list[PolicyText], masked: dict[str, str]) -> list[str]:
    policies = {p.id: p for p in deciding}
    sentences = []
    for name, sentence in masked.items():
        policy = policies.get(decision.masks[name].policy)
        sentences.append(f"{sentence} (by {_named([policy])})" if policy else sentence)
    return sentences


def _about(policy: PolicyText, *actions: str) -> bool:
    return not policy.actions or any(action in policy.actions for action in actions)


def _named(policies: Iterable[PolicyText]) -> str:
    texts = []
    for policy in policies:
        description = policy.annotations.get("description", "")
        texts.append(f"`{policy.id}`: {description}" if description else f"`{policy.id}`")
    return "; ".join(texts)


# -- refused ---------------------------------------------------------------------------------


def _refusal(
    decision: Decision, asset: Asset, governance: Governance, deciding: list[PolicyText]
) -> list[str]:
    what = f"`{decision.action}` on `{decision.asset}`"
    forbids = [p for p in deciding if p.effect == "forbid"]
    if forbids:
        return [f"{what} is forbidden by {_named(forbids)}"]
    purpose = f" for `{decision.purpose}`" if decision.purpose else ""
    sentences = [f"{what} is refused: no policy permits it to you{purpose}"]
    purposes, groups = _ways_in(decision, asset, governance)
    others = [p for p in purposes if p != decision.purpose]
    if others:
        sentences.append(f"policies name the {_plural('purpose', others)} {listed(others, 'or')}")
    if groups:
        sentences.append(f"policies name the {_plural('group', groups)} {listed(groups, 'or')}")
    if asset.steward or asset.owner:
        role = "steward" if asset.steward else "owner"
        sentences.append(f"ask its {role} `{asset.steward or asset.owner}`")
    return sentences


def _plural(word: str, names: list[str]) -> str:
    return word if len(names) == 1 else f"{word}s"


def _ways_in(
    decision: Decision, asset: Asset, governance: Governance
) -> tuple[list[str], list[str]]:
    """Return purposes and groups that permits for this action on this asset name."""
    principal = governance.principals.get(decision.principal)
    mine = frozenset(principal.groups) if principal is not None else frozenset()
    index = PolicyIndex(governance.policies)
    purposes: set[str] = set()
    groups: set[str] = set()
    for position in index.for_target(decision.action, _target(decision, asset)):
        policy = governance.policies[position]
        if policy.effect != "permit":
            continue
        entity = policy.principal.entity
        if entity is None or (entity.type == "Group" and entity.id in mine):
            purposes |= _purposes_named(policy) & governance.purposes.keys()
        elif entity.type == "Group":
            groups.add(entity.id)
    return sorted(purposes), sorted(groups)


def _target(decision: Decision, asset: Asset) -> Target:
    return target_of("Row" if decision.action == "select" else "Asset", asset.name)


def _purposes_named(policy: PolicyText) -> set[str]:
    """Return the texts that a policy's conditions compare `context.purpose` with."""
    found: set[str] = set()
    for _, body in conditions(policy):
        for node, _ in walk_json(body):
            for operator in ("==", "contains"):
                part = node.get(operator)
                if isinstance(part, dict) and _PURPOSE in (part.get("left"), part.get("right")):
                    found |= {n["Value"] for n, _ in walk_json(part) if _is_text(n)}
    return found


_PURPOSE = {".": {"left": {"Var": "context"}, "attr": "purpose"}}


def _is_text(node: dict[str, object]) -> bool:
    return isinstance(node.get("Value"), str)


__all__ = ["Explanation", "explain", "filter_in_words"]
