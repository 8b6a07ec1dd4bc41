"""Where the keys of a storage come from. Runs in the gateway.

SECURITY: only what the lake's settings name is used. Nothing else of the machine is asked: no
profile, no shared file, no instance role. What is missing fails; there is no other key to try.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field

from jupyter_govdata.config import CredentialsConfig
from jupyter_govdata.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys of an S3 storage; in no `repr`."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


def read_credentials(config: CredentialsConfig) -> Credentials:
    """Return the credentials that the settings name.

    Raises:
        ConfigError: A variable or file that is missing, empty, damaged or readable by others.
    """
    if config.file:
        return _from_file(config.file)
    found = {}
    for key in ("access_key", "secret_key", "session_token"):
        name = getattr(config, f"{key}_env")
        if name and not os.environ.get(name):
            raise ConfigError(
                f"the environment variable `{name}` of a storage is not set",
                hint="set it where the gateway starts",
            )
        found[key] = os.environ[name] if name else ""
    return Credentials(**found)


def _from_file(name: str) -> Credentials:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise ConfigError(
                    "the credentials file of a storage can be read by others",
                    hint="find out who had access, then `chmod 600` it",
                )
            told = json.loads(file.read(65_536))
        found = Credentials(told["access_key"], told["secret_key"], told.get("session_token") or "")
    except OSError as exc:
        raise ConfigError("the credentials file of a storage cannot be read") from exc
    except (ValueError, KeyError, TypeError, AttributeError):
        # SECURITY: without its cause, which could quote the file.
        raise ConfigError(
            "the credentials file of a storage does not parse",
            hint="it is JSON with `access_key` and `secret_key`",
        ) from None
    if not (found.access_key and found.secret_key):
        raise ConfigError("the credentials file of a storage holds an empty key")
    return found
