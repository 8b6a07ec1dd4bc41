"""A small governed world for the policy tests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from jupyter_govdata.model.asset import Asset, Column, Subject
from jupyter_govdata.policy.engine import PolicyEngine
from jupyter_govdata.policy.governance import Governance, read_governance

NOW = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
PRINCIPALS = """groups: {clinical: {description: c}, ml: {}, stewards: {}}
principals:
  ana: {name: Ana Lima, groups: [clinical], purpose: research,
        attributes: {study: S1, level: 3, sites: [BOS, NYC], senior: true}}
  miko: {groups: [ml]}
  dina: {groups: [stewards, clinical]}
  otto: {}
"""
PURPOSES = "purposes: {research: {description: r}, model_training: {}}\n"
TAGS = """tags:
  identifier: {scope: [column], values: [direct, quasi]}
  modality: {scope: [asset], values: [clinical, imaging]}
  note: {}
"""
CARDS = """assets:
  trials.outcomes:
    owner: otto
    steward: stewards
    tags: {modality: clinical}
    subject: {column: patient_id, domain: "S:patient"}
    columns:
      patient_id: {tags: {identifier: direct}, domain: "S:patient"}
      birth: {tags: {identifier: quasi}}
"""
COLUMNS = (
    ("patient_id", "string"),
    ("site", "string"),
    ("age", "int"),
    ("dose", "decimal(9, 2)"),
    ("ratio", "double"),
    ("birth", "date"),
    ("visit", "timestamp"),
    ("embargo", "timestamptz"),
    ("withdrawn", "boolean"),
    ("codes", "list<string>"),
)


def files(policies: str = "", **others: str) -> dict[str, str]:
    """Return a governance folder; keyword ``tags`` replaces ``tags.yaml`` and so on."""
    found = {
        "principals.yaml": PRINCIPALS,
        "purposes.yaml": PURPOSES,
        "tags.yaml": TAGS,
        "assets/trials.yaml": CARDS,
        "policies/p.cedar": policies,
    }
    paths = {"principals": "principals.yaml", "purposes": "purposes.yaml", "tags": "tags.yaml"}
    found.update({paths.get(key, f"assets/{key}.yaml"): text for key, text in others.items()})
    return found


def bind(card: Asset, columns: tuple[tuple[str, str], ...] = COLUMNS) -> Asset:
    """Give a card the columns of a table."""
    described = {column.name: column for column in card.columns}
    bound = []
    for i, (name, kind) in enumerate(columns):
        known = described.get(name, Column(name))
        bound.append(
            Column(name, kind, i + 1, known.description, known.unit, known.tags, known.domain)
        )
    return Asset(
        card.name,
        card.kind,
        card.owner,
        card.steward,
        card.description,
        card.tags,
        tuple(bound),
        card.subject,
    )


def assets(governance: Governance) -> dict[str, Asset]:
    """Return the cards of the folder, bound, and two assets of other namespaces."""
    found = {name: bind(card) for name, card in governance.cards.items()}
    found["imaging.slides"] = Asset(
        "imaging.slides",
        owner="miko",
        tags={"modality": "imaging"},
        columns=(Column("slide", "string", 1), Column("scope", "string", 2)),
    )
    found["trials.visits"] = Asset(
        "trials.visits",
        steward="ana",
        columns=(Column("site", "string", 1), Column("age", "long", 2)),
        subject=Subject("site", "S:site"),
    )
    return found


def engine(policies: str, extra: Mapping[str, Asset] | None = None) -> PolicyEngine:
    """Return an engine over the world with these policies."""
    governance = read_governance(files(policies))
    return PolicyEngine.build(7, governance, {**assets(governance), **(extra or {})})
