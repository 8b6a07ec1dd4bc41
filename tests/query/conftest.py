from __future__ import annotations

from collections.abc import Iterator

import pytest

from jupyter_govdata.query.engine import QueryEngine
from tests.query.lake import Lake, small_lake


@pytest.fixture
def lake() -> Iterator[Lake]:
    made = small_lake()
    yield made
    made.close()


@pytest.fixture
def engine(lake: Lake) -> Iterator[QueryEngine]:
    made = QueryEngine(lake)
    yield made
    made.close()
