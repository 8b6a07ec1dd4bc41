"""The catalog panel as people use it: a real JupyterLab, gateway, kernel and browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from playwright.sync_api import Browser, expect

from jupyter_govdata.session import Session, connect
from tests.browser.desk import AXE, THEMES, Desk, desk
from tests.browser.lab import Lab
from tests.server.world import HIDDEN_WORDS, build

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

PARTS = ("#jp-govdata-catalog", ".jp-GovCatalog-wide")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def steward(lake: Path) -> Iterator[Session]:
    """The steward in a kernel of her own; keeps the gateway running for everybody."""
    with connect(lake, user="dina") as session:
        yield session


@pytest.fixture(scope="module")
def labs(
    tmp_path_factory: pytest.TempPathFactory, lake: Path, steward: Session
) -> Iterator[dict[str, Lab]]:
    """A JupyterLab for each of two people."""
    made = {
        who: Lab(tmp_path_factory.mktemp(who), {"GOVDATA_LAKE": str(lake), "GOVDATA_USER": who})
        for who in ("ana", "dina")
    }
    with made["ana"].launch(), made["dina"].launch():  # both at once
        yield made


@pytest.fixture(scope="module")
def seat(browser: Browser, labs: dict[str, Lab]) -> Iterator[Desk]:
    """One page for all tests of the module: loading JupyterLab takes longest."""
    with desk(browser, labs["ana"]) as made:
        made.browse()
        yield made


@pytest.fixture
def ana(seat: Desk) -> Desk:
    seat.tidy()
    return seat


def test_first_open_lists_what_one_may_see_and_how(ana: Desk) -> None:
    expect(ana.panel.get_by_text("Ana", exact=True)).to_be_visible()
    expect(ana.panel.get_by_text("advisory")).to_be_visible()
    expect(ana.row("trials.patients")).to_contain_text("masked")
    expect(ana.row("trials.asked")).to_contain_text("request")
    expect(ana.row("trials.types")).to_contain_text("all")
    ana.pictures("catalog-first-open")


def test_filter_finds_columns_and_says_so(ana: Desk) -> None:
    ana.find.fill("birth")
    expect(ana.tree.get_by_role("treeitem")).to_have_count(2)
    expect(ana.row("trials.patients")).to_contain_text("birth")
    ana.find.fill("no such thing")
    expect(ana.panel.get_by_text("Nothing found")).to_be_visible()
    ana.pictures("catalog-nothing-found")
    ana.panel.get_by_role("button", name="Clear all filters").click()
    expect(ana.row("trials.asked")).to_be_visible()
    ana.panel.get_by_label("I may read").check()
    expect(ana.row("trials.asked")).to_have_count(0)
    ana.panel.get_by_role("button", name="Filters").click()
    ana.panel.get_by_role("group", name="Modality").get_by_label("omics").check()
    expect(ana.tree.get_by_role("treeitem")).to_have_count(2)
    ana.pictures("catalog-facets")


def test_keyboard_alone_opens_columns_and_card(ana: Desk) -> None:
    ana.find.focus()
    ana.page.keyboard.press("ArrowDown")
    ana.page.keyboard.type("pat")
    ana.page.keyboard.press("ArrowRight")
    expect(ana.column("birth")).to_be_visible()
    ana.page.keyboard.press("ArrowDown")
    active = ana.tree.get_attribute("aria-activedescendant") or ""
    assert active.endswith("c:trials.patients:patient"), active
    ana.page.keyboard.press("ArrowLeft")
    ana.page.keyboard.press("Enter")
    expect(ana.card).to_be_visible()
    ana.page.keyboard.press("ArrowLeft")
    expect(ana.column("birth")).to_have_count(0)


def test_card_tells_masks_filter_and_policy_and_previews_governed_rows(ana: Desk) -> None:
    card = ana.show("trials.patients")
    seen = card.get_by_role("group", name="What I see")
    expect(seen).to_contain_text("clinical-rows")
    expect(card.locator(".jp-GovCatalog-masked").first).to_contain_text("pseudonym")
    card.get_by_text("Preview", exact=True).click()
    first = card.get_by_role("cell").first
    expect(first).to_contain_text("p_")
    ana.pictures("catalog-card-narrow")
    card.get_by_role("button", name="Open in a tab").click()
    expect(ana.wide.get_by_role("heading", name="Lineage")).to_be_visible()
    expect(ana.wide.get_by_role("columnheader").first).to_be_visible()
    ana.pictures("catalog-card-wide")


def test_inserted_query_runs_in_the_kernel(ana: Desk) -> None:
    ana.open("query.ipynb", "")
    ana.show("trials.types").get_by_role("button", name="Insert query").click()
    ana.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.content.widgets.length === 2"
    )
    assert ana.source(0) == "%load_ext jupyter_govdata"
    assert ana.source(1) == "%%govsql\nSELECT *\nFROM trials.types\nLIMIT 20"
    ana.run_all()
    assert "4611686018427387905" in ana.outputs()
    ana.pictures("catalog-query-ran")


def test_name_is_dragged_onto_a_cell(ana: Desk) -> None:
    ana.open("dragged.ipynb", "")
    ana.row("trials.types").drag_to(ana.page.locator(".jp-Cell .cm-content").first)
    ana.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.content.widgets[0]"
        ".model.sharedModel.getSource().includes('trials.types')"
    )


def test_version_is_pinned_compared_and_cited(ana: Desk, steward: Session) -> None:
    ana.open("pinned.ipynb", "")
    steward.load(pa.table({"n": pa.array([4], pa.int64())}), "trials.growing", mode="append")
    card = ana.show("trials.growing")
    ana.page.locator(".jp-Cell .cm-content").click()
    ana.page.keyboard.type("%%govsql\nSELECT * FROM trials.growing")
    card.get_by_text("Versions", exact=True).click()
    oldest = card.locator(".jp-GovCatalog-timeline > li").last
    oldest.get_by_role("button", name="Pin").click()
    ana.page.wait_for_function(
        "() => /FROM trials.growing AT \\(VERSION => [0-9]+\\)$/.test("
        "window.jupyterapp.shell.currentWidget"
        ".content.widgets[0].model.sharedModel.getSource())"
    )
    oldest.get_by_role("button", name="Compare").click()
    card.locator(".jp-GovCatalog-timeline > li").first.get_by_role("button").last.click()
    expect(card.get_by_role("region", name="Comparison")).to_contain_text("1 row added")
    ana.pictures("catalog-versions-compared")
    card.get_by_role("button", name="Cite").click()
    expect(ana.page.get_by_text("The citation is in the clipboard.")).to_be_visible()
    assert "trials.growing" in ana.page.evaluate("() => navigator.clipboard.readText()")


def test_purpose_changes_what_is_seen_and_survives_a_reload_at_once(ana: Desk) -> None:
    expect(ana.row("trials.patients")).to_contain_text("masked")
    ana.purpose("marketing")
    ana.page.reload()
    chosen = ana.panel.get_by_role("combobox", name="Purpose")
    expect(chosen).to_have_value("marketing")
    expect(ana.row("trials.patients")).to_contain_text("request")
    # It is the workspace's, too, which JupyterLab writes a while later.
    with ana.page.expect_request(
        lambda r: "/api/workspaces" in r.url and "model_training" in (r.post_data or "")
    ):
        ana.purpose("model_training")
    ana.page.evaluate("() => window.sessionStorage.clear()")
    ana.page.reload()
    expect(chosen).to_have_value("model_training")


def test_files_are_shown_as_small_pictures_where_they_are_pictures(ana: Desk) -> None:
    card = ana.show("trials.images")
    card.get_by_text("Files", exact=True).click()
    files = card.get_by_role("list", name="Files of trials.images")
    expect(files.get_by_role("listitem")).to_have_count(14)
    for tile in files.get_by_role("listitem").all():
        # Each is asked for when it comes into sight.
        tile.scroll_into_view_if_needed()
        expect(tile.locator("img, svg")).to_be_visible()
    for name in ("blue.png", "turned.jpg", "still.gif", "deep.tif", "slice.dcm"):
        picture = files.get_by_alt_text(f"Picture of {name}")
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("image => image.naturalWidth") > 50
    for name in ("markup.png", "page.jpg", "bomb.png"):
        expect(files.get_by_role("listitem").filter(has_text=name).locator("svg")).to_be_visible()
    expect(files.locator("img")).to_have_count(7)
    assert not ana.page.evaluate("() => Boolean(window.__ran)")
    files.get_by_alt_text("Picture of blue.png").scroll_into_view_if_needed()
    ana.pictures("catalog-files")
    assert ana.violations(*PARTS) == []


def test_refused_request_tells_why_and_may_be_asked_again(ana: Desk, steward: Session) -> None:
    card = ana.show("trials.asked")
    card.get_by_role("button", name="Request access").click()
    dialog = ana.page.get_by_role("dialog")
    dialog.get_by_label("Why you need it").fill("margins")
    dialog.get_by_role("button", name="Send request").click()
    expect(card.get_by_role("button", name="Requested")).to_be_disabled()
    (asked,) = steward.requests("inbox", state="open").requests
    steward.refuse(asked.id, reason="name the protocol <b>first</b>")
    expect(card.get_by_role("button", name="Request access")).to_be_enabled()
    ana.pictures("catalog-refused")
    ana.panel.get_by_role("tab", name="Requests").click()
    mine = ana.panel.get_by_role("region", name="My requests")
    expect(mine).to_contain_text("name the protocol <b>first</b>")
    expect(mine).to_contain_text("refused")
    ana.pictures("catalog-request-refused")
    assert ana.violations(*PARTS) == []


def test_request_is_approved_by_another_person_and_the_query_works(
    ana: Desk, browser: Browser, labs: dict[str, Lab]
) -> None:
    ana.open("asked.ipynb", "")
    ana.purpose("model_training")
    card = ana.show("trials.asked")
    card.get_by_role("button", name="Request access").click()
    dialog = ana.page.get_by_role("dialog")
    expect(dialog.get_by_role("combobox", name="Purpose")).to_have_value("model_training")
    dialog.get_by_label("Why you need it").fill("margins <img src=x onerror=alert(1)>")
    ana.pictures("catalog-request-dialog")
    dialog.get_by_role("button", name="Send request").click()
    expect(card.get_by_role("button", name="Requested")).to_be_disabled()
    expect(ana.row("trials.asked")).to_contain_text("requested")
    ana.pictures("catalog-requested")
    with desk(browser, labs["dina"]) as dina:
        dina.browse()
        dina.panel.get_by_role("tab", name="Requests").click()
        waiting = dina.panel.get_by_role("region", name="Waiting for your decision")
        expect(waiting).to_contain_text("margins <img")
        approve = waiting.get_by_role("button", name="Approve")
        expect(approve).to_be_disabled()
        waiting.get_by_label("Reason").fill("protocol 7")
        dina.pictures("catalog-inbox")
        approve.click()
        expect(waiting).to_have_count(0)
    told = "You have access to trials.asked for model_training."
    expect(ana.page.get_by_text(told)).to_be_visible()
    expect(ana.row("trials.asked")).not_to_contain_text("request")
    ana.panel.get_by_role("tab", name="Requests").click()
    expect(ana.panel.get_by_role("region", name="My requests")).to_contain_text("protocol 7")
    ana.pictures("catalog-request-approved")
    ana.command("govdata:insert-query", asset="trials.asked")
    ana.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.content.widgets.length === 2"
    )
    assert ana.source(1).startswith("%%govsql --purpose model_training\n")
    ana.run_all()
    expect(ana.page.locator(".jp-OutputArea-output").last).to_contain_text("3 rows · trials.asked")


def test_text_of_producers_stays_text_everywhere(ana: Desk) -> None:
    ana.page.evaluate("() => { window.alert = () => { window.__ran = true; }; }")
    card = ana.show("trials.evil")
    expect(card).to_contain_text("<img src=x onerror=alert(1)>")
    card.get_by_text("Preview", exact=True).click()
    expect(card.get_by_role("cell").first).to_contain_text("<img src=x onerror=alert(1)>")
    card.get_by_text("Lineage", exact=True).click()
    expect(card.locator(".jp-GovCatalog-drawing img, .jp-GovCatalog-notice").first).to_be_visible()
    ana.row("trials.evil").hover()
    ana.pictures("catalog-stored-xss")
    assert ana.panel.locator("img[src='x'], script").count() == 0
    assert not ana.page.evaluate("() => Boolean(window.__ran)")


def test_hidden_asset_is_in_no_answer(ana: Desk) -> None:
    for word in HIDDEN_WORDS:
        ana.find.fill(word)
        expect(ana.panel.get_by_text("Nothing found")).to_be_visible()
    ana.find.fill("")
    ana.show("trials.types")
    ana.command("govdata:open-asset", asset="unseen.assay")
    expect(ana.page.get_by_text("Nothing to see", exact=True)).to_be_visible()
    said = ana.bodies().casefold()
    assert "trials.types" in said
    assert not [word for word in HIDDEN_WORDS if word in said]


def test_axe_finds_nothing_in_any_theme(ana: Desk) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: run `make lab`")
    ana.show("trials.patients").get_by_text("Preview", exact=True).click()
    expect(ana.card.get_by_role("cell").first).to_be_visible()
    ana.command("govdata:open-asset", asset="trials.patients")
    expect(ana.wide.get_by_role("cell").first).to_be_visible()
    for theme in THEMES:
        ana.theme(theme)
        ana.picture(f"catalog-card-{theme}")
        assert ana.violations(*PARTS) == [], theme
    ana.panel.get_by_role("tab", name="Requests").click()
    ana.panel.get_by_role("region", name="My requests").wait_for()
    for theme in THEMES:
        ana.theme(theme)
        ana.picture(f"catalog-requests-{theme}")
        assert ana.violations(*PARTS) == [], theme
