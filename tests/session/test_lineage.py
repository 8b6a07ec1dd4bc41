"""What a load was made from: proved by receipts, declared by names, and never made up."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from jupyter_govdata.errors import LoadError, NotVisibleError, ProtocolError
from jupyter_govdata.model.browsing import LineageEdge
from jupyter_govdata.query.made_from import receipts_behind, remember
from jupyter_govdata.session import Session, connect
from tests.gateway.world import World, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    found = make_world(tmp_path_factory.mktemp("lineage"))
    found.load("trials.wide", pa.table({"x": [1, 2, 3]}))
    yield found
    found.close()


@pytest.fixture
def dina(world: World) -> Iterator[Session]:
    with connect(world.lake, user="dina") as session:
        yield session


def into(session: Session, asset: str) -> list[LineageEdge]:
    return [edge for edge in session.lineage(asset).edges if edge.target == asset]


def test_loaded_result_keeps_the_versions_that_it_read(dina: Session) -> None:
    result = dina.sql("SELECT patient, age FROM trials.patients WHERE age > 30")
    made = dina.load(result, "trials.elder")
    (edge,) = into(dina, "trials.elder")
    assert edge.origin == "trials.patients"
    assert edge.proof == "receipt"
    assert edge.snapshot_id == made.snapshot_id
    assert edge.origin_snapshot_id == result.receipts[0].snapshot_id
    assert edge.by == "dina"
    upstream = dina.lineage("trials.patients")
    assert "trials.elder" in [node.name for node in upstream.nodes]


@pytest.mark.parametrize("form", ["df", "pl", "arrow"])
def test_frame_of_a_result_is_known_by_itself_and_a_computed_one_by_inputs(
    dina: Session, form: str
) -> None:
    result = dina.sql("SELECT x FROM trials.wide")
    frame = getattr(result, form)()
    dina.load(frame, f"trials.frame_{form}")
    assert [e.proof for e in into(dina, f"trials.frame_{form}")] == ["receipt"]
    computed = pd.DataFrame({"total": [sum(result.df()["x"])]})
    assert receipts_behind(computed) == ()
    dina.load(computed, f"trials.computed_{form}", inputs=[result, "trials.patients"])
    assert {(e.origin, e.proof) for e in into(dina, f"trials.computed_{form}")} == {
        ("trials.wide", "receipt"),
        ("trials.patients", "declared"),
    }


def test_file_load_shows_its_source_to_those_who_see_all_rows(
    dina: Session, tmp_path: Path
) -> None:
    path = tmp_path / "delivery.csv"
    path.write_text("a,b\n1,2\n")
    dina.load(path, "trials.delivered")
    (edge,) = into(dina, "trials.delivered")
    assert edge.origin == f"source:{path}"
    assert edge.proof == "load"


@pytest.mark.parametrize(
    "change",
    [
        {"asset": "trials.hidden"},
        {"snapshot_id": 5},
        {"principal": "ana"},
        {"signature": ""},
        {"signature": "AAAA"},
        {"key_id": "0000000000000000"},
    ],
)
def test_receipt_that_the_lake_did_not_sign_loads_nothing(
    dina: Session, change: dict[str, object]
) -> None:
    receipt = dina.sql("SELECT x FROM trials.wide LIMIT 1").receipts[0]
    table = pa.table({"z": [1]})
    remember(table, (dataclasses.replace(receipt, **change),))  # type: ignore[arg-type]
    with pytest.raises(ProtocolError, match="not signed by this lake"):
        dina.load(table, "trials.forged")
    assert "trials.forged" not in dina.names()


def test_receipt_of_another_principal_proves_nothing(dina: Session, world: World) -> None:
    with connect(world.lake, user="nobody") as other:
        theirs = other.sql("SELECT x FROM trials.wide")
        table = theirs.arrow()
        assert theirs.receipts[0].principal == "nobody"
    with pytest.raises(ProtocolError, match="for you"):
        dina.load(table, "trials.borrowed")


def test_declared_input_has_to_be_visible(dina: Session, world: World) -> None:
    with pytest.raises(NotVisibleError):
        dina.load(pa.table({"z": [1]}), "trials.claimed", inputs=["trials.nothere"])
    assert "trials.claimed" not in dina.names()


def test_unknown_input_is_refused_before_anything_is_sent(dina: Session) -> None:
    with pytest.raises(LoadError, match="governed query"):
        dina.load(pa.table({"z": [1]}), "trials.claimed", inputs=[pd.DataFrame({"a": [1]})])
