"""The lake folder: layout, making one, opening it once at a time. Runs in the gateway.

DIR/govdata.toml     format, lake id, catalog and store settings
DIR/governance/      policy as code, reviewed in git
DIR/warehouse/       table data           DIR/catalog.db   Iceberg catalog
DIR/store.db         governance store     DIR/keys/        0700
DIR/run/             gateway.json, gateway.lock, gateway.log

Rows, names and policies are closed to other users of the machine; a group may be let in.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import stat
import tomllib
from importlib import resources
from pathlib import Path
from typing import IO

from jupyter_govdata.catalog import Catalog
from jupyter_govdata.config import LAKE_FORMAT, GatewayConfig, LakeFile, read_storages
from jupyter_govdata.errors import ConfigError, LakeLockedError, LakeVersionError, StorageError
from jupyter_govdata.ledger import Ledger

PRINCIPAL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}")


def read_lake_file(folder: Path) -> LakeFile:
    """Read ``govdata.toml``.

    Raises:
        ConfigError: The folder is no lake.
        LakeVersionError: A newer version of this package made it.
    """
    path = folder / "govdata.toml"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise ConfigError(
            f"`{folder}` is not a lake", hint=f"make one with `jupyter govdata init {folder}`"
        ) from exc
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"`{path}` cannot be read as TOML") from exc
    found = data.get("format")
    if not isinstance(found, int) or found < 1:
        raise ConfigError(f"`{path}` has no `format`")
    if found > LAKE_FORMAT:
        raise LakeVersionError(
            f"the lake `{folder}` has format {found}, this version reads up to {LAKE_FORMAT}",
            hint="upgrade: pip install -U jupyter_govdata",
        )
    return LakeFile(
        format=found,
        lake_id=str(data.get("lake_id", "")),
        catalog={str(k): str(v) for k, v in data.get("catalog", {}).items()},
        store=str(data.get("store", "")),
        storage=read_storages(data.get("storage", {})),
    )


def _template(steward: str) -> dict[str, str]:
    root = resources.files("jupyter_govdata.gateway") / "template"
    files: dict[str, str] = {}
    for name in ("principals.yaml", "purposes.yaml", "tags.yaml", "policies/base.cedar"):
        text = (root / name).read_text(encoding="utf-8")
        files[name] = text.replace("STEWARD", steward)
    files["assets/README.md"] = (root / "assets/README.md").read_text(encoding="utf-8")
    return files


def init_lake(folder: Path, steward: str, *, template: bool = True) -> None:
    """Make an empty lake; with `template`, its only principal is `steward`.

    The marker ``govdata.toml`` is written last, so an interrupted or failed `init_lake` leaves
    no lake and can be repeated.

    Raises:
        ConfigError: The folder holds a lake already, or the principal id is not usable.
        StorageError: The folder cannot be written.
    """
    if (folder / "govdata.toml").exists():
        raise ConfigError(f"`{folder}` is a lake already", hint="connect to it, or choose another")
    if not PRINCIPAL_ID.fullmatch(steward):
        raise ConfigError(f"`{steward}` cannot be a principal id")
    try:
        for name in ("governance/policies", "governance/assets", "warehouse", "run"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "run").chmod(0o700)
        (folder / "catalog.db").touch(0o600)
        for name, text in (_template(steward) if template else {}).items():
            target = folder / "governance" / name
            if not target.exists():
                target.write_text(text, encoding="utf-8")
        marker = folder / ".govdata.toml.new"
        marker.write_text(
            "# A jupyter_govdata lake. Change `governance/` and run `jupyter govdata apply`.\n"
            f'format = {LAKE_FORMAT}\nlake_id = "{secrets.token_hex(8)}"\n',
            encoding="utf-8",
        )
        close_to_others(folder)
        marker.replace(folder / "govdata.toml")
    except OSError as exc:
        raise StorageError(
            f"the lake folder `{folder}` cannot be written: {exc.strerror}",
            hint="check the disk's free space and your permissions",
        ) from exc


def close_to_others(folder: Path) -> None:
    """Take what is in a lake from users of the machine who are neither its owner nor its group.

    SECURITY: a gateway under an OS user of its own is no wall if kernels read the files beside it.

    Raises:
        ConfigError: Others may read it, and that cannot be changed from here.
    """
    for name in ("warehouse", "governance", "catalog.db"):
        path = folder / name
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o007:
                path.chmod(mode & ~0o007)
        except FileNotFoundError:
            continue
        except OSError as exc:
            raise ConfigError(
                f"other users of this machine can read `{name}` of the lake",
                hint=f"as its owner, run `chmod o-rwx` on `{name}`",
            ) from exc


def read_governance_files(folder: Path) -> dict[str, str]:
    """Return relative path -> text of all governance files below `folder`."""
    paths = [
        *folder.glob("*.yaml"),
        *folder.glob("assets/*.yaml"),
        *folder.glob("policies/*.cedar"),
    ]
    return {p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8") for p in sorted(paths)}


class LakeLock:
    """An advisory file lock: one gateway a lake folder, freed by the system if it dies."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "run" / "gateway.lock"
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            LakeLockedError: Another gateway holds it.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise LakeLockedError(
                f"another gateway (pid {holder}) serves this lake",
                hint="connect to it, or stop it first",
            ) from exc
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Free the lock; harmless if it is not held."""
        if self._file is not None:
            self._file.close()
            self._file = None


def open_catalog(config: GatewayConfig, lake: LakeFile) -> Catalog:
    """Open the configured catalog, by default the lake's own."""
    properties = dict(config.catalog) or dict(lake.catalog)
    return Catalog.open(properties) if properties else Catalog.local(config.lake)


def open_ledger(config: GatewayConfig, lake: LakeFile) -> Ledger:
    """Open the configured governance store, by default the lake's own."""
    url = config.store or lake.store or f"sqlite:///{config.lake / 'store.db'}"
    return Ledger.open(url, create=True)


def write_run_file(folder: Path, address: str) -> None:
    """Publish where this gateway listens, readable by its own user only.

    The file holds no credential.
    """
    path = folder / "run" / "gateway.json"
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        json.dump({"address": address, "pid": os.getpid()}, out)
    new.replace(path)
