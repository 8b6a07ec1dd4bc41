"""A scientist's way through the notebook panel, in a real JupyterLab with real kernels."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Locator, expect

from jupyter_govdata.session import Session
from jupyter_govdata.stamps.folding import fold_stamps
from tests.browser.desk import MINUTE, Desk
from tests.browser.world import COUNT, LOAD, WIDE, wide

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

SEEN_MASKED = """async code => {
  const { kernel } = window.jupyterapp.shell.currentWidget.context.sessionContext.session;
  const reply = await kernel.requestComplete({ code, cursor_pos: code.length });
  return JSON.stringify(reply.content).includes('masked');
}"""
"""Whether the kernel proposes what the code ends with, and says how one sees it."""
OURS = (".jp-govdata-notebook", ".jp-govdata-stamp", ".jp-govdata-status")


def cell_button(panel: Locator, label: str) -> Locator:
    return panel.locator("button.jp-govdata-nb-cell", has_text=label)


def test_query_leaves_a_badge_that_unfolds_by_keyboard(desk: Desk) -> None:
    desk.open("badge.ipynb", LOAD, COUNT)
    desk.run_all()
    badge = desk.page.locator(".jp-govdata-stamp summary")
    expect(badge).to_contain_text("trials.patients")
    expect(badge).to_contain_text("for research")
    expect(badge).to_contain_text("advisory")
    badge.focus()
    desk.page.keyboard.press("Enter")
    facts = desk.page.locator(".jp-govdata-stamp")
    expect(facts).to_contain_text("some rows are filtered out")
    expect(facts).to_contain_text("masked: birth, patient")
    (receipt,) = desk.save()["cells"][1]["metadata"]["jupyter_govdata"]["stamps"][0]["receipts"]
    for told in (receipt["snapshot_id"], receipt["decision_id"], receipt["key_id"]):
        expect(facts).to_contain_text(told)
    desk.pictures("notebook-badge")
    assert desk.violations(".jp-govdata-stamp") == []


def test_metadata_is_folded_while_editing_as_python_folds_the_file(desk: Desk) -> None:
    desk.open("folded.ipynb", LOAD, COUNT, WIDE)
    desk.run_all()
    desk.page.wait_for_function(
        "() => Object.keys(window.jupyterapp.shell.currentWidget.model"
        ".getMetadata('jupyter_govdata')?.cells ?? {}).length === 2"
    )
    open_now = desk.metadata()
    saved = desk.save()
    assert saved["metadata"]["jupyter_govdata"] == open_now == desk.metadata()
    assert not fold_stamps(saved)

    desk.command("notebook:clear-all-cell-outputs")
    desk.page.wait_for_function(
        "() => Object.values(window.jupyterapp.shell.currentWidget.model"
        ".getMetadata('jupyter_govdata').cells).every(c => c.state === 'kept')"
    )
    cleared = desk.metadata()
    saved = desk.save()
    assert [c["outputs"] for c in saved["cells"]] == [[], [], []]
    assert saved["metadata"]["jupyter_govdata"] == cleared
    assert not fold_stamps(saved)
    assert cleared["pins"] == open_now["pins"]


def test_opened_notebook_is_not_changed_by_looking(desk: Desk) -> None:
    desk.open("looked.ipynb", LOAD, COUNT)
    desk.run_all()
    desk.save()
    desk.reopen("looked.ipynb")
    expect(desk.page.locator(".jp-govdata-stamp summary")).to_be_visible(timeout=2 * MINUTE)
    panel = desk.notebook_panel()
    expect(panel.get_by_role("region", name="Data", exact=True)).to_contain_text("newest")
    assert not desk.page.evaluate("() => window.jupyterapp.shell.currentWidget.model.dirty")


def test_panel_lists_pins_and_says_when_data_is_newer(desk: Desk, dina: Session) -> None:
    desk.open("pins.ipynb", LOAD, COUNT, WIDE)
    panel = desk.notebook_panel()
    expect(panel).to_contain_text("No cell of this notebook has a stamp yet")
    desk.pictures("notebook-empty")
    desk.run_all()
    data = panel.get_by_role("region", name="Data", exact=True)
    expect(data.get_by_role("listitem").filter(has_text="trials.wide")).to_contain_text("newest")
    pins = desk.metadata()["pins"]["assets"]
    expect(data).to_contain_text(pins["trials.patients"])
    wide(dina, 40)
    panel.get_by_role("button", name="Look again").click()
    stale = data.get_by_role("listitem").filter(has_text="trials.wide")
    expect(stale).to_contain_text("1 newer snapshot")
    expect(stale).to_contain_text(pins["trials.wide"])
    current = data.get_by_role("listitem").filter(has_text="trials.patients")
    expect(current).to_contain_text("newest")
    desk.pictures("notebook-stale")
    assert desk.violations(*OURS) == []


def test_click_leads_to_the_cell(desk: Desk) -> None:
    filling = ["\n".join(["# a line"] * 8) for _ in range(30)]
    desk.open("far.ipynb", LOAD, *filling, COUNT)
    desk.run_cell(0)
    desk.run_cell(31)
    panel = desk.notebook_panel()
    desk.page.evaluate(
        "() => { const c = window.jupyterapp.shell.currentWidget.content;"
        " c.activeCellIndex = 0; void c.scrollToItem(0); }"
    )
    stamped = desk.page.locator(".jp-Notebook .jp-Cell", has_text="GROUP BY study")
    expect(stamped).not_to_be_in_viewport()
    cell_button(panel, "Cell 32").click()
    expect(stamped).to_be_in_viewport()
    assert (
        desk.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.activeCellIndex")
        == 31
    )


def test_rerun_on_the_pinned_data_is_identical_and_on_the_newest_different(
    desk: Desk, dina: Session
) -> None:
    desk.open("again.ipynb", LOAD, COUNT, WIDE)
    desk.run_all()
    panel = desk.notebook_panel()
    wide(dina, 500)
    panel.get_by_role("button", name="Rerun pinned").click()
    expect(panel.get_by_role("button", name="Stop")).to_be_visible()
    expect(panel).to_contain_text("Identical: all 2 results", timeout=3 * MINUTE)
    desk.pictures("notebook-identical")
    written = json.loads((desk.lab.root / "again.rerun.ipynb").read_text("utf-8"))
    source = json.loads((desk.lab.root / "again.ipynb").read_text("utf-8"))
    pins = [nb["metadata"]["jupyter_govdata"]["pins"] for nb in (written, source)]
    assert pins[0] == pins[1]

    panel.get_by_role("button", name="Rerun newest").click()
    expect(panel).to_contain_text("Different: 1 of 2 results", timeout=3 * MINUTE)
    expect(panel).to_contain_text("another snapshot was read")
    desk.pictures("notebook-different")
    assert desk.violations(*OURS) == []
    panel.get_by_role("button", name="Open again.rerun.ipynb").click()
    expect(desk.page.get_by_role("tab", name="again.rerun.ipynb")).to_be_visible()


def test_work_can_be_stopped(desk: Desk) -> None:
    slow = "import threading; threading.Event().wait(0 if 'go' in globals() else 600)"
    desk.open("slow.ipynb", LOAD, COUNT, "go = 1", slow)
    for place in range(4):
        desk.run_cell(place)
    desk.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.model.cells.get(2)"
        ".sharedModel.setSource('pass')"
    )
    panel = desk.notebook_panel()
    panel.get_by_role("button", name="Rerun pinned").click()
    stop = panel.get_by_role("button", name="Stop")
    expect(stop).to_be_enabled()
    desk.pictures("notebook-running")
    stop.click()
    expect(panel).to_contain_text("Stopped", timeout=2 * MINUTE)
    expect(panel.get_by_role("button", name="Rerun pinned")).to_be_enabled()


def test_verify_hold_and_export(desk: Desk, dina: Session) -> None:
    desk.open("paper.ipynb", LOAD, COUNT)
    desk.run_all()
    panel = desk.notebook_panel()
    expect(cell_button(panel, "Cell 2")).to_contain_text("intact")
    panel.get_by_role("button", name="Verify").click()
    expect(panel).to_contain_text("Identical: the result came out", timeout=3 * MINUTE)
    expect(cell_button(panel, "Cell 2")).to_contain_text("exactly reproduced")

    panel.get_by_role("button", name="Hold…").click()
    dialog = desk.page.get_by_role("dialog")
    dialog.get_by_label("Name of the hold").fill("paper-2026")
    desk.pictures("notebook-hold")
    dialog.get_by_role("button", name="Hold").click()
    expect(desk.page.locator(".Toastify__toast")).to_contain_text("1 snapshot is held")

    panel.get_by_role("button", name="Export…").click()
    desk.page.get_by_role("dialog").get_by_role("button", name="Export").click()
    expect(panel.get_by_role("button", name="Open paper.ro-crate")).to_be_visible(timeout=MINUTE)
    assert (desk.lab.root / "paper.ro-crate" / "ro-crate-metadata.json").exists()
    desk.pictures("notebook-exported")


def test_purpose_of_the_status_bar_changes_the_next_query(desk: Desk) -> None:
    desk.open("purpose.ipynb", LOAD, COUNT)
    desk.run_all()
    result = desk.page.locator(".jp-OutputArea-executeResult")
    expect(result).to_contain_text("S1")
    status = desk.page.locator(".jp-govdata-status button")
    expect(status).to_contain_text("ana · research · advisory")
    status.click()
    desk.pictures("notebook-purposes")
    desk.page.get_by_role("menuitem", name="model_training").click()
    expect(status).to_contain_text("model_training")
    expect(desk.page.locator(".Toastify__toast")).to_contain_text(
        "ran `%govdata purpose model_training`"
    )
    desk.run_cell(1)
    expect(result).to_contain_text("S3")
    expect(desk.page.locator(".jp-govdata-stamp summary")).to_contain_text("for model_training")
    status.click()
    desk.page.get_by_role("menuitem", name="research").click()
    expect(status).to_contain_text("ana · research")


def test_long_query_shows_progress_and_stops_by_the_button(desk: Desk) -> None:
    endless = "%%govsql\nSELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b"
    desk.open("long.ipynb", LOAD, f"{endless}, trials.wide")
    desk.run_cell(0)
    desk.page.evaluate(
        "() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1; }"
    )
    desk.command("notebook:run-cell")
    expect(desk.page.locator(".jp-Notebook")).to_contain_text("running for")
    desk.pictures("notebook-progress")
    desk.page.get_by_role("button", name="Interrupt the kernel").click()
    badge = desk.page.locator(".jp-govdata-stamp summary")
    expect(badge).to_contain_text("interrupted")
    expect(desk.page.locator(".jp-Notebook")).not_to_contain_text("running for")
    expect(desk.notebook_panel()).to_contain_text("the query was interrupted")
    desk.pictures("notebook-interrupted")


def test_tab_completes_assets_in_a_query(desk: Desk) -> None:
    desk.open("tab.ipynb", LOAD, COUNT, "%%govsql\nSELECT * FROM trials.pa")
    desk.run_cell(0)
    desk.run_cell(1)
    editor = desk.page.locator(".jp-Notebook .jp-Cell").nth(2).locator(".cm-content")
    editor.click()
    desk.page.keyboard.press("Control+End")
    # Until the session knows how one sees them, it proposes names alone.
    desk.page.wait_for_function(SEEN_MASKED, arg="%%govsql\nSELECT * FROM trials.pa")
    desk.page.keyboard.press("Tab")
    proposed = desk.page.locator(".jp-Completer")
    expect(proposed).to_contain_text("masked")
    expect(proposed.locator(".jp-mod-active")).to_contain_text("patients")
    desk.page.keyboard.press("Enter")
    expect(editor).to_contain_text("trials.patients")
