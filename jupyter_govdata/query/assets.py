"""Governed assets as tables of a DuckDB connection. Runs in the kernel.

Every asset that a query names becomes a view in a schema of its namespace. A version
(`AT (...)`) becomes a view of the same name in a database of its own, so that `outcomes.age` and
`trials.outcomes.age` mean the same there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import duckdb

from jupyter_govdata.errors import (
    AccessDeniedError,
    GovDataError,
    NotVisibleError,
    QueryError,
    SnapshotNotFoundError,
)
from jupyter_govdata.model.asset import NAME_PART, namespace_of
from jupyter_govdata.model.scan import At, Scan, ScanRequest
from jupyter_govdata.model.view import AssetView
from jupyter_govdata.query.changes import refuse_changes
from jupyter_govdata.query.dataset import GovernedDataset
from jupyter_govdata.query.faults import AT_CATALOG, suggestion
from jupyter_govdata.query.pinned import name_pin, pinned_at
from jupyter_govdata.query.reads import Reads
from jupyter_govdata.query.source import AssetSource
from jupyter_govdata.query.text.names import Analysis, AtClause, Reference
from jupyter_govdata.query.text.placeholders import Placeholder
from jupyter_govdata.query.text.positions import place

_DUCKDBS_OWN = frozenset({"information_schema", "pg_catalog"})
"""Namespaces that DuckDB keeps for itself; assets there can be scanned, not named in SQL."""
_DATABASES = frozenset({"memory", "temp", "system"})
"""Namespaces that are names of databases, too: DuckDB wants to hear which of the two is meant."""

Located = TypeVar("Located", bound=GovDataError)


class AssetTables:
    """The assets that a connection knows.

    A card may be older than the policy state or the newest snapshot. Nothing depends on it but
    what is shown: the gateway decides every scan anew, and an answer that does not fit the card
    (other columns, a column that is gone, another epoch) has it fetched again.

    Args:
        connection: The session's connection; views are made on a cursor of it.
        source: What the principal may see.
        reads: Returns the reads of the running statement.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: AssetSource,
        reads: Callable[[], Reads],
    ) -> None:
        self._cursor = connection.cursor()
        self._source = source
        self._reads = reads
        self._names: frozenset[str] | None = None
        self._tables: dict[tuple[str, At | None], GovernedDataset] = {}
        self._pinned: dict[str, At | None] = {}
        self._catalogs: dict[At, str] = {}
        self._cards: dict[tuple[str, At | None, str | None], AssetView] = {}

    def close(self) -> None:
        """Close the cursor."""
        self._cursor.close()

    def resolve(
        self, analysis: Analysis, parameters: Mapping[str, Any], purpose: str | None
    ) -> tuple[dict[Reference, str], dict[str, AssetView]]:
        """Make the assets that a query names readable.

        Returns:
            What to write in place of a reference (versions only), and the card of every asset.

        Raises:
            GovDataError: The gateway's answer about an asset.
            QueryError: A version that cannot be one, or a statement that changes an asset.
        """
        refuse_changes(analysis.text, self.names())  # and a schema for every visible namespace
        self._repin(purpose)
        replaced: dict[Reference, str] = {}
        views: dict[str, AssetView] = {}
        done: dict[tuple[str, At | None], AssetView] = {}
        for reference in analysis.references:
            if not self._is_candidate(reference):
                continue
            at = _version(analysis, reference, parameters)
            try:
                view = done.get((reference.name, at)) or self.register(reference.name, at, purpose)
            except NotVisibleError as error:
                raise self.not_visible(error, reference, analysis.text) from None
            except SnapshotNotFoundError as error:
                raise _located(error, reference, analysis.text) from None
            done[reference.name, at] = view
            views.setdefault(reference.name, view)
            namespace, name = reference.name.split(".")
            if at is not None or (namespace in _DATABASES and not reference.deeper):
                catalog = self._catalogs[at] if at is not None else "memory"
                replaced[reference] = f'{catalog}."{namespace}"."{name}"'
        return replaced, views

    def register(self, asset: str, at: At | None, purpose: str | None) -> AssetView:
        """Fetch the card of an asset and make its rows readable as a table.

        Raises:
            NotVisibleError: Missing or hidden.
            AccessDeniedError: Visible, but `select` is refused.
            SnapshotNotFoundError: Not there at that version, or at the one that a pin names.
        """
        pins = self._reads().pins
        version = at or pinned_at(pins, asset)
        try:
            view = self._card(asset, version, purpose)
        except SnapshotNotFoundError as error:
            raise (error if at else name_pin(error, asset, pins)) from None
        if not view.arrow_schema:
            raise self._refusal(asset, version, purpose, view)
        if at is None:
            self._pinned[asset] = version
        known = self._tables.get((asset, at))
        if known is None or not known.adopt(view):
            self._tables[asset, at] = self._make_view(view, asset, at)
        return view

    def recover(self, missing: str, schema: str, analysis: Analysis, purpose: str | None) -> bool:
        """Make assets readable that DuckDB does not find; return whether that may help.

        For assets that are new since the names were listed, that only a view of the user's
        names, whose view the user dropped, or that stand alone after ``USE namespace``.
        """
        self._names = None
        last = missing.lower().rpartition(".")[2]
        wanted = {r.name for r in analysis.references if r.at is None} | {f"{schema}.{last}"}
        wanted |= {asset for asset, at in self._tables if at is None}
        found = False
        for asset in sorted(wanted & self.names()):
            if asset.rpartition(".")[2] == last:
                self._tables.pop((asset, None), None)
                self.register(asset, None, purpose)
                found = True
        return found

    def refresh(self) -> bool:
        """Fetch names and the cards of all known assets anew; return whether columns changed."""
        self._names = None
        self._cards.clear()
        before = dict(self._tables)
        for asset, at in before:
            self._renew(asset, at, self._reads().purpose)
        return any(self._tables[key] is not before[key] for key in before)

    def tables(self) -> tuple[GovernedDataset, ...]:
        """Return all assets that the connection knows, at all versions."""
        return tuple(self._tables.values())

    def table(self, catalog: str, schema: str, name: str) -> GovernedDataset | None:
        """Return the asset that a table of a query is, or None if it is another one."""
        catalog = catalog.lower()
        versions = [at for at, database in self._catalogs.items() if database == catalog]
        if catalog not in ("", "memory") and not versions:
            return None
        at = versions[0] if versions else None
        return self._tables.get((f"{schema}.{name}".lower(), at))

    def pinned(self) -> Mapping[str, At | None]:
        """Return the version that a pin fixes, of each asset that is read without one."""
        return dict(self._pinned)

    def names(self) -> frozenset[str]:
        """Return the names of the visible assets, listed once."""
        if self._names is None:
            listed = self._source.names()
            self._names = frozenset(n for n in listed if namespace_of(n) not in _DUCKDBS_OWN)
            for namespace in {namespace_of(name) for name in self._names}:
                self._cursor.execute(f'CREATE SCHEMA IF NOT EXISTS memory."{namespace}"')
        return self._names

    def not_visible(
        self, error: NotVisibleError, reference: Reference, text: str
    ) -> NotVisibleError:
        """Add the place in the text and visible names that look alike."""
        error.hint = suggestion(reference.name, sorted(self.names())) or error.hint
        return _located(error, reference, text)

    def _card(self, asset: str, version: At | None, purpose: str | None) -> AssetView:
        view = self._cards.get((asset, version, purpose))
        if view is None or not view.arrow_schema:
            view = self._cards[asset, version, purpose] = self._source.view(asset, version, purpose)
        return view

    def _repin(self, purpose: str | None) -> None:
        """Fit all known tables to the pins of this run: views of the user may read them, too."""
        pins = self._reads().pins
        for asset, before in tuple(self._pinned.items()):
            if before != pinned_at(pins, asset):
                self._renew(asset, None, purpose)

    def _renew(self, asset: str, at: At | None, purpose: str | None) -> None:
        try:
            self.register(asset, at, purpose)
        except GovDataError:
            return  # the scan says what is wrong, if the query reads it at all

    def _is_candidate(self, reference: Reference) -> bool:
        namespace, _, name = reference.name.partition(".")
        if not NAME_PART.fullmatch(namespace) or not NAME_PART.fullmatch(name):
            return False
        if reference.at is not None and not reference.deeper:
            return True
        return reference.name in self.names()

    def _refusal(
        self, asset: str, at: At | None, purpose: str | None, view: AssetView
    ) -> GovDataError:
        """Return the gateway's own refusal; asking for the scan puts it on record."""
        try:
            self._source.open_scan(ScanRequest(Scan(asset, at), purpose)).cancel()
        except NotVisibleError:
            return QueryError(  # there is a card, so there are no data behind it
                f"`{asset}` has no data yet",
                hint=f"`%govdata describe {asset}` says whom to ask",
            )
        except GovDataError as error:
            return error
        return AccessDeniedError(
            f"`select` on `{asset}` is not permitted", hint=f"%govdata explain {view.asset.name}"
        )

    def _make_view(self, view: AssetView, asset: str, at: At | None) -> GovernedDataset:
        namespace, name = namespace_of(asset), asset.rpartition(".")[2]
        if at is not None and at not in self._catalogs:
            catalog = f"{AT_CATALOG}{len(self._catalogs) + 1}"
            self._cursor.execute(f"ATTACH ':memory:' AS {catalog}")
            self._catalogs[at] = catalog
        schema = f'{self._catalogs[at] if at else "memory"}."{namespace}"'
        self._cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        self._cursor.execute(f"USE {schema}")
        dataset = GovernedDataset(view, at, self._reads)
        columns = ", ".join(
            f"{_quoted(dataset.prefix + name)} AS {_quoted(name)}" for name in dataset.columns
        )
        try:
            # The view holds on to the dataset as long as it exists.
            self._cursor.from_arrow(dataset).project(columns).create_view(name, replace=True)
        except duckdb.CatalogException as exc:
            raise QueryError(
                f"a table of yours is called `{asset}`, like the governed asset",
                hint=f"rename it: `ALTER TABLE {asset} RENAME TO ...`",
            ) from exc
        finally:
            self._cursor.execute("USE memory.main")
        return dataset


