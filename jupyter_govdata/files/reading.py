"""Reads granted files, however long it takes. Runs in the kernel; decides nothing.

A grant may be lost (the gateway was started anew, the grant lapsed): then it is asked for again,
and every file is found in the new one by its key. A stream that breaks off goes on where it was.
"""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, TypeVar

import pyarrow as pa

from jupyter_govdata.client.files import FILE_FIELDS, Files
from jupyter_govdata.client.objects import ExpiredError, ObjectReader
from jupyter_govdata.client.sigv4 import signed_get
from jupyter_govdata.errors import (
    AccessDeniedError,
    FileChangedError,
    GatewayError,
    GatewayUnreachableError,
    GovDataError,
    GrantError,
    LimitError,
    RefusalError,
    StaleDecisionError,
    StorageError,
)
from jupyter_govdata.files.words import relative_paths
from jupyter_govdata.model.files import (
    FileRead,
    FileSession,
    FilesGrant,
    FilesRequest,
    FileStat,
    SignedFile,
)
from jupyter_govdata.model.manifest import ManifestHeader

T = TypeVar("T")

Addresses = Callable[[pa.Table], "Sequence[str | None] | None"]
"""Returns where the files of these rows are, None where that is not shown."""

ATTEMPTS = 9
"""Tries without a byte in between before a read is given up: about half a minute."""
SIGNED_AHEAD = 100
_MARGIN = dt.timedelta(seconds=5)
_LONGEST_WAIT = 8.0
_INDEX = re.compile(r"file \d+ of the grant")


