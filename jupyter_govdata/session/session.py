"""The session that every surface uses. Runs in the kernel.

Composes the Flight client, the query engine, the readers of source files and stamps. A session
holds no permission: it shows what the gateway decides.
"""

from __future__ import annotations

import datetime as dt
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_govdata.client.connection import DEFAULT_TIMEOUT, Connection
from jupyter_govdata.client.endpoint import EmbeddedGateway, TeamGateway
from jupyter_govdata.client.scan import FlightScan
from jupyter_govdata.errors import ConfigError, LoadError
from jupyter_govdata.files.tables import FileScan, TableScans
from jupyter_govdata.formats import Source, open_source
from jupyter_govdata.model.asset import Snapshot, asset_name
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.model.scan import At, Filter, Fragment, Limit, Project, Scan, ScanRequest
from jupyter_govdata.model.view import AssetView
from jupyter_govdata.model.wire import at_to_wire, snapshot_from_wire
from jupyter_govdata.model.wire_views import view_from_wire
from jupyter_govdata.query.answers import running_cell
from jupyter_govdata.query.dryrun import DryRun
from jupyter_govdata.query.engine import DEFAULT_SCAN_CACHE, QueryEngine
from jupyter_govdata.query.progress import Progress
from jupyter_govdata.query.result import QueryResult
from jupyter_govdata.session.browsing import BrowsingMixin
from jupyter_govdata.session.catalog import SessionCatalog
from jupyter_govdata.session.conditions import Where, condition, version, with_moment
from jupyter_govdata.session.files import FilesMixin
from jupyter_govdata.session.holding import HoldingMixin
from jupyter_govdata.session.origins import load_command, origins
from jupyter_govdata.session.requesting import RequestingMixin
from jupyter_govdata.session.sources import counts, governance_files, problems_found, provenance

OnProgress = Callable[[int, int | None, int | None], None]


