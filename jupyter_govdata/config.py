"""Settings of the gateway and of clients, read once by whoever starts; nothing is read at import.

Runs everywhere; trusts the file and the environment it is given.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.model.files import WAYS
from jupyter_govdata.model.pins import Pins

LAKE_FORMAT = 1
"""Version of the lake folder's layout that this package writes and reads."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one gateway and one principal may use.

    Args:
        streams_per_principal: Scans that one principal may stream at a time.
        memory: Memory of the reading engine over all scans, e.g. ``1GB``.
        summary_memory: Likewise of the one for aggregates; who needs more gets rows instead.
        scan_seconds: A scan that takes longer is refused.
        message_bytes, load_batch_bytes: Largest JSON message and record batch accepted.
        threads: Threads of the reading engine; 0 takes all processors.
    """

    streams_per_principal: int = 64
    memory: str = "1GB"
    summary_memory: str = "512MB"
    scan_seconds: int = 3600
    message_bytes: int = 4_000_000
    load_batch_bytes: int = 256_000_000
    threads: int = 0


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """Certificate chain and key (PEM files) that the gateway serves with."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class OidcConfig:
    """JSON Web Tokens of an OpenID Connect provider.

    Args:
        issuer: Expected `iss`.
        audience: Expected `aud`.
        jwks: URL or path of the JSON Web Key Set.
        principal_claim: Claim that holds the principal id.
        algorithms: Accepted signature algorithms; only asymmetric ones are allowed.
    """

    issuer: str
    audience: str
    jwks: str
    principal_claim: str = "sub"
    algorithms: tuple[str, ...] = ("RS256", "ES256")


@dataclass(frozen=True, slots=True)
class HubConfig:
    """Tokens of a JupyterHub, checked against its API (``https://hub/hub/api``)."""

    api: str


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """Everything `jupyter govdata serve` needs.

    Args:
        lake: Lake folder: keys, run files, and by default store, catalog and warehouse.
        listen: Flight address, ``grpc://host:port`` or ``grpc+tls://host:port``; port 0 picks one.
        store: SQLAlchemy URL of the governance store; empty means ``store.db`` in the lake.
        catalog: PyIceberg catalog properties; empty means SQLite and files in the lake.
        health: ``host:port`` of the health and metrics server; empty serves none.
        embedded: Accept tokens minted with the lake's own key (same OS user, advisory); a file
            with [oidc] or [hub] must ask for it.
        tls, oidc, hub, limits: See there.
    """

    lake: Path
    listen: str = "grpc://127.0.0.1:0"
    store: str = ""
    catalog: Mapping[str, str] = field(default_factory=dict)
    health: str = ""
    embedded: bool = True
    tls: TlsConfig | None = None
    oidc: OidcConfig | None = None
    hub: HubConfig | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        host = self.listen.removeprefix("grpc+tls://").removeprefix("grpc://").rsplit(":", 1)[0]
        if self.tls is None and host not in ("127.0.0.1", "localhost", "[::1]"):
            # SECURITY: bearer tokens and governed rows never cross a network in clear.
            raise ConfigError(
                f"`listen` `{self.listen}` leaves this machine without TLS",
                hint="set [tls] certificate and key, or listen on 127.0.0.1",
            )
        if not (self.embedded or self.oidc or self.hub):
            raise ConfigError(
                "no way to sign in is configured", hint="set [oidc], [hub] or `embedded = true`"
            )


_SECTIONS: dict[str, Any] = {
    "tls": TlsConfig,
    "oidc": OidcConfig,
    "hub": HubConfig,
    "limits": Limits,
}


def _section(kind: Any, name: str, data: Any) -> Any:
    if not isinstance(data, dict):
        raise ConfigError(f"`{name}` must be a section")
    known = {f.name: f for f in dataclasses.fields(kind)}
    for key in data:
        if key not in known:
            raise ConfigError(
                f"unknown setting `{name}.{key}`", hint=f"known: {', '.join(sorted(known))}"
            )
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    try:
        return kind(**values)
    except TypeError as exc:
        missing = [
            n
            for n, f in known.items()
            if n not in values
            and f.default is dataclasses.MISSING
            and f.default_factory is dataclasses.MISSING
        ]
        raise ConfigError(f"`{name}` needs {', '.join(f'`{m}`' for m in missing)}") from exc


