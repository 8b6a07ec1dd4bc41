"""How the bytes of a grant's files come: the strictest way that fits counts. Runs in the gateway.

SECURITY: addresses leave the gateway only where the policy shows them as they are stored. A way
that does not fit exactly is not taken: the grant falls to a stricter one, never to a looser one.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from jupyter_govdata.errors import AccessDeniedError, StorageError
from jupyter_govdata.gateway.access import utc_now
from jupyter_govdata.gateway.filing_grants import Basis, Held
from jupyter_govdata.gateway.filing_rows import CHECKSUM, URI, VERSION
from jupyter_govdata.model.files import FileSession, SignedFile, Way
from jupyter_govdata.storage.places import ETAG
from jupyter_govdata.storage.s3_files import S3Files
from jupyter_govdata.storage.s3_policy import Scope
from jupyter_govdata.storage.stores import Stores


class Ways:
    """Chooses the way of a grant and goes it."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def choose(self, basis: Basis, *, whole: bool) -> Way:
        """Return the way of a new grant; data files of a table are never overwritten."""
        if not basis.plain or not len(basis.rows):
            return "proxied"
        asset, addresses = basis.card.name, basis.rows.granted.column(URI)
        store = self._stores.common(addresses, asset, tables=whole)
        if store is None:
            return "proxied"
        way = self._stores.way(store, basis.card.tags)
        if way == "session" and self._scope(store, basis) is not None:
            return "session"
        return "proxied" if way == "proxied" or not (whole or _is_pinned(basis)) else "signed"

    def _scope(self, store: S3Files, basis: Basis) -> Scope | None:
        """Return the exact scope of all files of a grant, None if there is none.

        A session reads the current content of a key, so files that name a version have no scope.
        """
        table = basis.rows.part(0, len(basis.rows))
        if table.column(URI).null_count or table.column(VERSION).null_count != table.num_rows:
            return None
        try:
            keys = [store.key(address) for address in table.column(URI).to_pylist()]
        except StorageError:  # an address that is never served; reading it says so
            return None
        return store.scope([key for key in keys if key is not None])

    def sign(
        self, held: Held, basis: Basis, indexes: list[int], rows: pa.Table, method: str
    ) -> tuple[SignedFile, ...]:
        """Return signed addresses of rows, one for each index.

        Raises:
            AccessDeniedError: The grant is not, or no more, of the way `signed`.
        """
        store = self._store(held, basis, "signed")
        files = []
        for address, version, checksum in zip(
            *(rows.column(c).to_pylist() for c in (URI, VERSION, CHECKSUM)), strict=True
        ):
            key = store.key(address)
            tag = checksum.removeprefix(ETAG) if checksum and checksum.startswith(ETAG) else ""
            if key is None or not (held.whole or version or tag):
                raise _not("signed")
            files.append((key, version or "", "" if version else tag))
        signed = store.sign(files, method, utc_now())
        return tuple(
            SignedFile(index, method, one.url, one.headers, one.expires)
            for index, one in zip(indexes, signed, strict=True)
        )

    def session(self, held: Held, basis: Basis) -> FileSession:
        """Return credentials for all files of a grant, whose rows were all looked up.

        Raises:
            AccessDeniedError: The grant is not of this way, rows of it were withdrawn, or what
                lies below its prefix is no longer exactly the granted set.
        """
        store = self._store(held, basis, "session")
        scope = self._scope(store, basis)
        if scope is None:
            raise _not("session")
        keys = basis.rows.part(0, len(basis.rows)).column(URI).to_pylist()
        session, expires = store.session(scope, f"govdata-{held.name}")
        return FileSession(
            access_key=session.access_key,
            secret_key=session.secret_key,
            session_token=session.session_token,
            endpoint=store.config.endpoint,
            region=store.config.region,
            expires_at=expires,
            bucket=store.config.bucket,
            prefix=scope.prefix,
            keys={i: str(store.key(address)) for i, address in enumerate(keys)},
            addressing=store.config.addressing,
        )

    def _store(self, held: Held, basis: Basis, way: Way) -> S3Files:
        """Return the storage of a grant, if its way is still open under today's policy."""
        if held.way != way or not basis.plain:
            raise _not(way)
        asset, addresses = basis.card.name, basis.rows.granted.column(URI)
        store = self._stores.common(addresses, asset, tables=held.whole)
        if store is None or self._stores.way(store, basis.card.tags) not in (way, "session"):
            raise _not(way)
        return store


def _is_pinned(basis: Basis) -> bool:
    """Return True if the store can tell of every file whether it was replaced."""
    granted = basis.rows.granted
    version, checksum = granted.column(VERSION), granted.column(CHECKSUM)
    pinned = pc.or_kleene(pc.is_valid(version), pc.fill_null(pc.starts_with(checksum, ETAG), False))
    return bool(pc.all(pinned, min_count=0).as_py())


def _not(way: Way) -> AccessDeniedError:
    return AccessDeniedError(
        f"refused: the files of this grant are not opened by the way `{way}`",
        hint="ask for the files again and take the way that the grant names",
    )