class Granted:
    """The files of one grant, each by its position in the first answer; thread-safe.

    Args:
        files: Calls of the session's connection.
        request: Asked for, and asked for again when the grant is lost.
    """

    def __init__(self, files: Files, request: FilesRequest) -> None:
        self._files = files
        self.request = request
        self.grant: FilesGrant = files.grant(request)
        self._lock = threading.RLock()
        self._rows: pa.Table | None = None
        self._moved: dict[str, tuple[int, str]] | None = None
        self._paths: list[str] | None = None
        self._stats: dict[int, FileStat] = {}
        self._objects = ObjectReader()
        self._signed: dict[int, SignedFile] = {}
        self._session: FileSession | None = None
        self._expected: tuple[int, ...] = ()
        self._rank: dict[int, int] = {}
        self._stopped = threading.Event()

    def __repr__(self) -> str:
        return f"<{self.grant.count} granted files of {self.grant.asset}>"

    @property
    def rows(self) -> pa.Table:
        """`FILE_FIELDS` and the visible columns of the inventory; read once.

        Raises:
            GovDataError: Whatever the gateway answers.
        """
        with self._lock:
            if self._rows is None:
                self._rows = self.asked(self._files.rows)
            return self._rows

    def paths(self, addresses: Addresses) -> Sequence[str]:
        """Return the path of every file; see `relative_paths`."""
        with self._lock:
            if self._paths is None:
                rows = self.rows
                names, keys = (rows.column(name).to_pylist() for name in ("name", "key"))
                self._paths = relative_paths(names, addresses(rows), keys)
            return self._paths

    def signed_list(self) -> tuple[ManifestHeader, pa.Table]:
        """Have the gateway sign what the grant holds now; return it with the rows it is about."""
        return self.asked(lambda grant: (self._files.manifest(grant), self._files.rows(grant)))

    def stat(self, position: int) -> FileStat:
        """Return what is known of a file."""
        known = self._stats.get(position)
        if known is None:
            row = self.rows.select(FILE_FIELDS).slice(position, 1).to_pylist()[0]
            known = self._looked_up(row["key"]) if row["size"] is None else FileStat(**row)
            self._stats[position] = known
        return known

    def check(self, position: int) -> None:
        """Ask the gateway whether a file may be opened now.

        Raises:
            RefusalError: It may not (any more).
            StorageError: It is gone, or was replaced.
        """
        self._looked_up(self.stat(position).key)

    def _looked_up(self, key: str) -> FileStat:
        """Return what the storage knows of a file now; the gateway decides before it answers."""

        def ask(grant: str) -> FileStat:
            moved = self._moved
            places = self._places if moved is None else {k: i for k, (i, _) in moved.items()}
            if key not in places:
                raise AccessDeniedError("a file may not be opened any more")
            return self._files.stat(grant, places[key])

        return self.asked(ask)

    @cached_property
    def _places(self) -> dict[str, int]:
        found = self.rows.select(["key", "index"]).to_pylist()
        return {row["key"]: row["index"] for row in found}

    def asked(self, call: Callable[[str], T]) -> T:
        """Call with the grant; if it is lost, once more with a new one."""
        lost = self.grant.grant
        with suppress(GrantError):
            return call(lost)
        self._ask_again(lost)
        return call(self.grant.grant)

    def expect(self, positions: Sequence[int]) -> None:
        """Say which files will be read next, so that they are signed together."""
        self._expected = tuple(positions)
        self._rank = {position: rank for rank, position in enumerate(self._expected)}

    def close(self) -> None:
        """Stop waiting reads, and let go of connections and addresses."""
        self._stopped.set()
        self._objects.close()
        self._signed.clear()
        self._session = None

    # -- reading ---------------------------------------------------------------------------------

    def read(
        self, position: int, offset: int = 0, length: int | None = None
    ) -> Generator[memoryview | bytes, None, None]:
        """Yield bytes ``[offset, offset + length)`` of a file, to its end at most.

        Raises:
            RefusalError: The file may not be opened (any more).
            StorageError: It is gone, was replaced, or cannot be read.
            GatewayUnreachableError: Nothing came for about half a minute.
        """
        if self._stopped.is_set():
            raise GatewayError("the session is closed", hint="connect again")
        stat = self.stat(position)
        end = stat.size if length is None else min(stat.size, offset + length)
        offset = min(offset, end)
        failed = 0
        # Also an empty file is opened: whether that is permitted is the gateway's to say.
        opened = stat.size > 0
        while offset < end or not opened:
            failed += 1
            problem: GovDataError | None = None
            grant = self.grant.grant
            try:
                for part in self._once(position, offset, end - offset):
                    failed = 1
                    offset += len(part)
                    yield part
            except GovDataError as error:
                problem = error
            if problem is None and offset >= end:
                return
            self._recover(problem or _ended_early(), grant, failed, stat)

    def _once(self, position: int, offset: int, length: int) -> Iterator[memoryview | bytes]:
        grant = self.grant
        if grant.way == "proxied":
            index = self._index(position)
            yield from self._files.read(FileRead(grant.grant, index, offset, length))
            return
        is_new = False
        while not is_new:
            address, is_new = self._address(position)
            try:
                yield from self._objects.read(address, offset, length)
            except ExpiredError:
                with self._lock:
                    self._signed.pop(position, None)
                    self._session = None
            else:
                return
        raise StorageError(
            f"the object store refuses `{self.stat(position).name}`",
            hint="tell the lake's steward: its address was signed a moment ago",
        )

    def _recover(self, error: GovDataError, grant: str, failed: int, stat: FileStat) -> None:
        """Wait, or ask for the grant again; raise what cannot be helped."""
        if failed < ATTEMPTS and not self._stopped.is_set():
            if isinstance(error, GrantError):
                self._ask_again(grant)
                return
            if isinstance(error, StaleDecisionError) and failed == 1:
                return
            if isinstance(error, AccessDeniedError) and failed == 1 and self._is_direct(grant):
                # Its way may be closed: credentials for all of it end when one file is withdrawn.
                self._ask_again(grant)
                return
            if isinstance(error, GatewayUnreachableError | LimitError) or (
                type(error) is GatewayError
            ):
                self._stopped.wait(min(_LONGEST_WAIT, 0.05 * 2.0**failed))
                return
        raise _named(error, stat.name)

    # -- where a file is -------------------------------------------------------------------------

    def _ask_again(self, lost: str) -> None:
        with self._lock:
            if self.grant.grant != lost:
                return
            fresh = self._files.grant(self.request)
            if self._rows is not None:
                found = self._files.rows(fresh.grant).select(["key", "index", "version"])
                self._moved = {r["key"]: (r["index"], r["version"]) for r in found.to_pylist()}
            self.grant = fresh
            self._signed.clear()
            self._session = None

    def _index(self, position: int) -> int:
        """Return the index of a file in the grant as it is now."""
        moved, stat = self._moved, self.stat(position)
        if moved is None:
            return stat.index
        index, version = moved.get(stat.key, (-1, ""))
        if index < 0:
            raise AccessDeniedError(
                f"`{stat.name}` may not be opened any more",
                hint="policy, consent or the inventory changed: ask for the files again",
            )
        if version != stat.version:
            raise FileChangedError(
                f"`{stat.name}` was replaced since the files were granted",
                hint="ask for the files again",
            )
        return index

    def _is_direct(self, grant: str) -> bool:
        return self.grant.grant == grant and self.grant.way != "proxied"

    def _address(self, position: int) -> tuple[SignedFile, bool]:
        """Return an address of a file, and whether it was made for this call."""
        now = dt.datetime.now(dt.UTC)
        with self._lock:
            known = self._signed.get(position)
            if known is not None and known.expires_at - _MARGIN > now:
                return known, False
            if self.grant.way == "session":
                return self._from_session(position, now)
            indexes = self._ahead(position)
            signed = self.asked(lambda grant: self._files.sign(grant, tuple(indexes)))
            for one in signed:
                if one.index in indexes:
                    self._signed[indexes[one.index]] = one
            if position not in self._signed:
                raise AccessDeniedError(f"`{self.stat(position).name}` may not be opened")
            return self._signed[position], True

    def _from_session(self, position: int, now: dt.datetime) -> tuple[SignedFile, bool]:
        is_new = self._session is None or self._session.expires_at - _MARGIN <= now
        if is_new:
            self._session = self.asked(self._files.session)
        assert self._session is not None
        index = self._index(position)
        if index not in self._session.keys:
            raise AccessDeniedError(f"`{self.stat(position).name}` may not be opened")
        return signed_get(self._session, index, now), is_new

    def _ahead(self, position: int) -> dict[int, int]:
        """Return index -> position of the files to sign: this one and those expected next."""
        wanted = {self._index(position): position}
        rank = self._rank.get(position)
        if rank is not None:
            for other in self._expected[rank + 1 : rank + SIGNED_AHEAD]:
                with suppress(AccessDeniedError, StorageError):
                    wanted[self._index(other)] = other
        return wanted


def _ended_early() -> GovDataError:
    return GatewayUnreachableError("the file ended early", hint="try again")


def _named(error: GovDataError, name: str) -> GovDataError:
    """Return the error with the file's name in it: whoever reads many files needs to know which."""
    detail: dict[str, Any] = {**error.detail, "file": name}
    told = _INDEX.sub(lambda _: f"`{name}`", error.message)
    if told != error.message:
        return type(error)(told, hint=error.hint, detail=detail)
    if f"`{name}`" in error.message or not isinstance(error, RefusalError | StorageError):
        message = error.message
    else:
        message = f"`{name}`: {error.message}"
    return type(error)(message, hint=error.hint, detail=detail)
