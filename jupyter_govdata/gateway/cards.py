"""What a principal is told: listings, cards, versions, explanations. Runs in the gateway.

Everything here is built from decisions; nothing about a hidden asset or column passes.
"""

from __future__ import annotations

from dataclasses import asdict, replace

import pyarrow as pa

from jupyter_govdata.catalog import Catalog, Version
from jupyter_govdata.errors import NotVisibleError, PurposeError
from jupyter_govdata.gateway.access import Access, utc_now
from jupyter_govdata.gateway.binding import bind, domain_columns, field_ids
from jupyter_govdata.gateway.state import PolicyState
from jupyter_govdata.model import view as views
from jupyter_govdata.model.asset import Asset, Column, FileColumns, Snapshot, namespace_of
from jupyter_govdata.model.decision import Decision
from jupyter_govdata.model.predicate import TRUE
from jupyter_govdata.model.scan import At
from jupyter_govdata.model.view import AssetSummary, AssetView, ColumnAccess
from jupyter_govdata.policy.explain import explain
from jupyter_govdata.storage import shown_schema


def _access(decision: Decision | None) -> views.Access:
    if decision is None or not decision.permitted:
        return "none"
    if decision.masks or decision.hidden:
        return "masked"
    return "all" if decision.row_filter == TRUE else "filtered"


