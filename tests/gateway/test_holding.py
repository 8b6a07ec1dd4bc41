"""T83: who may hold a snapshot, what is recorded, and that holds tell nobody what is hidden."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from jupyter_govdata.client.connection import Connection
from jupyter_govdata.errors import (
    AccessDeniedError,
    CatalogError,
    NotVisibleError,
    ProtocolError,
    SnapshotNotFoundError,
)
from tests.gateway.world import PATIENTS, POLICIES, World, make_world

ASSET = "trials.patients"
HOLD = """
@id("clinical-hold")
@description("clinical analysts hold what they publish on")
permit (principal in Group::"clinical", action == Action::"hold",
        resource in Namespace::"trials");
"""
SOON = (dt.datetime.now(dt.UTC) + dt.timedelta(days=30)).replace(microsecond=0).isoformat()


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = make_world(tmp_path_factory.mktemp("held"))
    made.apply(policies=POLICIES + HOLD)
    yield made
    made.close()


@pytest.fixture
def ana(held: World) -> Connection:
    return held.connect("ana")


def first(world: World, asset: str = ASSET) -> str:
    return str(world.gateway.catalog.versions(asset)[0].snapshot_id)


def ask(snapshot_id: str, asset: str = ASSET, **changes: Any) -> dict[str, Any]:
    given = {"asset": asset, "snapshot_id": snapshot_id, "name": "paper", "until": SOON}
    return {**given, **changes}


def test_hold_and_release_by_a_permitted_analyst(held: World, ana: Connection) -> None:
    snapshot = first(held)
    held.load(ASSET, PATIENTS, "append")
    assert ana.act("hold", ask(snapshot)) == {
        "name": "paper",
        "snapshot_id": snapshot,
        "until": SOON,
    }
    told = ana.act("holds", {"asset": ASSET})
    assert [h["name"] for h in told["holds"]] == ["paper"]
    kept = {s["snapshot_id"]: (s["why"], s["until"]) for s in told["snapshots"]}
    assert kept[snapshot] == ("held", SOON)
    held.gateway.catalog.expire(ASSET, dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
    assert first(held) == snapshot
    gone = ana.act("release", {"name": "paper"})["released"]
    assert [(g["asset"], g["snapshot_id"]) for g in gone] == [(ASSET, snapshot)]
    assert ana.act("release", {"name": "paper"}) == {"released": []}


def test_hold_is_recorded_with_its_name_end_and_release(held: World, ana: Connection) -> None:
    snapshot = first(held)
    ana.act("hold", ask(snapshot, name="audited"))
    ana.act("release", {"name": "audited"})
    entries = [e.record for e in held.gateway.ledger.records(limit=10)]
    mine = [r for r in entries if r.action == "hold" and r.detail.get("hold") == "audited"]
    assert [dict(r.detail) for r in sorted(mine, key=lambda r: r.when)] == [
        {"hold": "audited", "until": SOON},
        {"hold": "audited", "until": SOON, "released": True, "holder": "ana"},
    ]
    assert {(r.principal, r.snapshot_id) for r in mine} == {("ana", int(snapshot))}
    assert held.gateway.ledger.verify().ok


@pytest.mark.attack("T83", surface="flight")
def test_reader_without_a_permit_may_not_hold(held: World) -> None:
    miko = held.connect("miko")
    with pytest.raises(AccessDeniedError, match="hold"):
        miko.act("hold", ask(first(held)))
    assert miko.act("holds", {"asset": ASSET})["holds"] == []


def test_permit_to_hold_without_a_permit_to_read_is_nothing(held: World, ana: Connection) -> None:
    """`trials.hidden` is in the namespace that ana may hold, and is hidden from her."""
    texts = []
    for asset in ("trials.hidden", "trials.nothing"):
        with pytest.raises(NotVisibleError) as caught:
            ana.act("hold", ask("1", asset))
        texts.append(str(caught.value).replace(asset, "X"))
        with pytest.raises(NotVisibleError) as caught:
            ana.act("holds", {"asset": asset})
        with pytest.raises(NotVisibleError) as caught:
            ana.act("release", {"name": "paper", "asset": asset})
        texts.append(str(caught.value).replace(asset, "X"))
    assert len(set(texts)) == 1


@pytest.mark.attack("T83", surface="flight")
def test_hold_of_a_hidden_asset_is_not_released_by_a_guess(held: World, ana: Connection) -> None:
    dina = held.connect("dina")
    dina.act("hold", ask(first(held, "trials.hidden"), "trials.hidden", name="mine"))
    assert ana.act("release", {"name": "mine", "holder": "dina"}) == {"released": []}
    assert len(dina.act("release", {"name": "mine"})["released"]) == 1


def test_hold_of_another_takes_manage(held: World, ana: Connection) -> None:
    dina = held.connect("dina")
    ana.act("hold", ask(first(held), name="of-ana"))
    assert dina.act("release", {"name": "of-ana"}) == {"released": []}
    with pytest.raises(AccessDeniedError, match="manage"):
        held.connect("miko").act("release", {"name": "of-ana", "asset": ASSET, "holder": "ana"})
    assert held.connect("miko").act("release", {"name": "of-ana", "holder": "ana"}) == {
        "released": []
    }
    gone = dina.act("release", {"name": "of-ana", "holder": "ana"})["released"]
    assert [g["name"] for g in gone] == ["of-ana"]


@pytest.mark.attack("T83", surface="flight")
def test_hold_shows_in_nobody_elses_versions(held: World, ana: Connection) -> None:
    ana.act("hold", ask(first(held), name="secret-project"))
    for user in ("ana", "miko", "dina"):
        told = held.connect(user).act("versions", {"asset": ASSET})["versions"]
        assert "secret-project" not in repr(told)
    ana.act("release", {"name": "secret-project"})


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"until": "2020-01-01T00:00:00+00:00"}, CatalogError),
        ({"until": "2999-01-01T00:00:00+00:00"}, CatalogError),
        ({"until": "2030-01-01T00:00:00"}, ProtocolError),
        ({"until": "soon"}, ProtocolError),
        ({"snapshot_id": "1e3"}, ProtocolError),
        ({"snapshot_id": "-1"}, ProtocolError),
        ({"snapshot_id": "17"}, SnapshotNotFoundError),
        ({"name": "../x"}, CatalogError),
    ],
)
def test_hold_with_a_wrong_field_refuses(
    held: World, ana: Connection, change: dict[str, Any], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        ana.act("hold", {**ask(first(held)), **change})
    assert ana.act("holds", {"asset": ASSET})["holds"] == []


def test_hold_forbidden_for_a_purpose_is_refused(tmp_path: Any) -> None:
    world = make_world(tmp_path)
    try:
        forbid = """
@id("no-hold")
forbid (principal, action == Action::"hold", resource)
unless { context.purpose == "research" };
"""
        world.load("trials.wide", pa.table({"x": [1]}))
        world.apply(policies=POLICIES + HOLD + forbid)
        ana = world.connect("ana")
        asked = ask(first(world, "trials.wide"), "trials.wide")
        with pytest.raises(AccessDeniedError, match="no-hold"):
            ana.act("hold", {**asked, "purpose": "model_training"})
        ana.act("hold", {**asked, "purpose": "research"})
    finally:
        world.close()
