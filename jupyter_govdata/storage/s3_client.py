"""Clients of S3 and of the token service, with named keys only. Runs in the gateway.

The only module that knows boto3. SECURITY: every client is given its endpoint and its keys; a
session without profile, shared files and instance roles makes it, so nothing else is ever tried.
No error here quotes a foreign one: their texts hold addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_govdata.errors import AccessDeniedError, MissingExtraError, StorageError
from jupyter_govdata.storage.places import changed
from jupyter_govdata.storage.s3_credentials import Credentials

CONNECTIONS = 64


def _client(
    service: str, endpoint: str, region: str, addressing: str, ca: str, keys: Credentials
) -> Any:
    try:
        import boto3
        import botocore.session
        from botocore.config import Config
    except ImportError as exc:
        raise MissingExtraError.for_extra("s3", "reading files from S3") from exc
    nothing = (None, None, None, None)
    core = botocore.session.Session(
        session_vars={"profile": nothing, "config_file": nothing, "credentials_file": nothing}
    )
    # The chain of places where keys could be found is emptied, should anything ever ask it.
    core.get_component("credential_provider").providers.clear()
    return boto3.Session(botocore_session=core).client(
        service,
        region_name=region,
        endpoint_url=endpoint,
        verify=ca or None,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        aws_session_token=keys.session_token or None,
        config=Config(
            s3={"addressing_style": addressing},
            signature_version="s3v4" if service == "s3" else "v4",
            retries={"max_attempts": 3, "mode": "standard"},
            max_pool_connections=CONNECTIONS,
            # Stores other than AWS permit sessions shorter than boto3 believes.
            parameter_validation=service == "s3",
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=10,
            read_timeout=60,
        ),
    )


def s3_client(endpoint: str, region: str, addressing: str, ca: str, keys: Credentials) -> Any:
    """Return a client of a store.

    Raises:
        MissingExtraError: boto3 is not installed.
    """
    return _client("s3", endpoint, region, addressing, ca, keys)


def sts_client(endpoint: str, region: str, ca: str, keys: Credentials) -> Any:
    """Return a client of a token service.

    Raises:
        MissingExtraError: boto3 is not installed.
    """
    return _client("sts", endpoint, region, "path", ca, keys)


def status_of(exc: BaseException) -> int:
    """Return the HTTP status of a boto3 error, 0 for one without."""
    response = getattr(exc, "response", None) or {}
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_refused(call: Callable[[], object]) -> bool:
    """Return True if a store or token service refuses a call; no answer is no refusal."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        call()
    except ClientError as exc:
        return status_of(exc) in (400, 401, 403, 405)
    except BotoCoreError:
        return False
    return False


@contextmanager
def s3_errors() -> Iterator[None]:
    """Turn errors of boto3 into ours; their texts, which hold addresses, end here."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ClientError as exc:
        status = status_of(exc)
        if status in (404, 410):
            raise StorageError(
                "the file is missing in its storage", hint="have the inventory scanned again"
            ) from None
        if status == 412:
            raise changed() from None
        if status in (400, 401, 403):
            raise StorageError(
                "the storage refuses the gateway",
                hint="its operator checks its credentials and the bucket's policy",
            ) from None
        raise StorageError("the storage cannot answer", hint="try again") from None
    except (BotoCoreError, HTTPClientError, HTTPError, OSError):
        raise StorageError("the storage does not answer", hint="try again") from None


@contextmanager
def sts_errors() -> Iterator[None]:
    """Turn a refusal of the token service into ours."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, BotoCoreError):
        # SECURITY: no other key is tried; the grant falls to no looser way.
        raise AccessDeniedError(
            "refused: the storage gives no credentials for these files",
            hint="its operator checks `sts` of the storage in `govdata.toml`",
        ) from None
