"""Carries a decision, made on today's columns, over to the schema of the version that is read.

Pure. Columns are matched by Iceberg field id, so a policy written on today's name holds for
last year's name too (invariant 3). A column that today's card does not know is hidden, and a
column that the version lacks reads as NULL (invariants 2 and 7).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter

import pyarrow as pa

from jupyter_govdata.model.asset import Asset
from jupyter_govdata.model.decision import Decision, Mask
from jupyter_govdata.model.predicate import (
    FALSE,
    TRUE,
    And,
    Compare,
    CompareColumns,
    Consent,
    Constant,
    In,
    IsNull,
    Like,
    Or,
    Predicate,
    all_of,
    any_of,
)


@dataclass(frozen=True, slots=True)
class BoundDecision:
    """A decision in the names of one version.

    Args:
        row_filter: On the version's names.
        masks: Version's column name -> mask.
        visible: Columns that may be seen, in the version's order.
        domains: Version's column name -> identifier domain, for pseudonyms.
    """

    row_filter: Predicate
    masks: Mapping[str, Mask]
    visible: tuple[str, ...]
    domains: Mapping[str, str]


def field_ids(schema: pa.Schema) -> dict[int, str]:
    """Return field id -> column name of a version's Arrow schema, in order."""
    return {int(field.metadata[b"PARQUET:field_id"]): field.name for field in schema}


def domain_columns(template: str) -> tuple[str, ...]:
    """Return the columns that a domain template reads.

    >>> domain_columns("{study_id}:{id_type}")
    ('study_id', 'id_type')
    """
    return tuple(column for _, column, _, _ in Formatter().parse(template) if column is not None)


def _domain(template: str, names: Mapping[str, str]) -> str | None:
    """Rename the columns that a domain template reads; None if one of them is missing."""
    parts: list[str] = []
    for text, column, _, _ in Formatter().parse(template):
        parts.append(text)
        if column is not None:
            if column not in names:
                return None
            parts.append("{" + names[column] + "}")
    return "".join(parts)


def _consent(node: Consent, names: Mapping[str, str]) -> Predicate:
    domain = _domain(node.domain, names)
    if node.column not in names or domain is None:
        return FALSE
    return Consent(names[node.column], domain, node.purpose, node.negated)


def rename(node: Predicate, names: Mapping[str, str]) -> Predicate:
    """Return `node` with columns renamed; a column without a new name reads as NULL."""
    match node:
        case Constant():
            return node
        case And(args):
            return all_of(*(rename(a, names) for a in args))
        case Or(args):
            return any_of(*(rename(a, names) for a in args))
        case IsNull(column, negated):
            if column not in names:
                return FALSE if negated else TRUE
            return IsNull(names[column], negated)
        case Compare(column, op, value) if column in names:
            return Compare(names[column], op, value)
        case In(column, values, negated) if column in names:
            return In(names[column], values, negated)
        case Like(column, parts, negated) if column in names:
            return Like(names[column], parts, negated)
        case CompareColumns(left, op, right) if left in names and right in names:
            return CompareColumns(names[left], op, names[right])
        case Consent():
            return _consent(node, names)
        case _:
            return FALSE


def bind(decision: Decision, card: Asset, version: Mapping[int, str]) -> BoundDecision:
    """Bind a permitted decision to a version.

    Args:
        decision: Made on `card`.
        card: Today's card, with field ids.
        version: Field id -> column name of the version, in order.
    """
    names = {c.name: version[c.field_id] for c in card.columns if c.field_id in version}
    known = {names[c.name]: c for c in card.columns if c.name in names}
    visible = tuple(
        name
        for name in version.values()
        if name in known and known[name].name not in decision.hidden
    )
    domains = {}
    for name, column in known.items():
        domain = _domain(column.domain, names)
        if domain:
            domains[name] = domain
    return BoundDecision(
        row_filter=rename(decision.row_filter, names),
        masks={names[c]: m for c, m in decision.masks.items() if c in names},
        visible=visible,
        domains=domains,
    )
