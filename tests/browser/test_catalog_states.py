"""The catalog panel when there is very much, very little room, or no gateway."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Route, expect

from jupyter_govdata.client.token import mint_embedded
from tests.browser.desk import MINUTE, Desk, desk
from tests.browser.lab import Lab
from tests.browser.team import Team
from tests.server.world import build

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

MANY, SPACES = 100_000, 200

KEYSTROKE = """async ([text, wanted]) => {
  const field = document.querySelector('#jp-govdata-catalog input[type=search]');
  const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set;
  const start = performance.now();
  set.call(field, text);
  field.dispatchEvent(new Event('input', { bubbles: true }));
  while (!document.querySelector(`#jp-govdata-catalog [data-govdata-asset="${wanted}"]`)) {
    if (performance.now() - start > 30000) { throw Error('the row never came'); }
    await new Promise(requestAnimationFrame);
  }
  return performance.now() - start;
}"""


def who(lake: Path) -> dict[str, str]:
    return {"GOVDATA_LAKE": str(lake), "GOVDATA_USER": "ana"}


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    made = Team(build(tmp_path_factory.mktemp("team")))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, team: Team) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("ana-of-a-team")
    token = folder / "token"
    token.write_text(mint_embedded(team.lake, "ana"))
    made = Lab(folder, {"GOVDATA_GATEWAY": team.address, "GOVDATA_TOKEN_FILE": str(token)})
    with made:
        yield made


@pytest.fixture(scope="module")
def seat(browser: Browser, lab: Lab) -> Iterator[Desk]:
    with desk(browser, lab) as made:
        made.browse()
        yield made


@pytest.fixture
def ana(seat: Desk) -> Iterator[Desk]:
    seat.tidy()
    yield seat
    seat.page.unroute_all()


def test_gateway_that_stops_is_told_and_its_return_is_noticed(ana: Desk, team: Team) -> None:
    expect(ana.row("trials.types")).to_be_visible()
    team.stop()
    try:
        ana.panel.get_by_role("button", name="Refresh").click()
        away = ana.panel.get_by_role("alert").first
        expect(away).to_contain_text("The gateway does not answer", timeout=2 * MINUTE)
        expect(ana.row("trials.types")).to_be_visible()
        ana.pictures("catalog-away")
    finally:
        team.start()
    expect(ana.panel.get_by_role("alert")).to_have_count(0, timeout=2 * MINUTE)
    ana.find.fill("types")
    expect(ana.tree.get_by_role("treeitem")).to_have_count(2)


def test_gateway_that_is_still_starting_is_waited_for(tmp_path: Path, browser: Browser) -> None:
    lake = build(tmp_path)
    with (lake / "run" / "start.lock").open("w") as somebody, Lab(tmp_path, who(lake)) as lab:
        fcntl.flock(somebody, fcntl.LOCK_EX)  # another kernel is starting it
        with desk(browser, lab) as ana:
            ana.begin()
            expect(ana.panel).to_contain_text("The gateway is starting")
            ana.pictures("catalog-starting")
            assert ana.violations("#jp-govdata-catalog") == []
            fcntl.flock(somebody, fcntl.LOCK_UN)
            expect(ana.row("trials.types")).to_be_visible(timeout=MINUTE)


def test_server_without_the_extension_says_how_to_switch_it_on(
    tmp_path: Path, browser: Browser, team: Team
) -> None:
    with Lab(tmp_path, who(team.lake), enabled=False) as lab, desk(browser, lab) as ana:
        ana.begin()
        told = ana.panel.get_by_role("alert").first
        expect(told).to_contain_text("jupyter server extension enable jupyter_govdata")
        ana.pictures("catalog-absent")
        assert ana.violations("#jp-govdata-catalog") == []


def test_narrow_panel_cuts_no_word(ana: Desk) -> None:
    ana.show("trials.patients")
    handle = ana.page.locator("#jp-main-split-panel > .lm-SplitPanel-handle:not(.lm-mod-hidden)")
    box = handle.first.bounding_box()
    side = ana.page.locator("#jp-left-stack").bounding_box()
    assert box and side
    ana.page.mouse.move(box["x"] + 2, box["y"] + 300)
    ana.page.mouse.down()
    ana.page.mouse.move(side["x"] + 242, box["y"] + 300, steps=4)
    ana.page.mouse.up()
    ana.pictures("catalog-narrow")
    too_wide = ana.page.evaluate(
        """() => [...document.querySelectorAll(
             '#jp-govdata-catalog button, #jp-govdata-catalog p, #jp-govdata-catalog label')]
           .filter(e => getComputedStyle(e).display !== 'inline')
           .filter(e => e.scrollWidth > e.clientWidth + 1)
           .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert too_wide == []


def many(route: Route) -> None:
    """Answer like a gateway with 100,000 assets: what is held here is the browser's side."""
    query = parse_qs(urlsplit(route.request.url).query)
    text = query.get("text", [""])[0]
    space = query.get("namespace", [""])[0]
    offset, limit = int(query["offset"][0]), int(query["limit"][0])
    each = 5 if text else MANY // SPACES
    names = [f"lab{s:03}" for s in range(SPACES)]
    wanted = [
        (name, i)
        for name in names
        if space in ("", name)
        for i in range(each)
        if not text or text in f"assay_{i:05}"
    ]
    counts = {name: sum(1 for n, _ in wanted if n == name) for name in names}
    answer = {
        "epoch": 1,
        "total": len(wanted),
        "namespaces": [{"name": n, "count": c} for n, c in counts.items() if c],
        "facets": {"modality": [], "tag": [], "owner": []},
        "assets": [
            {"name": f"{n}.assay_{i:05}", "kind": "table", "access": "all", "tags": {}}
            for n, i in wanted[offset : offset + limit]
        ],
    }
    route.fulfill(body=json.dumps(answer), content_type="application/json")


def test_hundred_thousand_assets_stay_light(ana: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    ana.page.route("**/jupyter_govdata/catalog?*", many)
    ana.panel.get_by_role("button", name="Refresh").click()
    expect(ana.panel.get_by_text("100,000 assets")).to_be_visible()
    # The first page holds nothing of it, and opening it moves no row that is in sight.
    ana.tree.get_by_role("treeitem", name="lab003").first.click()
    expect(ana.row("lab003.assay_00000")).to_be_visible()
    first = ana.tree.get_by_role("treeitem", name="lab000").first
    first.click()
    expect(ana.row("lab000.assay_00000")).to_be_visible()
    ana.tree.focus()
    ana.page.keyboard.press("End")
    ana.page.keyboard.press("ArrowRight")
    ana.page.keyboard.press("End")
    expect(ana.row("lab199.assay_00499")).to_be_visible()
    assert ana.tree.get_by_role("treeitem").count() < 100
    ana.pictures("catalog-hundred-thousand")
    spent = [
        ana.page.evaluate(KEYSTROKE, [text, wanted])
        for text, wanted in (
            ("assay_00001", "lab000.assay_00001"),
            ("assay_00002", "lab000.assay_00002"),
            ("assay_00003", "lab000.assay_00003"),
        )
    ]
    with capsys.disabled():
        told = ", ".join(f"{ms:.0f} ms" for ms in spent)
        print(f"\n100,000 assets, keystroke to rows in the browser, answers of the test: {told}")