def read_gateway_config(file: Path) -> GatewayConfig:
    """Read a gateway's TOML file; ``${NAME}`` in `store` and `catalog` takes an environment
    variable, so that no password stands in the file.

    Raises:
        ConfigError: The file is missing, not TOML, or has an unknown or missing setting.
    """
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"cannot read `{file}`") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"`{file}` is not TOML: {exc}") from exc
    for name, kind in _SECTIONS.items():
        if name in data:
            data[name] = _section(kind, name, data[name])
    if "lake" in data:
        data["lake"] = (file.parent / str(data["lake"])).resolve()
    if "store" in data:
        data["store"] = expand(str(data["store"]))
    if "catalog" in data:
        data["catalog"] = {k: expand(str(v)) for k, v in dict(data["catalog"]).items()}
    # Who has signed people in by a provider has no use for tokens minted from the key folder.
    data.setdefault("embedded", "oidc" not in data and "hub" not in data)
    config: GatewayConfig = _section(GatewayConfig, "gateway", data)
    return config


def expand(text: str) -> str:
    """Replace ``${NAME}`` by the environment variable of that name.

    Raises:
        ConfigError: The variable is not set.
    """
    parts = text.split("${")
    out = [parts[0]]
    for part in parts[1:]:
        name, closed, rest = part.partition("}")
        if not closed or name not in os.environ:
            raise ConfigError(f"the environment variable `{name}` is not set")
        out += [os.environ[name], rest]
    return "".join(out)


@dataclass(frozen=True, slots=True)
class CredentialsConfig:
    """Where credentials of a storage are; never the credentials themselves.

    Args:
        access_key_env, secret_key_env, session_token_env: Names of environment variables.
        file: Instead of them: a JSON file with `access_key`, `secret_key` and perhaps
            `session_token`, readable by the gateway's user only.
    """

    access_key_env: str = ""
    secret_key_env: str = ""
    session_token_env: str = ""
    file: str = ""

    def __post_init__(self) -> None:
        named = bool(self.access_key_env and self.secret_key_env)
        if named == bool(self.file):
            raise ConfigError(
                "credentials of a storage are named by a `file`, or by `access_key_env` and "
                "`secret_key_env`",
                hint="write names of environment variables, never a key itself",
            )


@dataclass(frozen=True, slots=True)
class StsConfig:
    """How credentials for single files are made: by assuming a role.

    Args:
        role_arn: Role that may read the storage.
        credentials: Of a user who may assume the role, and needs to do nothing else.
        endpoint: Address of the token service; empty means the storage's own.
        seconds: How long the credentials live; 900 is the least that AWS gives.
    """

    role_arn: str
    credentials: CredentialsConfig
    endpoint: str = ""
    seconds: int = 900


@dataclass(frozen=True, slots=True)
class StorageConfig:
    """A place where files of inventories are, as ``[storage.NAME]`` in ``govdata.toml``.

    Args:
        type: ``local`` or ``s3``.
        assets: Names and namespaces of the inventories whose rows may name its files.
        tables: It holds the tables' own files: then no inventory may name them.
        root: Of a local one: the folder below which all its files are; relative to the lake.
        bucket: Of S3: the bucket.
        prefix: Of S3: only keys below it; empty, or ends in ``/``.
        endpoint: Of S3: address of the store, e.g. ``https://s3.eu-central-1.amazonaws.com``.
        region: Of S3.
        addressing: Of S3: ``path`` or ``virtual``.
        ca: Of S3: file (PEM) of the authorities that certify its endpoints, if not the system's.
        credentials: Of S3: with which the gateway reads and signs.
        sts: Of S3: for the way ``session``.
        ways: Value of the asset's tag `by` -> way of its files; any other value: ``proxied``.
        by: Asset tag that decides.
        sign_seconds: How long a signed address works, at most 60.
    """

    type: str
    assets: tuple[str, ...] = ()
    tables: bool = False
    root: str = ""
    bucket: str = ""
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    addressing: str = "path"
    ca: str = ""
    credentials: CredentialsConfig | None = None
    sts: StsConfig | None = None
    ways: Mapping[str, str] = field(default_factory=dict)
    by: str = "classification"
    sign_seconds: int = 60

    def __post_init__(self) -> None:
        if self.type not in ("local", "s3"):
            raise ConfigError("the `type` of a storage is `local` or `s3`")
        needed = ("root",) if self.type == "local" else ("bucket", "endpoint", "region")
        for name in needed:
            if not getattr(self, name):
                raise ConfigError(f"a storage of type `{self.type}` needs `{name}`")
        if bool(self.assets) == self.tables:
            # SECURITY: without it, any producer could name any file of the storage in a row.
            raise ConfigError(
                "a storage names the `assets` whose rows name its files, or has `tables = true`",
                hint='e.g. `assets = ["imaging"]`',
            )
        if self.type == "s3" and self.credentials is None:
            raise ConfigError("a storage of type `s3` needs `credentials`")
        if self.prefix and not self.prefix.endswith("/"):
            # SECURITY: `trial-4` would also be the prefix of `trial-42`.
            raise ConfigError("the `prefix` of a storage ends in `/`")
        if not 1 <= self.sign_seconds <= 60:
            raise ConfigError("`sign_seconds` is between 1 and 60")
        if self.addressing not in ("path", "virtual"):
            raise ConfigError("the `addressing` of a storage is `path` or `virtual`")
        if not set(self.ways.values()) <= set(WAYS):
            raise ConfigError("the `ways` of a storage are `proxied`, `signed` and `session`")
        if self.type == "local" and set(self.ways.values()) - {"proxied"}:
            raise ConfigError("files of a local storage are always `proxied`")
        if "session" in self.ways.values() and self.sts is None:
            raise ConfigError("the way `session` needs the section `sts` of the storage")


