"""Files of one bucket: read, signed, or opened by credentials that fit exactly. In the gateway."""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from jupyter_govdata.config import StorageConfig
from jupyter_govdata.errors import ConfigError
from jupyter_govdata.storage.places import ETAG, SHA256, Expected, Span, changed, checked
from jupyter_govdata.storage.s3_client import s3_client, s3_errors, status_of
from jupyter_govdata.storage.s3_credentials import Credentials, read_credentials
from jupyter_govdata.storage.s3_policy import Scope, exact, folder, policy
from jupyter_govdata.storage.s3_sessions import Sessions
from jupyter_govdata.storage.s3_signing import Presigner, Target

CHUNK = 4 << 20
_KNOWN = 100_000
_LISTED = 100_000
"""A prefix with more objects than this is not looked through for an exact scope."""


@dataclass(frozen=True, slots=True)
class Signed:
    """An address and the headers that must be sent with it."""

    url: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    expires: dt.datetime


class S3Files:
    """The objects of a bucket below a prefix. Thread-safe.

    Args:
        config: Of the storage; its credentials are read when they are first needed.
    """

    def __init__(self, config: StorageConfig) -> None:
        self.config = config
        self.base = f"s3://{config.bucket}/{config.prefix}"
        self._target = Target(config.endpoint, config.region, config.bucket, config.addressing)
        self._lock = threading.Lock()
        self._client: Any = None
        self._presigner: Presigner | None = None
        self._sessions: Sessions | None = None
        self._verified: OrderedDict[tuple[str, str, str], str] = OrderedDict()

    def __repr__(self) -> str:
        return "S3Files(...)"

    def _keys(self) -> Credentials:
        assert self.config.credentials is not None
        return read_credentials(self.config.credentials)

    @property
    def client(self) -> Any:
        """A client with the gateway's keys for this storage.

        Raises:
            ConfigError: The credentials are missing.
        """
        with self._lock:
            if self._client is None:
                c = self.config
                self._client = s3_client(c.endpoint, c.region, c.addressing, c.ca, self._keys())
            return self._client

    @property
    def given(self) -> str:
        """The address of the prefix."""
        return self.base

    def address(self, key: str) -> str:
        """Return the address of a key, of the prefix for an empty one."""
        return f"s3://{self.config.bucket}/{key}" if key else self.base

    def key(self, address: str) -> str | None:
        """Return the key of an address below the prefix, None for any other address.

        Raises:
            StorageError: A key with a part that a reader might resolve.
        """
        if not address.startswith(self.base):
            return None
        return checked(address[len(f"s3://{self.config.bucket}/") :])

    # -- bytes through the gateway -----------------------------------------------------------

    def open(self, key: str, expected: Expected, span: Span | None = None) -> OpenS3File:
        """Open an object; with a span, its bytes are asked for at once.

        Raises:
            FileChangedError: Its content is not the expected one.
            StorageError: It is missing, or the storage refuses or does not answer.
        """
        asked: dict[str, Any] = {"Bucket": self.config.bucket, "Key": checked(key)}
        if expected.version:
            asked["VersionId"] = expected.version
        elif expected.checksum.startswith(ETAG):
            asked["IfMatch"] = expected.checksum.removeprefix(ETAG)
        elif SHA256.fullmatch(expected.checksum):
            asked["IfMatch"] = self._verify(asked, expected.checksum.lower())
        with s3_errors():
            if span is None or span[1] == 0:
                told: Any = self.client.head_object(**asked)
                return OpenS3File(told, told["ContentLength"], expected, body=None)
            offset, length = span
            if offset or length is not None:
                last = "" if length is None else str(offset + length - 1)
                asked["Range"] = f"bytes={offset}-{last}"
            return self._body(asked, expected)

    def _body(self, asked: dict[str, Any], expected: Expected) -> OpenS3File:
        try:
            told: Any = self.client.get_object(**asked)
        except self.client.exceptions.ClientError as exc:
            if status_of(exc) != 416:
                raise
            # The span begins at or behind the end.
            asked.pop("Range")
            told = self.client.head_object(**asked)
            return OpenS3File(told, told["ContentLength"], expected, body=None)
        whole = told.get("ContentRange", "").rpartition("/")[2]
        size = int(whole) if whole.isdecimal() else told["ContentLength"]
        return OpenS3File(told, size, expected, body=told["Body"])

    def _verify(self, asked: dict[str, Any], wanted: str) -> str:
        """Return the tag of the current content if its SHA-256 is the wanted one; read once."""
        with s3_errors():
            tag = str(self.client.head_object(**asked)["ETag"])
            known = self._verified.get((asked["Key"], tag, wanted))
            if known is None:
                digest = hashlib.sha256()
                body = self.client.get_object(**asked, IfMatch=tag)["Body"]
                for chunk in body.iter_chunks(CHUNK):
                    digest.update(chunk)
                if digest.hexdigest() != wanted:
                    raise changed()
                with self._lock:
                    self._verified[asked["Key"], tag, wanted] = tag
                    while len(self._verified) > _KNOWN:
                        self._verified.popitem(last=False)
        return tag

    # -- signed addresses --------------------------------------------------------------------

    def sign(
        self, files: Sequence[tuple[str, str, str]], method: str, now: dt.datetime
    ) -> list[Signed]:
        """Return addresses of single objects that live as long as the settings say.

        Args:
            files: Key from `key`, and its version, or a tag that the store compares.
            method: ``GET`` or ``HEAD``.
            now: UTC.

        Raises:
            ConfigError: The credentials are missing.
        """
        with self._lock:
            if self._presigner is None:
                self._presigner = Presigner(self._target, self._keys())
            presigner = self._presigner
        seconds = self.config.sign_seconds
        plain = presigner.batch(method, now, seconds)
        matched = presigner.batch(method, now, seconds, matched=True)
        return [
            Signed(matched.url(key, tag=tag), {"if-match": tag}, matched.expires)
            if tag
            else Signed(plain.url(key, version), {}, plain.expires)
            for key, version, tag in files
        ]

    # -- sessions ----------------------------------------------------------------------------

    def scope(self, keys: Sequence[str]) -> Scope | None:
        """Return the scope that a policy can express and that is exactly these keys, or None.

        A prefix counts only if a listing of the bucket, made now, shows these keys and no other.

        Raises:
            StorageError: The bucket cannot be listed.
        """
        found = exact(self.config.bucket, keys)
        if found is not None:
            return found
        prefix, wanted = folder(keys), set(keys)
        scope = Scope(prefix=prefix)
        if not prefix or len(wanted) > _LISTED or policy(self.config.bucket, scope) is None:
            return None
        for key in self._listed(prefix):
            if key not in wanted:
                return None
            wanted.remove(key)
        return scope if not wanted else None

    def _listed(self, prefix: str) -> Iterator[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.config.bucket, Prefix=prefix
        )
        with s3_errors():
            for page in pages:
                yield from (entry["Key"] for entry in page.get("Contents", ()))

    def objects(self, prefix: str) -> Iterator[tuple[str, int, str, str]]:
        """Yield key, size, tag and version of the current objects below a prefix.

        The version is empty in a bucket that keeps none.

        Raises:
            StorageError: The bucket cannot be listed.
        """
        pages = self.client.get_paginator("list_object_versions").paginate(
            Bucket=self.config.bucket, Prefix=prefix
        )
        with s3_errors():
            for page in pages:
                for entry in page.get("Versions", ()):
                    if entry["IsLatest"]:
                        version = entry["VersionId"]
                        version = "" if version == "null" else version
                        yield entry["Key"], entry["Size"], entry["ETag"], version

    def session(self, scope: Scope, name: str) -> tuple[Credentials, dt.datetime]:
        """Return credentials that read a scope and nothing else, and when they end.

        Args:
            scope: From `scope`.
            name: Stands in the store's own log.

        Raises:
            AccessDeniedError: The token service gives none, or would let them grow.
            ConfigError: The settings do not say how.
        """
        sts = self.config.sts
        if sts is None:
            raise ConfigError("the storage has no section `sts`")
        document = policy(self.config.bucket, scope)
        assert document is not None
        with self._lock:
            if self._sessions is None:
                self._sessions = Sessions(sts, self.config)
            sessions = self._sessions
        return sessions.assume(document, name)


class OpenS3File:
    """An object whose bytes are being read."""

    def __init__(self, told: Any, size: int, expected: Expected, body: Any) -> None:
        if expected.size is not None and expected.size != size:
            if body is not None:
                body.close()
            raise changed()
        self.size = size
        tag = f"{ETAG}{told.get('ETag', '')}"
        self.checksum = expected.checksum or tag
        self.version = expected.version or expected.checksum or told.get("VersionId") or tag
        self._body = body

    def read(self, offset: int, length: int | None) -> Iterator[bytes]:
        """Yield the bytes of the span that the object was opened with."""
        if self._body is None:
            return
        with s3_errors():
            left = self.size - offset if length is None else min(length, self.size - offset)
            for chunk in self._body.iter_chunks(CHUNK):
                left -= len(chunk)
                yield chunk
            if left:
                raise changed()

    def close(self) -> None:
        """Give the connection back, or close it if bytes are left."""
        if self._body is not None:
            self._body.close()
            self._body = None
