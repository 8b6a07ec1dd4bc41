from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway.world import World, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A lake that the tests of one module share and leave as they found it."""
    made = make_world(tmp_path_factory.mktemp("world"))
    yield made
    made.close()


@pytest.fixture
def fresh_world(tmp_path) -> Iterator[World]:
    """A lake of one's own."""
    made = make_world(tmp_path)
    yield made
    made.close()
