"""Which assets and columns no policy can tell apart. Runs in the gateway; pure.

A *likeness* is a key: resources with equal keys get equal answers to every question, whoever
asks. It holds the policies whose head matches, and the values of all that those policies read.
`tests/policy/test_overview.py` holds that against separate decisions.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property
from string import Formatter

from jupyter_govdata.model.asset import Asset, Column, namespace_of
from jupyter_govdata.policy.entities import row_shape
from jupyter_govdata.policy.evaluation import Evaluator
from jupyter_govdata.policy.index import Target, target_of
from jupyter_govdata.policy.reads import Reads, reads_of, union
from jupyter_govdata.policy.records import CARD_ATTRIBUTES

Positions = tuple[int, ...]


class Likeness:
    """The keys of one set of policies."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._policies = evaluator.governance.policies
        self._index = evaluator.index
        self._positions: dict[Hashable, Positions] = {}
        self._read: dict[tuple[Positions, str], Reads] = {}
        self._reads_of: dict[int, Reads] = {}

    def reads(self, position: int) -> Reads:
        """Return what one policy reads of its resource."""
        found = self._reads_of.get(position)
        if found is None:
            found = self._reads_of[position] = reads_of(self._policies[position])
        return found

    def asset(self, card: Asset) -> tuple[Positions, Hashable]:
        """Return the policies on `discover` that name an asset, and what they read of it."""
        positions = self._found("discover", "Asset", card.name)
        reads = self._reads(positions, "Asset")
        return positions, self._card(card, reads)

    def rows(self, card: Asset) -> Hashable:
        """Return the likeness of an asset's rows for `select`."""
        positions = self._found("select", "Row", card.name)
        reads = self._reads(positions, "Row")
        columns: Hashable = ()
        if reads.attributes:
            shape = row_shape(card)
            columns = tuple(shape.types.get(name) for name in sorted(reads.attributes))
            if "subject" in reads.attributes and card.subject is not None:
                # The text of a domain says which consents are meant, not whether any are.
                spared = tuple(
                    (text if column is None else "", column)
                    for text, column, _, _ in Formatter().parse(card.subject.domain)
                    if column is not None
                )
                known = tuple(shape.types.get(c) for c in sorted(shape.subject_columns))
                columns = (columns, card.subject.column, spared, known)
        return positions, self._card(card, reads), columns

    def column_base(self, card: Asset) -> tuple[Positions | None, Hashable]:
        """Return what all columns of an asset share.

        Returns:
            The policies on `reveal`, or None where the head of one names a column of the asset,
            so that each column has policies of its own; and the key that goes before that of each
            column.
        """
        positions = self._found("reveal", "Column", card.name)
        reads = self._reads(positions, "Column")
        if card.name in self._with_named_columns:
            return None, card.name
        return positions, (positions, self._card(card, reads))

    def column(self, positions: Positions | None, card: Asset, column: Column) -> Hashable:
        """Return what sets a column of an asset apart, given `column_base`.

        Where there are `positions`, it does not depend on the asset.
        """
        if positions is None:
            target = target_of("Column", card.name, column.name)
            return self._index.for_target("reveal", target), column.name
        reads = self._reads(positions, "Column")
        return (
            column.name if reads.everything or "name" in reads.attributes else "",
            tuple(column.tags.get(key) for key in sorted(reads.tags)),
            column.type,
            bool(column.domain),
        )

    def _card(self, card: Asset, reads: Reads) -> Hashable:
        if reads.everything:
            return card.name
        if not reads.card and not reads.asset_tags:
            return ()
        tags = card.tags
        return (
            card.owner if "owner" in reads.card else "",
            card.steward if "steward" in reads.card else "",
            card.kind if "kind" in reads.card else "",
            tuple(tags.get(key) for key in sorted(reads.asset_tags)),
        )

    def _reads(self, positions: Positions, kind: str) -> Reads:
        key = (positions, kind)
        found = self._read.get(key)
        if found is None:
            found = _seen_on(kind, union(self.reads(p) for p in positions))
            self._read[key] = found
        return found

    def _found(self, action: str, kind: str, name: str) -> Positions:
        """Return the policies whose head matches; alike wherever no head names the place."""
        place = self._place(name)
        key = (action, kind, place)
        found = self._positions.get(key)
        if found is None:
            found = self._positions[key] = self._index.for_target(action, _target(kind, name))
        return found

    def _place(self, name: str) -> str:
        if name in self._named["Asset"]:
            return name
        namespace = namespace_of(name)
        return namespace if namespace in self._named["Namespace"] else ""

    @cached_property
    def _named(self) -> dict[str, frozenset[str]]:
        """Assets and namespaces that the head of a policy names."""
        found: dict[str, set[str]] = {"Asset": set(), "Namespace": set()}
        for policy in self._policies:
            entity = policy.resource.entity
            if entity is not None and entity.type in found:
                found[entity.type].add(entity.id)
        found["Asset"] |= self._with_named_columns
        return {kind: frozenset(names) for kind, names in found.items()}

    @cached_property
    def _with_named_columns(self) -> frozenset[str]:
        entities = (policy.resource.entity for policy in self._policies)
        return frozenset(
            ".".join(entity.id.split(".", 2)[:2])
            for entity in entities
            if entity is not None and entity.type == "Column"
        )


def _target(kind: str, name: str) -> Target:
    # No column is called so: what matches it matches every column that no head names.
    return target_of(kind, name, "\x00") if kind == "Column" else target_of(kind, name)


def _seen_on(kind: str, reads: Reads) -> Reads:
    """Return reads in terms of one kind of resource: an asset is its own asset."""
    if kind == "Asset":
        return Reads(
            card=reads.card | (reads.attributes & CARD_ATTRIBUTES),
            asset_tags=reads.asset_tags | reads.tags,
            everything=reads.everything or "name" in reads.attributes,
        )
    if kind == "Row":
        return Reads(
            card=reads.card,
            asset_tags=reads.asset_tags | reads.tags,
            attributes=reads.attributes,
            everything=reads.everything,
        )
    return reads
