"""Settings of the magics: ``%config GovSql``, ``c.GovSql`` in a configuration file, environment.

Runs in the kernel. SECURITY: no setting holds a secret, for ``%config`` prints them all; a token
comes from ``GOVDATA_TOKEN_FILE``. No setting turns stamps off.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from traitlets import Bool, Enum, Int, TraitError, Unicode, default, validate
from traitlets.config import Config, Configurable
from traitlets.config.loader import (
    ConfigFileNotFound,
    JSONFileConfigLoader,
    PyFileConfigLoader,
)

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.query.cell import CONVERSIONS

CONFIG_NAME = "jupyter_govdata_config"


class GovSql(Configurable):
    """How queries run and results are shown; ``%config GovSql`` lists the values."""

    rows = Int(20, help="Rows of a result that are shown.").tag(config=True)
    to = Enum(CONVERSIONS, "result", help="What a query returns.").tag(config=True)
    purpose = Unicode(help="Purpose of new sessions; empty takes your own.").tag(config=True)
    target = Unicode(help="Lake folder or gateway address of the first session.").tag(config=True)
    user = Unicode(help="Principal of an embedded session; empty is you.").tag(config=True)
    progress = Bool(True, help="Show the progress of queries that take long.").tag(config=True)
    summary = Bool(False, help="Show a summary of the columns with results.").tag(config=True)

    @default("purpose")
    def _purpose(self) -> str:
        return os.environ.get("GOVDATA_PURPOSE", "")

    @default("target")
    def _target(self) -> str:
        return os.environ.get("GOVDATA_GATEWAY") or os.environ.get("GOVDATA_LAKE", "")

    @default("user")
    def _user(self) -> str:
        return os.environ.get("GOVDATA_USER", "")

    @validate("rows")
    def _rows(self, proposal: dict[str, Any]) -> int:
        rows: int = proposal["value"]
        if not 0 <= rows <= 10_000:
            raise TraitError(f"GovSql.rows is a number of rows from 0 to 10000, not {rows}")
        return rows

    @validate("target")
    def _safe_target(self, proposal: dict[str, Any]) -> str:
        target: str = proposal["value"]
        if "://" in target and "@" in target:
            # SECURITY: what is configured is printed.
            raise TraitError("GovSql.target is an address without user or password")
        return target


def user_config() -> Config:
    """Return what ``jupyter_govdata_config.py`` or ``.json`` in Jupyter's folders says.

    A folder of the user comes before one of the system.

    Raises:
        ConfigError: A file that fails.
    """
    try:
        from jupyter_core.paths import jupyter_config_path
    except ImportError:  # plain IPython without Jupyter
        return Config()
    found = Config()
    for folder in reversed(jupyter_config_path()):
        for loader in (JSONFileConfigLoader, PyFileConfigLoader):
            suffix = "json" if loader is JSONFileConfigLoader else "py"
            with suppress(ConfigFileNotFound):
                found.merge(_read(loader(f"{CONFIG_NAME}.{suffix}", folder)))
    return found


def _read(loader: JSONFileConfigLoader | PyFileConfigLoader) -> Config:
    try:
        return loader.load_config()
    except ConfigFileNotFound:
        raise
    except Exception as exc:
        file = Path(loader.full_filename)
        raise ConfigError(
            f"`{file}` fails: {type(exc).__name__}: {exc}",
            hint="it looks like `c.GovSql.rows = 50`",
        ) from exc


__all__ = ["CONFIG_NAME", "GovSql", "user_config"]
