"""Signs one GET of an object store with given credentials (AWS Signature Version 4, in the query).

Pure; runs in the kernel. By hand, because the stores' SDK writes session tokens and signed
addresses into its debug log.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from urllib.parse import quote, urlsplit

from jupyter_govdata.model.files import FileSession, SignedFile

SECONDS = 60


def signed_get(session: FileSession, index: int, now: dt.datetime) -> SignedFile:
    """Return an address that reads one object of a session for at most a minute.

    Args:
        session: Credentials and keys.
        index: Of the file in the grant.
        now: UTC.

    Raises:
        KeyError: The session has no such file.
    """
    base = urlsplit(session.endpoint)
    is_virtual = session.addressing == "virtual"
    # The default port stands in no `Host` header, so it is not signed.
    is_default = base.port == {"http": 80, "https": 443}.get(base.scheme)
    host = base.netloc.rpartition(":")[0] if is_default else base.netloc
    host = f"{session.bucket}.{host}" if is_virtual else host
    bucket = "" if is_virtual else f"/{quote(session.bucket, safe='')}"
    path = f"{base.path.rstrip('/')}{bucket}/{_path(session.keys[index])}"
    moment = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{session.region}/s3/aws4_request"
    fields = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{session.access_key}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(SECONDS),
        "X-Amz-Security-Token": session.session_token,
        "X-Amz-SignedHeaders": "host",
    }
    query = "&".join(f"{k}={quote(v, safe='-_.~')}" for k, v in sorted(fields.items()))
    canonical = "\n".join(("GET", path, query, f"host:{host}", "", "host", "UNSIGNED-PAYLOAD"))
    told = hashlib.sha256(canonical.encode()).hexdigest()
    key = b"AWS4" + session.secret_key.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    message = "\n".join(("AWS4-HMAC-SHA256", moment, scope, told))
    signature = hmac.digest(key, message.encode(), "sha256").hex()
    expires = min(session.expires_at, now + dt.timedelta(seconds=SECONDS))
    url = f"{base.scheme}://{host}{path}?{query}&X-Amz-Signature={signature}"
    return SignedFile(index, "GET", url, {}, expires)


def _path(key: str) -> str:
    return quote(key, safe="/-_.~")