class Cards:
    """Answers catalog questions for one principal at a time."""

    def __init__(self, access: Access, catalog: Catalog) -> None:
        self._access = access
        self._catalog = catalog

    def _purpose(self, state: PolicyState, principal: str, declared: str | None) -> str:
        """Return the purpose, or empty when none is declared: looking around needs none.

        Raises:
            PurposeError: A purpose was declared that the lake does not know.
        """
        try:
            return self._access.purpose(state, principal, declared)
        except PurposeError:
            if declared:
                raise
            return ""

    def names(self, principal: str, declared: str | None) -> tuple[int, tuple[str, ...]]:
        """Return the epoch and the sorted names that the principal may discover under it.

        Nothing is decided but `discover`: cheap enough for every keystroke's completion.
        """
        state = self._access.state()
        purpose = self._purpose(state, principal, declared)
        return state.epoch, state.engine.discoverable(principal, purpose, utc_now())

    def ls(
        self, principal: str, namespace: str | None, declared: str | None
    ) -> tuple[AssetSummary, ...]:
        """List the assets that the principal may discover, sorted by name."""
        state = self._access.state()
        purpose = self._purpose(state, principal, declared)
        names = state.engine.discoverable(principal, purpose, utc_now())
        return tuple(
            self._summary(state, principal, purpose, state.assets[name])
            for name in names
            if namespace is None or namespace_of(name) == namespace
        )

    def search(self, principal: str, text: str, declared: str | None) -> tuple[AssetSummary, ...]:
        """List discoverable assets whose name, description, tags or visible columns hold every
        word of `text`, ignoring case.
        """
        state = self._access.state()
        purpose = self._purpose(state, principal, declared)
        words = text.casefold().split()
        found = []
        for summary in self.ls(principal, None, declared):
            card = state.assets[summary.name]
            visible = self._visible(state, principal, purpose, card)
            hay = " ".join(
                (
                    card.name,
                    card.description,
                    *card.tags,
                    *card.tags.values(),
                    *(f"{c.name} {c.description}" for c in visible),
                )
            ).casefold()
            if all(word in hay for word in words):
                found.append(summary)
        return tuple(found)

    def _decision(
        self, state: PolicyState, principal: str, purpose: str, asset: str
    ) -> Decision | None:
        if not purpose:
            return None
        return state.decide(principal, "select", asset, purpose, utc_now())

    def _visible(
        self, state: PolicyState, principal: str, purpose: str, card: Asset
    ) -> tuple[Column, ...]:
        decision = self._decision(state, principal, purpose, card.name)
        if decision is None or not decision.permitted:
            return ()
        return tuple(c for c in card.columns if c.name not in decision.hidden)

    def _summary(
        self, state: PolicyState, principal: str, purpose: str, card: Asset
    ) -> AssetSummary:
        return AssetSummary(
            name=card.name,
            kind=card.kind,
            description=card.description,
            access=_access(self._decision(state, principal, purpose, card.name)),
            owner=card.owner,
            steward=card.steward,
            tags=dict(card.tags),
        )

    def view(self, principal: str, asset: str, at: At | None, declared: str | None) -> AssetView:
        """Describe an asset as the principal sees it.

        Raises:
            NotVisibleError: Missing or hidden.
            SnapshotNotFoundError: No such version.
        """
        state = self._access.state()
        self._access.principal(state, principal)
        purpose = self._purpose(state, principal, declared)
        self._access.require_visible(state, principal, asset, purpose, "discover")
        card = state.assets[asset]
        decision = self._decision(state, principal, purpose, asset)
        if decision is None or not decision.permitted:
            return self._closed(state, card, purpose, decision)
        version = self._version(asset, at)
        explained = explain(decision, card, state.governance)
        if version is None:
            return self._closed(state, card, purpose, decision)
        bound = bind(decision, card, field_ids(version.schema))
        shown = shown_schema(version.schema, bound.masks)
        visible = pa.schema([shown.field(name) for name in bound.visible])
        by_id = {c.field_id: c for c in card.columns}
        by_name = {n: by_id[i] for i, n in field_ids(version.schema).items() if i in by_id}
        columns = tuple(
            replace(
                by_name[name],
                name=name,
                type=str(shown.field(name).type) if name in bound.masks else by_name[name].type,
            )
            for name in bound.visible
        )
        return AssetView(
            asset=_without_hidden(card, columns),
            access=_access(decision),
            columns=tuple(
                ColumnAccess(n, bound.masks[n].kind, bound.masks[n].policy)
                if n in bound.masks
                else ColumnAccess(n)
                for n in bound.visible
            ),
            row_filter=explained.row_filter,
            why=explained.sentences,
            policies=tuple(name for name, _ in explained.policies),
            purpose=purpose,
            epoch=state.epoch,
            snapshot=self._snapshot(asset, version, decision),
            arrow_schema=visible.serialize().to_pybytes(),
        )

    def _version(self, asset: str, at: At | None) -> Version | None:
        try:
            return self._catalog.resolve(asset, at)
        except NotVisibleError:
            # The card was declared before any data was loaded.
            return None

    def _snapshot(self, asset: str, version: Version, decision: Decision) -> Snapshot | None:
        made = (s for s in self._catalog.versions(asset) if s.snapshot_id == version.snapshot_id)
        return next((_told(s, decision) for s in made), None)

    def _closed(
        self, state: PolicyState, card: Asset, purpose: str, decision: Decision | None
    ) -> AssetView:
        """Describe an asset that may be discovered but not read: no columns, no versions."""
        policies: tuple[str, ...] = ()
        if decision is None:
            why: tuple[str, ...] = (
                "no purpose is declared: declare one with `%govdata purpose` to see more",
            )
        elif decision.permitted:
            why = ("no data is loaded yet",)
        else:
            explained = explain(decision, card, state.governance)
            why = explained.sentences
            policies = tuple(name for name, _ in explained.policies)
        return AssetView(
            asset=replace(card, columns=(), subject=None, files=None),
            access="none",
            columns=(),
            row_filter="",
            why=why,
            policies=policies,
            purpose=purpose,
            epoch=state.epoch,
            snapshot=None,
        )

    def versions(self, principal: str, asset: str, declared: str | None) -> tuple[Snapshot, ...]:
        """List an asset's versions, newest first.

        Row counts are shown only to those who see all rows: under a row filter they would count
        hidden rows.

        Raises:
            RefusalError: Not visible, or `select` is not permitted.
        """
        _, _, decision = self._access.select(principal, asset, declared)
        found = sorted(self._catalog.versions(asset), key=lambda s: s.committed_at, reverse=True)
        return tuple(_told(s, decision) for s in found)


def _told(snapshot: Snapshot, decision: Decision) -> Snapshot:
    """Return a snapshot without what would count hidden rows (T31)."""
    if decision.row_filter == TRUE:
        return snapshot
    return replace(snapshot, added_rows=None, removed_rows=None, total_rows=None, provenance={})


def _without_hidden(card: Asset, columns: tuple[Column, ...]) -> Asset:
    """Return the card with these columns, and no word of any other."""
    names = {column.name for column in columns}
    shown = tuple(
        c if names.issuperset(domain_columns(c.domain)) else replace(c, domain="") for c in columns
    )
    subject = card.subject
    if subject is not None and not names.issuperset(
        (subject.column, *domain_columns(subject.domain))
    ):
        subject = None
    files = card.files
    if files is not None:
        told = {k: column if column in names else "" for k, column in asdict(files).items()}
        files = FileColumns(**told)
    return replace(card, columns=shown, subject=subject, files=files)
