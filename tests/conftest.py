"""Fixtures that several rooms' tests share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def demo_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo lake, built once. Read it only: every test sees the same one."""
    from jupyter_govdata.demo import build

    return build(tmp_path_factory.mktemp("demo") / "lake")