class Session(FilesMixin, BrowsingMixin, HoldingMixin, RequestingMixin):
    """A principal at a gateway: queries, scans, the catalog, loading.

    Made by `connect`; usable as a context manager. All sessions are independent.
    """

    def __init__(
        self,
        endpoint: EmbeddedGateway | TeamGateway,
        *,
        purpose: str | None = None,
        pins: Pins | None = None,
        scan_cache: int = DEFAULT_SCAN_CACHE,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._endpoint = endpoint
        self._connection = Connection(endpoint, timeout=timeout)
        self._me: dict[str, Any] = self._connection.act("whoami")
        self._purpose = purpose
        self._pins = pins or Pins()
        self._tables = TableScans(self._connection)
        self.catalog = SessionCatalog(self._act, self.view)
        self._engine = QueryEngine(self, scan_cache=scan_cache)

    def __repr__(self) -> str:
        return f"<Session {self._me['principal']}, purpose {self.purpose}, {self.wall}>"

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _act(self, action: str, data: dict[str, Any]) -> Any:
        return self._connection.act(action, {"purpose": self._purpose, **data})

    # -- who and why -------------------------------------------------------------------------

    @property
    def wall(self) -> str:
        """``enforced`` if the gateway runs under another OS user or host, else ``advisory``.

        Under the same user anybody could read the lake's files and keys directly (invariant 8).
        """
        same = self._me["host"] == socket.gethostname() and self._me["uid"] == os.getuid()
        return "advisory" if same else "enforced"

    @property
    def purpose(self) -> str | None:
        """Declared purpose, or the principal's own; None if there is neither."""
        return self._purpose or self._me["purpose"]

    @purpose.setter
    def purpose(self, value: str | None) -> None:
        self._purpose = value

    @property
    def pins(self) -> Pins:
        """Which snapshots are read where a query names no version; none pinned by default."""
        return self._pins

    @pins.setter
    def pins(self, value: Pins) -> None:
        self._pins = value

    @property
    def public_key(self) -> str:
        """PEM of the key that the gateway signs receipts with."""
        return str(self._me["public_key"])

    @property
    def public_keys(self) -> tuple[str, ...]:
        """PEM of all keys that receipts of this lake verify with, the current one first."""
        return tuple(str(pem) for pem in self._connection.act("keys")["keys"])

    def whoami(self) -> dict[str, Any]:
        """Return principal, groups, attributes, purposes, epoch and wall, as of now."""
        self._me = self._connection.act("whoami")
        hidden = ("host", "uid", "public_key", "table_files")
        return {k: v for k, v in self._me.items() if k not in hidden} | {
            "purpose": self.purpose,
            "wall": self.wall,
        }

    # -- AssetSource: what the query engine reads from -----------------------------------------

    def epoch(self) -> int:
        """Return the version of the policy state."""
        return int(self._connection.act("epoch")["epoch"])

    def names(self) -> tuple[str, ...]:
        """Return the names of all visible assets."""
        return self.catalog.names()[1]

    def namespaces(self) -> tuple[str, ...]:
        """Return the namespaces that hold a visible asset."""
        return tuple(sorted({name.split(".", 1)[0] for name in self.names()}))

    def view(self, asset: str, at: At | None = None, purpose: str | None = None) -> AssetView:
        """Return an asset's card as this principal sees it.

        Raises:
            NotVisibleError: Missing or hidden.
            SnapshotNotFoundError: No such version.
        """
        return view_from_wire(
            self._connection.act(
                "view",
                {"asset": asset, "at": at_to_wire(at), "purpose": purpose or self._purpose},
            )
        )

    def open_scan(self, request: ScanRequest) -> FlightScan | FileScan:
        """Plan a governed scan; nothing is read before its reader is.

        Raises:
            GovDataError: Whatever the gateway answers.
        """
        if self._me.get("table_files"):
            return self._tables.open(request)
        return FlightScan(self._connection, request)

    # -- reading -----------------------------------------------------------------------------

    def sql(
        self,
        sql: str,
        params: Mapping[str, Any] | None = None,
        *,
        purpose: str | None = None,
        frames: Mapping[str, Any] | None = None,
        pins: Pins | None = None,
        as_of: dt.datetime | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> QueryResult:
        """Run any SQL of DuckDB over the governed assets, in this process.

        Args:
            sql: Assets are ``namespace.name``, optionally ``AT (VERSION => id)``.
            params: Values for ``$name``, ``:name`` or ``{{ name }}``; bound, never pasted.
            purpose: For this query only.
            frames: Local pandas, polars or Arrow tables by the name the SQL uses.
            pins: Which snapshots are read where the SQL names no version; those of the session
                by default. Permission is decided as of today all the same.
            as_of: Assets without version and pin are read as they were then (aware).
            on_progress: Called in this thread while the query runs, at most ten times a second,
                and once more when it has ended, however it did.

        Raises:
            QueryError: The SQL or its parameters, with line and column.
            RefusalError: The gateway's answer.
            SnapshotNotFoundError: A version or a pin that there is not (any more).
            ConfigError: `as_of` has no time zone.
        """
        return self._engine.run(
            sql,
            params or {},
            purpose=purpose or self._purpose,
            frames=frames or {},
            pins=self._in_force(pins, as_of),
            on_progress=on_progress,
        )

    def dry_run(
        self,
        sql: str,
        params: Mapping[str, Any] | None = None,
        *,
        purpose: str | None = None,
        frames: Mapping[str, Any] | None = None,
        pins: Pins | None = None,
        as_of: dt.datetime | None = None,
    ) -> DryRun:
        """Say what a query would read: assets, snapshots, columns, filters, masks.

        The arguments are those of `sql`. The query is not run, and no governed row is read.

        Raises:
            QueryError: The SQL or its parameters, with line and column.
            RefusalError: The gateway would refuse.
        """
        return self._engine.dry_run(
            sql,
            params or {},
            purpose=purpose or self._purpose,
            frames=frames or {},
            pins=self._in_force(pins, as_of),
        )

    def scan(
        self,
        asset: str,
        *,
        columns: Sequence[str] | None = None,
        where: Where | None = None,
        at: At | int | str | None = None,
        limit: int | None = None,
        purpose: str | None = None,
    ) -> QueryResult:
        """Read one asset without SQL.

        Args:
            asset: ``namespace.name``.
            columns: All visible columns by default.
            where: See `Where`; applied to the values as they are shown (masked).
            at: A snapshot id, a tag, or an `At`; else the session's pin, else now.
            limit: At most so many rows.
            purpose: For this scan only.

        Raises:
            RefusalError: The gateway's answer.
            ColumnNotFoundError: A column that the asset does not show.
        """
        fragment: Fragment = Scan(asset_name(asset), version(at))
        if where is not None:
            fragment = Filter(fragment, condition(where))
        if columns is not None:
            fragment = Project(fragment, tuple(columns))
        if limit is not None:
            fragment = Limit(fragment, limit)
        request = ScanRequest(fragment, purpose or self._purpose)
        return self._engine.scan(request, self._in_force(None, None))

    def _in_force(self, pins: Pins | None, as_of: dt.datetime | None) -> Pins:
        return with_moment((self._pins if pins is None else pins).for_cell(running_cell()), as_of)

    def explain(
        self, asset: str, *, user: str | None = None, purpose: str | None = None
    ) -> AssetView:
        """Say what one may see of an asset and which policy decides.

        Args:
            asset: ``namespace.name``.
            user: Somebody else; needs `manage` on the asset.
            purpose: Instead of the session's.

        Raises:
            NotVisibleError: Missing or hidden.
            AccessDeniedError: `user` was given without the right to ask.
        """
        if user is None:
            return self.view(asset, None, purpose)
        data = {"asset": asset, "as": user, "purpose": purpose}
        return view_from_wire(self._connection.act("explain_as", data))

    # -- loading and stewardship ---------------------------------------------------------------

    def load(
        self,
        source: Any,
        into: str,
        *,
        mode: str = "create",
        partition_by: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
        description: str = "",
        evolve: bool = False,
        inputs: Sequence[Any] = (),
        on_schema: Callable[[Source], None] | None = None,
        on_progress: OnProgress | None = None,
        **options: Any,
    ) -> Snapshot:
        """Load a file, a database table or a frame as one snapshot of an asset.

        Args:
            source: Path, database URL (with ``table=``), pandas or polars frame, Arrow table.
            into: ``namespace.name``.
            mode: ``create``, ``append`` or ``overwrite``.
            partition_by: Columns or transforms (``bucket(16, id)``), for a new asset.
            tags: Asset tags, for a new asset.
            description: For a new asset.
            evolve: Add columns that the asset does not have yet.
            inputs: Results, their frames and names of assets that the rows were made from; what
                stands behind a result that is loaded, or behind its frame, is known.
            on_schema: Called with the opened source before anything is written.
            on_progress: Called with rows read, bytes read and bytes in all.
            **options: Of `jupyter_govdata.formats.open_source`: ``format``, ``delimiter``,
                ``encoding``, ``types``, ``columns``, ``table``, ``reject_file`` ...

        Returns:
            The new snapshot; its provenance counts rejected rows.

        Raises:
            LoadError: The source cannot be read.
            RefusalError: `publish` is not permitted.
            CatalogError: The asset exists (create), is missing, or does not fit.
        """
        if mode not in ("create", "append", "overwrite"):
            raise LoadError(f"unknown mode `{mode}`", hint="create, append or overwrite")
        asset_name(into)
        source, made_from = origins(source, inputs)
        if isinstance(source, str | Path) and "://" not in str(source):
            # Rows that do not fit are kept where the user works, also when nobody asked for it.
            options.setdefault("reject_file", Path.cwd() / f"{Path(source).name}.rejects.csv")
        opened = open_source(source, on_progress=on_progress, **options)
        if on_schema is not None:
            on_schema(opened)
        command = load_command(into, mode, partition_by, tags, description, evolve) | made_from
        command |= {"purpose": self._purpose, "provenance": provenance(opened)}
        answer = self._connection.put(
            command, opened.schema, opened.batches(), lambda: counts(opened)
        )
        return snapshot_from_wire(answer)

    def apply(self, governance: str | Path, *, dry_run: bool = False) -> dict[str, Any]:
        """Check a governance folder and make it the new epoch.

        Returns:
            ``epoch`` and ``changes``.

        Raises:
            PolicyFileError: The first problem; all of them are in ``detail["problems"]``.
            AccessDeniedError: `manage` on the lake is not permitted.
        """
        folder = Path(governance)
        if not folder.is_dir():
            raise ConfigError(f"`{folder}` is not a folder")
        answer = self._connection.act(
            "apply", {"files": governance_files(folder), "dry_run": dry_run}
        )
        if answer["problems"]:
            raise problems_found(answer["problems"], folder)
        return {"epoch": answer["epoch"], "changes": answer["changes"]}

    def consent(
        self, domain: str, subject: str, purpose: str, status: str, *, source: str = ""
    ) -> int:
        """Record a consent ``given`` or ``withdrawn``; return the new epoch.

        Raises:
            AccessDeniedError: `manage` on the lake is not permitted.
        """
        data = {
            "domain": domain,
            "subject": subject,
            "purpose": purpose,
            "status": status,
            "source": source,
        }
        return int(self._connection.act("consent", data)["epoch"])

    def audit(self, limit: int = 100) -> dict[str, Any]:
        """Return the newest audit records and the state of their chain.

        Raises:
            AccessDeniedError: `manage` on the lake is not permitted.
        """
        answer: dict[str, Any] = self._connection.act("audit", {"limit": limit})
        return answer

    def close(self) -> None:
        """Close the connection and let go of an embedded gateway."""
        self._close_files()
        self._engine.close()
        self._connection.close()
        self._endpoint.close()
