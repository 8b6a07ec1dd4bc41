"""Credentials that read exactly a grant's files, from a token service. Runs in the gateway.

SECURITY: credentials are handed out only after it was tried that they cannot be exchanged for
wider ones: some stores let a session assume its own role again, without the policy.
"""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

from jupyter_govdata.config import StorageConfig, StsConfig
from jupyter_govdata.errors import ConfigError
from jupyter_govdata.storage.s3_client import is_refused, sts_client, sts_errors
from jupyter_govdata.storage.s3_credentials import Credentials, read_credentials


class Sessions:
    """Assumes one role with an inline policy."""

    def __init__(self, sts: StsConfig, config: StorageConfig) -> None:
        self._sts = sts
        self._endpoint = sts.endpoint or config.endpoint
        self._region = config.region
        self._ca = config.ca
        self._client = self._sts_client(read_credentials(sts.credentials))
        self._lock = threading.Lock()
        self._is_closed: bool | None = None

    def __repr__(self) -> str:
        return "Sessions(...)"

    def _sts_client(self, keys: Credentials) -> Any:
        return sts_client(self._endpoint, self._region, self._ca, keys)

    def assume(self, policy: str, name: str) -> tuple[Credentials, dt.datetime]:
        """Return credentials under an inline policy, and when they end (UTC).

        Raises:
            AccessDeniedError: The token service refuses.
            ConfigError: A session could assume the role again: the way `session` stays shut.
        """
        with sts_errors():
            told = self._client.assume_role(
                RoleArn=self._sts.role_arn,
                RoleSessionName=name,
                DurationSeconds=self._sts.seconds,
                Policy=policy,
            )["Credentials"]
        found = _credentials(told)
        self._require_closed(found)
        expires: dt.datetime = told["Expiration"].astimezone(dt.UTC)
        return found, expires

    def _require_closed(self, session: Credentials) -> None:
        """Try once whether a session can shed its policy; all but a refusal counts as yes."""
        with self._lock:
            if self._is_closed is None:
                self._is_closed = self._is_shut(session)
            if not self._is_closed:
                raise ConfigError(
                    "a session of the storage can assume its role again, without its policy",
                    hint="deny `sts:AssumeRole` to the role in its own trust policy",
                )

    def _is_shut(self, session: Credentials) -> bool:
        again = self._sts_client(session)
        arn = self._sts.role_arn
        return is_refused(lambda: again.assume_role(RoleArn=arn, RoleSessionName="probe"))


def _credentials(told: Any) -> Credentials:
    return Credentials(told["AccessKeyId"], told["SecretAccessKey"], told["SessionToken"])