def _located(error: Located, reference: Reference, text: str) -> Located:
    error.detail.update(place(QueryError(""), text, reference.start).detail)
    return error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _version(analysis: Analysis, reference: Reference, parameters: Mapping[str, Any]) -> At | None:
    clause = reference.at
    if clause is None:
        return None
    value = clause.value
    literal = parameters[value.name] if isinstance(value, Placeholder) else value
    try:
        return _at(clause, literal)
    except (ValueError, TypeError) as exc:
        raise place(
            QueryError(
                f"`{clause.kind.upper()}` in `AT (...)` does not have the form of one",
                hint="`VERSION` takes a snapshot id, `TIMESTAMP` an ISO time (UTC unless it "
                "says otherwise), `TAG` a name",
            ),
            analysis.text,
            clause.start,
        ) from exc


def _at(clause: AtClause, value: Any) -> At:
    if clause.kind == "version":
        if isinstance(value, bool | float):
            raise TypeError
        return At(snapshot_id=int(value))
    if clause.kind == "tag":
        if not isinstance(value, str) or not value:
            raise TypeError
        return At(tag=value)
    if isinstance(value, str):
        value = dt.datetime.fromisoformat(value)
    elif not isinstance(value, dt.datetime):
        value = dt.datetime.combine(value, dt.time())
    return At(timestamp=value if value.tzinfo else value.replace(tzinfo=dt.UTC))
