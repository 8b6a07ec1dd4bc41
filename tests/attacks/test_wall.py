"""Beside the gateway: what another user of the same machine can read of a lake."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_govdata.config import GatewayConfig
from jupyter_govdata.gateway.composer import Gateway
from tests.gateway.world import World, make_world

NOBODY = 65_534
PUBLIC = {"govdata.toml"}
"""It holds the id of the lake and where its stores are; credentials stand in the environment."""


@pytest.fixture
def open_world() -> Iterator[World]:
    """A lake below folders that everybody may enter, made under the usual umask."""
    umask = os.umask(0o022)
    try:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            made = make_world(Path(folder))
            yield made
            made.close()
    finally:
        os.umask(umask)


def open_files(lake: Path) -> set[str]:
    """Return the files of a lake that others can get to, by the modes on the way to them."""
    found = set()
    for path in lake.rglob("*"):
        way = [path, *(parent for parent in path.parents if parent.is_relative_to(lake))]
        if path.is_file() and all(stat.S_IMODE(part.stat().st_mode) & 0o005 for part in way):
            found.add(path.relative_to(lake).as_posix())
    return found


@pytest.mark.attack("T01", "T57", surface="storage")
def test_other_users_of_the_machine_read_no_data_key_policy_or_name(open_world: World) -> None:
    assert any(open_world.lake.rglob("*.parquet"))
    assert open_files(open_world.lake) == PUBLIC


@pytest.mark.attack("T01", surface="storage")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run as somebody else")
def test_process_of_another_user_finds_nothing_to_read(open_world: World) -> None:
    ran = subprocess.run(
        ["find", str(open_world.lake), "-type", "f", "-readable", "-printf", "%P\n"],
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        capture_output=True,
        text=True,
    )
    assert set(ran.stdout.split()) == PUBLIC


def test_lake_that_was_open_to_others_is_closed_when_it_is_served(open_world: World) -> None:
    open_world.close()
    lake = open_world.lake
    (lake / "warehouse").chmod(0o755)
    (lake / "governance").chmod(0o755)
    (lake / "catalog.db").chmod(0o644)
    assert len(open_files(lake)) > 5
    Gateway(GatewayConfig(lake=lake)).close()
    assert open_files(lake) == PUBLIC
    assert stat.S_IMODE((lake / "warehouse").stat().st_mode) == 0o750


def test_group_that_was_let_in_stays_in(open_world: World) -> None:
    open_world.close()
    (open_world.lake / "warehouse").chmod(0o2770)
    Gateway(GatewayConfig(lake=open_world.lake)).close()
    assert stat.S_IMODE((open_world.lake / "warehouse").stat().st_mode) == 0o2770
