from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_govdata.catalog import Catalog


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def catalog(lake: Path) -> Catalog:
    return Catalog.local(lake)
