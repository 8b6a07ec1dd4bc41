"""Signed addresses of single objects: AWS Signature Version 4 in the query. Runs in the gateway.

Pure. What botocore computes for every address anew is computed once a batch here: the day's key,
the query, the inner and outer state of the HMAC. An address then costs one path, two digests.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from jupyter_govdata.storage.s3_credentials import Credentials

MAX_SECONDS = 60
_BLOCK = 64
_PLAIN = re.compile(r"[A-Za-z0-9/._~-]*")
"""Keys that are the same when they are quoted; to quote one takes as long as to sign it."""
_INNER = bytes(b ^ 0x36 for b in range(256))
_OUTER = bytes(b ^ 0x5C for b in range(256))


@dataclass(frozen=True, slots=True)
class Target:
    """A bucket as requests are signed for it.

    Args:
        endpoint: Address of the store.
        region: Region.
        bucket: Bucket.
        addressing: ``path`` or ``virtual``.
    """

    endpoint: str
    region: str
    bucket: str
    addressing: str = "path"

    def base(self) -> tuple[str, str, str]:
        """Return the bucket's origin, the host that is signed, and the path before a key."""
        parts = urlsplit(self.endpoint)
        host = parts.netloc
        default = {"http": 80, "https": 443}.get(parts.scheme)
        if parts.port == default and parts.port is not None:
            host = host.rsplit(":", 1)[0]
        if self.addressing == "virtual":
            host = f"{self.bucket}.{host}"
            return f"{parts.scheme}://{host}", host, "/"
        return f"{parts.scheme}://{host}", host, f"/{quote(self.bucket, safe='-._~')}/"


class Presigner:
    """Signs many addresses of one bucket with one key.

    Args:
        target: The bucket.
        credentials: Whose rights the addresses have.
    """

    def __init__(self, target: Target, credentials: Credentials) -> None:
        self._target = target
        self._credentials = credentials
        self._origin, self._host, self._root = target.base()
        self._day = ""
        self._key = b""

    def batch(self, method: str, now: dt.datetime, seconds: int, *, matched: bool = False) -> Batch:
        """Return what signs the addresses of one moment.

        Args:
            method: ``GET`` or ``HEAD``.
            now: UTC; whole seconds count.
            seconds: How long the addresses work, at most `MAX_SECONDS`.
            matched: Sign the header `if-match` too, so that the store compares the content's tag.
        """
        if not 1 <= seconds <= MAX_SECONDS or method not in ("GET", "HEAD"):
            raise ValueError("an address is signed for GET or HEAD and at most a minute")
        moment = now.strftime("%Y%m%dT%H%M%SZ")
        scope = f"{moment[:8]}/{self._target.region}/s3/aws4_request"
        headers = "host;if-match" if matched else "host"
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self._credentials.access_key}/{scope}",
            "X-Amz-Date": moment,
            "X-Amz-Expires": str(seconds),
        }
        if self._credentials.session_token:
            query["X-Amz-Security-Token"] = self._credentials.session_token
        query["X-Amz-SignedHeaders"] = headers
        signed = hmac_of(self._signing_key(moment[:8]))
        return Batch(
            origin=self._origin,
            host=self._host,
            root=self._root,
            method=method,
            query="&".join(f"{k}={quote(v, safe='-._~')}" for k, v in query.items()),
            headers=headers,
            head=f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n".encode(),
            expires=now.replace(microsecond=0) + dt.timedelta(seconds=seconds),
            sign=signed,
        )

    def _signing_key(self, day: str) -> bytes:
        if day != self._day:
            key = b"AWS4" + self._credentials.secret_key.encode()
            for part in (day, self._target.region, "s3", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key, self._day = key, day
        return self._key


def hmac_of(key: bytes) -> Callable[[bytes], str]:
    """Return HMAC-SHA256 (hex) under a key whose states are computed once."""
    block = key.ljust(_BLOCK, b"\0")
    inner, outer = hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER))

    def sign(message: bytes) -> str:
        first, second = inner.copy(), outer.copy()
        first.update(message)
        second.update(first.digest())
        return second.hexdigest()

    return sign


@dataclass(frozen=True, slots=True)
class Batch:
    """Signs addresses of one moment; see `Presigner.batch`."""

    origin: str
    host: str
    root: str
    method: str
    query: str = field(repr=False)
    headers: str
    head: bytes
    expires: dt.datetime
    sign: Callable[[bytes], str] = field(repr=False)

    def url(self, key: str, version: str = "", tag: str = "") -> str:
        """Return the address of one object.

        Args:
            key: Of the object.
            version: Its version, or empty for the current one.
            tag: Of its content, as the header `if-match` will have it.
        """
        path = self.root + (key if _PLAIN.fullmatch(key) else quote(key, safe="/-._~"))
        query = f"{self.query}&versionId={quote(version, safe='-._~')}" if version else self.query
        match = f"if-match:{tag}\n" if tag else ""
        request = (
            f"{self.method}\n{path}\n{query}\nhost:{self.host}\n{match}\n{self.headers}\n"
            "UNSIGNED-PAYLOAD"
        )
        signature = self.sign(self.head + hashlib.sha256(request.encode()).hexdigest().encode())
        return f"{self.origin}{path}?{query}&X-Amz-Signature={signature}"
