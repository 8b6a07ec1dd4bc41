"""Notebooks as files: read, whatever their format and age. A notebook is untrusted text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat

from jupyter_govdata.errors import ConfigError


def read_notebook(path: Path) -> Any:
    """Read a notebook of any format that `nbformat` knows, as the newest.

    Raises:
        ConfigError: It is missing or no notebook.
    """
    try:
        return nbformat.v4.upgrade(nbformat.reads(path.read_text(encoding="utf-8"), as_version=4))
    except OSError as exc:
        raise ConfigError(f"the notebook `{path}` cannot be read: {exc.strerror}") from exc
    except Exception as exc:
        raise ConfigError(f"`{path}` is not a notebook") from exc
