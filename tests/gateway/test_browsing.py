"""Browsing by somebody from whom things are hidden: they are in no answer of any kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from jupyter_govdata.errors import NotVisibleError, ProtocolError, PurposeError
from jupyter_govdata.ledger import Origin
from jupyter_govdata.model.browsing import CatalogPage, Lineage
from jupyter_govdata.model.wire_browsing import catalog_page_from_wire, lineage_from_wire
from tests.gateway.world import CARDS, PATIENTS, TAGS, World, make_world

MORE_TAGS = TAGS + "  modality: {scope: [asset]}\n  study: {scope: [asset]}\n"
MORE_CARDS = CARDS.replace(
    "description: Nobody else may know.",
    "description: Nobody else may know.\n    tags: {modality: unheard, study: X9}",
).replace(
    "description: Patients of two studies.",
    "description: Patients of two studies.\n    tags: {modality: clinical, study: S1}",
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    found = make_world(tmp_path_factory.mktemp("browsing"))
    found.load("trials.wide", pa.table({"x": [1], "note": ["n"]}))
    found.apply(tags=MORE_TAGS, cards=MORE_CARDS)
    yield found
    found.close()


def browse(world: World, user: str, **ask: Any) -> CatalogPage:
    return catalog_page_from_wire(world.connect(user).act("browse", ask))


def names(page: CatalogPage) -> list[str]:
    return [asset.name for asset in page.assets]


def test_browse_without_text_counts_what_is_visible_only(world: World) -> None:
    page = browse(world, "ana")
    assert names(page) == ["trials.patients", "trials.wide"]
    assert [(n.name, n.count) for n in page.namespaces] == [("trials", 2)]
    assert [(f.value, f.count) for f in page.facets["modality"]] == [("clinical", 1)]
    assert [(f.value, f.count) for f in page.facets["tag"]] == [("study=S1", 1)]
    assert [(f.value, f.count) for f in page.facets["owner"]] == [("dina", 2)]
    whole = browse(world, "dina")
    assert whole.total == 4
    assert {f.value for f in whole.facets["modality"]} == {"clinical", "unheard"}


@pytest.mark.attack("T73", surface="flight")
@pytest.mark.parametrize("text", ["hidden", "unheard", "X9", "know", "secret", "free text"])
def test_word_of_something_hidden_finds_nothing(world: World, text: str) -> None:
    page = browse(world, "ana", text=text)
    assert page.total == 0
    assert page.assets == ()
    assert page.namespaces == ()
    assert not any(page.facets.values())
    assert browse(world, "dina", text=text).total == 1


@pytest.mark.attack("T72", "T73", surface="flight")
def test_answers_hold_no_hidden_name_whatever_is_asked(world: World) -> None:
    ana = world.connect("ana")
    asked = [
        ("browse", {}),
        ("browse", {"text": "t"}),
        ("browse", {"readable": True, "limit": 500}),
        ("browse", {"modality": ["unheard"]}),
        ("browse", {"tag": ["study=X9"]}),
        ("browse", {"namespace": "governance"}),
        ("ls", {}),
        ("names", {}),
        ("search", {"text": ""}),
        ("view", {"asset": "trials.patients"}),
        ("versions", {"asset": "trials.patients"}),
        ("lineage", {"asset": "trials.patients", "depth": 10}),
        ("citation", {"asset": "trials.patients"}),
    ]
    for action, data in asked:
        answer = json.dumps(ana.act(action, data))
        for word in ("hidden", "secret", "unheard", "X9", "governance"):
            assert word not in answer, (action, data, word)


def test_matched_columns_are_the_visible_ones_that_hold_a_word(world: World) -> None:
    (found,) = browse(world, "ana", text="birth").assets
    assert found.matched == ("birth",)
    assert found.access == "masked"
    (named,) = browse(world, "ana", text="wide note").assets
    assert named.matched == ("note",)


def test_readable_keeps_what_select_permits(world: World) -> None:
    assert names(browse(world, "miko", readable=True)) == ["trials.patients", "trials.wide"]
    ana = browse(world, "ana", readable=True, purpose="model_training")
    assert names(ana) == ["trials.wide"]
    (closed,) = browse(world, "ana", text="patients", purpose="model_training").assets
    assert closed.access == "none"
    assert browse(world, "ana", text="birth", purpose="model_training").total == 0
    assert names(browse(world, "nobody", readable=True)) == ["trials.wide"]


def test_facets_narrow_and_leave_their_own_choice_out_of_their_counts(world: World) -> None:
    page = browse(world, "dina", modality=["clinical"])
    assert names(page) == ["trials.patients"]
    assert {(f.value, f.count) for f in page.facets["modality"]} == {
        ("clinical", 1),
        ("unheard", 1),
    }
    assert [(f.value, f.count) for f in page.facets["tag"]] == [("study=S1", 1)]
    both = browse(world, "dina", tag=["study=S1", "study=X9"])
    assert both.total == 0


def test_pages_follow_each_other_and_names_that_match_come_first(world: World) -> None:
    everything = names(browse(world, "dina"))
    paged = [names(browse(world, "dina", offset=i, limit=1)) for i in range(4)]
    assert [name for (name,) in paged] == everything
    assert names(browse(world, "dina", text="patient"))[0] == "trials.patients"
    grouped = names(browse(world, "dina", text="patient", grouped=True))
    assert [n.partition(".")[0] for n in grouped] == sorted(n.partition(".")[0] for n in grouped)


@pytest.mark.parametrize(
    "ask",
    [
        {"limit": 501},
        {"limit": -1},
        {"offset": True},
        {"text": 1},
        {"tag": "study"},
        {"modality": [1]},
        {"readable": "yes"},
        {"grouped": 1},
        {"text": "x" * 501},
    ],
)
def test_malformed_question_is_refused(world: World, ask: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        world.connect("ana").act("browse", ask)


def test_unknown_purpose_is_refused(world: World) -> None:
    with pytest.raises(PurposeError):
        world.connect("ana").act("browse", {"purpose": "fun"})


@pytest.mark.attack("T72", surface="flight")
@pytest.mark.parametrize("action", ["lineage", "citation", "versions", "compare_versions"])
def test_hidden_asset_is_answered_as_a_missing_one(world: World, action: str) -> None:
    ana = world.connect("ana")
    told = []
    for asset in ("trials.hidden", "trials.nothere"):
        with pytest.raises(NotVisibleError) as caught:
            ana.act(action, {"asset": asset, "from": "1", "to": "2"})
        told.append(str(caught.value).replace(asset, "…"))
    assert told[0] == told[1]


def test_new_epoch_changes_what_browse_finds_at_once(tmp_path_factory: Any) -> None:
    world = make_world(tmp_path_factory.mktemp("epochs"))
    try:
        assert browse(world, "ana").total == 2
        world.load("trials.hidden", pa.table({"x": [4]}), mode="append")
        world.load("trials.fresh", PATIENTS.select(["age"]))
        assert "trials.fresh" in names(browse(world, "dina", text="fresh"))
        assert names(browse(world, "ana")) == ["trials.patients", "trials.wide"]
        world.gateway.ledger.drop_card("trials.wide", "dina")
        assert names(browse(world, "ana")) == ["trials.patients"]
        assert browse(world, "ana", text="wide").total == 0
    finally:
        world.close()


def test_versions_tell_changes_of_visible_columns_only(tmp_path_factory: Any) -> None:
    world = make_world(tmp_path_factory.mktemp("versions"))
    try:
        first = world.gateway.catalog.versions("trials.patients")[0].snapshot_id
        loading = world.gateway.loading
        loading.rename_column("dina", "trials.patients", "age", "years")
        loading.rename_column("dina", "trials.patients", "secret", "classified")
        dina, ana = world.connect("dina"), world.connect("ana")
        whole = dina.act("versions", {"asset": "trials.patients", "offset": 0, "limit": 2})
        assert whole["total"] == 3
        assert [v["schema"] for v in whole["versions"]] == [
            [{"column": "classified", "change": "renamed", "from": "secret", "to": "classified"}],
            [{"column": "years", "change": "renamed", "from": "age", "to": "years"}],
        ]
        ask = {"asset": "trials.patients", "from": str(first)}
        newest = whole["versions"][0]["snapshot_id"]
        assert isinstance(newest, str)
        compared = ana.act("compare_versions", {**ask, "to": newest})
        assert [c["column"] for c in compared["schema"]] == ["years"]
        assert compared["added_rows"] is None
        assert dina.act("compare_versions", {**ask, "to": newest})["added_rows"] == 0
        assert "secret" not in json.dumps(ana.act("versions", {"asset": "trials.patients"}))
    finally:
        world.close()


def lineage(world: World, user: str, asset: str, depth: int = 3) -> Lineage:
    return lineage_from_wire(world.connect(user).act("lineage", {"asset": asset, "depth": depth}))


@pytest.mark.attack("T72", surface="flight")
def test_hidden_neighbour_leaves_no_trace_and_is_no_bridge(world: World) -> None:
    """patients -> hidden -> wide: who may not see the middle sees two assets by themselves."""
    edges = world.gateway.ledger.lineage
    edges.record("trials.hidden", 7, [Origin("trials.patients", 5, "receipt")], "dina")
    edges.record("trials.wide", 9, [Origin("trials.hidden", 7, "declared")], "dina")
    whole = lineage(world, "dina", "trials.patients")
    assert [n.name for n in whole.nodes] == ["trials.patients", "trials.hidden", "trials.wide"]
    assert {(e.origin, e.target, e.proof) for e in whole.edges} == {
        ("trials.patients", "trials.hidden", "receipt"),
        ("trials.hidden", "trials.wide", "declared"),
    }
    assert not lineage(world, "dina", "trials.patients", depth=1).complete
    for asset in ("trials.patients", "trials.wide"):
        for depth in (1, 10):
            seen = lineage(world, "ana", asset, depth)
            assert [n.name for n in seen.nodes] == [asset]
            assert seen.edges == ()
            assert seen.complete
