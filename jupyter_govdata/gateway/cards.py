"""What a principal is told of one asset: its card, and why it is so. Runs in the gateway.

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
from jupyter_govdata.gateway.versions import told
from jupyter_govdata.model import view as views
from jupyter_govdata.model.asset import Asset, Column, FileColumns, Snapshot
from jupyter_govdata.model.decision import Decision
from jupyter_govdata.model.predicate import TRUE
from jupyter_govdata.model.scan import At
from jupyter_govdata.model.view import AssetView, ColumnAccess
from jupyter_govdata.policy.explain import explain
from jupyter_govdata.storage import shown_schema


def access_of(decision: Decision | None) -> views.Access:
    """Return the summary of a decision; None is no decision for want of a purpose."""
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

    def situation(self, principal: str, declared: str | None) -> tuple[PolicyState, str]:
        """Return the policy state and the purpose that count; empty where none is declared.

        Raises:
            AuthenticationError: The lake does not know the principal.
            PurposeError: A purpose was declared that the lake does not know.
        """
        state = self._access.state()
        return state, self._purpose(state, principal, declared)

    def require_visible(
        self, principal: str, asset: str, declared: str | None
    ) -> tuple[PolicyState, str]:
        """Return the situation, if the principal may know of the asset in it.

        Raises:
            NotVisibleError: Missing or hidden.
        """
        state, purpose = self.situation(principal, declared)
        self._access.require_visible(state, principal, asset, purpose, "discover")
        return state, purpose

    def decision(
        self, state: PolicyState, principal: str, purpose: str, asset: str
    ) -> Decision | None:
        """Return what the principal sees of an asset; None where no purpose is declared."""
        if not purpose:
            return None
        return state.decide(principal, "select", asset, purpose, utc_now())

    def visible(
        self, state: PolicyState, principal: str, purpose: str, card: Asset
    ) -> tuple[Column, ...]:
        """Return the columns of an asset that the principal sees, masked ones included."""
        decision = self.decision(state, principal, purpose, card.name)
        if decision is None or not decision.permitted:
            return ()
        return tuple(c for c in card.columns if c.name not in decision.hidden)

    def view(self, principal: str, asset: str, at: At | None, declared: str | None) -> AssetView:
        """Describe an asset as the principal sees it.

        Raises:
            NotVisibleError: Missing or hidden.
            SnapshotNotFoundError: No such version.
        """
        state, purpose = self.require_visible(principal, asset, declared)
        card = state.assets[asset]
        decision = self.decision(state, principal, purpose, asset)
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
        shown_card = _without_hidden(card, columns)
        snapshot = self._snapshot(asset, version, decision)
        return AssetView(
            asset=shown_card,
            access=access_of(decision),
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
            snapshot=snapshot,
            arrow_schema=visible.serialize().to_pybytes(),
            completeness=views.completeness(shown_card, snapshot),
        )

    def _version(self, asset: str, at: At | None) -> Version | None:
        try:
            return self._catalog.resolve(asset, at)
        except NotVisibleError:
            # The card was declared before any data was loaded.
            return None

    def _snapshot(self, asset: str, version: Version, decision: Decision) -> Snapshot | None:
        made = (s for s in self._catalog.versions(asset) if s.snapshot_id == version.snapshot_id)
        return next((told(s, decision) for s in made), None)

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
        shown = replace(card, columns=(), subject=None, files=None)
        return AssetView(
            asset=shown,
            access="none",
            columns=(),
            row_filter="",
            why=why,
            policies=policies,
            purpose=purpose,
            epoch=state.epoch,
            snapshot=None,
            completeness=views.completeness(shown, None),
        )


def _without_hidden(card: Asset, columns: tuple[Column, ...]) -> Asset:
    """Return the card with these columns, and no word of any other."""
    names = {column.name for column in columns}
    # SECURITY: field ids count the columns, so a gap would tell of a hidden one (T22).
    shown = tuple(
        replace(
            c, field_id=0, domain=c.domain if names.issuperset(domain_columns(c.domain)) else ""
        )
        for c in columns
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