def read_storages(data: Any) -> dict[str, StorageConfig]:
    """Return the storages of the section `storage` of a lake's file.

    Raises:
        ConfigError: An unknown or missing setting, or one that cannot be.
    """
    if not isinstance(data, dict):
        raise ConfigError("`storage` must hold sections, as `[storage.NAME]`")
    return {name: _storage(StorageConfig, f"storage.{name}", told) for name, told in data.items()}


def _storage(kind: Any, name: str, data: Any) -> Any:
    fields = dict(data) if isinstance(data, dict) else data
    for key, inner in (("credentials", CredentialsConfig), ("sts", StsConfig)):
        if isinstance(fields, dict) and key in fields:
            fields[key] = _storage(inner, f"{name}.{key}", fields[key])
    return _section(kind, name, fields)


@dataclass(frozen=True, slots=True)
class LakeFile:
    """``govdata.toml`` of a lake folder."""

    format: int
    lake_id: str
    catalog: Mapping[str, str] = field(default_factory=dict)
    store: str = ""
    storage: Mapping[str, StorageConfig] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What `connect()` takes from the environment when it is not told.

    Args:
        target: ``GOVDATA_GATEWAY`` (an address) or ``GOVDATA_LAKE`` (a folder), or empty.
        user: ``GOVDATA_USER``: principal of an embedded session.
        purpose: ``GOVDATA_PURPOSE``.
        token_file: ``GOVDATA_TOKEN_FILE``: file with a bearer token, read at each renewal.
        tls_roots: ``GOVDATA_TLS_ROOTS``: PEM file of trusted certificate authorities.
        pins: ``GOVDATA_PINS``: a pin file, or its JSON itself.
        scan_cache: ``GOVDATA_SCAN_CACHE``: bytes of finished scans that a session holds.
    """

    target: str = ""
    user: str = ""
    purpose: str = ""
    token_file: str = ""
    tls_roots: str = ""
    pins: Pins = field(default_factory=Pins)
    scan_cache: int = 256_000_000


def read_client_settings(environ: Mapping[str, str]) -> ClientSettings:
    """Read client settings from an environment mapping.

    Raises:
        ConfigError: A pin file that cannot be read or is none, or a size that is none.
    """
    return ClientSettings(
        target=environ.get("GOVDATA_GATEWAY") or environ.get("GOVDATA_LAKE", ""),
        user=environ.get("GOVDATA_USER", ""),
        purpose=environ.get("GOVDATA_PURPOSE", ""),
        token_file=environ.get("GOVDATA_TOKEN_FILE", ""),
        tls_roots=environ.get("GOVDATA_TLS_ROOTS", ""),
        pins=_pins(environ.get("GOVDATA_PINS", "")),
        scan_cache=_bytes("GOVDATA_SCAN_CACHE", environ.get("GOVDATA_SCAN_CACHE") or "256MB"),
    )


def _bytes(name: str, text: str) -> int:
    found = re.fullmatch(r"([0-9]+) ?([kKmMgG]?)[bB]?", text.strip())
    if found is None:
        raise ConfigError(f"`{name}` `{text}` is no size", hint="like `256MB`, `1GB` or `0`")
    return int(found[1]) * {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}[found[2].lower()]


def _pins(setting: str) -> Pins:
    if not setting.strip():
        return Pins()
    is_inline = setting.lstrip().startswith("{")
    name = "the JSON in `GOVDATA_PINS`" if is_inline else f"the pin file `{setting}`"
    try:
        text = setting if is_inline else Path(setting).expanduser().read_text(encoding="utf-8")
        return Pins.from_wire(json.loads(text))
    except OSError as exc:
        hint = "`GOVDATA_PINS` holds a path, or JSON that starts with {"
        raise ConfigError(f"{name} cannot be read", hint=hint) from exc
    except ValueError as exc:
        raise ConfigError(
            f"{name} does not parse", hint='it looks like {"v": 1, "assets": {"a.b": "123"}}'
        ) from exc
    except ConfigError as exc:
        raise ConfigError(f"{name}: {exc.message}", hint=exc.hint) from None
